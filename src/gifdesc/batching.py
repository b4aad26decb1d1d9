"""Which examples make up which batch: plans, and the batches that a plan names.

A plan lists the batches of one epoch as item numbers of a dataset. It is a pure function of its
arguments, so that a run can be taken up at any batch and several processes agree without talking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from gifdesc.dataset import Batch, GIFDataset

Plan = list[list[int]]
"""Batches in the order of training, each a list of item numbers."""

_WINDOW_BATCHES = 16
"""Batches whose captions are sorted by length together: enough to leave little padding, few
enough that a batch still is a mixture of the whole."""


def plan_batches(
    token_lengths: Sequence[int],
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    pad_to: int | None = None,
) -> Plan:
    """The batches of one training epoch: every item once, captions of similar length together.

    The items are shuffled, sorted by length within windows of some batches, cut into batches, and
    the batches are shuffled. What does not fill a batch comes last. A run that is resumed leaves
    out the batches it has done: `plan[num_done:]`.

    Args:
        token_lengths: tokens of every item.
        batch_size: items of a batch, over all processes.
        seed: of the run.
        epoch: another epoch has another order.
        pad_to: every caption is filled up to this length, so that sorting would gain nothing;
            None where captions are padded to the longest of their batch.
    """
    # A string is hashed the same way on every machine and takes negative seeds too.
    random = Random(f"batches:{seed}:{epoch}")
    order = list(range(len(token_lengths)))
    random.shuffle(order)
    num_full = len(order) // batch_size * batch_size
    if pad_to is None:
        window = _WINDOW_BATCHES * batch_size
        for first in range(0, num_full, window):
            last = min(first + window, num_full)
            order[first:last] = sorted(order[first:last], key=token_lengths.__getitem__)
    batches = _cut(order[:num_full], batch_size)
    random.shuffle(batches)
    return batches + _cut(order[num_full:], batch_size)


def plan_scoring(token_lengths: Sequence[int], batch_size: int) -> Plan:
    """Every item once, sorted by length: least padding, where the order does not matter.

    Args:
        token_lengths: tokens of every item.
        batch_size: items of a batch, over all processes.
    """
    order = sorted(range(len(token_lengths)), key=token_lengths.__getitem__)
    return _cut(order, batch_size)


def share_of_plan(plan: Plan, rank: int, world_size: int) -> Plan:
    """One process's share of every batch: together the processes compute the same batches.

    A batch with fewer items than processes leaves some of them an empty share, which
    `iterate_batches` turns into a stand-in, so that all take the same number of steps.

    Args:
        plan: of all processes.
        rank: this process's number, from 0.
        world_size: number of processes.
    """
    return [batch[rank::world_size] for batch in plan]


def iterate_batches(
    dataset: GIFDataset, plan: Plan, *, pad_id: int, pad_to: int | None = None
) -> Iterator[Batch]:
    """The batches of a plan, one for each of its entries.

    Args:
        dataset: whose items the plan names.
        plan: from `plan_batches` or `plan_scoring`, or a part of one.
        pad_id: the token that fills up.
        pad_to: tokens to fill up to; None for the longest caption of the batch.
    """
    for indices in plan:
        yield dataset.batch(indices, pad_id=pad_id, pad_to=pad_to)


def _cut(order: Sequence[int], batch_size: int) -> Plan:
    return [list(order[i : i + batch_size]) for i in range(0, len(order), batch_size)]
