"""The GIFs of a features folder: their features, and the paths that a result names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gifdesc.config import FeatureRecipe
from gifdesc.data.arguments import is_url
from gifdesc.data.feature_files import FEATURES_SUFFIX, find_features, read_recipe
from gifdesc.data.feature_shards import shard_member, without_shard
from gifdesc.data.gifs import find_gifs
from gifdesc.data.manifest import Manifest, ManifestEntry, change_note
from gifdesc.data.names import NameIndex, gif_key
from gifdesc.errors import FeatureError, GifdescError
from gifdesc.search.results import SCORE_DECIMALS
from gifdesc.system.waits import wait_for


@dataclass(frozen=True)
class FeaturesFolder:
    """The features that a search ranks.

    Attributes:
        folder: the features folder.
        recipe: of its features; None if it is unknown.
        names: of the GIFs, sorted; without `.npy` and shard.
        features: the path of each GIF's features under the folder.
        entries: the manifest's lines, by name.
    """

    folder: Path
    recipe: FeatureRecipe | None
    names: tuple[str, ...]
    features: tuple[str, ...]
    entries: dict[str, ManifestEntry]

    @classmethod
    def read(cls, folder: Path) -> FeaturesFolder:
        """List a features folder.

        Raises:
            FeatureError: it is damaged, or contains no features.
        """
        manifest = Manifest(folder).entries
        found = find_features(folder, manifest)
        if not found:
            raise FeatureError(
                f"{folder}: contains no features; make them with `gifdesc extract ./gifs`"
            )
        by_features = {entry.features: entry for entry in manifest.values() if entry.features}
        names = [without_shard(path).removesuffix(FEATURES_SUFFIX) for path in found]
        listed = sorted(zip(names, found, strict=True))
        return cls(
            folder,
            read_recipe(folder),
            tuple(name for name, _ in listed),
            tuple(path for _, path in listed),
            {name: by_features[path] for name, path in listed if path in by_features},
        )

    def features_path(self, index: int) -> Path:
        """Where the features of a GIF are, as `read_features` takes it."""
        return self.folder / self.features[index]

    def digest(self) -> str:
        """A digest of the names, sizes and times of all feature files, in hexadecimal.

        Their contents are not read: 10,000 files of ResNet50 have 1.3 GB.

        Raises:
            FeatureError: a file has disappeared.
        """
        digest = hashlib.sha256()
        shards: dict[Path, os.stat_result] = {}
        for path in self.features:
            full_path = os.path.join(self.folder, path)  # noqa: PTH118 - a string, for speed
            try:
                status = os.stat(full_path)  # noqa: PTH116
            except (FileNotFoundError, NotADirectoryError):
                member = shard_member(Path(full_path))
                if member is None:
                    raise FeatureError(f"{full_path}: no such file") from None
                if member[0] not in shards:
                    shards[member[0]] = member[0].stat()
                status = shards[member[0]]
            digest.update(
                f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(
                    "utf-8", "surrogateescape"
                )
            )
        return digest.hexdigest()


class MovedGifs:
    """The GIFs of a folder, found by the names that features and captions use.

    Raises:
        GifdescError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise GifdescError(f"{folder}: no such folder; name the GIFs' folder with --gifs")
        files = [gif for gif in find_gifs([folder]) if gif.error is None]
        self._paths = {gif_key(gif.source): gif.path for gif in files}
        self._names = NameIndex(self._paths)

    def path(self, name: str) -> str:
        """The path of a GIF; the name itself if the folder has no such GIF."""
        key = self._names.find(name)
        return name if key is None else str(self._paths[key])


