import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from gifdesc.cli import inputs as inputs_module
from gifdesc.cli.inputs import gif_inputs, input_paths
from gifdesc.errors import UsageError
from helpers import draw_gif


@pytest.fixture
def stdin(monkeypatch):
    """Says what comes on stdin."""

    def say(data):
        fake = SimpleNamespace(stdin=SimpleNamespace(buffer=io.BytesIO(data)))
        monkeypatch.setattr(inputs_module, "sys", fake)

    return say


def test_paths_on_stdin_take_the_place_of_the_dash(stdin):
    stdin(b"b.gif\nfolder/c.gif\n\n")
    paths = input_paths(["a.gif", "-", "d.gif"])
    assert paths == [Path("a.gif"), Path("b.gif"), Path("folder/c.gif"), Path("d.gif")]


def test_a_list_without_a_path_is_refused(stdin):
    stdin(b"\n")
    with pytest.raises(UsageError, match="-: no path came on stdin"):
        input_paths(["-"])


def test_stdin_is_left_alone_where_nobody_asks_for_it(stdin):
    stdin(b"b.gif\n")
    assert input_paths(["a.gif"]) == [Path("a.gif")]


def test_folders_give_their_gifs(tmp_path):
    draw_gif(tmp_path / "cats" / "b.gif")
    draw_gif(tmp_path / "a.gif")
    found = list(gif_inputs([str(tmp_path)]))
    assert [(one.source, one.error) for one in found] == [("a.gif", None), ("cats/b.gif", None)]
