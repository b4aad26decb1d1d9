"""The data of a training or evaluation run: features paired with descriptions, split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifdesc.config import FeatureRecipe, Split, TrainingConfig
from gifdesc.data.content_digests import features_digest, group_by_digest
from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.examples import Example, Pairing, drop_damaged, pair
from gifdesc.data.feature_files import read_numbers, read_recipe
from gifdesc.data.feature_store import FeatureStore
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.names import bare_name, comparable_key
from gifdesc.data.problems import Problems
from gifdesc.data.splits import (
    ListedSplits,
    content_splits,
    hash_split,
    listed_splits,
    read_split_names,
    split_examples,
)
from gifdesc.errors import FeatureError, TrainingError
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted, list_some

READ_FIRST_FILES = 2048
"""Up to so many files are read whole at the start, so that damaged files are reported at once; of
more files only the headers, because reading would take minutes."""


@dataclass(frozen=True)
class TrainingData:
    """The data of a run.

    Attributes:
        splits: the usable examples of each split.
        feature_size: D.
        recipe: of the features; None if it is unknown.
        pairing: the pairs, and the files without a partner.
        problems: one sentence for each file that cannot be used; `store` adds those whose numbers
            are not finite when it reads them.
        store: reads the feature files, shared by all users of the data.
        notes: other sentences for the user.
        splits_sha256: of the split lists or of the splits that the descriptions name, empty where
            hashes decided.
    """

    splits: dict[Split, list[Example]]
    feature_size: int
    recipe: FeatureRecipe | None
    pairing: Pairing
    problems: Problems
    store: FeatureStore
    splits_sha256: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def num_pairs(self) -> int:
        """(GIF, caption) pairs of the training split."""
        return sum(len(example.captions) for example in self.splits["train"])


def prepare_data(
    features_dir: Path | str,
    descriptions_path: Path | str,
    config: TrainingConfig | None = None,
    splits_dir: Path | str | None = None,
    *,
    descriptions_format: FormName | None = None,
    needs_training: bool = True,
) -> TrainingData:
    """Pair features with descriptions, leave out damaged files, and split the rest.

    Args:
        features_dir: the feature files.
        descriptions_path: a folder or file of descriptions.
        config: of the split, if neither lists nor descriptions name it; None for the default.
        splits_dir: split lists, which replace the splits that the descriptions name.
        descriptions_format: of a file of descriptions; None recognises it by its content.
        needs_training: refuse an empty training split; a model can be scored without one.

    Raises:
        FeatureError, DescriptionError: a folder is missing or empty.
        TrainingError: no example is left, or none to train on.
    """
    config = config or TrainingConfig()
    features_dir, descriptions_path = Path(features_dir), Path(descriptions_path)
    splits_dir = None if splits_dir is None else Path(splits_dir)
    with wait_for("matching descriptions"):
        descriptions = read_descriptions(descriptions_path, descriptions_format)
        pairing = pair(features_dir, descriptions)
    if not pairing.examples:
        raise TrainingError(_nothing_paired(features_dir, descriptions_path, pairing))
    with wait_for("reading feature headers"):
        usable = drop_damaged(pairing.examples)
    examples, feature_size = usable.examples, usable.feature_size
    problems = Problems(descriptions.problems + usable.problems)
    notes = [
        f"{features_dir}: {num_files} feature files contain {dtype}, which is converted to float32"
        for dtype, num_files in usable.num_converted.items()
    ]
    # Epochs read a file again and again; an evaluation would only fill the memory.
    cache_bytes = None if needs_training else 0
    notes += [
        f"{descriptions_path}: {counted(number, 'caption')} {reason}, so left out"
        for reason, number in descriptions.left_out.items()
    ]
    store = FeatureStore(feature_size, problems=problems, cache_bytes=cache_bytes)
    examples = list(_read_first(examples, store))
    if not examples:
        num_files = len(pairing.examples)
        first = list(problems)[len(descriptions.problems)]
        raise TrainingError(
            f"{features_dir}: none of the {num_files} feature files with a description can be "
            f"used, the first because of {first}"
        )
    lists = descriptions.splits
    chosen: Sequence[Split | None]
    if splits_dir is not None:
        names = read_split_names(splits_dir)
        lists = {comparable_key(name): split for name, split in names.items()}
        listed = listed_splits(examples, names)
        chosen = listed.splits
        notes += _notes_on_lists(splits_dir, listed, examples)
    elif lists:
        chosen = [example.split for example in examples]
        notes += _notes_on_unlisted(descriptions_path, "split", chosen, examples)
    else:
        chosen = _drawn_splits(examples, config)
    splits = split_examples(examples, chosen)
    notes += _notes_on_duplicates(examples, chosen)
    if needs_training and not splits["train"]:
        raise TrainingError(
            f"{features_dir}: none of its {len(examples)} examples is in the training split; "
            "add GIFs or choose other fractions"
        )
    recipe = read_recipe(features_dir)
    digest = sha256_of_splits(lists) if lists or splits_dir is not None else ""
    return TrainingData(splits, feature_size, recipe, pairing, problems, store, digest, notes=notes)


def _nothing_paired(features_dir: Path, descriptions_path: Path, pairing: Pairing) -> str:
    """The message if no GIF has a description: an example of each side shows the difference."""
    if pairing.ambiguous:
        name, gifs = next(iter(pairing.ambiguous.items()))
        why = f"{name} could mean {' or '.join(gifs)}"
        if len(gifs) == 1:
            why = f"{gifs[0]} could be meant by {' or '.join([*pairing.ambiguous][:2])}"
    else:
        why = (
            f"the features are of GIFs such as {pairing.without_description[0]}, the descriptions "
            f"of GIFs such as {pairing.without_features[0]}"
        )
    return f"{features_dir}: no feature file has a description in {descriptions_path}: {why}"


def sha256_of_splits(lists: Mapping[str, Split]) -> str:
    """The SHA-256 of the names and splits of split lists.

    Of a URL only the file's name counts, if these names are all different: older models have the
    digest of such lists.
    """
    short = [(bare_name(key) if key.startswith("//") else key, lists[key]) for key in lists]
    rows = short if len({name for name, _ in short}) == len(lists) else [*lists.items()]
    return hashlib.sha256(json.dumps(sorted(rows)).encode()).hexdigest()


def _drawn_splits(examples: Sequence[Example], config: TrainingConfig) -> list[Split]:
    """The split of each example without split lists."""
    fractions = {"val_fraction": config.val_fraction, "test_fraction": config.test_fraction}
    if config.split_by == "content":
        return content_splits(examples, seed=config.split_seed, **fractions)
    if len(examples) == 1:
        return ["train"]
    return [hash_split(example.name, seed=config.seed, **fractions) for example in examples]


def _read_first(examples: Sequence[Example], store: FeatureStore) -> Iterator[Example]:
    """The examples with their digests; of few, those whose files can be read."""
    reads_all = len(examples) <= READ_FIRST_FILES
    with wait_for("reading features", unit="files") as advance:
        for num_done, example in enumerate(examples, start=1):
            if reads_all:
                if (features := store.read_or_none(example.features_path)) is not None:
                    yield _with_digest(example, features)
            else:
                yield example if example.digests else _with_digest(example, _read(example))
            advance(num_done, len(examples))


def _read(example: Example) -> npt.NDArray[np.float32] | None:
    """An example's features; None if they cannot be read, which training reports."""
    try:
        return read_numbers(example.features_path)
    except FeatureError:
        return None


