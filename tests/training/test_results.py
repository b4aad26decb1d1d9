"""Which epoch is the best, and how a run is summed up."""

import pytest

from gifdesc.training.results import is_better, num_epochs_since_best
from worlds import epoch_result


def best_flags(by, *scores):
    """Which epochs are better than all before them."""
    history = [
        epoch_result(epoch, val_cider=cider, val_loss=loss)
        for epoch, (cider, loss) in enumerate(scores, start=1)
    ]
    return [
        is_better(result.val_loss, result.val_cider, history[:index], by)
        for index, result in enumerate(history)
    ]


def test_without_validation_the_latest_is_the_best():
    for by in ("cider", "loss"):
        assert best_flags(by, (None, None), (None, None)) == [True, True]


def test_by_cider_the_highest_wins_whatever_the_loss():
    assert best_flags("cider", (1.0, 2.0), (0.5, 1.0), (1.5, 9.0)) == [True, False, True]


def test_by_loss_the_lowest_wins_whatever_the_cider():
    assert best_flags("loss", (1.0, 2.0), (0.5, 1.0), (1.5, 9.0)) == [True, True, False]


def test_equal_cider_is_decided_by_the_loss_and_equal_loss_by_who_came_first():
    assert best_flags("cider", (1.0, 2.0), (1.0, 1.5), (1.0, 1.5), (1.0, 1.7)) == [
        True,
        True,
        False,
        False,
    ]
    assert best_flags("loss", (1.0, 2.0), (5.0, 2.0)) == [True, False]


def test_where_captions_have_no_score_the_loss_decides():
    assert best_flags("cider", (None, 2.0), (None, 1.5), (None, 1.6)) == [True, True, False]


def test_an_epoch_competes_with_all_before_and_not_with_the_best_alone():
    assert best_flags("cider", (0.0, 2.0), (2.0, 3.0), (1.0, 1.0)) == [True, True, False]


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ([], 0),
        ([True], 0),
        ([True, False, False], 2),
        ([True, False, True, False], 1),
        ([True, True], 0),
    ],
)
def test_epochs_since_the_best(flags, wanted):
    assert num_epochs_since_best([epoch_result(1, is_best=flag) for flag in flags]) == wanted
