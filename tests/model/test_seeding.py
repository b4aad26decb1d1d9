"""Seeds are functions of run, epoch, example and purpose, and nothing else."""

import pytest
import torch

from gifdesc.model.dropout import example_seeds, seed_at
from gifdesc.training.phases import draw_replaced


def test_an_examples_seed_does_not_depend_on_its_neighbours():
    together = example_seeds(3, 2, [5, 0, 9], "dropout")
    assert together == [example_seeds(3, 2, [index], "dropout")[0] for index in (5, 0, 9)]


def test_run_epoch_example_and_purpose_all_count():
    seeds = {
        example_seeds(seed, epoch, [index], purpose)[0]
        for seed in (0, 1)
        for epoch in (1, 2)
        for index in (0, 1)
        for purpose in ("dropout", "samples")
    }
    assert len(seeds) == 16


PINNED = [534494025497764160, 2711836807966186837]


def test_seeds_never_change():
    # A run that is resumed by a later version relies on them.
    assert example_seeds(0, 1, [0, 1], "dropout") == PINNED


def test_neighbours_begin_with_different_numbers():
    # PyTorch looks at the low 32 bits of a seed alone.
    base = example_seeds(0, 1, [0])[0]
    seeds = [seed_at(base, index) for index in range(100_000)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert len({seed % 2**32 for seed in seeds}) == len(seeds)


def test_the_first_words_are_never_replaced():
    mask = torch.ones(50, 7, dtype=torch.bool)
    replaced = draw_replaced(mask, 0.999, list(range(50)))
    assert replaced.dtype == torch.bool
    assert not replaced[:, 0].any()
    assert replaced[:, 1:].float().mean() > 0.98


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_wanted_share_is_replaced(share):
    mask = torch.ones(400, 51, dtype=torch.bool)
    replaced = draw_replaced(mask, share, list(range(400)))[:, 1:].float()
    # 20,000 draws: a standard error of at most 0.0036.
    assert replaced.mean().item() == pytest.approx(share, abs=0.015 if share else 0)


def test_padding_and_neighbours_have_no_say_in_what_is_replaced():
    seeds = example_seeds(0, 1, range(4))
    together = draw_replaced(torch.ones(4, 40, dtype=torch.bool), 0.5, seeds)
    for row, seed in enumerate(seeds):
        for width in (40, 17, 3, 1):
            alone = draw_replaced(torch.ones(1, width, dtype=torch.bool), 0.5, [seed])
            assert torch.equal(alone[0], together[row, :width])