class GifPaths:
    """The paths of GIFs in results: where the GIF is, or its name if that is unknown.

    Args:
        gifs: the listed features.
        gifs_dir: the folder that the GIFs are in now; None for where `extract` read them.

    Raises:
        GifdescError: there is no such folder.
    """

    def __init__(self, gifs: FeaturesFolder, gifs_dir: Path | None = None) -> None:
        self._gifs = gifs
        self._moved = None if gifs_dir is None else MovedGifs(gifs_dir)

    def path(self, index: int) -> str:
        """The path of a GIF: relative if it is below the working folder."""
        name = self._gifs.names[index]
        entry = self._gifs.entries.get(name)
        source = name if entry is None else entry.source
        if self._moved is not None:
            return self._moved.path(source)
        origin = None if entry is None else entry.origin
        if origin is None or is_url(origin):
            return origin or source
        return _shortened(origin) if Path(origin).exists() else source

    def index_of(self, path: Path) -> int | None:
        """The GIF of a file that `extract` read, or of a name in the folder; None for others.

        A file that changed since then is another GIF.
        """
        origin = os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links
        for index, name in enumerate(self._gifs.names):
            entry = self._gifs.entries.get(name)
            if entry is not None and entry.origin == origin:
                return None if entry.is_changed(path) else index
        return None if path.exists() else self._index_by_source().get(str(path))

    def alike(self, path: Path) -> list[str]:
        """The names in the folder of GIFs that are called like a file, in any subfolder."""
        return [name for name in self._index_by_source() if PurePosixPath(name).name == path.name]

    def _index_by_source(self) -> dict[str, int]:
        return {
            name if entry is None else entry.source: index
            for index, name in enumerate(self._gifs.names)
            for entry in [self._gifs.entries.get(name)]
        }

    def change_notes(self, indices: Sequence[int]) -> list[str]:
        """A sentence if files of some GIFs are not those that `extract` read."""
        changed = []
        with wait_for("comparing the GIFs found", unit="GIFs") as advance:
            for number, index in enumerate(indices, start=1):
                entry, path = self._gifs.entries.get(self._gifs.names[index]), self._file(index)
                if entry is not None and path is not None and entry.is_changed(path):
                    changed.append(self.path(index))
                advance(number, len(indices))
        note = change_note(changed, "the features are of older content; extract again")
        return [] if note is None else [note]

    def _file(self, index: int) -> Path | None:
        """The file that `extract` read, or the one in its place; None if that is unknown."""
        entry = self._gifs.entries.get(self._gifs.names[index])
        if entry is None:
            return None
        if self._moved is not None:
            return Path(self._moved.path(entry.source))
        return None if entry.origin is None or is_url(entry.origin) else Path(entry.origin)


def _shortened(path: str) -> str:
    try:
        relative = os.path.relpath(path)
    except ValueError:  # on another drive
        return path
    return path if relative.startswith(os.pardir) else relative


def check_top(top: int) -> None:
    """Check the number of GIFs to find.

    Raises:
        ValueError: it is below 1.
    """
    if top < 1:
        raise ValueError(f"top must be 1 or more, not {top}")


def rounded(scores: Sequence[float]) -> list[float]:
    """Scores to the decimals that results show, so that copies of a GIF have equal scores."""
    return [round(score, SCORE_DECIMALS) + 0.0 for score in scores]


def tie_notes(scores: Sequence[float], top: int, *, are_all: bool = True) -> list[str]:
    """A sentence if GIFs that are not among the best have the score of the last of them.

    Args:
        scores: of the GIFs that were scored.
        top: how many of them are listed.
        are_all: whether every GIF was scored; if not, others may have the same score.
    """
    best = sorted(scores, reverse=True)
    num_left = best[top:].count(best[top - 1]) if len(best) > top else 0
    if not num_left:
        return []
    may_be_more = not are_all and best[-1] == best[top - 1]
    have = "has" if num_left == 1 else "have"
    at_least = "at least " if may_be_more else ""
    return [f"{at_least}{num_left} more {have} the same score as the last GIF listed"]


def ranked(scores: Sequence[float], names: Sequence[str], top: int) -> list[int]:
    """The indices of the highest scores, ties in the order of the names."""
    return sorted(range(len(scores)), key=lambda index: (-scores[index], names[index]))[:top]
