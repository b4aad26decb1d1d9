"""Wrong usage: one line that names what is wrong, and the nearest right spelling."""

import pytest

from gifdesc.cli.usage import UsageError
from worlds import run_here


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "extract x --sampling unifrm",
            "--sampling unifrm: not one of uniform, step, time; did you mean uniform?",
        ),
        ("extract x --num-frames 0", "--num-frames 0: not a whole number of 1 or more"),
        ("extract x --num-frames=1.5", "--num-frames 1.5: not a whole number of 1 or more"),
        (
            "extract x --num-frames 8 --num-frames=0",
            "--num-frames 0: not a whole number of 1 or more",
        ),
        ("extract x --num-frames", "--num-frames needs a value: INTEGER, 1 or more"),
        ("extract x --backbone", "--backbone needs a value: NAME"),
        ("extract", "PATH... is missing: gifdesc extract [OPTIONS] PATH..."),
        ("extract x -o ", "-o needs a value: DIR"),
        ("caption x --beam 99999999999999999999", "--beam 99999999999999999999: too large"),
        (
            "train --preset atention",
            "--preset atention: not one of attention, mean, report; did you mean attention?",
        ),
        ("caption x -q -v", "--quiet and --verbose exclude each other"),
        (
            "caption x --format csv --weights-per-word",
            "--weights-per-word is for --json without --fields",
        ),
        ("train --lr abc", "--lr abc: not a number"),
        ("caption x --top-p 3", "--top-p 3: not a number of 0 to 1"),
        ("check x --json=3", "--json takes no value"),
        (
            "caption x --modle y",
            "no option --modle; did you mean --model? (gifdesc caption -h lists all options)",
        ),
        ("captoin x", "no command captoin; did you mean caption? (gifdesc -h lists all commands)"),
        ("zzz", "no command zzz (gifdesc -h lists all commands)"),
        ("--zzz", "no option --zzz (gifdesc -h lists all options)"),
        ("caption x --no-config", "--no-config comes before the command: gifdesc --no-config ..."),
        ("-v caption x", "-v comes after the command: gifdesc COMMAND -v ..."),
        ("fetch a b", "got unexpected extra argument(s) (b)"),
        (
            "search a red ball",
            "got unexpected extra argument(s) (ball); write several words in quotes",
        ),
    ],
)
def test_wrong_usage_is_one_line(arguments, sentence):
    done = run_here(*arguments.split())
    assert (done.code, done.out, done.err) == (2, "", f"error: {sentence}\n")


def test_without_a_command_the_help_is_shown():
    done = run_here()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: gifdesc")


def test_typer_still_has_one_class_for_all_errors_of_usage():
    assert UsageError.__name__ == "UsageError"
    assert issubclass(UsageError, Exception)
