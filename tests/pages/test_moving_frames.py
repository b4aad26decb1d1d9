"""GIFs that move on an evaluation page, in a browser."""

import pytest

from browser import browser_with
from evaluation_pages import example, words_of, write
from gif_files import draw_gif, frame_colour

TIMES = [0, 200, 400, 600, 800, 1000]


@pytest.fixture
def path(tmp_path):
    draw_gif(tmp_path / "gifs" / "x.gif", 6, durations_ms=200)
    words = words_of("a red ball", 6)
    return write(tmp_path, [example("x", "a red ball", 1.0, words=words)], gifs=tmp_path / "gifs")


def stage_of(page):
    return page.get_by_role("button", name="Play gifs/x.gif")


def is_moving(page):
    return "playing" in stage_of(page).get_attribute("class")


def frame_shown(page):
    return int(stage_of(page).get_attribute("data-frame"))


def wait_for_frame(page, frame):
    page.wait_for_selector(f'.stage[data-frame="{frame}"]')


def test_a_gif_moves_under_the_pointer_and_then_rests(path):
    with browser_with(path) as page:
        page.wait_for_selector(".stage[data-frame]")
        poster = frame_shown(page)
        assert not is_moving(page)
        stage_of(page).hover()
        for frame in (0, 3, 5, 0):  # and begins again
            wait_for_frame(page, frame)
        page.mouse.move(0, 0)
        assert not is_moving(page)
        assert frame_shown(page) == poster


def test_the_frame_on_show_is_that_of_the_time(path):
    with browser_with(path) as page:
        page.wait_for_selector(".stage[data-frame]")
        stage_of(page).click()
        wait_for_frame(page, 2)
        stage_of(page).click()
        frame = frame_shown(page)
        middle = """canvas => Array.from(
            canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data
        )"""
        colour = page.locator(".stage canvas").evaluate(middle)
        assert all(
            abs(found - wanted) < 45
            for found, wanted in zip(colour, frame_colour(frame), strict=False)
        )
        assert page.locator(".clock").inner_text() == f"{TIMES[frame] / 1000:.2f} s"


def test_a_gif_moves_with_the_focus_and_by_keys(path):
    with browser_with(path) as page:
        page.get_by_role("button", name="Grid").focus()
        while not stage_of(page).evaluate("one => one === document.activeElement"):
            page.keyboard.press("Tab")
        assert is_moving(page)
        page.keyboard.press("Tab")
        assert not is_moving(page)
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert is_moving(page)  # kept
        assert stage_of(page).get_attribute("aria-pressed") == "true"


def test_a_tap_starts_and_stops_a_gif(path):
    with browser_with(path, has_touch=True, viewport={"width": 390, "height": 800}) as page:
        stage_of(page).tap()
        wait_for_frame(page, 2)
        stage_of(page).tap()
        assert not is_moving(page)


def test_with_less_motion_a_gif_moves_only_when_asked_to(path):
    with browser_with(path, reduced_motion="reduce") as page:
        stage_of(page).hover()
        stage_of(page).focus()
        assert not is_moving(page)
        page.keyboard.press("Enter")
        wait_for_frame(page, 2)
        page.keyboard.press("Enter")
        assert not is_moving(page)


def test_a_word_shows_the_frame_it_attended_to_most(path):
    with browser_with(path) as page:
        page.locator(".words button").nth(1).hover()
        assert frame_shown(page) == 1


def test_a_still_picture_does_not_move(tmp_path):
    draw_gif(tmp_path / "gifs" / "x.gif", 1)
    path = write(tmp_path, [example("x", "a ball", 1.0)], gifs=tmp_path / "gifs")
    with browser_with(path) as page:
        stage_of(page).hover()
        assert not is_moving(page)


@pytest.mark.parametrize("layout", ["List", "Grid"])
def test_a_printed_page_keeps_every_picture(tmp_path, layout):
    names = [f"gif {number:03}" for number in range(80)]
    examples = []
    for number, name in enumerate(names):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 3 + number % 3)
        examples.append(example(name, f"caption {number}", number / 80))
    path = write(tmp_path, examples, gifs=tmp_path / "gifs")
    with browser_with(path) as page:
        page.get_by_role("button", name=layout).click()
        page.emulate_media(media="print")
        sheets = page.locator(".film img")
        shown = sheets.evaluate_all(
            "all => all.filter(one => one.complete && one.checkVisibility() && one.width > 50)"
            ".length"
        )
        assert shown == len(names)
        assert not page.locator(".tools").is_visible()
        # Equal pictures share an object: the GIFs have 3, 4 or 5 frames.
        assert page.pdf().count(b"/Subtype /Image") >= 3
