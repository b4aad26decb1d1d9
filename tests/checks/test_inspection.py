"""Looking over GIFs and descriptions together."""

from typing import get_args

from gif_files import draw_gif
from gifdesc.checks.findings import DESCRIPTION_KINDS, GIF_KINDS, KINDS, Kind
from gifdesc.checks.gifs import inspect_gifs
from gifdesc.data.gifs import find_gifs


def test_every_kind_has_a_line_of_help():
    assert tuple(KINDS) == get_args(Kind) == GIF_KINDS + DESCRIPTION_KINDS
    assert all("\n" not in line for line in KINDS.values())


def test_good_gifs_have_no_findings(tmp_path):
    draw_gif(tmp_path / "gifs" / "a.gif", 2)
    draw_gif(tmp_path / "gifs" / "sub" / "b.gif", 40)
    inspections = list(inspect_gifs(find_gifs([tmp_path / "gifs"])))
    assert [(one.is_gif, one.findings) for one in inspections] == [(True, [])] * 2


def test_an_argument_without_a_file_is_a_finding_and_no_gif(tmp_path):
    [inspection] = inspect_gifs(find_gifs([tmp_path / "gone.gif"]))
    assert not inspection.is_gif
    assert [(one.kind, one.detail) for one in inspection.findings] == [
        ("unreadable", "no such file or folder")
    ]


def test_a_file_that_is_named_twice_is_checked_once(tmp_path):
    gifs = tmp_path / "gifs"
    path = draw_gif(gifs / "a.gif", 1)
    inspections = list(inspect_gifs(find_gifs([path, gifs, gifs / ".." / "gifs" / "a.gif"])))
    assert [one.kind for step in inspections for one in step.findings] == ["still"]
