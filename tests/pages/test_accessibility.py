"""Pages in a browser under axe-core: contrast, names, roles, order of headings."""

from importlib import resources

import pytest

from browser import browser_with
from evaluation_pages import HISTORY, example, words_of, write
from gif_files import draw_gif
from gifdesc.captions import Caption, GeneratedCaption
from gifdesc.evaluation.results import OtherCaption
from gifdesc.pages.explanation import write_explanation
from gifdesc.pages.gallery import GalleryOrigin, write_gallery


def serious_findings(path, scheme, *, width=1280, button=None):
    """What axe-core calls serious or critical, a line each."""
    pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    viewport = {"width": width, "height": 800}
    with browser_with(path, color_scheme=scheme, viewport=viewport, bypass_csp=True) as page:
        if button:
            page.get_by_role("button", name=button).click()
        page.evaluate(axe)
        found = page.evaluate("axe.run()")
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("button", "width"), [("List", 1280), ("Grid", 390)])
def test_an_evaluation_page_has_no_serious_finding(tmp_path, scheme, button, width):
    for name in ("one", "two"):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 6)
    other = OtherCaption("a dog", {"rouge_l": 0.5})
    examples = [
        example("one", "a red ball", 0.5, words=words_of("a red ball", 6), against=other),
        example("two", "", 0.1, doubts=("it is empty",), baselines={"nearest": "a cat"}),
        example("gone", "a cow", 0.9),
    ]
    warnings = {"weights": "random"}
    path = write(tmp_path, examples, gifs=tmp_path / "gifs", history=HISTORY, warnings=warnings)
    assert serious_findings(path, scheme, width=width, button=button) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_explanation_has_no_serious_finding(tmp_path, scheme):
    gif = draw_gif(tmp_path / "a.gif", 20)
    words = words_of("a red ball", 20)
    captions = [
        Caption(str(gif), caption="a red ball", sampled_frames=tuple(range(20)), words=words),
        Caption("bad.gif", error="not a GIF"),
    ]
    write_explanation(captions, tmp_path / "page.html")
    assert serious_findings(tmp_path / "page.html", scheme) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_gallery_has_no_serious_finding(tmp_path, scheme, width):
    gif = draw_gif(tmp_path / "a.gif", 6)
    others = (GeneratedCaption("a cat", -1.0, ()),)
    captions = [
        Caption(str(gif), caption="a red ball", score=-0.5, alternatives=others),
        Caption(str(gif), caption="a", low_confidence=True, doubts=("it is short",)),
        Caption("-", caption="a red ball", score=-0.5),
        Caption("bad.gif", error="not a GIF"),
    ]
    origin = GalleryOrigin(model="model", warnings=("random weights",), notes=("2 not shown.",))
    write_gallery(captions, tmp_path / "page.html", origin)
    assert serious_findings(tmp_path / "page.html", scheme, width=width) == []
