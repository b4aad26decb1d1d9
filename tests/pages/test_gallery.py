"""The gallery of captions, in a browser and as a file."""

import datetime
import math

import pytest

from browser import browser_with
from evaluation_pages import shown_names, words_of
from gif_files import draw_broken_gif, draw_gif
from gifdesc.captions import Caption, GeneratedCaption
from gifdesc.errors import GifdescError, UsageError
from gifdesc.gif.sources import CaptionInput
from gifdesc.pages import gallery
from gifdesc.pages.gallery import GalleryCollector, GalleryOrigin, write_gallery

ORIGIN = GalleryOrigin(model="my model", date=datetime.date(2026, 1, 2))
TIMES = (0, 200, 400, 600, 800, 1000)


def caption_of(path, text="a red ball", **more):
    """As from `Captioner`, of a GIF with 6 frames."""
    chosen = {"score": math.log(0.5), "low_confidence": False, **more}
    return Caption(
        str(path), caption=text, sampled_frames=tuple(range(6)), sampled_times_ms=TIMES, **chosen
    )


@pytest.fixture
def gif(tmp_path):
    return draw_gif(tmp_path / "cats" / "a.gif", 6, durations_ms=200)


@pytest.fixture
def path(tmp_path, gif):
    """A page of a caption, a doubtful caption and a failure."""
    alternatives = [
        GeneratedCaption(text, math.log(chance), ())
        for text, chance in (("a red ball", 0.5), ("a red ball", 0.4), ("two <b>cats</b>", 0.25))
    ]
    other = draw_gif(tmp_path / "dogs" / "b.gif", 6)
    bad = draw_broken_gif(tmp_path / "bad.gif")
    captions = [
        caption_of(gif, alternatives=tuple(alternatives)),
        caption_of(other, "", score=-3.0, low_confidence=True, doubts=("it is <empty>",)),
        Caption(str(bad), error="not a GIF (it is text)"),
    ]
    path = tmp_path / "gallery.html"
    write_gallery(captions, path, ORIGIN)
    return path


def test_a_card_has_caption_confidence_alternatives_and_a_link(path, gif):
    with browser_with(path) as page:
        cards = page.locator("#examples > li")
        assert page.locator("h3").all_inner_texts() == ["a red ball", "(nothing)", "(no caption)"]
        first = cards.first
        assert {"Confidence 50 %", "6 of 6 frames, 1.2 s"} <= set(first.inner_text().split("\n"))
        first.locator("summary").click()
        assert first.locator("summary").inner_text() == "1 alternative"
        assert first.locator(".others li").all_inner_texts() == ["two <b>cats</b> 25 %"]
        assert first.get_by_role("link", name=str(gif)).get_attribute("href") == "cats/a.gif"


def test_doubts_and_failures_are_marked_in_words_and_counted(path):
    with browser_with(path) as page:
        cards = page.locator("#examples > li")
        assert "\u26a0 Low confidence: it is <empty>" in cards.nth(1).inner_text()
        assert "\u2717 Failed: not a GIF (it is text)" in " ".join(
            cards.nth(2).inner_text().split()
        )
        assert page.locator(".unsure").count() == 1
        top = page.locator("header").inner_text()
        assert "2 GIFs captioned, 1 with low confidence, 1 failed." in top
        for fact in ("my model", "2026-01-02", "gifdesc"):
            assert fact in top


def test_cards_are_searched_filtered_and_sorted(path):
    with browser_with(path) as page:

        def names():
            return [name.rsplit("/", 1)[-1] for name in shown_names(page)]

        assert names() == ["a.gif", "b.gif", "bad.gif"]
        page.get_by_label("Failed").check()
        assert names() == ["bad.gif"]
        page.get_by_label("Low confidence").check()
        assert names() == ["b.gif", "bad.gif"]
        page.get_by_role("button", name="Show all").click()
        page.get_by_label("Sort by").select_option("confidence")
        assert names() == ["b.gif", "a.gif", "bad.gif"]
        page.get_by_label("Sort by").select_option("order given")
        assert page.locator("#direction").inner_text() == "first to last"
        page.locator("#direction").click()
        assert names() == ["bad.gif", "b.gif", "a.gif"]
        for query, found in (("CATS two", ["a.gif"]), ("xyz", []), ("is text", ["bad.gif"])):
            page.fill("#query", query)
            page.locator("#count", has_text=f"{len(found)} of 3 shown").wait_for()
            assert names() == found
            assert page.get_by_text("No GIF matches.").is_visible() == (found == [])


