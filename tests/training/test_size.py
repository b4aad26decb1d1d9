import math

import pytest

from gifdesc.config import TrainingConfig
from gifdesc.training.size import MIN_PASSES, MIN_STEPS, fit_to_data, num_captioned, num_steps_of


def fitted(num_pairs, num_val_gifs=0, known=None, **options):
    config = TrainingConfig(**options)
    return fit_to_data(config, num_pairs=num_pairs, num_val_gifs=num_val_gifs, known=known)


def size(config):
    return config.batch_size, config.epochs, config.passes


@pytest.mark.parametrize(
    ("num_pairs", "wanted"),
    [
        (1, (8, 300, 1)),
        (16, (8, 150, 1)),
        (20, (8, 100, 1)),
        (64, (8, 40, 1)),
        (65, (16, 60, 1)),
        (176, (16, 28, 1)),
        (2000, (16, 20, 1)),
        (2001, (32, 20, 1)),
        (100_000, (32, 20, 1)),
    ],
)
def test_batches_and_epochs_follow_the_data(num_pairs, wanted):
    assert size(fitted(num_pairs)) == wanted


@pytest.mark.parametrize(
    ("num_pairs", "wanted"),
    [
        (5, (1, 10, 6)),
        (16, (2, 10, 4)),
        (20, (2, 10, 4)),
        (64, (8, 10, 4)),
        (100, (3, 10, 1)),
        (300, (10, 10, 1)),
        (2000, (16, 10, 1)),
        (5000, (32, 10, 1)),
    ],
)
def test_of_few_epochs_the_batches_are_smaller_and_of_few_pairs_the_passes_more(num_pairs, wanted):
    config = fitted(num_pairs, epochs=10)
    assert size(config) == wanted
    assert num_steps_of(config, num_pairs) >= MIN_STEPS


@pytest.mark.parametrize("num_pairs", range(1, 400, 7))
@pytest.mark.parametrize("batch_size", [0, 1, 4, 32])
def test_a_run_that_chooses_its_epochs_is_never_too_small(num_pairs, batch_size):
    config = fitted(num_pairs, batch_size=batch_size)
    assert config.batch_size == (batch_size or config.batch_size)
    assert num_steps_of(config, num_pairs) >= MIN_STEPS
    assert num_pairs > 64 or config.epochs * config.passes >= MIN_PASSES
    assert config.epochs >= 20


def test_what_is_given_stays():
    assert size(fitted(20, epochs=3, batch_size=5)) == (5, 3, 1)
    assert size(fitted(20, epochs=3, batch_size=5, passes=2)) == (5, 3, 2)
    assert num_steps_of(fitted(20, epochs=3, batch_size=6, passes=2), 20) == 3 * 2 * 4


def test_one_epoch_of_few_pairs_takes_a_bounded_number_of_passes():
    assert size(fitted(20, epochs=1)) == (1, 1, 8)


def test_choosing_twice_is_choosing_once():
    once = fitted(33, num_val_gifs=4, epochs=7)
    assert fit_to_data(once, num_pairs=1000, num_val_gifs=500) == once


@pytest.mark.parametrize(
    ("num_val_gifs", "options", "wanted"),
    [
        (0, {}, "last"),
        (19, {}, "last"),
        (20, {}, "cider"),
        (3, {"patience": 2}, "cider"),
        (3, {"best_by": "loss"}, "loss"),
        (300, {"objective": "reconstruction"}, "loss"),
        (3, {"objective": "reconstruction"}, "loss"),
    ],
)
def test_few_validation_gifs_choose_no_epoch(num_val_gifs, options, wanted):
    assert fitted(100, num_val_gifs, **options).best_by == wanted


def test_a_run_that_goes_on_keeps_what_it_chose():
    known = {"batch_size": 3, "epochs": 10, "passes": 2, "best_by": "cider", "seed": 5}
    config = fitted(20, known=known, epochs=40)
    assert size(config) == (3, 40, 2)
    assert (config.best_by, config.seed) == ("cider", 0)


def test_the_steps_are_those_that_are_taken():
    assert num_steps_of(fitted(21, epochs=2, batch_size=8), 21) == 2 * math.ceil(21 / 8)


@pytest.mark.parametrize(
    ("num_pairs", "wanted"), [(1, 100), (1600, 100), (3200, 200), (16000, 1000), (10**6, 1000)]
)
def test_captions_of_the_validation_split_are_a_small_share_of_an_epoch(num_pairs, wanted):
    assert num_captioned(num_pairs) == wanted
