"""Plans of batches: every item once, the same each time, shared out over processes."""

import threading
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.data.dataset import iterate_batches, plan_batches, plan_scoring, share_of_plan
from gifdesc.model.losses import token_loss
from worlds import CAPTIONS, dataset_of, tiny_model, tiny_tokenizer

LENGTHS = [3 + (7 * i) % 17 for i in range(203)]

lengths = st.lists(st.integers(2, 128), max_size=200)
sizes = st.integers(1, 40)
seeds = st.integers(-3, 3)


def flat(plan):
    return [index for batch in plan for index in batch]


def padding(plan, token_lengths):
    """Share of the positions that are padding."""
    width = sum(len(batch) * max(token_lengths[i] for i in batch) for batch in plan)
    return 1 - sum(token_lengths) / width


@given(lengths, sizes, seeds, st.integers(1, 50), st.sampled_from([None, 128]))
def test_every_item_is_in_one_batch_and_all_batches_but_the_last_are_full(
    token_lengths, batch_size, seed, epoch, pad_to
):
    plan = plan_batches(token_lengths, batch_size, seed=seed, epoch=epoch, pad_to=pad_to)
    assert sorted(flat(plan)) == list(range(len(token_lengths)))
    assert all(len(batch) == batch_size for batch in plan[:-1])
    assert all(1 <= len(batch) <= batch_size for batch in plan)


@pytest.mark.parametrize("pad_to", [None, 128])
def test_a_plan_is_decided_by_seed_and_epoch_alone(pad_to):
    def plan(seed, epoch):
        return plan_batches(LENGTHS, 8, seed=seed, epoch=epoch, pad_to=pad_to)

    first = plan(4, 2)
    torch.rand(3)
    assert plan(4, 2) == first
    assert plan(4, 3) != first
    assert plan(5, 2) != first
    assert sorted(map(sorted, plan(4, 3))) != sorted(map(sorted, first))


def test_a_plan_never_changes():
    # A run that is resumed by a later version relies on its order.
    plan = plan_batches([5, 9, 4, 7, 5, 8, 6, 3, 9], 2, seed=0, epoch=1)
    assert plan == PINNED


PINNED = [[1, 8], [0, 4], [7, 2], [3, 5], [6]]


def test_captions_of_similar_length_share_a_batch():
    plan = plan_batches(LENGTHS, 8, seed=0, epoch=1)
    shuffled = plan_batches(LENGTHS, 8, seed=0, epoch=1, pad_to=128)
    assert padding(plan, LENGTHS) < 0.1 < 0.3 < padding(shuffled, LENGTHS)


def test_short_and_long_batches_come_in_no_order():
    plan = plan_batches(LENGTHS, 8, seed=0, epoch=1)
    longest = [max(LENGTHS[i] for i in batch) for batch in plan[:-1]]
    assert longest != sorted(longest)
    rises = sum(after > before for before, after in pairwise(longest))
    assert 0.2 < rises / len(longest) < 0.8


def test_scoring_takes_every_item_once_with_least_padding():
    plan = plan_scoring(LENGTHS, 8)
    assert sorted(flat(plan)) == list(range(len(LENGTHS)))
    sorted_lengths = [LENGTHS[i] for i in flat(plan)]
    assert sorted_lengths == sorted(LENGTHS)


@given(lengths, sizes, st.integers(1, 5))
def test_the_shares_of_all_processes_are_the_batches_of_one(token_lengths, batch_size, world_size):
    plan = plan_batches(token_lengths, batch_size, seed=0, epoch=1)
    shares = [share_of_plan(plan, rank, world_size) for rank in range(world_size)]
    for batch, *parts in zip(plan, *shares, strict=True):
        assert sorted(flat(parts)) == sorted(batch)
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return dataset_of(CAPTIONS, tmp_path_factory.mktemp("batching"), tiny_tokenizer())


def test_batches_are_those_of_the_plan(dataset):
    pad_id = tiny_tokenizer().pad_id
    plan = [[5, 0], [], [3]]
    batches = list(iterate_batches(dataset, plan, pad_id=pad_id))
    assert [batch.is_empty for batch in batches] == [False, True, False]
    for batch, indices in ((batches[0], [5, 0]), (batches[2], [3])):
        for row, index in enumerate(indices):
            item = dataset[index]
            assert torch.equal(batch.tokens[row][batch.token_mask[row]], item.tokens)
            assert torch.equal(batch.features[row, : batch.lengths[row]], item.features)


@pytest.mark.parametrize("pad_to", [None, 20])
def test_an_empty_batch_is_computed_and_counts_nothing(dataset, pad_to):
    tokenizer = tiny_tokenizer()
    [batch] = iterate_batches(dataset, [[]], pad_id=tokenizer.pad_id, pad_to=pad_to)
    model = tiny_model(vocab_size=tokenizer.vocab_size)
    loss = token_loss(model, batch, "next_token", label_smoothing=0.1)
    loss.objective.backward()
    numbers = (loss.objective.detach(), loss.cross_entropy, loss.num_correct, loss.num_tokens)
    assert list(map(float, numbers)) == [0.0] * 4
    gradients = [one.grad for one in model.parameters() if one.grad is not None]
    assert all(float(one.abs().sum()) == 0 for one in gradients)
    assert batch.tokens.shape[1] == (pad_to or 2)


def test_batches_are_made_ahead_in_their_order(tmp_path, monkeypatch):
    dataset = dataset_of(CAPTIONS, tmp_path, tiny_tokenizer())
    plan = plan_batches(dataset.token_lengths, 2, seed=0, epoch=1)
    threads = []
    make = type(dataset).batch

    def batch(self, indices, **options):
        threads.append(threading.current_thread())
        return make(self, indices, **options)

    monkeypatch.setattr(type(dataset), "batch", batch)
    batches = iterate_batches(dataset, plan, pad_id=0)
    first = next(batches)
    rest = list(batches)
    assert [list(each.indices) for each in (first, *rest)] == plan
    assert len(threads) == len(plan)
    assert threading.main_thread() not in threads


def test_the_thread_ends_where_the_batches_are_not_all_used(tmp_path):
    dataset = dataset_of(CAPTIONS, tmp_path, tiny_tokenizer())
    plan = plan_batches(dataset.token_lengths, 1, seed=0, epoch=1)
    batches = iterate_batches(dataset, plan, pad_id=0)
    next(batches)
    assert any(each.name.startswith("gifdesc-ahead") for each in threading.enumerate())
    batches.close()
    assert not any(each.name.startswith("gifdesc-ahead") for each in threading.enumerate())
