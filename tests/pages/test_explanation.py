from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from browser import browser_with
from gif_files import draw_broken_gif, draw_gif
from gifdesc.captions import Caption, Word
from gifdesc.errors import GifdescError, UsageError
from gifdesc.pages.explanation import check_explanation_path, write_explanation


def caption_of(path, text="a red ball", num_frames=4, *, weights=True, **more):
    """As from `Captioner`: the n-th word attended to the n-th frame."""
    rest = 0.1 / (num_frames - 1)
    rows = [
        tuple(0.9 if frame == place % num_frames else rest for frame in range(num_frames))
        for place in range(len(text.split()))
    ]
    words = tuple(
        Word(word, -0.5, row if weights else None)
        for word, row in zip(text.split(), rows, strict=True)
    )
    frames = tuple(range(num_frames))
    return Caption(str(path), caption=text, sampled_frames=frames, words=words, **more)


@pytest.fixture
def gif(tmp_path):
    return draw_gif(tmp_path / "a.gif", 6, durations_ms=250)


def text_of(captions, tmp_path, **more):
    path = tmp_path / "page.html"
    write_explanation(captions, path, **more)
    return path.read_text(encoding="utf-8")


def test_a_page_shows_every_word_with_every_frame(tmp_path, gif):
    path = tmp_path / "page.html"
    write_explanation([caption_of(gif)], path)
    with browser_with(path) as page:
        assert page.locator("h2").all_inner_texts() == ["a red ball"]
        assert page.get_by_role("img", name="a red ball").count() == 1
        rows = page.locator("tbody tr")
        cells = [rows.nth(place).locator("th, td").all_text_contents() for place in range(3)]
        assert cells[0] == ["a", "61 %", "90 %", "3 %", "3 %", "3 %"]
        assert [row[0] for row in cells] == ["a", "red", "ball"]
        assert [row.index("90 %") for row in cells] == [2, 3, 4]
        heads = page.locator("thead th").all_text_contents()
        assert heads[:2] == ["word", "probability"]
        assert heads[2:] == [f"frame {n + 1}, {n / 4:.2f} s" for n in range(4)]
        grounds = [
            rows.first.locator("td").nth(place).evaluate("one => getComputedStyle(one).background")
            for place in (1, 2)
        ]
        assert grounds[0] != grounds[1]


def test_many_frames_take_several_rows_of_one_scale(tmp_path):
    long = draw_gif(tmp_path / "long.gif", 12)
    short = draw_gif(tmp_path / "short.gif", 2)
    sure = Caption(
        str(short),
        caption="a dog",
        sampled_frames=(0, 1),
        words=(Word("a", -0.1, (1.0, 0.0)), Word("dog", -0.1, (0.996, 0.004))),
    )
    path = tmp_path / "page.html"
    write_explanation([caption_of(long, num_frames=12), sure], path)
    with browser_with(path, viewport={"width": 1280, "height": 800}) as page:
        tables = page.locator("table")
        widths = [tables.nth(n).locator(".strip").bounding_box()["width"] for n in range(3)]
        frame = widths[0] / 8
        assert frame > 110
        assert [round(width / frame) for width in widths] == [8, 4, 2]
        regions = page.get_by_role("region")
        assert regions.nth(1).get_attribute("aria-label") == "Frames 9 to 12 of caption 1"
        assert "0 %" in page.locator(".scale").inner_text()
        assert "100 %, on the whole page" in page.locator(".scale").inner_text()
        heats = page.locator("td[style]").evaluate_all(
            "all => all.map(one => Number(one.style.getPropertyValue('--heat')))"
        )
        assert max(heats) == 1
        assert heats.count(0.9) == 3
        assert tables.nth(2).locator("tbody td:not(.sure):not([style])").all_inner_texts() == [
            "0 %",
            "0 %",
        ]


def test_nothing_covers_the_frames_of_a_printed_page(tmp_path, gif):
    """PDFs draw the gradient between the frames as a white field over them."""
    path = tmp_path / "page.html"
    write_explanation([caption_of(gif)], path)
    with browser_with(path, viewport={"width": 700, "height": 900}) as page:
        page.emulate_media(media="print")
        cover = "one => getComputedStyle(one, '::after').display"
        assert page.locator(".lined").evaluate(cover) == "none"
        table, window = page.locator("table").bounding_box(), 700
        assert table["x"] + table["width"] <= window  # nothing is cut off, for nothing scrolls


