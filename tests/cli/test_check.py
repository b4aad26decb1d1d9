"""`gifdesc check` through its real entry point."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gif_files import draw_broken_gif, draw_gif, truncate
from gifdesc.checks.findings import GIF_KINDS, KINDS
from gifdesc.cli import app
from gifdesc.cli.check import MAX_ROWS_PER_KIND
from worlds import process_environment


def check(*arguments, stdin=""):
    result = CliRunner().invoke(app, ["check", *map(str, arguments)], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


ROOT = Path(__file__).parents[2]


@pytest.fixture
def world(tmp_path, monkeypatch):
    """GIFs and descriptions with five findings, in the current folder."""
    monkeypatch.chdir(tmp_path)
    draw_gif(tmp_path / "gifs" / "good.gif")
    draw_gif(tmp_path / "gifs" / "one frame.gif", 1)
    truncate(draw_gif(tmp_path / "gifs" / "cut [x].gif", 6), 20)
    draw_broken_gif(tmp_path / "gifs" / "text.gif")
    (tmp_path / "texts").mkdir()
    for name in ("good", "one frame", "cut [x]"):
        (tmp_path / "texts" / f"{name}.txt").write_text(f"this is {name}\n")
    with (tmp_path / "texts" / "good.txt").open("a") as file:
        file.write("\nthis is good as well\n")
    (tmp_path / "texts" / "ghost.txt").write_text("a ghost walks home\n")
    return tmp_path


def test_clean_gifs_exit_with_0(tmp_path):
    draw_gif(tmp_path / "a.gif")
    result = check(tmp_path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "1 GIF checked: nothing found\n"


@pytest.mark.usefixtures("world")
def test_findings_are_listed_kind_by_kind_with_exit_code_1():
    result = check("gifs", "--descriptions", "texts")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "gifs/text.gif       unreadable           not a GIF (it starts like text)",
        "gifs/cut [x].gif    truncated            it ends inside image 6; 5 frames can be used",
        "gifs/one frame.gif  still                one frame",
        "gifs/text.gif       missing_description  no description of text",
        "texts/ghost.txt     orphan_description   ghost: there is no GIF of this name",
    ]
    assert result.stderr == (
        "4 GIFs and 5 descriptions checked: 1 unreadable, 1 truncated, 1 still, "
        "1 missing_description, 1 orphan_description\n"
    )


@pytest.mark.usefixtures("world")
def test_json_is_one_object():
    result = check("gifs", "--json", "--descriptions", "texts")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert list(report) == ["num_gifs", "num_descriptions", "findings", "counts"]
    assert (report["num_gifs"], report["num_descriptions"]) == (4, 5)
    assert report["findings"][0] == {
        "path": "gifs/cut [x].gif",
        "kind": "truncated",
        "detail": "it ends inside image 6; 5 frames can be used",
    }
    assert list(report["counts"]) == list(KINDS)
    assert sum(report["counts"].values()) == len(report["findings"]) == 5
    assert report["counts"]["orphan_description"] == 1


@pytest.mark.usefixtures("world")
def test_json_counts_only_the_kinds_that_were_checked():
    report = json.loads(check("gifs/good.gif", "--json").stdout)
    assert report == {"num_gifs": 1, "findings": [], "counts": dict.fromkeys(GIF_KINDS, 0)}


@pytest.mark.usefixtures("world")
def test_list_writes_the_paths_of_one_kind():
    result = check("gifs", "--list", "still")
    assert (result.exit_code, result.stdout) == (1, "gifs/one frame.gif\n")
    result = check("gifs", "--list", "dead")
    assert (result.exit_code, result.stdout) == (1, "")


def test_list_names_a_file_once(world):
    (world / "texts.tsv").write_text("good\ttoo short\none frame\tthis too\n")
    result = check("gifs", "--descriptions", "texts.tsv", "--list", "short_description")
    assert result.stdout == "texts.tsv\n"


def test_names_that_are_not_text_are_kept(tmp_path):
    name = b"odd \xff\n\x1b[31m.gif"
    draw_gif(tmp_path / "a.gif", 1).rename(tmp_path / os.fsdecode(name))
    path = os.fsencode(tmp_path) + b"/" + name
    assert check(tmp_path, "--list", "still").stdout_bytes == path + b"\n"
    assert check(tmp_path, "--list", "still", "-0").stdout_bytes == path + b"\0"
    assert check(tmp_path, "--list", "still", "--null").stdout_bytes == path + b"\0"
    [line] = check(tmp_path).stdout.splitlines()
    assert line.endswith("odd \\xff\\n\\x1b[31m.gif  still  one frame")
    [finding] = json.loads(check(tmp_path, "--json").stdout)["findings"]
    assert os.fsencode(finding["path"]) == path


@pytest.mark.usefixtures("world")
def test_paths_come_from_stdin():
    result = check("-", "--json", stdin="gifs/one frame.gif\ngifs/gone.gif\n")
    report = json.loads(result.stdout)
    assert report["num_gifs"] == 1
    assert [(one["path"], one["kind"]) for one in report["findings"]] == [
        ("gifs/one frame.gif", "still"),
        ("gifs/gone.gif", "unreadable"),
    ]


@pytest.mark.usefixtures("world")
def test_gifs_are_named_by_patterns_and_once_each():
    result = check("gifs/*frame.gif", "gifs/one frame.gif", "./gifs/one frame.gif", "--json")
    report = json.loads(result.stdout)
    assert report["num_gifs"] == 1
    assert [(one["path"], one["kind"]) for one in report["findings"]] == [
        ("gifs/one frame.gif", "still")
    ]


@pytest.mark.usefixtures("world")
def test_nul_separates_the_paths_on_stdin_and_in_the_output():
    draw_gif(Path("gifs/two\nlines.gif"), 1)
    result = check("-", "-0", "--list", "still", stdin="gifs/two\nlines.gif\0gifs/good.gif\0")
    assert result.stdout == "gifs/two\nlines.gif\0"
    assert result.stderr == "2 GIFs checked: 1 still\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "error: PATH... is missing: gifdesc check [OPTIONS] PATH..."),
        (("gifs", "--list", "odd"), "error: --list odd: not one of"),
        (
            ("gifs", "--null"),
            "error: -0 is for a list on stdin (give - as a PATH) or --list",
        ),
        (
            ("gifs", "--list", "still", "--json"),
            "error: --json and --list exclude each other",
        ),
        (
            ("gifs", "--list", "bad_description"),
            "error: --list bad_description needs --desc",
        ),
        (("gifs", "--descriptions", "gone"), "error: gone: no such file or folder"),
        (("",), "error: an argument is empty (an unset variable?); name a GIF or a folder"),
    ],
)
@pytest.mark.usefixtures("world")
def test_wrong_usage_exits_with_2(arguments, sentence):
    result = check(*arguments)
    said = {"error": sentence.removeprefix("error: ")} if "--json" in arguments else None
    assert result.exit_code == 2
    assert (json.loads(result.stdout) if result.stdout else None) == said
    assert sentence in result.stderr


def test_help_shows_every_kind_on_a_line_of_its_own():
    lines = check("--help").stdout.splitlines()
    for kind, line in KINDS.items():
        assert any(shown.split() == [kind, *line.split()] for shown in lines)


def test_a_terminal_shows_a_shortened_table(tmp_path, monkeypatch):
    for index in range(MAX_ROWS_PER_KIND + 2):
        draw_gif(tmp_path / f"{index:02} [b].gif", [(index, 0, 0)])
    draw_broken_gif(tmp_path / "x.gif")
    monkeypatch.chdir(tmp_path)
    # By name, `gifdesc.cli.check` is the function.
    monkeypatch.setattr(sys.modules["gifdesc.cli.check"], "is_terminal", lambda: True)
    lines = [line.split() for line in check(".").stdout.splitlines()]
    assert lines[0] == ["path", "kind", "detail"]
    assert ["00", "[b].gif", "still", "one", "frame"] in lines
    assert sum(line[-3:] == ["still", "one", "frame"] for line in lines) == MAX_ROWS_PER_KIND
    assert lines[-1] == ["and", "2", "more:", "--list", "still", "still"]


def test_nothing_heavy_is_imported(tmp_path):
    path = draw_gif(tmp_path / "a.gif")
    program = (
        "import sys; from gifdesc.cli import app; "
        f"app(['check', {str(path)!r}], standalone_mode=False); "
        "print(sorted({'torch', 'torchvision', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_closed_pipe_keeps_the_exit_code(tmp_path):
    for index in range(3):
        draw_broken_gif(tmp_path / f"{index}.gif")
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "gifdesc", "check", str(tmp_path)],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, "3 GIFs checked: 3 unreadable\n")


def test_a_gif_on_stdin_has_the_name_of_its_argument(tmp_path):
    data = draw_gif(tmp_path / "a.gif", [(9, 9, 9)]).read_bytes()
    done = check("-", stdin=data)
    assert done.stdout.split() == ["-", "still", "one", "frame"]


def test_a_narrow_terminal_gets_paragraphs(tmp_path, monkeypatch):
    draw_broken_gif(tmp_path / "broken.gif")
    draw_gif(tmp_path / "still.gif", [(9, 9, 9)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.modules["gifdesc.cli.check"], "is_terminal", lambda: True)
    assert check(".").stdout.splitlines() == [
        "unreadable:",
        "  broken.gif: not a GIF (it starts like text)",
        "still:",
        "  still.gif: one frame",
    ]


def is_gnu_mv():
    mv = shutil.which("mv")
    if mv is None:
        return False
    version = subprocess.run([mv, "--version"], capture_output=True, check=False)
    return b"GNU" in version.stdout


def documented_moves():
    """The lines of the documents that move files which `check` finds."""
    for name in ("README.md", "docs/quickstart.md", "docs/files.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        [line] = [one for one in text.splitlines() if "--list unreadable" in one and "mv" in one]
        yield pytest.param(line, id=name)


@pytest.mark.skipif(not is_gnu_mv(), reason="GNU mv")
@pytest.mark.parametrize("line", [*documented_moves()])
def test_a_documented_move_of_unreadable_files_loses_none(tmp_path, line):
    names = ("a/x.gif", "b/x.gif", "b/deep/x.gif", "-n.gif", "two\nlines.gif", "it's {} $x.gif")
    for name in names:
        path = tmp_path / "gifs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}")
    draw_gif(tmp_path / "gifs" / "good.gif")
    command = tmp_path / "bin" / "gifdesc"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gifdesc "$@"\n')
    command.chmod(0o755)
    (tmp_path / "rejected").mkdir()
    environment = process_environment(PATH=f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    for _ in range(2):  # the second time there is nothing to move
        subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment, check=True)
    moved = [path.read_text() for path in (tmp_path / "rejected").iterdir()]
    assert sorted(moved) == sorted(f"text of {name}" for name in names)
    left = [path.name for path in (tmp_path / "gifs").rglob("*.gif")]
    assert left == ["good.gif"]
