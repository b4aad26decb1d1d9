"""Dropout whose masks belong to examples."""

import pytest
import torch

from gifdesc.model.dropout import ExampleDropout, example_seeds

SEEDS = example_seeds(0, 1, range(6), "dropout")


def drop(x, seeds, share=0.4, num_draws=1):
    dropout = ExampleDropout(share)
    dropout.seed(seeds)
    return [dropout(x) for _ in range(num_draws)][-1]


def test_what_is_left_is_scaled_up():
    dropped = drop(torch.ones(6, 100, 50), SEEDS)
    assert sorted(set(dropped.flatten().tolist())) == [0.0, pytest.approx(1 / 0.6)]
    # 30,000 draws: a standard error of 0.0028.
    assert (dropped == 0).float().mean().item() == pytest.approx(0.4, abs=0.012)


@pytest.mark.parametrize("shape", [(5, 7), (16, 2048), (1,)])
def test_an_examples_mask_does_not_depend_on_its_neighbours(shape):
    together = drop(torch.ones(6, *shape), SEEDS)
    for row, seed in enumerate(SEEDS):
        assert torch.equal(drop(torch.ones(1, *shape), [seed])[0], together[row])
    backwards = drop(torch.ones(6, *shape), SEEDS[::-1])
    assert torch.equal(backwards.flip(0), together)


@pytest.mark.parametrize("size", [1, 3, 2048])
def test_an_examples_mask_does_not_depend_on_padding(size):
    padded = drop(torch.ones(6, 16, size), SEEDS)
    for length in (1, 5, 15):
        assert torch.equal(drop(torch.ones(6, length, size), SEEDS), padded[:, :length])


def test_masks_do_not_depend_on_threads():
    x = torch.ones(2, 64, 2048)
    one = drop(x, SEEDS[:2])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        assert torch.equal(drop(x, SEEDS[:2]), one)
    finally:
        torch.set_num_threads(before)


def test_examples_draws_and_seeds_have_masks_of_their_own():
    x = torch.ones(6, 40)
    first, second = drop(x, SEEDS), drop(x, SEEDS, num_draws=2)
    masks = {tuple(row.tolist()) for row in (*first, *second)}
    assert len(masks) == 12
    assert not torch.equal(drop(x, example_seeds(0, 2, range(6), "dropout")), first)


def test_seeding_begins_the_draws_anew():
    dropout = ExampleDropout(0.5)
    x = torch.ones(6, 40)
    passes = []
    for _ in range(2):
        dropout.seed(SEEDS)
        passes.append(torch.stack([dropout(x), dropout(x)]))
    assert torch.equal(*passes)


@pytest.mark.parametrize("seeds", [SEEDS, None])
def test_nothing_is_dropped_in_evaluation_or_without_a_share(seeds):
    x = torch.randn(6, 9)
    for dropout in (ExampleDropout(0.5).eval(), ExampleDropout(0.0)):
        dropout.seed(seeds)
        assert dropout(x) is x


def test_without_seeds_pytorchs_own_random_numbers_decide():
    x = torch.ones(6, 40)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first, second = drop(x, None), drop(x, None)
        torch.manual_seed(3)
        assert torch.equal(drop(x, None), first)
    assert not torch.equal(first, second)


def test_pytorchs_own_random_numbers_are_left_alone_where_there_are_seeds():
    before = torch.get_rng_state()
    drop(torch.ones(6, 40), SEEDS)
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_pass_where_nothing_was_dropped():
    x = torch.ones(6, 40, requires_grad=True)
    dropped = drop(x, SEEDS)
    dropped.sum().backward()
    assert torch.equal(x.grad, dropped.detach())


def test_as_many_seeds_as_examples_are_wanted():
    with pytest.raises(ValueError, match="6 seeds for 5 examples"):
        drop(torch.ones(5, 3), SEEDS)


def test_the_printed_form_states_the_share():
    assert repr(ExampleDropout(0.25)) == "ExampleDropout(share=0.25)"
