"""Which examples are learned from and which are held out: by content, or by lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gifdesc.config import Split
from gifdesc.data.content_digests import group_by_digest
from gifdesc.data.examples import Example
from gifdesc.data.names import comparable_key, full_key, match_names
from gifdesc.data.text_files import read_text_lines
from gifdesc.errors import DescriptionError
from gifdesc.system.files import write_text

SPLITS: tuple[Split, ...] = ("train", "val", "test")

_FEWEST_EXPECTED = 0.5
"""A held-out split is never empty if this many GIFs or more are expected in it."""


def content_splits(
    examples: Sequence[Example], *, seed: int, val_fraction: float, test_fraction: float
) -> list[Split]:
    """The split of each example by a hash of its content, whatever its name.

    Examples that share a digest share a split. An example stays in its split when others are added
    or removed, with one exception: if a split is empty by chance and 0.5 examples or more are
    expected in it, it gets the training examples whose hash is nearest; and some examples are
    always for training.

    Args:
        examples: to split. An example without digests is identified by its name.
        seed: another seed gives another split.
        val_fraction: expected share of `val`, in [0, 1).
        test_fraction: expected share of `test`, in [0, 1).
    """
    digests = [example.digests or (f"name:{example.name}",) for example in examples]
    groups = group_by_digest(digests)
    # The bytes come before the features, which another recipe changes.
    leading = {index: min(leading_digests(item)) for index, item in enumerate(digests)}
    keys: dict[int, str] = {}
    for index, group in enumerate(groups):
        keys[group] = min(keys.get(group, leading[index]), leading[index])
    fractions = {"val_fraction": val_fraction, "test_fraction": test_fraction}
    split_of = {group: hash_split(key, seed=seed, **fractions) for group, key in keys.items()}
    order = sorted(keys, key=lambda group: _position(keys[group], seed))
    _fill_empty(split_of, order, fractions={"test": test_fraction, "val": val_fraction})
    return [split_of[group] for group in groups]


def leading_digests(digests: Sequence[str]) -> list[str]:
    """The digests of an example's GIF file; all its digests if there are none of these."""
    return [digest for digest in digests if digest.startswith("gif:")] or list(digests)


def _fill_empty(
    split_of: dict[int, Split], order: Sequence[int], *, fractions: Mapping[Split, float]
) -> None:
    """Move groups into splits that are empty by chance.

    Args:
        split_of: the split of each group, which is changed.
        order: the groups by their hashes, those next to the held-out splits first.
        fractions: expected shares.
    """
    if order and "train" not in split_of.values():
        split_of[order[-1]] = "train"
    for split, fraction in fractions.items():
        training = [group for group in order if split_of[group] == "train"]
        is_expected = fraction * len(order) >= _FEWEST_EXPECTED
        if is_expected and split not in split_of.values() and len(training) > 1:
            split_of[training[0]] = split


def hash_split(name: str, *, seed: int, val_fraction: float, test_fraction: float) -> Split:
    """The split that a hash of a name or digest falls into.

    Args:
        name: a digest; in models whose `split_by` is `name` the GIF's key.
        seed: another seed gives another split.
        val_fraction: expected share of `val`, in [0, 1).
        test_fraction: expected share of `test`, in [0, 1).
    """
    position = _position(name, seed)
    if position < test_fraction:
        return "test"
    return "val" if position < test_fraction + val_fraction else "train"


def _position(name: str, seed: int) -> float:
    """Where the hash of a name falls, in [0, 1)."""
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_examples(
    examples: Sequence[Example], splits: Sequence[Split | None]
) -> dict[Split, list[Example]]:
    """The examples of each split; those whose split is None are left out."""
    found: dict[Split, list[Example]] = {name: [] for name in SPLITS}
    for example, split in zip(examples, splits, strict=True):
        if split is not None:
            found[split].append(example)
    return found


@dataclass(frozen=True)
class ListedSplits:
    """The splits of examples according to split lists.

    Attributes:
        splits: of each example; None if no list names it.
        unknown_names: names in the lists that mean no example.
    """

    splits: list[Split | None]
    unknown_names: list[str]


def listed_splits(examples: Sequence[Example], lists: Mapping[str, Split]) -> ListedSplits:
    """The split of each example by lists, whose names meet GIFs as those of descriptions do.

    Args:
        examples: to share out.
        lists: from `read_split_names`.
    """
    found = match_names([example.name for example in examples], lists).found
    used = set(found)
    return ListedSplits(
        [None if name is None else lists[name] for name in found],
        [name for name in lists if name not in used],
    )


def read_split_lists(folder: Path) -> dict[str, Split]:
    """The split of each GIF's key, from the same lists as `read_split_names`.

    Raises:
        DescriptionError: as `read_split_names`.
    """
    return {comparable_key(name): split for name, split in read_split_names(folder).items()}


def read_split_names(folder: Path) -> dict[str, Split]:
    """The split of each GIF from `train.txt`, `val.txt` and `test.txt`, one name or URL per line.

    Returns:
        Each GIF once, by its full key; without `.gif` if a line has the name without it.

    Raises:
        DescriptionError: a list is missing (`val.txt` and `test.txt` may be), not UTF-8, or
            names a GIF that another list names too.
    """
    splits: dict[str, Split] = {}
    names: dict[str, str] = {}
    for split in SPLITS:
        path = folder / f"{split}.txt"
        if split != "train" and not path.exists():
            continue
        for line in read_text_lines(path):
            name = line.split("\t")[0].strip()
            key, full = comparable_key(name), full_key(name)
            if splits.setdefault(key, split) != split:
                raise DescriptionError(f"{path}: {key} is in {splits[key]}.txt as well")
            names[key] = full if names.get(key, full) == full else key
    return {name: splits[key] for key, name in names.items()}


def write_split_lists(folder: Path, names: Iterable[tuple[str, Split | None]]) -> None:
    """Write `train.txt`, `val.txt` and `test.txt` with the names of each split, a line each.

    Args:
        folder: is created.
        names: of GIFs, each with its split; a name without a split is left out.

    Raises:
        OSError: a list cannot be written.
    """
    lines: dict[Split, list[str]] = {split: [] for split in SPLITS}
    for name, split in names:
        if split is not None:
            lines[split].append(f"{name}\n")
    for split, listed in lines.items():
        write_text(folder / f"{split}.txt", "".join(listed))
