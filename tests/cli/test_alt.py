"""`gifdesc alt`: the diff first, then the files."""

import json

import pytest

from gif_files import draw_gif
from worlds import run_here, tiny_recipe, use_tiny_backbone, write_model


@pytest.fixture
def page(tmp_path, monkeypatch):
    use_tiny_backbone(monkeypatch)
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "model", recipe=tiny_recipe())
    draw_gif(tmp_path / "a.gif", 3)
    path = tmp_path / "page.md"
    path.write_text("# x\n\n![](a.gif)\n\n![](gone.gif)\n")
    return path


def test_the_change_is_shown_and_nothing_is_written(page):
    before = page.read_text()
    done = run_here("alt", "page.md")
    assert done.code == 1
    assert done.errors == ["page.md:5: gone.gif: no such file"]
    assert "-![](a.gif)" in done.out.splitlines()
    assert "1 alternative text to fill in with --write, 1 failed" in done.err
    assert page.read_text() == before


def test_the_texts_are_written(page):
    done = run_here("alt", "page.md", "--write", "--json")
    [document] = json.loads(done.out)["documents"]
    good, bad = document["gifs"]
    assert (good["line"], bad["error"]) == (3, "no such file")
    assert f"![{good['alt']}](a.gif)" in page.read_text().replace("\\", "")
    assert "![](gone.gif)" in page.read_text()
    again = run_here("alt", "page.md", "--write")
    assert "0 alternative texts filled in, 1 failed" in again.err


def test_a_gif_whose_place_is_not_certain_is_reported(page):
    page.write_text("![][nope] ![](a.gif)\n")
    done = run_here("alt", "page.md", "--write")
    assert done.code == 1
    assert done.errors == [
        "page.md:1: a.gif: its place in the text is not certain; write the alternative text by hand"
    ]
    assert page.read_text() == "![][nope] ![](a.gif)\n"


def test_a_document_without_such_gifs_needs_no_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.md").write_text("# x\n")
    done = run_here("alt", "a.md")
    assert (done.code, done.out) == (0, "")
