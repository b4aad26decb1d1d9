"""Feature files paired with their descriptions, split, and collated into batches."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from gifdesc.config import MAX_TOKENS, Split
from gifdesc.descriptions import Descriptions, gif_key
from gifdesc.errors import DescriptionError, FeatureError
from gifdesc.features import FEATURES_SUFFIX, Manifest, read_features
from gifdesc.files import reason
from gifdesc.tokenizer import CaptionTokenizer

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Example:
    """A GIF's feature file with its captions."""

    name: str
    features_path: Path
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Pairing:
    """What feature files and descriptions have in common, and what they have not.

    Attributes:
        examples: sorted by name.
        without_description: names of feature files.
        without_features: keys of descriptions.
    """

    examples: list[Example]
    without_description: list[str]
    without_features: list[str]


def pair(features_dir: Path, descriptions: Descriptions) -> Pairing:
    """Pair every feature file under a folder with its captions.

    A file's GIF is the manifest's, for a long name was shortened; failing that, its own name's.

    Raises:
        FeatureError: there is no such folder, no feature file in it, or its manifest is damaged.
    """
    if not features_dir.is_dir():
        raise FeatureError(f"{features_dir}: no such folder; run `gifdesc extract` first")
    entries = Manifest(features_dir).entries.values()
    sources = {entry.features: entry.source for entry in entries if entry.features}
    examples, without_description, used = [], [], set()
    paths = sorted(features_dir.rglob(f"*{FEATURES_SUFFIX}"))
    features = [path.relative_to(features_dir).as_posix() for path in paths]
    names = [gif_key(sources.get(one, one)) for one in features]
    num_bare = Counter(PurePosixPath(name).name for name in names)
    for path, name in zip(paths, names, strict=True):
        key = descriptions.find(name, is_unique=num_bare[PurePosixPath(name).name] == 1)
        if key is None:
            without_description.append(name)
        else:
            used.add(key)
            examples.append(Example(name, path, tuple(descriptions.captions[key])))
    if not examples and not without_description:
        raise FeatureError(f"{features_dir}: no feature files here; run `gifdesc extract` first")
    without_features = sorted(set(descriptions.captions) - used)
    return Pairing(examples, without_description, without_features)


def drop_damaged(examples: Iterable[Example]) -> tuple[list[Example], int, list[str]]:
    """Read every feature file once and keep the examples that can be used.

    Returns:
        The good examples, their feature size D, and one sentence for each bad file. The first
        good file decides the size.
    """
    good: list[Example] = []
    problems: list[str] = []
    feature_size: int | None = None
    for example in examples:
        try:
            feature_size = read_features(example.features_path, feature_size).shape[1]
        except FeatureError as error:
            problems.append(str(error))
        else:
            good.append(example)
    return good, feature_size or 0, problems


def hash_split(name: str, *, seed: int, val_fraction: float, test_fraction: float) -> Split:
    """The split of a GIF by a hash of its name: it stays when other GIFs come or go.

    Args:
        name: the GIF's key.
        seed: another seed gives another split.
        val_fraction: expected share of `val`, in [0, 1).
        test_fraction: expected share of `test`, in [0, 1).
    """
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < test_fraction:
        return "test"
    return "val" if position < test_fraction + val_fraction else "train"


def split_examples(
    examples: Sequence[Example], splitter: Callable[[str], Split | None]
) -> dict[Split, list[Example]]:
    """The examples of each split; those that the splitter does not know are left out."""
    splits: dict[Split, list[Example]] = {name: [] for name in SPLITS}
    for example in examples:
        if split := splitter(example.name):
            splits[split].append(example)
    return splits


def read_split_lists(folder: Path) -> dict[str, Split]:
    """The split of each GIF from `train.txt`, `val.txt` and `test.txt`, one name or URL a line.

    Raises:
        DescriptionError: a list is missing (`val.txt` and `test.txt` may be), not UTF-8, or
            names a GIF that another list names too.
    """
    splits: dict[str, Split] = {}
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if split != "train" and not path.exists():
            continue
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise DescriptionError(f"{path}: cannot be read: {reason(error)}") from error
        except UnicodeDecodeError as error:
            raise DescriptionError(f"{path}: not UTF-8 text") from error
        for line in filter(str.strip, lines):
            key = gif_key(line.split("\t")[0].strip())
            if splits.setdefault(key, split) != split:
                raise DescriptionError(f"{path}: {key} is in {splits[key]}.txt as well")
    return splits


@dataclass(frozen=True)
class Item:
    """One GIF with one of its captions: features float32 (T, D), token ids (L,)."""

    features: Tensor
    tokens: Tensor