@pytest.mark.parametrize("width", [390, 768])
def test_a_word_is_never_broken(tmp_path, gif, width):
    path = tmp_path / "page.html"
    write_explanation([caption_of(gif, "an extraordinarily red ball")], path)
    with browser_with(path, viewport={"width": width, "height": 800}) as page:
        heights = page.locator("tbody th").evaluate_all("all => all.map(one => one.offsetHeight)")
        assert len(set(heights)) == 1
        word = page.locator("tbody th").nth(1)
        assert word.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_doubtful_captions_are_marked(tmp_path, gif):
    doubtful = caption_of(gif, "a cat", low_confidence=True, doubts=("it <is> short", "a reason"))
    text = text_of([caption_of(gif), doubtful], tmp_path)
    assert text.count("Low confidence: ") == 1
    mark = text.index("Low confidence: it &lt;is&gt; short, a reason")
    assert text.index("a red ball</h2>") < text.index("a cat</h2>") < mark


@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_of_many_fits_any_width_and_names_failures(tmp_path, gif, width):
    gone = tmp_path / "gone.gif"
    broken = draw_broken_gif(tmp_path / "broken.gif")
    nasty = "<script>alert(1)</script> " + "W" * 10_000 + " \u0631\u062c\u0644 \x00"
    captions = [
        caption_of(gif, nasty),
        caption_of(gone),
        caption_of(broken),
        Caption("bad.gif", error="not a GIF (it starts like a PNG)"),
        caption_of(gif, weights=False),
        caption_of(gif, num_frames=4, score=-0.1),
    ]
    path = tmp_path / "page.html"
    write_explanation(captions, path)
    with browser_with(path, viewport={"width": width, "height": 800}) as page:
        assert page.locator("article").count() == 6
        missing = page.locator(".missing").all_inner_texts()
        assert [one[:9] for one in missing] == ["no such f", "not a GIF", "not a GIF"]
        assert page.get_by_text("This model does not weigh single frames").count() == 1
        assert page.locator("table").count() == 2
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_gif_that_changed_is_not_matched_with_old_weights(tmp_path, gif):
    assert "fewer frames than before" in text_of([caption_of(gif, num_frames=9)], tmp_path)


def test_the_bytes_of_a_gif_may_come_from_elsewhere(tmp_path, gif):
    given = caption_of("-")
    text = text_of([given], tmp_path, source=lambda _: gif.read_bytes())
    assert "data:image/webp" in text
    write_explanation([given], tmp_path / "strip.png", source=lambda _: gif.read_bytes())
    assert (tmp_path / "strip.png").is_file()


def test_a_picture_shows_one_gif_or_several(tmp_path, gif):
    heights = []
    for count in (1, 3):
        path = tmp_path / f"{count}.png"
        write_explanation([caption_of(gif)] * count, path)
        with Image.open(path) as picture:
            assert picture.format == "PNG"
            heights.append(picture.height)
    assert heights[1] == 3 * heights[0]


def test_a_picture_leaves_out_broken_gifs(tmp_path, gif):
    bad = Caption("bad.gif", error="not a GIF")
    gone = caption_of(tmp_path / "gone.gif")
    for name, captions in (("all", [bad, caption_of(gif), gone]), ("one", [caption_of(gif)])):
        write_explanation(captions, tmp_path / f"{name}.png")
    pictures = [np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("all", "one")]
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize(
    ("captions", "problem"),
    [
        ([], "no GIF has a caption"),
        ([Caption("bad.gif", error="not a GIF")], "no GIF has a caption"),
        ([caption_of("gone.gif")], "gone.gif: no such file"),
        ([caption_of("x.gif")] * 21, "21 GIFs are too many for a picture"),
    ],
)
def test_a_picture_without_gifs_is_an_error(tmp_path, captions, problem):
    with pytest.raises(GifdescError, match=problem):
        write_explanation(captions, tmp_path / "strip.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.txt", "x", "x.gif", ".html"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"a \.html page or a \.png picture"):
        check_explanation_path(tmp_path / name)
    for good in ("x.html", "x.HTM", "x.PNG"):
        check_explanation_path(tmp_path / good)


@dataclass(frozen=True)
class Counter:
    """A source that notes when it is asked."""

    gif: bytes
    asked: list[str]

    def __call__(self, caption):
        self.asked.append(caption.path)
        return self.gif


def test_a_long_page_shows_the_first_captions_and_their_number(tmp_path, gif, monkeypatch):
    monkeypatch.setattr("gifdesc.pages.explanation.MAX_ON_PAGE", 2)
    source = Counter(gif.read_bytes(), [])
    text = text_of([caption_of(f"{n}.gif") for n in range(3)], tmp_path, source=source)
    assert "The first 2 of 3 GIFs." in text
    assert source.asked == ["0.gif", "1.gif"]


def test_a_page_without_captions_is_written(tmp_path):
    assert "Frames that each word attended to" in text_of([], tmp_path)