def test_a_gif_moves_under_the_pointer_with_the_focus_and_by_a_tap(path):
    with browser_with(path, has_touch=True, viewport={"width": 390, "height": 800}) as page:
        stage = page.locator(".stage").first
        stage.hover()
        page.wait_for_selector('.stage[data-frame="2"]')
        frame, time = stage.evaluate("one => [Number(one.dataset.frame), one.textContent]")
        assert time == f"{TIMES[frame] / 1000:.2f} s"
        page.mouse.move(0, 0)
        page.wait_for_selector(".stage:not(.playing)")
        page.get_by_role("button", name="first to last").focus()
        while not stage.evaluate("one => one === document.activeElement"):
            page.keyboard.press("Tab")
        assert "playing" in stage.get_attribute("class")
        page.keyboard.press("Tab")
        stage.tap()
        assert stage.get_attribute("aria-pressed") == "true"


def test_with_less_motion_nothing_moves_by_itself(path):
    with browser_with(path, reduced_motion="reduce") as page:
        page.locator(".stage").first.hover()
        assert page.locator(".playing").count() == 0


@pytest.mark.parametrize("permissions", [["clipboard-read", "clipboard-write"], None])
def test_the_alternative_text_is_copied(tmp_path, gif, permissions):
    path = tmp_path / "gallery.html"
    text = 'a "red" ball & a cat <jump> over the sofa'
    write_gallery([caption_of(gif, text)], path, ORIGIN, alt_text_length=32)
    with browser_with(path, permissions=permissions) as page:
        page.keyboard.press("Tab")
        button = page.locator(".copy")
        button.focus()
        page.keyboard.press("Enter")
        page.locator(".copy", has_text="Copied").wait_for()
        assert page.locator("#copied").text_content() == 'Copied: A "red" ball & a cat <jump>\u2026'
        assert button.inner_text() == "\u2713 Copied"
        assert button.evaluate("one => one === document.activeElement")
        page.fill("#query", "")
        page.locator("#query").press("Control+V")
        assert page.locator("#query").input_value() == 'A "red" ball & a cat <jump>\u2026'


