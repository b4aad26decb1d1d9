import pytest

from gifdesc.config import to_json
from gifdesc.data.caption_statistics import CaptionStatistics, repeated_pairs, repeats_in_a_row
from gifdesc.system.json_files import from_json


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("", 1),
        ("a cat", 1),
        ("a cat cat cat", 3),
        ("a cat and a cat and a dog", 2),
        ("a cat a cat a cat a", 3),
        ("a man and a woman", 1),
        ("b a a a", 3),
        ("one two three four one two three four", 2),
        ("one two three four five one two three four five", 1),
    ],
)
def test_the_longest_run_of_a_phrase(said, wanted):
    assert repeats_in_a_row(said.split()) == wanted


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("", 0),
        ("cat", 0),
        ("a cat sees a dog", 0),
        ("a cat sees a cat", 1 / 4),
        ("a a a a a", 3 / 4),
    ],
)
def test_the_share_of_repeated_pairs(said, wanted):
    assert repeated_pairs(said.split()) == pytest.approx(wanted)


def test_captions_are_measured_by_those_of_the_training():
    found = CaptionStatistics.of([[1, 2, 3, 4], [1, 2, 1, 2], [5]])
    assert found == CaptionStatistics(longest=5, repeats=2, repeated_pairs=1 - 2 / 3)
    assert found.limit == 8
    assert not found.is_repetitive([1, 2, 1, 2])
    assert not found.is_repetitive([7, 7])
    assert found.is_repetitive([7, 7, 7])
    assert found.is_repetitive([1, 2, 3, 1, 2, 3, 1])


def test_a_few_odd_captions_among_many_do_not_count():
    usual, odd = [1, 2, 3], [1] * 9
    assert CaptionStatistics.of([usual] * 998 + [odd]).repeats == 9
    assert CaptionStatistics.of([usual] * 999 + [odd]).repeats == 1
    assert CaptionStatistics.of([usual] * 999 + [odd]).longest == 10


def test_they_come_back_from_json():
    one = CaptionStatistics(longest=12, repeats=1, repeated_pairs=0.25)
    assert from_json(CaptionStatistics, to_json(one)) == one


@pytest.mark.parametrize("changes", [{"longest": 0}, {"repeats": 0}, {"repeated_pairs": 2.0}])
def test_invalid_statistics_are_refused(changes):
    row = to_json(CaptionStatistics(longest=12, repeats=1, repeated_pairs=0.25))
    with pytest.raises(ValueError, match="must be"):
        from_json(CaptionStatistics, {**row, **changes})
