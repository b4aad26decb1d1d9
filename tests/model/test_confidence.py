import random

import pytest

from gifdesc.model.confidence import confidence_threshold, is_low


def test_it_is_the_kth_lowest_score():
    scores = [-0.01 * n for n in range(1, 100)]  # 99 scores: k = floor(0.05 * 100) = 5
    assert confidence_threshold(scores) == pytest.approx(-0.95)
    assert confidence_threshold(scores[::-1]) == pytest.approx(-0.95)


@pytest.mark.parametrize(("num_scores", "has_one"), [(0, False), (18, False), (19, True)])
def test_too_few_scores_give_no_threshold(num_scores, has_one):
    assert (confidence_threshold([-1.0] * num_scores) is not None) == has_one


@pytest.mark.parametrize("num_scores", [19, 40, 75])
def test_at_most_one_in_twenty_like_them_is_called_low(num_scores):
    generator = random.Random(0)
    num_low = 0
    for _ in range(4000):
        *known, new = (generator.gauss(-1, 0.5) for _ in range(num_scores + 1))
        num_low += is_low(new, confidence_threshold(known))
    # 0.05 and three standard deviations of a share of 4000
    assert num_low / 4000 < 0.05 + 3 * (0.05 * 0.95 / 4000) ** 0.5


def test_equal_scores_are_not_low():
    assert is_low(-1.0, confidence_threshold([-1.0] * 30)) is False
    assert is_low(-1.0001, confidence_threshold([-1.0] * 30)) is True
    assert is_low(-5.0, None) is None


@pytest.mark.parametrize("odd", [float("nan"), float("-inf")])
def test_scores_that_are_no_numbers_are_refused(odd):
    with pytest.raises(ValueError, match="finite"):
        confidence_threshold([-1.0] * 20 + [odd])
