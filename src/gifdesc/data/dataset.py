"""Examples as items and padded batches, and the statistics that standardise their features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gifdesc.config import MAX_TOKENS
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.data.feature_store import FeatureStore
from gifdesc.errors import FeatureError
from gifdesc.system.device import on_device
from gifdesc.system.threads import mapped_ahead
from gifdesc.system.waits import wait_for
from gifdesc.text.english import DANGLING_WORDS
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.unspaced import is_unspaced_text

if TYPE_CHECKING:  # captioning, which pads features too, needs no descriptions
    from gifdesc.data.examples import Example

_MAX_UNREADABLE = 10
_ENCODED_AT_ONCE = 8192


@dataclass(frozen=True)
class Item:
    """One GIF with one of its captions: features float32 (T, D), token ids (L,)."""

    features: Tensor
    tokens: Tensor


@dataclass(frozen=True)
class Batch:
    """Items padded to the longest.

    Attributes:
        features: float32 (B, T, D).
        lengths: int64 (B,), frames of each item, on the CPU.
        tokens: int64 (B, L).
        token_mask: bool (B, L), True for tokens and False for padding, on the CPU.
        indices: numbers of the B items in their dataset.
        is_empty: nothing in it counts (see `empty_batch`).
    """

    features: Tensor
    lengths: Tensor
    tokens: Tensor
    token_mask: Tensor
    indices: tuple[int, ...] = ()
    is_empty: bool = False

    def to(self, device: torch.device) -> Batch:
        """The batch on a device.

        Lengths and mask stay on the CPU, so that the shapes of what follows need no wait for the
        device.
        """
        return replace(
            self,
            features=on_device(self.features, device),
            tokens=on_device(self.tokens, device),
        )

    def part(self, first: int, last: int) -> Batch:
        """Items `first` to `last`, the latter not included."""
        return replace(
            self,
            features=self.features[first:last],
            lengths=self.lengths[first:last],
            tokens=self.tokens[first:last],
            token_mask=self.token_mask[first:last],
            indices=self.indices[first:last],
        )


class GIFDataset(Dataset[Item]):
    """Feature files with their descriptions: one item per (GIF, caption) pair.

    Args:
        examples: GIFs with their captions.
        tokenizer: turns captions into tokens, once.
        max_tokens: captions are cut to this many tokens, start and end included.
        feature_size: D that every file must have, None for any.
        store: reads the files; None for a new store.

    Attributes:
        token_lengths: tokens of every item.
        num_cut: captions that were too long.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        tokenizer: CaptionTokenizer,
        *,
        max_tokens: int = MAX_TOKENS,
        feature_size: int | None = None,
        store: FeatureStore | None = None,
    ) -> None:
        self.examples = list(examples)
        self._tokenizer = tokenizer
        self._store = store or FeatureStore(feature_size)
        self._feature_size = feature_size or self._store.feature_size
        num_captions = [len(example.captions) for example in self.examples]
        self._example_of = np.repeat(np.arange(len(self.examples)), num_captions)
        captions = [caption for example in self.examples for caption in example.captions]
        self.token_lengths: list[int] = []
        self.num_cut = 0
        # One array in place of a list a caption, and few of these at a time: less memory.
        parts = [np.empty(0, np.int32)]
        for first in range(0, len(captions), _ENCODED_AT_ONCE):
            # A token more than allowed: captions that are cut differ from those that just fit.
            some = captions[first : first + _ENCODED_AT_ONCE]
            encoded = tokenizer.encode_all(some, max_tokens + 1)
            for tokens in encoded:
                if len(tokens) > max_tokens:
                    tokens[max_tokens - 1 :] = [tokenizer.end_id]
                    self.num_cut += 1
            self.token_lengths += map(len, encoded)
            parts.append(np.fromiter(chain.from_iterable(encoded), np.int32))
        self._tokens = np.concatenate(parts)
        self._token_ends = np.cumsum([0, *self.token_lengths])
        self._unreadable: dict[int, FeatureError] = {}

    def caption_statistics(self) -> CaptionStatistics:
        """The statistics of the captions, as they were cut."""
        spellings = {word: self._tokenizer.spellings(word) for word in DANGLING_WORDS}
        captions = (self._tokens_of(index)[1:-1].tolist() for index in range(len(self)))
        texts = (caption for example in self.examples for caption in example.captions)
        num_unspaced = sum(map(is_unspaced_text, texts))
        # Tokens are characters there, and words such as 慢慢 double one.
        least_repeats = 2 if 2 * num_unspaced > len(self) else 1
        return CaptionStatistics.of(captions, spellings, least_repeats=least_repeats)

    def repetitions(self, vocab_size: int) -> tuple[Tensor, Tensor]:
        """In how many captions each token occurs, and in how many more than once.

        Args:
            vocab_size: V.

        Returns:
            Two of int64 (V,).
        """
        captions = np.repeat(np.arange(len(self)), self.token_lengths)
        places, counts = np.unique(captions * vocab_size + self._tokens, return_counts=True)
        tokens = torch.from_numpy(places % vocab_size)
        repeated = tokens[torch.from_numpy(counts > 1)]
        return (
            torch.bincount(tokens, minlength=vocab_size),
            torch.bincount(repeated, minlength=vocab_size),
        )

    def __len__(self) -> int:
        return len(self.token_lengths)

    def __getitem__(self, index: int) -> Item:
        """Read one item.

        Raises:
            FeatureError: the feature file cannot be used.
        """
        features = self._store.read(self._example(index).features_path)
        tokens = self._tokens_of(index).astype(np.int64)
        return Item(torch.from_numpy(features.copy()), torch.from_numpy(tokens))

    def batch(self, indices: Sequence[int], *, pad_id: int, pad_to: int | None = None) -> Batch:
        """Items padded to a batch, without those whose feature file cannot be used.

        The store adds these files to its `problems`. If no item is left, the batch is an
        `empty_batch`.

        Args:
            indices: item numbers.
            pad_id: the token that fills up.
            pad_to: tokens to fill up to; None for the longest caption of the batch.

        Raises:
            FeatureError: by now more than 10 feature files, and more than half of all, could
                not be used, so that the cause is not single damaged files.
        """
        features: list[npt.NDArray[np.float32]] = []
        tokens: list[npt.NDArray[np.int32]] = []
        kept: list[int] = []
        for index in indices:
            try:
                features.append(self._store.read(self._example(index).features_path))
            except FeatureError as error:
                self._record_unreadable(int(self._example_of[index]), error)
            else:
                tokens.append(self._tokens_of(index))
                kept.append(index)
        if not features:
            return empty_batch(self._feature_size or 1, pad_id=pad_id, pad_to=pad_to)
        batch = _batch(features, tokens, pad_id=pad_id, pad_to=pad_to)
        return replace(batch, indices=tuple(kept))

    def _example(self, index: int) -> Example:
        return self.examples[int(self._example_of[index])]

    def _tokens_of(self, index: int) -> npt.NDArray[np.int32]:
        return self._tokens[self._token_ends[index] : self._token_ends[index + 1]]

    def _record_unreadable(self, example_index: int, error: FeatureError) -> None:
        self._unreadable.setdefault(example_index, error)
        if len(self._unreadable) > max(_MAX_UNREADABLE, len(self.examples) // 2):
            first = next(iter(self._unreadable.values()))
            raise FeatureError(
                f"{len(self._unreadable)} of {len(self.examples)} feature files cannot be used, "
                f"the first because of {first}"
            ) from first


def collate(items: Sequence[Item], *, pad_id: int, pad_to: int | None = None) -> Batch:
    """Pad items to a batch: the `collate_fn` of a `torch.utils.data.DataLoader`.

    gifdesc itself reads batches with `GIFDataset.batch`, which leaves out damaged files.

    Args:
        items: at least one.
        pad_id: the token that fills up.
        pad_to: tokens to fill up to; None for the longest caption of the batch.
    """
    features = [item.features.numpy() for item in items]
    tokens = [item.tokens.numpy() for item in items]
    return _batch(features, tokens, pad_id=pad_id, pad_to=pad_to)


def empty_batch(feature_size: int, *, pad_id: int, pad_to: int | None = None) -> Batch:
    """A batch of one artificial item without tokens, for a process without a share of a batch.

    It has one frame of zeros and at least two positions, all padding: a model computes it like
    any other batch, and it contributes neither loss nor gradient.
    """
    tokens = torch.full((1, max(2, pad_to or 0)), pad_id)
    features = torch.zeros(1, 1, feature_size)
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    return Batch(features, torch.ones(1, dtype=torch.long), tokens, mask, (0,), is_empty=True)


def pad_features(features: Sequence[npt.NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Features (T, D) of several GIFs as one tensor (B, T, D) padded with zeros.

    Returns:
        float32 (B, T, D), and the lengths T, int64 (B,).
    """
    lengths = [len(vectors) for vectors in features]
    padded = np.empty((len(features), max(lengths), features[0].shape[1]), np.float32)
    for row, vectors in zip(padded, features, strict=True):
        row[: len(vectors)] = vectors
        row[len(vectors) :] = 0.0
    return torch.from_numpy(padded), torch.tensor(lengths)


def _batch(
    features: Sequence[npt.NDArray[np.float32]],
    tokens: Sequence[npt.NDArray[np.integer]],
    *,
    pad_id: int,
    pad_to: int | None,
) -> Batch:
    padded_features, lengths = pad_features(features)
    num_tokens = np.array([len(ids) for ids in tokens])
    padded_tokens = np.full((len(tokens), max(num_tokens.max(), pad_to or 0)), pad_id)
    for row, ids in zip(padded_tokens, tokens, strict=True):
        row[: len(ids)] = ids
    mask = np.arange(padded_tokens.shape[1]) < num_tokens[:, None]
    return Batch(padded_features, lengths, torch.from_numpy(padded_tokens), torch.from_numpy(mask))


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
    the batches are shuffled. The rest, which does not fill a batch, comes last. A resumed run skips
    the batches it has done: `plan[num_done:]`.

    Args:
        token_lengths: tokens of every item.
        batch_size: items of a batch, over all processes.
        seed: of the run.
        epoch: another epoch has another order.
        pad_to: every caption is filled up to this length, so that sorting would gain nothing;
            None if captions are padded to the longest of their batch.
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
    """Every item once, sorted by length: least padding, because the order does not matter.

    Args:
        token_lengths: tokens of every item.
        batch_size: items of a batch, over all processes.
    """
    order = sorted(range(len(token_lengths)), key=token_lengths.__getitem__)
    return _cut(order, batch_size)


def share_of_plan(plan: Plan, rank: int, world_size: int) -> Plan:
    """One process's share of every batch: together the processes compute the same batches.

    A batch with fewer items than processes leaves some of them an empty share, which
    `iterate_batches` turns into an empty batch, so that all take the same number of steps.

    Args:
        plan: of all processes.
        rank: this process's number, from 0.
        world_size: number of processes.
    """
    return [batch[rank::world_size] for batch in plan]


def iterate_batches(
    dataset: GIFDataset, plan: Plan, *, pad_id: int, pad_to: int | None = None
) -> Iterator[Batch]:
    """The batches of a plan, one for each of its entries, made by a thread ahead of their use.

    Args:
        dataset: whose items the plan names.
        plan: from `plan_batches` or `plan_scoring`, or a part of one.
        pad_id: the token that fills up.
        pad_to: tokens to fill up to; None for the longest caption of the batch.
    """
    make = partial(dataset.batch, pad_id=pad_id, pad_to=pad_to)
    yield from mapped_ahead(make, plan, num_threads=1)


def _cut(order: Sequence[int], batch_size: int) -> Plan:
    return [list(order[i : i + batch_size]) for i in range(0, len(order), batch_size)]


MAX_FILES = 2048
"""Files that statistics are computed from, drawn by a fixed seed if there are more.

The frames of one GIF resemble each other, so the files count: the mean of 2,048 is known to
1 / sqrt(2048), or 2 %, of a standard deviation, and reading them takes a second and not minutes."""


def feature_statistics(
    examples: Sequence[Example], feature_size: int, store: FeatureStore | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature over all frames, both float32 (D,).

    Args:
        examples: the training split. Files that cannot be used are left out.
        feature_size: D.
        store: reads the files; None for a new store.
    """
    store = store or FeatureStore(feature_size, cache_bytes=0)
    if len(examples) > MAX_FILES:
        chosen = Random("statistics").sample(range(len(examples)), MAX_FILES)
        examples = [examples[index] for index in sorted(chosen)]
    total = np.zeros(feature_size)
    total_squares = np.zeros(feature_size)
    num_frames = 0
    with wait_for("computing feature statistics", unit="files") as advance:
        for num_done, example in enumerate(examples, start=1):
            read = store.read_or_none(example.features_path)
            if read is not None:
                features = read.astype(np.float64)
                total += features.sum(axis=0)
                total_squares += (features**2).sum(axis=0)
                num_frames += len(features)
            advance(num_done, len(examples))
    mean = total / max(1, num_frames)
    variance = np.maximum(total_squares / max(1, num_frames) - mean**2, 0.0)
    # Below the rounding error of the sums a feature is constant.
    variance[variance < 1e-12 * np.maximum(mean**2, 1e-12)] = 0.0
    return torch.from_numpy(mean).float(), torch.from_numpy(np.sqrt(variance)).float()
