import pytest

from gifdesc.metrics.base import TokenizedCaption, TokenizedExample
from gifdesc.metrics.rouge import longest_common_subsequence, rouge_l


def score(hypothesis: str, *references: str) -> float:
    return rouge_l(
        TokenizedExample(TokenizedCaption(hypothesis), tuple(map(TokenizedCaption, references)))
    )


@pytest.mark.parametrize(
    ("first", "second", "length"),
    [
        ("abcbdab", "bdcaba", 4),
        ("abc", "abc", 3),
        ("abc", "xyz", 0),
        ("", "abc", 0),
        ("aab", "ab", 2),
    ],
)
def test_longest_common_subsequence(first: str, second: str, length: int) -> None:
    assert longest_common_subsequence(list(first), list(second)) == length
    assert longest_common_subsequence(list(second), list(first)) == length


def test_f_measure_by_hand() -> None:
    # After the example of Lin 2004, section 3.1: the common subsequence is "police the gunman",
    # 3 of 4 words and 3 of 5.
    precision, recall = 3 / 4, 3 / 5
    expected = (1 + 1.44) * precision * recall / (recall + 1.44 * precision)
    assert score("police kill the gunman", "police then killed the gunman") == pytest.approx(
        expected
    )


def test_best_precision_and_best_recall_may_come_from_two_references() -> None:
    # Precision 1 is the first reference's (recall 2/4), recall 1 the second's (precision 1/2).
    assert score("a dog", "a big dog runs", "dog") == pytest.approx(1.0)


def test_captions_without_words_count_as_one_empty_token() -> None:
    assert score("", "a dog") == 0
    assert score("a dog", "") == 0
    assert score("", "") == pytest.approx(1.0)


def test_words_are_parted_at_spaces_only() -> None:
    assert score("3\u00a01/2", "3 1/2") == 0
