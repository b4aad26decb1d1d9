import sys

import pytest

from gifdesc.metrics import tokenize
from gifdesc.metrics.lexicon import escape_brackets, remove_line_breaks, remove_soft_hyphens


@pytest.mark.parametrize(
    "line_break",
    ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"],
)
def test_a_line_break_becomes_a_space(line_break: str) -> None:
    line = remove_line_breaks(f"a dog{line_break}runs")
    assert line.split() == ["a", "dog", "runs"]
    assert len(line.splitlines()) == 1
    assert tokenize(f"a dog{line_break}runs") == "a dog runs"


def test_every_line_break_of_python_is_a_line_break() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        assert (remove_line_breaks(character) == " ") == (
            len(f"a{character}b".splitlines()) == 2 or character == " "
        )


def test_soft_hyphens_are_no_part_of_a_word() -> None:
    assert remove_soft_hyphens("soft\u00adhyphen and-hyphen") == "softhyphen and-hyphen"


def test_round_brackets_have_the_treebanks_names() -> None:
    assert escape_brackets(":)") == ":-rrb-"
    assert escape_brackets("((x)") == "-lrb--lrb-x-rrb-"
