"""Which GIFs a model was trained and validated on: a file of digests in its folder.

`evaluate` leaves these GIFs out of the split that it scores, whatever they are called by then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gifdesc.config import Split
from gifdesc.data.examples import Example
from gifdesc.errors import CheckpointError
from gifdesc.system.files import write_json
from gifdesc.system.json_files import read_json

RECORD_NAME = "training_data.json"
RECORD_VERSION = 1


@dataclass(frozen=True)
class TrainingRecord:
    """Digests (data/content_digests.py) of the GIFs that a model was made with.

    Attributes:
        train: of the GIFs that it learned from.
        val: of the GIFs that chose its epoch.
    """

    train: frozenset[str]
    val: frozenset[str]

    @classmethod
    def of(cls, splits: Mapping[Split, Sequence[Example]]) -> TrainingRecord:
        """The record of a run on these splits."""
        return cls(_digests(splits["train"]), _digests(splits["val"]))

    def joined(self, other: TrainingRecord | None) -> TrainingRecord:
        """The record of a run that went on with other GIFs."""
        if other is None:
            return self
        return TrainingRecord(self.train | other.train, self.val | other.val)

    def num_gifs(self, split: Literal["train", "val"]) -> int:
        """The number of different GIFs: each has a digest of its bytes or features, or both."""
        kinds = Counter(digest.partition(":")[0] for digest in getattr(self, split))
        return max(kinds.values(), default=0)

    def held_out(self, examples: Iterable[Example], split: Split) -> list[Example]:
        """The examples of a split that were in none of the splits before it.

        Training GIFs are left out of `val` and `test`, validation GIFs out of `test`.
        """
        known: frozenset[str] = frozenset()
        if split != "train":
            known = self.train | self.val if split == "test" else self.train
        return [example for example in examples if not known & set(example.digests)]


def write_record(folder: Path, record: TrainingRecord) -> None:
    """Write a model folder's record.

    Raises:
        OSError: it cannot be written.
    """
    row = {
        "format_version": RECORD_VERSION,
        "train": sorted(record.train),
        "val": sorted(record.val),
    }
    write_json(folder / RECORD_NAME, row)


def read_record(folder: Path) -> TrainingRecord | None:
    """A model folder's record, None if an older gifdesc wrote the folder.

    Raises:
        CheckpointError: the record is damaged or of a newer format.
    """
    path = folder / RECORD_NAME
    try:
        row = read_json(path)
        if row["format_version"] > RECORD_VERSION:
            raise CheckpointError(f"{path}: of a newer gifdesc; upgrade gifdesc")
        return TrainingRecord(frozenset(row["train"]), frozenset(row["val"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"{path}: damaged; train again, or remove it to score without it"
        ) from error


def _digests(examples: Iterable[Example]) -> frozenset[str]:
    return frozenset(digest for example in examples for digest in example.digests)