class GIFDataset(Dataset[Item]):
    """Feature files with their descriptions: one item per (GIF, caption) pair.

    Args:
        examples: GIFs with their captions.
        tokenizer: turns captions into tokens, once.
        max_tokens: captions are cut to this many tokens, start and end included.
        feature_size: D that every file must have, None for any.

    Attributes:
        num_cut: captions that were too long.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        tokenizer: CaptionTokenizer,
        *,
        max_tokens: int = MAX_TOKENS,
        feature_size: int | None = None,
    ) -> None:
        self.examples = list(examples)
        self._feature_size = feature_size
        self._example_of = [i for i, one in enumerate(self.examples) for _ in one.captions]
        captions = [caption for one in self.examples for caption in one.captions]
        # One token more than allowed tells captions that are cut from those that just fit.
        encoded = tokenizer.encode_all(captions, max_tokens + 1)
        self.num_cut = sum(len(tokens) > max_tokens for tokens in encoded)
        self._tokens = [
            tokens if len(tokens) <= max_tokens else [*tokens[: max_tokens - 1], tokenizer.end_id]
            for tokens in encoded
        ]
        self.token_lengths = [len(tokens) for tokens in self._tokens]

    def __len__(self) -> int:
        return len(self._tokens)

    def __getitem__(self, index: int) -> Item:
        """Read one item.

        Raises:
            FeatureError: the feature file cannot be used.
        """
        example = self.examples[self._example_of[index]]
        features = read_features(example.features_path, self._feature_size)
        return Item(torch.from_numpy(features), torch.tensor(self._tokens[index]))

    def batch(self, indices: Sequence[int], *, pad_id: int, pad_to: int | None = None) -> Batch:
        """Items padded to a batch; no items give a stand-in.

        Args:
            indices: item numbers.
            pad_id: the token that fills up.
            pad_to: tokens to fill up to; None for the longest caption of the batch.
        """
        if not indices:
            return stand_in(self._feature_size or 1, pad_id=pad_id, pad_to=pad_to)
        return collate([self[index] for index in indices], pad_id=pad_id, pad_to=pad_to)


@dataclass(frozen=True)
class Batch:
    """Items padded to the longest.

    Attributes:
        features: float32 (B, T, D).
        lengths: int64 (B,), frames of each item, on the CPU.
        tokens: int64 (B, L).
        token_mask: bool (B, L), True for tokens and False for padding, on the CPU.
        is_stand_in: nothing in it counts (see `stand_in`).
    """

    features: Tensor
    lengths: Tensor
    tokens: Tensor
    token_mask: Tensor
    is_stand_in: bool = False

    def to(self, device: torch.device) -> Batch:
        """The batch on a device.

        Lengths and mask stay on the CPU: from there the shapes of what follows are known without
        waiting for the device.
        """
        features, tokens = self.features, self.tokens
        if device.type == "cuda":  # only pinned memory is copied while the device computes
            features, tokens = features.pin_memory(), tokens.pin_memory()
        return Batch(
            features.to(device, non_blocking=True),
            self.lengths,
            tokens.to(device, non_blocking=True),
            self.token_mask,
            self.is_stand_in,
        )


def stand_in(feature_size: int, *, pad_id: int, pad_to: int | None = None) -> Batch:
    """A batch of one made-up item without tokens, for a process that has no share of a batch.

    It has one frame of zeros and at least two positions, all padding: a model computes it like
    any other batch, and neither loss nor gradient comes of it.
    """
    tokens = torch.full((1, max(2, pad_to or 0)), pad_id)
    features = torch.zeros(1, 1, feature_size)
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    return Batch(features, torch.ones(1, dtype=torch.long), tokens, mask, is_stand_in=True)


def collate(items: Sequence[Item], *, pad_id: int, pad_to: int | None = None) -> Batch:
    """Pad items to a batch.

    Args:
        items: one or more.
        pad_id: the token that fills up.
        pad_to: tokens to fill up to; None for the longest caption of the batch.
    """
    features, lengths = pad_features([item.features for item in items])
    tokens = pad_sequence([item.tokens for item in items], batch_first=True, padding_value=pad_id)
    if pad_to is not None and tokens.shape[1] < pad_to:
        missing = pad_to - tokens.shape[1]
        tokens = torch.nn.functional.pad(tokens, (0, missing), value=pad_id)
    num_tokens = torch.tensor([len(item.tokens) for item in items])
    mask = torch.arange(tokens.shape[1])[None] < num_tokens[:, None]
    return Batch(features, lengths, tokens, mask)


def pad_features(features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Features (T, D) of several GIFs as one (B, T, D), and their lengths (B,)."""
    lengths = torch.tensor([len(one) for one in features])
    return pad_sequence(list(features), batch_first=True), lengths


def feature_statistics(examples: Iterable[Example], feature_size: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each feature over all frames, both float32 (D,)."""
    total = np.zeros(feature_size)
    total_squares = np.zeros(feature_size)
    num_frames = 0
    for example in examples:
        features = read_features(example.features_path, feature_size).astype(np.float64)
        total += features.sum(axis=0)
        total_squares += (features**2).sum(axis=0)
        num_frames += len(features)
    mean = total / max(1, num_frames)
    variance = np.maximum(total_squares / max(1, num_frames) - mean**2, 0.0)
    # Below the rounding error of the sums a feature is constant.
    variance[variance < 1e-12 * np.maximum(mean**2, 1e-12)] = 0.0
    return torch.from_numpy(mean).float(), torch.from_numpy(np.sqrt(variance)).float()
