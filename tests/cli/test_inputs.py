import io
from types import SimpleNamespace

import pytest

from gifdesc.cli import options as inputs_module
from gifdesc.cli.options import read_arguments
from gifdesc.data.arguments import Argument
from gifdesc.data.gifs import find_gifs
from helpers import draw_gif


@pytest.fixture
def stdin(monkeypatch):
    """Gives what comes on stdin."""

    def give(data):
        fake = SimpleNamespace(stdin=SimpleNamespace(buffer=io.BytesIO(data)))
        monkeypatch.setattr(inputs_module, "sys", fake)

    return give


def test_paths_on_stdin_take_the_place_of_the_dash(stdin):
    stdin(b"b.gif\nfolder/c.gif\n\n")
    assert read_arguments(["a.gif", "-", "d.gif"]) == [
        *map(Argument, ("a.gif", "b.gif", "folder/c.gif", "d.gif"))
    ]


def test_an_empty_list_gives_nothing(stdin):
    stdin(b"\n")
    assert read_arguments(["-"]) == []


def test_stdin_is_left_alone_where_no_argument_names_it(stdin):
    stdin(b"b.gif\n")
    assert read_arguments(["a.gif"]) == [Argument("a.gif")]


def test_a_gif_on_stdin_becomes_a_file(stdin, tmp_path):
    data = draw_gif(tmp_path / "a.gif").read_bytes()
    stdin(data)
    [found] = find_gifs(read_arguments(["-"]))
    assert (found.name, found.source, found.error) == ("-", "stdin", None)
    assert found.path.read_bytes() == data


def test_folders_give_their_gifs(tmp_path):
    draw_gif(tmp_path / "cats" / "b.gif")
    draw_gif(tmp_path / "a.gif")
    found = list(find_gifs(read_arguments([str(tmp_path)])))
    assert [(gif.source, gif.error) for gif in found] == [("a.gif", None), ("cats/b.gif", None)]
