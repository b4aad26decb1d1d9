"""How the arguments of `gifdesc caption` are understood; no GIF is looked at."""

import pytest
import typer

from gifdesc.cli import app

CAPTION = typer.main.get_command(app).commands["caption"]


def parsed(*arguments):
    """The paths and the length of the alternative text that some arguments mean."""
    values = CAPTION.make_context("gifdesc caption", list(arguments)).params
    return values["paths"], values["alt_text"]


@pytest.mark.parametrize(
    ("arguments", "paths", "length"),
    [
        ("x.gif", ["x.gif"], None),
        ("--alt-text x.gif", ["x.gif"], 125),
        ("x.gif --alt-text", ["x.gif"], 125),
        ("--alt-text 80 x.gif", ["x.gif"], 80),
        ("x.gif --alt-text 80", ["x.gif"], 80),
        ("--alt-text=80 x.gif", ["x.gif"], 80),
        ("--alt-text --json x.gif", ["x.gif"], 125),
        ("--alt-text 80.gif", ["80.gif"], 125),
        ("--alt-text ./80", ["./80"], 125),
        ("--alt-text 80 90", ["90"], 80),
        ("--alt-text -- 80", ["80"], 125),
        ("-- x.gif --alt-text", ["x.gif", "--alt-text"], None),
        ("-- --alt-text 80", ["--alt-text", "80"], None),
    ],
)
def test_the_number_of_alt_text_may_be_left_out(arguments, paths, length):
    assert parsed(*arguments.split()) == (paths, length)


@pytest.mark.parametrize("arguments", ["--alt-text 0 x.gif", "--alt-text 80", "--alt-text=x x.gif"])
def test_a_length_of_nothing_and_a_length_alone_are_wrong_usage(arguments):
    with pytest.raises(typer.BadParameter.__base__):
        parsed(*arguments.split())
