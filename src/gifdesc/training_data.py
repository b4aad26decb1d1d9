"""What a training or evaluation run learns from: features paired with descriptions, split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gifdesc.config import FeatureRecipe, Split, TrainingConfig
from gifdesc.descriptions import read_descriptions
from gifdesc.errors import TrainingError
from gifdesc.feature_store import FeatureStore
from gifdesc.features import read_recipe
from gifdesc.pairing import Example, Pairing, drop_damaged, pair
from gifdesc.splits import hash_split, read_split_lists, split_examples

READ_FIRST_FILES = 2048
"""Up to so many files are read whole before anything begins, so that a damaged one is known at
once; with more, only their headers, for reading would take minutes."""


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from.

    Attributes:
        splits: the usable examples of each split.
        feature_size: D.
        recipe: of the features, None where nobody knows.
        pairing: what was paired and what was not.
        problems: one sentence for each file that could not be used. It grows while `store`
            reads: numbers that are not finite come to light only then.
        store: reads the feature files, for all who share it.
        notes: one sentence for each thing a user should know that is no problem.
        splits_sha256: of the split lists, empty where the hash of each name decided.
    """

    splits: dict[Split, list[Example]]
    feature_size: int
    recipe: FeatureRecipe | None
    pairing: Pairing
    problems: list[str]
    store: FeatureStore
    splits_sha256: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def num_pairs(self) -> int:
        """(GIF, caption) pairs of the training split."""
        return sum(len(one.captions) for one in self.splits["train"])


def prepare_data(
    features_dir: Path,
    descriptions_path: Path,
    config: TrainingConfig,
    splits_dir: Path | None = None,
    *,
    needs_training: bool = True,
) -> TrainingData:
    """Pair features with descriptions, leave out what is damaged, and split the rest.

    Args:
        features_dir: the feature files.
        descriptions_path: a folder or file of descriptions.
        config: how the split is made where no lists make it.
        splits_dir: split lists.
        needs_training: refuse an empty training split; a model can be scored without one.

    Raises:
        FeatureError, DescriptionError: a folder is missing or empty.
        TrainingError: no example is left, or none to train on.
    """
    descriptions = read_descriptions(descriptions_path)
    pairing = pair(features_dir, descriptions)
    if not pairing.examples:
        raise TrainingError(_nothing_paired(features_dir, descriptions_path, pairing))
    usable = drop_damaged(pairing.examples)
    examples, feature_size = usable.examples, usable.feature_size
    problems = descriptions.problems + usable.problems
    notes = [
        f"{features_dir}: {num_files} feature files hold {dtype}, which is converted to float32"
        for dtype, num_files in usable.num_converted.items()
    ]
    store = FeatureStore(feature_size, problems=problems)
    if len(examples) <= READ_FIRST_FILES:
        examples = [one for one in examples if store.read_or_none(one.features_path) is not None]
    if not examples:
        num_files = len(pairing.examples)
        raise TrainingError(
            f"{features_dir}: none of the {num_files} feature files with a description can be "
            f"used, the first because of {problems[len(descriptions.problems)]}"
        )
    lists = None if splits_dir is None else read_split_lists(splits_dir)
    splits = split_examples(examples, lists.get if lists else _hash_splitter(config))
    if len(examples) == 1 and lists is None:
        splits = {"train": examples, "val": [], "test": []}
    if needs_training and not splits["train"]:
        raise TrainingError(
            f"{features_dir}: none of its {len(examples)} examples is in the training split; "
            "add GIFs or choose other fractions"
        )
    recipe = read_recipe(features_dir)
    digest = "" if lists is None else sha256_of_splits(lists)
    return TrainingData(splits, feature_size, recipe, pairing, problems, store, digest, notes=notes)


def _nothing_paired(features_dir: Path, descriptions_path: Path, pairing: Pairing) -> str:
    """What to say where no GIF has a description: an example of each side shows how they differ."""
    if pairing.ambiguous:
        name, gifs = next(iter(pairing.ambiguous.items()))
        why = f"{name} could mean {' or '.join(gifs)}"
        if len(gifs) == 1:
            why = f"{gifs[0]} could be meant by {' or '.join([*pairing.ambiguous][:2])}"
    else:
        why = (
            f"the features are of GIFs such as {pairing.without_description[0]}, the descriptions "
            f"of such as {pairing.without_features[0]}"
        )
    return f"{features_dir}: no feature file has a description in {descriptions_path}: {why}"


def sha256_of_splits(lists: dict[str, Split]) -> str:
    """What tells split lists apart: the SHA-256 of their names and splits."""
    return hashlib.sha256(json.dumps(sorted(lists.items())).encode()).hexdigest()


def _hash_splitter(config: TrainingConfig) -> Callable[[str], Split | None]:
    return lambda name: hash_split(
        name,
        seed=config.seed,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
    )
