"""Feature files paired with their descriptions, and those left out that cannot be used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gifdesc.data_paths import check_features_dir
from gifdesc.descriptions import Descriptions
from gifdesc.errors import FeatureError
from gifdesc.features import FEATURES_SUFFIX, Manifest
from gifdesc.files import find_files, reason
from gifdesc.names import gif_key
from gifdesc.npy import read_matrix_shape

_HEADERS_PER_SIZE = 64
"""Headers read of files of one size: opening 100,000 cold files takes a disk 10 seconds and more,
asking for their sizes one."""


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
        ambiguous: those of them that could mean several GIFs, or a GIF that could be meant by
            several: each with the GIFs.
    """

    examples: list[Example]
    without_description: list[str]
    without_features: list[str]
    ambiguous: Mapping[str, Sequence[str]] = field(default_factory=dict)


def pair(features_dir: Path, descriptions: Descriptions) -> Pairing:
    """Pair every feature file under a folder with its captions.

    A file's GIF is the manifest's, for a long name was shortened; failing that, its own name's.

    Raises:
        FeatureError: there is no such folder, no feature file in it, or its manifest is damaged.
    """
    check_features_dir(features_dir)
    entries = Manifest(features_dir).entries.values()
    sources = {entry.features: entry.source for entry in entries if entry.features}
    examples, without_description, used = [], [], set()
    features = find_files(features_dir, (FEATURES_SUFFIX,))
    names = [gif_key(sources.get(one, one)) for one in features]
    matches = descriptions.match(names)
    for one, name, key in zip(features, names, matches.found, strict=True):
        if key is None:
            without_description.append(name)
        else:
            used.add(key)
            examples.append(Example(name, features_dir / one, tuple(descriptions.captions[key])))
    if not features:
        raise FeatureError(f"{features_dir}: no feature files here; run `gifdesc extract` first")
    without_features = sorted(set(descriptions.captions) - used)
    return Pairing(examples, without_description, without_features, matches.ambiguous)


def drop_damaged(examples: Iterable[Example]) -> tuple[list[Example], int, list[str]]:
    """Look at the sizes and headers of feature files and keep the examples that can be used.

    Of many files of one size, 64 headers are read; where these agree, the others are taken to be
    like them. Numbers are not read at all. What this misses comes to light when training reads it.

    Returns:
        The good examples, their feature size D, and one sentence for each bad file. The feature
        size is the one that most files have; of those that equally many have, the greatest.
    """
    examples = list(examples)
    problems: dict[int, str] = {}
    feature_sizes: dict[int, int] = {}
    for same in _by_size(examples, problems):
        sample = same[:: max(1, len(same) // _HEADERS_PER_SIZE)]
        _read_headers(examples, sample, feature_sizes, problems)
        found = {feature_sizes.get(index) for index in sample}
        if len(found) == 1 and None not in found:
            feature_sizes |= dict.fromkeys(same, feature_sizes[sample[0]])
        else:
            _read_headers(examples, sorted(set(same) - set(sample)), feature_sizes, problems)
    num_files = Counter(feature_sizes.values())
    wanted = max(num_files, key=lambda size: (num_files[size], size), default=0)
    for index, size in feature_sizes.items():
        if size != wanted:
            problems[index] = (
                f"{examples[index].features_path}: has {size} features a frame where {wanted} "
                f"are wanted, as {num_files[wanted]} of {len(feature_sizes)} files have"
            )
    good = [example for index, example in enumerate(examples) if index not in problems]
    return good, wanted, [problems[index] for index in sorted(problems)]


def _by_size(examples: list[Example], problems: dict[int, str]) -> Iterable[list[int]]:
    """The numbers of examples whose files have one size in bytes, for each size."""
    by_size: defaultdict[int, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        try:
            by_size[example.features_path.stat().st_size].append(index)
        except OSError as error:
            problems[index] = f"{example.features_path}: cannot be read: {reason(error)}"
    return by_size.values()


def _read_headers(
    examples: list[Example],
    indices: Iterable[int],
    feature_sizes: dict[int, int],
    problems: dict[int, str],
) -> None:
    """Note the feature size, or the problem, of some examples."""
    for index in indices:
        try:
            feature_sizes[index] = read_matrix_shape(examples[index].features_path)[1]
        except FeatureError as error:
            problems[index] = str(error)
