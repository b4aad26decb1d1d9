"""Feature files paired with their descriptions, and those left out that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gifdesc.descriptions import Descriptions, bare_name, gif_key
from gifdesc.errors import FeatureError
from gifdesc.features import FEATURES_SUFFIX, Manifest
from gifdesc.files import find_files
from gifdesc.npy import read_matrix_shape


@dataclass(frozen=True, slots=True)
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
    features = find_files(features_dir, (FEATURES_SUFFIX,))
    names = [gif_key(sources.get(one, one)) for one in features]
    num_bare = Counter(bare_name(name) for name in names)
    for one, name in zip(features, names, strict=True):
        key = descriptions.find(name, is_unique=num_bare[bare_name(name)] == 1)
        if key is None:
            without_description.append(name)
        else:
            used.add(key)
            examples.append(Example(name, features_dir / one, tuple(descriptions.captions[key])))
    if not features:
        raise FeatureError(f"{features_dir}: no feature files here; run `gifdesc extract` first")
    without_features = sorted(set(descriptions.captions) - used)
    return Pairing(examples, without_description, without_features)


def drop_damaged(examples: Iterable[Example]) -> tuple[list[Example], int, list[str]]:
    """Look at the header and size of every feature file and keep the examples that can be used.

    The numbers are not read: those that are not finite come to light when training reads them.

    Returns:
        The good examples, their feature size D, and one sentence for each bad file. The size is
        the one that most files have; of sizes that equally many have, the greatest.
    """
    shapes: list[tuple[Example, int]] = []
    problems: list[str] = []
    for example in examples:
        try:
            shapes.append((example, read_matrix_shape(example.features_path)[1]))
        except FeatureError as error:
            problems.append(str(error))
    num_files = Counter(size for _, size in shapes)
    wanted = max(num_files, key=lambda size: (num_files[size], size), default=0)
    good = [example for example, size in shapes if size == wanted]
    problems += [
        f"{example.features_path}: has {size} features a frame where {wanted} are wanted, "
        f"as {num_files[wanted]} of {len(shapes)} files have"
        for example, size in shapes
        if size != wanted
    ]
    return good, wanted, problems
