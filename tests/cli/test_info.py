"""`gifdesc info` on the terminal and as JSON."""

import json

import pytest

from gif_files import draw_gif, truncate
from worlds import run_here


@pytest.mark.parametrize("columns", [40, 80])
def test_facts_fit_the_terminal(tmp_path, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(tmp_path)
    draw_gif(tmp_path / "a.gif", 20)
    done = run_here("info", "a.gif")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "a.gif: a GIF"
    assert all(len(line) <= columns for line in lines)
    assert lines[2].split() == ["frames", "20,", "2.00", "s", "in", "all"]


def test_json_has_the_facts_and_doubts_go_to_stderr_too(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 6)
    truncate(path, 20)
    done = run_here("info", path, "--json")
    row = json.loads(done.out)
    assert (row["path"], row["kind"]) == (str(path), "gif")
    assert done.warnings == [f"{path}: {doubt}" for doubt in row["doubts"]]
    assert len(row["doubts"]) == 1


def test_a_path_that_does_not_exist_is_wrong_usage(tmp_path):
    done = run_here("info", tmp_path / "gone")
    assert (done.code, done.error) == (2, f"error: {tmp_path / 'gone'}: no such file or folder")
