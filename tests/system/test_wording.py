import pytest

from gifdesc.system.wording import counted, list_some


@pytest.mark.parametrize(("number", "text"), [(0, "0 GIFs"), (1, "1 GIF"), (2, "2 GIFs")])
def test_a_number_has_its_noun(number, text):
    assert counted(number, "GIF") == text


@pytest.mark.parametrize(
    ("names", "text"),
    [("", ""), ("a", "a"), ("ab", "a, b"), ("abc", "a, b and 1 more"), ("abcd", "a, b and 2 more")],
)
def test_long_lists_end_in_a_number(names, text):
    assert list_some(list(names), limit=2) == text