def _with_digest(example: Example, features: npt.NDArray[np.float32] | None) -> Example:
    if features is None:
        return example
    return replace(example, digests=(*example.digests, features_digest(features)))


def _notes_on_lists(
    splits_dir: Path, listed: ListedSplits, examples: Sequence[Example]
) -> Iterator[str]:
    if names := listed.unknown_names:
        unpaired = counted(len(names), "name")
        yield f"{splits_dir}: {unpaired} in the lists without a paired GIF: {list_some(names)}"
    yield from _notes_on_unlisted(splits_dir, "list", listed.splits, examples)


def _notes_on_unlisted(
    path: Path, source: str, splits: Sequence[Split | None], examples: Sequence[Example]
) -> Iterator[str]:
    pairs = zip(examples, splits, strict=True)
    if unlisted := [example.name for example, split in pairs if split is None]:
        gifs = counted(len(unlisted), "paired GIF")
        yield f"{path}: {gifs} in no {source}, so left out: {list_some(unlisted)}"


def _notes_on_duplicates(
    examples: Sequence[Example], splits: Sequence[Split | None]
) -> Iterator[str]:
    """Notes on GIFs with the content of other GIFs, and on those in several splits."""
    groups = group_by_digest([example.digests or (f"name:{example.name}",) for example in examples])
    shown, apart = [], []
    for index, group in enumerate(groups):
        if index == group or splits[index] is None or splits[group] is None:
            continue
        pair = f"{examples[index].name} = {examples[group].name}"
        shown.append(pair)
        if splits[index] != splits[group]:
            apart.append(pair)
    if shown:
        gifs = counted(len(shown), "GIF")
        yield f"{gifs} with the content of another: {list_some(shown)}"
    if apart:
        yield (
            f"{len(apart)} of these in another split than the other: {list_some(apart)}; "
            "`evaluate` leaves out the GIFs of the training"
        )
