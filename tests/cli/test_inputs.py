import io
from types import SimpleNamespace

import pytest
import typer

from gif_files import draw_gif
from gifdesc.cli import options as inputs_module
from gifdesc.cli.options import read_paths
from gifdesc.data.arguments import Argument
from gifdesc.data.gifs import find_gifs
from gifdesc.errors import UsageError


@pytest.fixture
def stdin(monkeypatch):
    """Gives what comes on stdin."""

    def give(data):
        fake = SimpleNamespace(stdin=SimpleNamespace(buffer=io.BytesIO(data)))
        monkeypatch.setattr(inputs_module, "sys", fake)

    return give


def test_paths_on_stdin_replace_the_dash(stdin):
    stdin(b"b.gif\nfolder/c.gif\n\n")
    assert read_paths(["a.gif", "-", "d.gif"], null=False) == [
        *map(Argument, ("a.gif", "b.gif", "folder/c.gif", "d.gif"))
    ]


def test_an_empty_list_gives_nothing(stdin):
    stdin(b"\n")
    assert read_paths(["-"], null=False) == []


def test_stdin_is_not_read_unless_an_argument_names_it(stdin):
    stdin(b"b.gif\n")
    assert read_paths(["a.gif"], null=False) == [Argument("a.gif")]


def test_a_list_may_be_separated_by_nul(stdin):
    stdin(b"two\nlines.gif\0b.gif\0")
    assert read_paths(["-"], null=True) == [Argument("two\nlines.gif"), Argument("b.gif")]


def test_nul_without_a_list_is_wrong_usage():
    with pytest.raises(typer.BadParameter, match="give - as a PATH"):
        read_paths(["a.gif"], null=True)


def test_a_list_of_lines_where_nul_is_promised_is_wrong_usage(stdin, tmp_path):
    path = draw_gif(tmp_path / "a.gif")
    stdin(f"{path}\n{path}\n".encode())
    with pytest.raises(UsageError, match=r"a path per line; -0 is for lists whose paths end w"):
        read_paths(["-"], null=True)


def test_a_single_name_that_holds_a_line_end_is_no_list_of_lines(stdin, tmp_path):
    draw_gif(tmp_path / "a")
    path = draw_gif(tmp_path / "a\n.gif")
    stdin(str(path).encode())
    assert read_paths(["-"], null=True) == [Argument(str(path))]


def test_a_gif_on_stdin_is_one_file_however_often_it_is_named(stdin, tmp_path):
    stdin(draw_gif(tmp_path / "a.gif").read_bytes())
    first, second = read_paths(["-", "-"], null=False)
    assert first == second


def test_a_gif_on_stdin_becomes_a_file(stdin, tmp_path):
    data = draw_gif(tmp_path / "a.gif").read_bytes()
    stdin(data)
    [found] = find_gifs(read_paths(["-"], null=False))
    assert (found.name, found.source, found.error) == ("-", "stdin", None)
    assert found.path.read_bytes() == data


def test_folders_give_their_gifs(tmp_path):
    draw_gif(tmp_path / "cats" / "b.gif")
    draw_gif(tmp_path / "a.gif")
    found = list(find_gifs(read_paths([str(tmp_path)], null=False)))
    assert [(gif.source, gif.error) for gif in found] == [("a.gif", None), ("cats/b.gif", None)]
