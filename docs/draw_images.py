"""Draw the pictures of the documentation from the world of `gifdesc demo`.

    gifdesc demo
    python docs/draw_images.py gifdesc-demo

60 % of the GIFs are in the test split and the model is trained for 10 epochs, so that it makes
mistakes; the explanation is of the demo's own model. Needs Chromium and playwright. It takes about
two minutes on one CPU core.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).resolve().parent / "images"
EXPLAINED = "world-0049.gif"
"""A GIF with two things, one after the other."""


def gifdesc(folder: str, *arguments: str | Path) -> None:
    """Run a command of gifdesc in a folder."""
    command = [sys.executable, "-m", "gifdesc", *map(str, arguments)]
    subprocess.run(command, check=True, cwd=folder)


def opened(
    browser: Browser,
    path: Path,
    width: int,
    height: int,
    scheme: Literal["light", "dark"] = "light",
) -> Page:
    """A page in a window of this size, at 1.25 times the resolution."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1.25
    )
    page = context.new_page()
    page.goto(path.as_uri())
    return page


def photograph(browser: Browser, report: Path) -> None:
    """The result, the captions as a grid and as a list, and the scores on a telephone."""
    page = opened(browser, report, 1000, 420)
    page.screenshot(path=IMAGES / "evaluation-result.png")
    page.set_viewport_size({"width": 1000, "height": 860})
    page.get_by_role("button", name="Grid").click()
    page.get_by_label("Sort by").select_option("caption")  # right and wrong captions mixed
    page.locator(".tools").evaluate("one => one.scrollIntoView()")
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / "evaluation-page.png")
    page.get_by_role("button", name="List").click()
    page.get_by_label("Sort by").select_option(label="CIDEr")
    page.wait_for_timeout(500)
    example = page.locator("#examples > li").nth(1)
    example.scroll_into_view_if_needed()
    page.evaluate("document.querySelector('.tools').style.position = 'static'")
    example.locator(".words button").last.hover()
    page.wait_for_timeout(300)
    example.screenshot(path=IMAGES / "evaluation-example.png")
    phone = opened(browser, report, 390, 844, "dark")
    phone.locator("#examples").evaluate("one => one.scrollIntoView()")
    phone.locator(".stage[data-frame]").first.wait_for()
    phone.wait_for_timeout(300)
    phone.screenshot(path=IMAGES / "evaluation-page-phone.png")


def main() -> None:
    """Train, evaluate, caption, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", type=Path, help="the folder that `gifdesc demo` made")
    world = parser.parse_args().world.resolve()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for name in ("gifs", "features", "descriptions"):
            Path(folder, name).symlink_to(world / name)
        gifdesc(folder, "train", "--epochs", "10", "--test-fraction", "0.6", "-q")
        picture, explanation = IMAGES / "examples.png", IMAGES / "explanation.png"
        for path in (picture, explanation):
            path.unlink(missing_ok=True)
        gifdesc(folder, "evaluate", "--html", "report.html", "--picture", picture, "-q")
        explained = ("--explain", explanation, "--model", world / "model")
        gifdesc(folder, "caption", f"gifs/{EXPLAINED}", *explained)
        browser = playwright.chromium.launch(executable_path=chromium)
        photograph(browser, Path(folder, "report.html"))


if __name__ == "__main__":
    main()