def test_text_that_cannot_be_copied_is_shown(path):
    with browser_with(path) as page:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")
        page.evaluate("() => { document.execCommand = () => false; }")
        page.locator(".copy").first.click()
        page.get_by_text("The browser does not allow copying: A red ball.").wait_for()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_a_gallery_fits_any_width(tmp_path, gif, width):
    nasty = "<script>alert(1)</script> " + "W" * 10_000 + " \u0631\u062c\u0644 \x00"
    gone = tmp_path / ("x" * 200 + ".gif")
    captions = [caption_of(gif, nasty), caption_of(gone), Caption("W" * 300, error="E" * 900)]
    write_gallery(captions, tmp_path / "page.html", GalleryOrigin(model="W" * 200))
    with browser_with(tmp_path / "page.html", viewport={"width": width, "height": 800}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        missing = page.locator(".missing").all_inner_texts()
        assert missing[0] == "GIF cannot be shown: no such file"
        page.get_by_text("characters)").first.click()


def test_a_printed_gallery_keeps_every_picture(tmp_path):
    captions = []
    for number in range(70):
        made = draw_gif(tmp_path / f"{number}.gif", 6 + number % 3)
        captions.append(caption_of(made))
    path = tmp_path / "page.html"
    write_gallery(captions, path, ORIGIN)
    with browser_with(path) as page:
        page.emulate_media(media="print")
        shown = page.locator(".film img").evaluate_all(
            "all => all.filter(one => one.complete && one.checkVisibility() && one.width > 50)"
            ".length"
        )
        assert shown == 70
        assert not page.locator(".copy").first.is_visible()
        assert page.pdf().count(b"/Subtype /Image") >= 1


def test_a_gallery_is_read_without_a_script(path):
    with browser_with(path, java_script_enabled=False) as page:
        assert page.locator(".film img").first.is_visible()
        assert not page.locator(".copy").first.is_visible()
        assert not page.locator(".tools").is_visible()


def test_warnings_and_notes_are_at_the_top(tmp_path, gif):
    path = tmp_path / "page.html"
    origin = GalleryOrigin(
        model="git", commit="abc", warnings=("random <weights>",), notes=("3 GIFs not shown.",)
    )
    write_gallery([caption_of(gif, low_confidence=None)], path, origin)
    text = path.read_text(encoding="utf-8")
    for part in (
        "<strong>Warning:</strong> random &lt;weights&gt;",
        "git (microsoft/git-base-vatex)",
        ">abc</dd>",
        "3 GIFs not shown.",
        "This model has no threshold for confidence",
        "<title>Captions of 1 GIF</title>",
    ):
        assert part in text


def test_a_gif_from_a_pipe_or_a_url_is_read_once_and_its_bytes_are_dropped(tmp_path, gif):
    path = tmp_path / "page.html"
    collector = GalleryCollector(path)
    spooled = draw_gif(tmp_path / "spooled", 6)
    inputs = [
        CaptionInput("-", gif.read_bytes()),
        CaptionInput("https://example.org/a.gif", spooled),
        CaptionInput(str(gif)),
        CaptionInput("s3://bucket/a.gif", b"GIF89a"),
    ]
    for each in inputs:
        assert collector.remember_input(each) is each
    for each in inputs:
        collector.add(caption_of(each.name, words=words_of("a red ball", 6)))
    spooled.unlink()
    assert len(collector._inputs) == 0
    done = []
    notes = collector.write(ORIGIN, lambda *numbers: done.append(numbers))
    assert done == [(number, 4) for number in (1, 2, 3, 4)]
    assert notes == ["1 GIF cannot be shown; the page gives the reason"]
    with browser_with(path) as page:
        assert page.locator(".stage").count() == 3
        assert "(from a pipe: no file to open)" in page.locator("#g1").inner_text()
        links = page.locator(".name a").evaluate_all(
            "all => all.map(one => one.getAttribute('href'))"
        )
        assert links == ["https://example.org/a.gif", "cats/a.gif"]
        assert (
            "GIF cannot be shown: a GIF without a usable image"
            in page.locator("#g4 .missing").inner_text()
        )


def test_a_gallery_of_many_shows_the_first_and_reports_the_rest(tmp_path, gif, monkeypatch):
    monkeypatch.setattr(gallery, "MAX_IN_GALLERY", 2)
    path = tmp_path / "page.html"
    collector = GalleryCollector(path)
    for each in (caption_of(gif), caption_of(gif), Caption("x.gif", error="gone"), caption_of(gif)):
        collector.remember_input(CaptionInput(each.path))
        collector.add(each)
    assert collector.num_shown == 2
    note = "the page shows the first 2 of 4 GIFs; it has room for no more"
    assert collector.write(ORIGIN) == [f"{path}: {note}"]
    text = path.read_text(encoding="utf-8")
    assert "The page shows the first 2 of 4 GIFs; it has room for no more." in text
    assert "3 GIFs captioned, 1 failed." in text
    assert text.count("data:image/webp") == 2


def test_pages_grow_slowly_with_the_number_of_gifs():
    sizes = [gallery._film_size(count) for count in (1, 61, 201, 1001, 5000)]
    assert [size.max_bytes for size in sizes] == [80_000, 36_000, 18_000, 7_000, 7_000]


@pytest.mark.parametrize("name", ["x.txt", "x", "x.png", ".html"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"a page is a \.html file"):
        GalleryCollector(tmp_path / name)
    for good in ("x.html", "x.HTM"):
        GalleryCollector(tmp_path / good)


def test_a_path_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "file").touch()
    for name in ("folder.html", "file/page.html"):
        with pytest.raises(GifdescError, match=f"--html .*{name}: cannot be written"):
            GalleryCollector(tmp_path / name)
