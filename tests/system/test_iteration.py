import pytest

from gifdesc.system.iteration import non_empty


def test_all_items_are_kept():
    assert list(non_empty(iter("abc"))) == ["a", "b", "c"]


def test_nothing_is_none():
    assert non_empty(iter(())) is None


def test_one_item_is_fetched_at_once_and_the_others_when_they_are_needed():
    fetched = []
    items = non_empty(fetched.append(number) or number for number in range(3))
    assert fetched == [0]
    assert list(items) == [0, 1, 2]


def test_an_error_of_the_first_item_is_raised_at_once():
    def broken():
        raise ValueError("no items")
        yield

    with pytest.raises(ValueError, match="no items"):
        non_empty(broken())
