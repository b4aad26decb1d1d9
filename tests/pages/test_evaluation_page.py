import math
import re

import pytest

from browser import browser_with
from evaluation_pages import HISTORY, example, shown_names, words_of, write
from gif_files import draw_gif
from gifdesc.captions import Word
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.evaluation.results import ScoredCaption
from gifdesc.pages.evaluation import worst_first

ARABIC = "\u0631\u062c\u0644 \u064a\u0646\u0638\u0631 \u0647\u0646\u0627"
NASTY = [
    "<script>alert(1)</script> & <b>bold</b> \"double\" 'single'",
    "</p></li></ol></main>--><img src=x onerror=alert(2)>",
    "{{ 7 * 7 }}{% raw %}${alert(3)}",
    ARABIC,
    "\N{PARTY POPPER} \u65e5\u672c\u8a9e",
    "\u202eoverride",
    "nul \x00 half \ud800",
    "",
    "   ",
    "W" * 10_000,
    "a man " * 2_000,
]


@pytest.fixture
def gifs(tmp_path):
    for name in ("cats/one", "cats/two", "dogs/ten"):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 6)
    return tmp_path / "gifs"


def test_the_worst_come_first_and_the_unscored_last():
    scores = {"b": 0.5, "a": 0.5, "none": None, "nan": math.nan, "worst": 0.0}
    examples = [example(name, "x", score) for name, score in scores.items()]
    ordered = [one.name for one in worst_first(examples, "rouge_l")]
    assert ordered == ["worst", "a", "b", "nan", "none"]
    assert [one.name for one in worst_first(examples, "cider")] == sorted(scores)


def test_the_page_holds_scores_curves_and_examples(tmp_path, gifs):
    warnings = {"weights": "untrained"}
    text = write(tmp_path, gifs=gifs, history=HISTORY, warnings=warnings).read_text(
        encoding="utf-8"
    )
    for part in (
        "0.300 to 0.500",
        "+0.300",
        "METEOR: needs &lt;Java&gt;",
        '<dt>words a caption</dt><dd dir="auto">4.2</dd>',
        "weights: untrained.",
    ):
        assert part in text
    assert "BLEU-4 0.400 (95 % interval 0.300 to 0.500); blind (another GIF) 0.100" in text
    assert "3 epochs: training loss from 3.000 to 1.000" in text
    assert text.count("data:image/svg+xml") == 8
    assert text.count("data:image/webp") == 3
    assert "GIF missing: nothing under" in text
    places = [
        text.index(f">{one}<")
        for one in ("gifs/cats/two.gif", "gifs/dogs/ten.gif", "gifs/cats/one.gif", "dogs/three")
    ]
    assert places == sorted(places)


def test_the_numbers_of_the_curves_have_cider_where_there_is_one(tmp_path):
    text = write(tmp_path, history=[*HISTORY, {"epoch": 4, "val_cider": 0.625}]).read_text()
    assert '<th scope="col">validation CIDEr</th>' in text
    assert "<td>0.625</td>" in text
    assert "validation CIDEr" not in write(tmp_path, history=HISTORY).read_text()


def test_alt_texts_are_the_captions(tmp_path, gifs):
    text = write(tmp_path, gifs=gifs).read_text(encoding="utf-8")
    alts = re.findall(r'<img src="data:image/webp[^>]*alt="([^"]*)"', text)
    assert alts == ["a blue cross blinks", "Una ni\u00f1a baila", "a red ball grows"]


def test_equal_evaluations_give_equal_pages(tmp_path, gifs):
    pages = [write(tmp_path, gifs=gifs, history=HISTORY).read_bytes() for _ in range(2)]
    assert pages[0] == pages[1]


def test_a_page_needs_neither_scores_nor_gifs_nor_examples(tmp_path):
    bare = ScoredCaption(name="x", caption="y", references=(), scores={})
    nothing = {"metrics": {"meteor": None}, "exact_match": math.nan, "baselines": {"blind": None}}
    for examples in ([], [bare]):
        path = write(tmp_path, examples, intervals=None, **nothing)
        with browser_with(path) as page:
            assert shown_names(page) == [one.name for one in examples]
            assert page.locator(".chart").count() == 0


def test_only_the_worst_of_very_many_are_shown(tmp_path):
    text = write(tmp_path, max_examples=2).read_text(encoding="utf-8")
    assert "The 2 worst of 4, worst first by ROUGE-L" in text
    assert "cats/one" not in text


def test_the_frames_of_the_features_are_shown(tmp_path, gifs):
    (tmp_path / "features").mkdir()
    manifest = Manifest(tmp_path / "features")
    for name in ("cats/one", "cats/two", "dogs/ten"):
        manifest.add(ManifestEntry(source=f"{name}.gif", status="ok", sampled_frames=(1, 3)))
    text = write(tmp_path, gifs=gifs).read_text(encoding="utf-8")
    assert text.count('data-frames="2"') == 3
    assert "2 of 6 frames, 0.6 s" in text


