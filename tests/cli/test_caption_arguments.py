"""How `gifdesc caption` reads the options of alternative text; no GIF is read."""

import pytest
import typer

from gifdesc.cli import app
from worlds import run_here

CAPTION = typer.main.get_command(app).commands["caption"]


@pytest.mark.parametrize(
    ("arguments", "paths", "is_alt_text", "length"),
    [
        ("x.gif", ["x.gif"], False, 125),
        ("--alt-text x.gif", ["x.gif"], True, 125),
        ("x.gif --alt-text", ["x.gif"], True, 125),
        ("--alt-text --alt-text-length 80 x.gif", ["x.gif"], True, 80),
        ("x.gif --alt-text --alt-text-length=80", ["x.gif"], True, 80),
        ("--alt-text --json x.gif", ["x.gif"], True, 125),
        ("--alt-text 80", ["80"], True, 125),
        ("-- x.gif --alt-text", ["x.gif", "--alt-text"], False, 125),
    ],
)
def test_alt_text_and_its_length_are_two_options(arguments, paths, is_alt_text, length):
    values = CAPTION.make_context("gifdesc caption", arguments.split()).params
    assert (list(values["paths"]), values["alt_text"]) == (paths, is_alt_text)
    assert values["alt_text_length"] == length


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--alt-text 80 x.gif", "for the length of alternative texts, give --alt-text-length 80"),
        ("x.gif --alt-text 80", "for the length of alternative texts, give --alt-text-length 80"),
        ("--alt-text=80 x.gif", "error: --alt-text takes no value"),
        ("--alt-text-length 80 x.gif", "--alt-text-length is for --alt-text: give both"),
        (
            "--alt-text --alt-text-length 0 x.gif",
            "error: --alt-text-length 0: not a whole number of 1 or more",
        ),
        (
            "--alt-text --alt-text-length x x.gif",
            "error: --alt-text-length x: not a whole number of 1 or more",
        ),
    ],
)
def test_a_length_in_the_wrong_place_is_wrong_usage(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_here("caption", *arguments.split())
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--json --fields path,captoin", "--fields captoin: not one of path, caption, "),
        ("--json --fields captoin", "; did you mean caption?"),
        ("--json --fields path,path", "--fields path,path: name each field once"),
        ("--json --fields ,", "--fields ,: name each field once"),
        ("--fields path", "--fields is for --format json, csv or tsv"),
        ("--json --fields alt_text", "--fields alt_text needs --alt-text"),
        (
            "-o c.jsonl --skip-done --fields caption",
            "--skip-done needs the path: add it to --fields",
        ),
    ],
)
def test_fields_that_do_not_fit_are_wrong_usage(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.gif").touch()
    done = run_here("caption", "x.gif", *arguments.split())
    assert done.code == 2
    assert sentence in done.error
