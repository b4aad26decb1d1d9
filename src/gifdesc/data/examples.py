"""Feature files paired with their descriptions, and those left out that cannot be used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gifdesc.config import Split
from gifdesc.data.content_digests import gif_digest
from gifdesc.data.descriptions import Descriptions
from gifdesc.data.feature_files import find_features, read_header, size_bytes
from gifdesc.data.feature_shards import without_shard
from gifdesc.data.manifest import Manifest
from gifdesc.data.matrix_files import MatrixHeader
from gifdesc.data.names import gif_key
from gifdesc.data.paths import check_features_dir
from gifdesc.errors import FeatureError
from gifdesc.system.files import reason
from gifdesc.system.wording import counted, list_some

_HEADERS_PER_SIZE = 64
"""Headers read of files of one size: opening 100,000 cold files takes a disk 10 seconds and more,
asking for their sizes one."""


_FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Example:
    """A GIF's feature file with its captions.

    Attributes:
        name: the GIF's key (data/names.py).
        features_path: where its features are.
        captions: at least one.
        digests: of its content (data/content_digests.py), if they are known.
        split: the split that the descriptions name; None if they name none.
        gif_id: the data set's own id of the GIF; empty if it has none beside names.
    """

    name: str
    features_path: Path
    captions: tuple[str, ...]
    digests: tuple[str, ...] = ()
    split: Split | None = None
    gif_id: str = ""


@dataclass(frozen=True)
class Pairing:
    """The pairs of feature files and descriptions, and those without a partner.

    Attributes:
        examples: sorted by name.
        without_description: names of feature files.
        without_features: keys of descriptions.
        ambiguous: those of them that could mean several GIFs, or a GIF that could be meant by
            several: each with the GIFs.
        by: what was compared, as in `Matches`.
    """

    examples: list[Example]
    without_description: list[str]
    without_features: list[str]
    ambiguous: Mapping[str, Sequence[str]] = field(default_factory=dict)
    by: Literal["names", "ends", "ids"] = "names"

    def notes(self) -> Iterator[str]:
        """A sentence for each kind of files without a partner, or with a doubtful partner."""
        if self.by != "names" and self.examples:
            compared = "the ends of their paths" if self.by == "ends" else "the data set's ids"
            yield (
                "the descriptions name no GIF by its whole path, so they were paired with the "
                f"feature files by {compared}, such as {self.examples[0].name}"
            )
        for names, thing, lack in (
            (self.without_description, "feature file", "description"),
            (self.without_features, "description", "feature file"),
        ):
            if names:
                yield f"{counted(len(names), thing)} without {lack}: {list_some(names)}"
        if self.ambiguous:
            listed = [f"{name} ({' or '.join(gifs)})" for name, gifs in self.ambiguous.items()]
            yield (
                f"{counted(len(listed), 'name')} could mean several GIFs or share a GIF, so their "
                f"captions are not used: {list_some(listed)}"
            )


def pair(features_dir: Path, descriptions: Descriptions) -> Pairing:
    """Pair every feature file under a folder with its captions.

    A file's GIF is the manifest's, for a long name was shortened; failing that, its own name's.

    Raises:
        FeatureError: there is no such folder, no feature file in it, or its manifest is damaged.
    """
    check_features_dir(features_dir)
    by_source = Manifest(features_dir).entries
    entries = {entry.features: entry for entry in by_source.values() if entry.features}
    examples, without_description, used = [], [], set()
    features = find_features(features_dir, by_source)
    names = [
        gif_key(entries[path].source if path in entries else without_shard(path))
        for path in features
    ]
    matches = descriptions.match(names)
    gif_ids = {key: gif_id for gif_id, key in descriptions.ids.items()}
    for path, name, key in zip(features, names, matches.found, strict=True):
        if key is None:
            without_description.append(name)
        else:
            used.add(key)
            sha256 = entries[path].sha256 if path in entries else None
            digests = () if sha256 is None else (gif_digest(sha256),)
            captions = tuple(descriptions.captions[key])
            split = descriptions.splits.get(key)
            example = Example(
                name, features_dir / path, captions, digests, split, gif_ids.get(key, "")
            )
            examples.append(example)
    if not features:
        raise FeatureError(f"{features_dir}: no feature files here; run `gifdesc extract` first")
    without_features = sorted(set(descriptions.captions) - used)
    return Pairing(examples, without_description, without_features, matches.ambiguous, matches.by)


@dataclass(frozen=True)
class UsableExamples:
    """The result of reading the headers of feature files.

    Attributes:
        examples: those whose files can be used.
        feature_size: D of most files; of equally frequent sizes, the greatest.
        problems: one sentence for each file that cannot be used.
        num_converted: files of other numbers than float32, by dtype: `float16`, `float64`.
    """

    examples: list[Example]
    feature_size: int
    problems: list[str]
    num_converted: dict[str, int]


def drop_damaged(examples: Iterable[Example]) -> UsableExamples:
    """Look at the sizes and headers of feature files and keep the examples that can be used.

    Of many files of one size, 64 headers are read; where these agree, the others are taken to be
    like them. Numbers are not read at all. Other damage is found when training reads the files.
    """
    examples = list(examples)
    problems: dict[int, str] = {}
    headers: dict[int, MatrixHeader] = {}
    for same in _by_size(examples, problems):
        sample = same[:: max(1, len(same) // _HEADERS_PER_SIZE)]
        _read_headers(examples, sample, headers, problems)
        found = {_numbers_of(headers.get(index)) for index in sample}
        if len(found) == 1 and None not in found:
            headers |= dict.fromkeys(same, headers[sample[0]])
        else:
            _read_headers(examples, sorted(set(same) - set(sample)), headers, problems)
    feature_sizes = {index: header.shape[1] for index, header in headers.items()}
    num_files = Counter(feature_sizes.values())
    wanted = max(num_files, key=lambda size: (num_files[size], size), default=0)
    for index, size in feature_sizes.items():
        if size != wanted:
            problems[index] = (
                f"{examples[index].features_path}: has {size} features a frame where {wanted} "
                f"are needed, as {num_files[wanted]} of {len(feature_sizes)} files have"
            )
    good = [example for index, example in enumerate(examples) if index not in problems]
    num_converted = Counter(
        header.dtype.name
        for index, header in headers.items()
        if index not in problems and header.dtype.itemsize != _FLOAT32_BYTES
    )
    problems_in_order = [problems[index] for index in sorted(problems)]
    return UsableExamples(good, wanted, problems_in_order, dict(num_converted))


def _numbers_of(header: MatrixHeader | None) -> tuple[int, str] | None:
    """The feature size and the kind of number of a file."""
    return None if header is None else (header.shape[1], header.dtype.name)


def _by_size(examples: list[Example], problems: dict[int, str]) -> Iterable[list[int]]:
    """The numbers of examples whose files have one size in bytes, for each size."""
    by_size: defaultdict[int, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        try:
            by_size[size_bytes(example.features_path)].append(index)
        except OSError as error:
            problems[index] = f"{example.features_path}: cannot be read: {reason(error)}"
        except FeatureError as error:
            problems[index] = str(error)
    return by_size.values()


def _read_headers(
    examples: list[Example],
    indices: Iterable[int],
    headers: dict[int, MatrixHeader],
    problems: dict[int, str],
) -> None:
    """Note the header, or the problem, of some examples."""
    for index in indices:
        try:
            headers[index] = read_header(examples[index].features_path)
        except FeatureError as error:
            problems[index] = str(error)