def test_doubtful_captions_are_marked(tmp_path):
    doubts = ("it ran into the length limit", "its score is below the model's threshold")
    examples = [example("a", "a ball", 0.5, doubts=doubts), example("b", "a cat", 0.6)]
    text = write(tmp_path, examples).read_text(encoding="utf-8")
    assert text.count("Low confidence: ") == 1
    mark = text.index("Low confidence: it ran into the length limit, its score is below the model")
    assert text.index(">a ball<") < mark < text.index(">a cat<")


def test_captions_can_be_sorted(tmp_path):
    with browser_with(write(tmp_path)) as page:
        assert shown_names(page) == ["cats/two", "dogs/ten", "cats/one", "dogs/three"]
        direction = page.get_by_role("button", name="lowest first")
        direction.click()
        assert shown_names(page) == ["cats/one", "dogs/ten", "cats/two", "dogs/three"]
        page.get_by_label("Sort by").select_option("name")
        assert shown_names(page) == ["cats/one", "cats/two", "dogs/ten", "dogs/three"]
        page.get_by_role("button", name="A to Z").click()
        assert shown_names(page) == ["dogs/three", "dogs/ten", "cats/two", "cats/one"]
        assert page.get_by_role("status").inner_text() == "sorted by name, Z to A"
        page.get_by_label("Sort by").select_option("caption")
        assert shown_names(page) == ["cats/two", "cats/one", "dogs/three", "dogs/ten"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("BALL", ["cats/one"]),
        ("cats", ["cats/two", "cats/one"]),
        ("a blue cats/t", ["cats/two"]),
        ("nina", ["dogs/ten"]),
        ("ni\u00d1a", ["dogs/ten"]),
        ("somebody", ["cats/two", "dogs/ten", "cats/one", "dogs/three"]),
        ("<b> zebra (", []),
    ],
)
def test_captions_can_be_searched(tmp_path, query, found):
    with browser_with(write(tmp_path)) as page:
        page.keyboard.press("/")
        page.keyboard.type(query)
        status = f"{len(found)} of 4 shown"
        page.get_by_text(status, exact=True).wait_for()
        assert shown_names(page) == found
        assert page.locator("#none").is_visible() == (not found)
        page.keyboard.press("Escape")
        assert len(shown_names(page)) == 4
        assert page.get_by_role("status").inner_text() == "all 4 shown"


def attending(tmp_path, caption, num_frames=6):
    draw_gif(tmp_path / "gifs" / "x.gif", num_frames)
    words = words_of(caption, num_frames)
    return write(tmp_path, [example("x", caption, 1.0, words=words)], gifs=tmp_path / "gifs")


def lit(page):
    """The places of the frames that stand out."""
    fields = page.eval_on_selector_all(".veil > span", "all => all.map(one => one.className)")
    return [place for place, name in enumerate(fields) if name == "most"]


def test_a_word_shows_its_frames_under_the_pointer_and_when_clicked(tmp_path):
    with browser_with(attending(tmp_path, "a red ball")) as page:
        words = page.locator(".words button")
        assert words.all_inner_texts() == ["a", "red", "ball"]
        words.nth(1).hover()
        assert lit(page) == [1]
        assert page.locator(".veil b").all_inner_texts() == ["80 %"]
        assert page.locator(".look").inner_text() == "red: attended 80 % to frame 2 (0.10 s)"
        page.mouse.move(0, 0)
        assert lit(page) == []
        words.nth(2).click()
        page.mouse.move(0, 0)
        assert lit(page) == [2]
        assert words.nth(2).get_attribute("aria-pressed") == "true"
        words.nth(2).click()
        page.locator("h1").click()
        page.wait_for_function("() => !document.querySelector('.veil')")


@pytest.mark.parametrize(
    ("caption", "onwards"),
    [
        ("a red ball", "ArrowRight"),
        (ARABIC, "ArrowLeft"),
    ],
)
def test_words_are_reached_by_the_keyboard_in_reading_order(tmp_path, caption, onwards):
    back = {"ArrowRight": "ArrowLeft", "ArrowLeft": "ArrowRight"}[onwards]
    with browser_with(attending(tmp_path, caption)) as page:
        page.locator(".stage").focus()
        page.keyboard.press("Tab")
        assert lit(page) == [0]
        for key, place in ((onwards, 1), ("End", 2), (onwards, 0), (back, 2), ("Home", 0)):
            page.keyboard.press(key)
            assert lit(page) == [place]
        focused = "getComputedStyle(document.activeElement).outlineStyle"
        assert page.evaluate(focused) == "solid"
        page.keyboard.press("Enter")
        page.keyboard.press("Shift+Tab")
        assert lit(page) == [0]  # kept


