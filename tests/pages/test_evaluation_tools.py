"""Search, filters, layouts and the histogram of an evaluation page, in a browser."""

import pytest

from browser import browser_with
from evaluation_pages import example, shown_names, write
from gif_files import draw_gif
from gifdesc.evaluation.results import OtherCaption

SCORED = {"a": 0.05, "b": 0.32, "c": 0.38, "d": 1.0, "none": None}


def examples():
    doubts = {"b": ("it is cut",), "d": ("its score is low",)}
    return [
        example(
            name,
            f"caption {name}",
            score,
            doubts=doubts.get(name, ()),
            scores={"rouge_l": score, "exact_match": float(name == "d")},
        )
        for name, score in SCORED.items()
    ]


def status(page):
    return page.get_by_role("status").inner_text()


def test_filters_join(tmp_path):
    with browser_with(write(tmp_path, examples())) as page:
        page.get_by_label("Wrong only").check()
        assert shown_names(page) == ["a", "b", "c", "none"]
        page.get_by_label("Low confidence").check()
        assert shown_names(page) == ["b"]
        assert status(page) == "1 of 5 shown"
        page.get_by_role("button", name="Show all").click()
        assert status(page) == "all 5 shown"
        assert not page.get_by_label("Wrong only").is_checked()
        assert not page.get_by_role("button", name="Show all").is_visible()
        page.get_by_label("ROUGE-L below").fill("0.35")
        assert shown_names(page) == ["a", "b"]
        page.get_by_label("ROUGE-L below").fill("0")
        assert page.get_by_text("No example matches.").is_visible()


def test_a_filter_for_doubts_appears_only_with_doubts(tmp_path):
    with browser_with(write(tmp_path)) as page:
        assert page.get_by_label("Wrong only").is_visible()
        assert page.get_by_label("Low confidence").count() == 0


def test_a_bar_of_the_histogram_shows_its_captions(tmp_path):
    with browser_with(write(tmp_path, examples())) as page:
        bars = page.get_by_role("toolbar", name="Histogram").get_by_role("button")
        names = [bars.nth(place).get_attribute("aria-label") for place in range(bars.count())]
        assert names[0] == "ROUGE-L 0.00 to 0.05: 0 captions"
        assert names[-1] == "ROUGE-L 0.95 to 1.00: 1 captions"
        assert [names.index(name) for name in names if ": 1 " in name] == [1, 6, 7, 19]
        bars.nth(6).click()
        assert shown_names(page) == ["b"]
        bars.last.click()
        assert shown_names(page) == ["d"]
        bars.last.click()
        assert len(shown_names(page)) == 5


def test_the_histogram_is_worked_by_the_keyboard(tmp_path):
    with browser_with(write(tmp_path, examples())) as page:
        page.get_by_role("toolbar", name="Histogram").get_by_role("button").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert shown_names(page) == ["a"]
        page.keyboard.press("End")
        page.keyboard.press("Space")
        assert shown_names(page) == ["d"]
        page.keyboard.press("Home")
        assert page.evaluate("document.activeElement.tabIndex") == 0


def test_the_histogram_is_of_the_metric_that_sorts(tmp_path):
    both = [
        example(name, name, None, scores={"cider": score, "rouge_l": 0.5})
        for name, score in (("a", 0.0), ("b", 4.0))
    ]
    with browser_with(write(tmp_path, both)) as page:
        page.get_by_label("Sort by").select_option(label="CIDEr")
        title = page.locator("#histogram-title").inner_text()
        assert title.startswith("Captions by CIDEr")
        assert page.get_by_label("CIDEr below").is_visible()
        page.get_by_label("Sort by").select_option(label="name")
        assert page.locator("#histogram-title").inner_text() == title


def test_the_grid_is_dense_and_its_numbers_lead_to_the_list(tmp_path):
    for name in SCORED:
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 6)
    path = write(tmp_path, examples(), gifs=tmp_path / "gifs")
    with browser_with(path, viewport={"width": 1280, "height": 800}) as page:
        in_list = page.evaluate("document.documentElement.scrollHeight")
        page.get_by_role("button", name="Grid").click()
        tops = {page.locator("#examples > li").nth(place).bounding_box()["y"] for place in range(5)}
        assert len(tops) == 1
        assert page.evaluate("document.documentElement.scrollHeight") < in_list
        assert not page.locator(".references").first.is_visible()
        assert page.locator("h3").first.is_visible()
        page.get_by_role("link", name="Example 4").click()
        assert page.get_by_role("button", name="List").get_attribute("aria-pressed") == "true"
        assert page.locator(".references").first.is_visible()
        assert page.url.endswith("#e4")


def test_two_systems_are_shown_side_by_side(tmp_path):
    pairs = [
        example("x", "a cat", 0.2, against=OtherCaption("a <b>dog</b>", {"rouge_l": 0.9})),
        example("y", "a cow", 0.3, against=OtherCaption("", {"rouge_l": 0.1})),
    ]
    path = write(tmp_path, pairs, title="mine", against="theirs")
    with browser_with(path, viewport={"width": 1280, "height": 800}) as page:
        assert page.locator(".other h4").all_inner_texts() == ["theirs", "theirs"]
        assert page.locator(".other .said").all_inner_texts() == ["a <b>dog</b>", "(nothing)"]
        boxes = [page.locator(which).first.bounding_box() for which in ("h3", ".other .said")]
        assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
        page.get_by_label("Sort by").select_option(label="ROUGE-L minus that of theirs")
        assert shown_names(page) == ["x", "y"]
        page.get_by_role("button", name="lowest first").click()
        assert shown_names(page) == ["y", "x"]


def test_words_are_marked_and_read_out(tmp_path):
    one = example("x", "a red ball", 0.5, references=("it moves", "a blue ball grows"))
    with browser_with(write(tmp_path, [one])) as page:
        assert page.locator("h3 mark").all_inner_texts() == ["red"]
        references = page.locator(".references li")
        assert references.all_inner_texts() == ["a blue ball grows", "it moves"]
        assert references.first.locator("mark").all_inner_texts() == ["blue", "grows"]
        assert page.locator(".differs").text_content() == "Extra: red. Missing: blue, grows"


def test_a_caption_that_equals_a_reference_is_marked_in_both_layouts(tmp_path):
    with browser_with(write(tmp_path, examples())) as page:
        for layout in ("List", "Grid"):
            page.get_by_role("button", name=layout).click()
            [mark] = page.get_by_text("equals a reference").all()
            assert mark.is_visible()
            assert "caption d" in mark.locator("xpath=ancestor::article").inner_text()


def test_what_the_baselines_wrote_is_shown(tmp_path):
    said = {"blind": "a cow", "nearest": "a <i>cat</i>", "most-common": "it"}
    with browser_with(write(tmp_path, [example("x", "a dog", 0.5, baselines=said)])) as page:
        assert page.locator(".baselines dd").all_inner_texts() == ["a cow", "a <i>cat</i>"]


@pytest.mark.parametrize("name", ["cats/one", "100% #1?", "javascript:alert(1)"])
def test_the_name_of_a_gif_is_a_link_to_its_file(tmp_path, name):
    gif = draw_gif(tmp_path / "some gifs" / f"{name}.gif", 3)
    path = write(tmp_path, [example(name, "a dog", 0.5)], gifs=tmp_path / "some gifs")
    with browser_with(path) as page:
        link = page.locator(".name a")
        assert link.inner_text() == f"some gifs/{name}.gif"
        assert link.evaluate("one => one.href") == gif.as_uri()
