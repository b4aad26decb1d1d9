"""Which examples are learnt from, which are held out: by a hash of the name, or by lists."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from gifdesc.config import Split
from gifdesc.errors import DescriptionError
from gifdesc.files import reason
from gifdesc.names import gif_key
from gifdesc.pairing import Example

SPLITS: tuple[Split, ...] = ("train", "val", "test")


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