def test_words_without_weights_for_the_frames_shown_are_left_out(tmp_path, gifs):
    examples = [
        example("cats/one", "a ball", 1.0, words=words_of("a ball", 4)),
        example("cats/two", "a cross", 1.0, words=(Word("a", -0.1, None), Word("b", -0.1, None))),
    ]
    text = write(tmp_path, examples, gifs=gifs).read_text(encoding="utf-8")
    assert '<button type="button" aria-pressed' not in text


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_any_text_is_shown_escaped(tmp_path, width, scheme):
    examples = []
    for place, text in enumerate(NASTY):
        name = str(place) if place % 2 else f"{place:02} {text[:50]}"
        if place % 2:
            draw_gif(tmp_path / "gifs" / f"{name}.gif", 6)
        scores = {"rouge_l": float(place), text[:20] or "empty": 0.5}
        words = words_of(text[:200], 6)
        more = {"scores": scores, "words": words, "doubts": (text[:200],)}
        examples.append(ScoredCaption(name=name, caption=text, references=tuple(NASTY), **more))
    path = write(
        tmp_path,
        examples,
        gifs=tmp_path / "gifs",
        title=NASTY[0],
        metrics={NASTY[0]: 0.5, NASTY[2]: None},
        baselines={NASTY[1]: {NASTY[0]: 0.25}, "blind": {}},
        notes={NASTY[2]: NASTY[9]},
        warnings={NASTY[4]: NASTY[5], NASTY[6]: NASTY[10]},
        intervals=None,
    )
    viewport = {"width": width, "height": 800}
    with browser_with(path, viewport=viewport, color_scheme=scheme) as page:
        assert page.locator("#examples > li").count() == len(NASTY)
        assert page.title() == f"{NASTY[0]}: {len(NASTY)} GIFs"
        headings = page.locator("h3").all_text_contents()
        assert headings[:4] == NASTY[:4]
        assert headings[7] == "(nothing)"
        assert headings[9].endswith("W" * 10_000)
        assert page.locator("h3").nth(3).evaluate("one => getComputedStyle(one).direction") == "rtl"
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("b, script").count() == page.locator("body > script").count() == 1


def test_light_and_dark_themes_have_their_own_background_and_charts(tmp_path):
    path = write(tmp_path, history=HISTORY)
    seen = {}
    for scheme in ("light", "dark"):
        with browser_with(path, color_scheme=scheme) as page:
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            chart = page.locator(".chart").first.evaluate("one => one.currentSrc")
            is_drawn = page.locator(".chart").first.evaluate("one => one.naturalWidth > 0")
            assert is_drawn
            seen[scheme] = ground, chart
    assert seen["light"][0] == "rgb(255, 255, 255)"
    assert seen["dark"][0] == "rgb(13, 17, 23)"
    assert seen["light"][1] != seen["dark"][1]


def test_the_page_can_be_read_without_its_script(tmp_path, gifs):
    with browser_with(write(tmp_path, gifs=gifs), java_script_enabled=False) as page:
        assert page.locator("h3").all_inner_texts()[0] == "a blue cross blinks"
        assert not page.get_by_label("Search").is_visible()


def test_screen_readers_find_regions_and_labels(tmp_path, gifs):
    with browser_with(write(tmp_path, gifs=gifs, history=HISTORY)) as page:
        for name in ("Scores", "Training", "Captions"):
            assert page.get_by_role("region", name=name, exact=True).count() == 1
        assert page.get_by_role("searchbox", name="Search").is_visible()
        assert page.get_by_role("img", name="a red ball grows").count() == 1
        assert page.get_by_role("rowheader", name="BLEU-4").count() == 1
        unnamed = page.eval_on_selector_all("img", "all => all.filter(one => !one.alt).length")
        assert unnamed == 0


def test_five_hundred_examples(tmp_path):
    gifs = tmp_path / "gifs"
    gif = draw_gif(gifs / "gif 000.gif", 6, size=(60, 45)).read_bytes()
    for n in range(1, 500):
        (gifs / f"gif {n:03}.gif").write_bytes(gif)
    examples = [
        example(f"gif {n:03}", f"number {n:03}", n / 700, words=words_of("one two", 6))
        for n in range(500)
    ]
    with browser_with(write(tmp_path, examples, gifs=gifs)) as page:
        assert len(shown_names(page)) == 500
        page.get_by_label("Search").fill("number 077")
        page.get_by_text("1 of 500 shown").wait_for()
        assert shown_names(page) == ["gifs/gif 077.gif"]
        styles = "one => getComputedStyle(one).contentVisibility"
        assert page.locator("#examples > li").first.evaluate(styles) == "auto"
