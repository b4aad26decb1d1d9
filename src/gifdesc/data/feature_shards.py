"""Shards: the features of many GIFs in a safetensors file, for sets too large for a file per GIF.

A shard also contains the manifest's lines of its GIFs. If a run is killed between writing the shard
and the manifest, the next run reads these lines, and no GIF is extracted twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gifdesc.config import FeatureDtype
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.data.matrix_files import MatrixHeader
from gifdesc.errors import FeatureError
from gifdesc.system.files import reason
from gifdesc.system.json_files import parse_json
from gifdesc.system.replacement import replacing

SHARD_FORMAT_VERSION = 1

_NAME = re.compile(r"shard-[0-9a-f]+\.safetensors")
_NAME_IN_PATH = re.compile(rf"(?<![^/]){_NAME.pattern}(?=/)")
_METADATA = "gifdesc"
_RESERVED_KEY = "__metadata__"
_MAX_OPEN_SHARDS = 64
_DTYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
}


def write_shard(
    features_dir: Path,
    members: Mapping[str, tuple[ManifestEntry, npt.NDArray[np.float32]]],
    dtype: FeatureDtype = "float32",
    shard_id: str | None = None,
) -> list[ManifestEntry]:
    """Write GIFs into a shard, under a temporary name that is then renamed.

    Args:
        features_dir: the folder of features.
        members: by source: the line of the manifest and the features, float32 (T, D).
        dtype: of the numbers in the shard.
        shard_id: hexadecimal; None for a digest of the sources, their contents and `dtype`, so
            that the same GIFs are written into the same file.

    Returns:
        The lines of the manifest, which name the shard.

    Raises:
        OSError: the shard cannot be written.
    """
    if shard_id is None:
        contents = [(source, entry.sha256) for source, (entry, _) in members.items()]
        shard_id = hashlib.sha256(json.dumps([dtype, contents]).encode()).hexdigest()[:16]
    name = f"shard-{shard_id}.safetensors"
    keys = {source: _key(source) for source in members}
    entries = [
        replace(entry, features=f"{name}/{keys[source]}") for source, (entry, _) in members.items()
    ]
    tensors = {
        keys[source]: np.ascontiguousarray(vectors, dtype)
        for source, (_, vectors) in members.items()
    }
    _save(features_dir / name, tensors, entries)
    return entries


def shard_member(path: Path) -> tuple[Path, str] | None:
    """The shard and the key in it, if a path names features in a shard: `SHARD/KEY`."""
    text = path.as_posix()
    for found in _NAME_IN_PATH.finditer(text):
        shard = Path(text[: found.end()])
        if shard.is_file():
            return shard, text[found.end() + 1 :]
    return None


def is_in_shard(path: str) -> bool:
    """Whether a path of features under their folder is that of features in a shard."""
    return _NAME_IN_PATH.match(path) is not None


def without_shard(path: str) -> str:
    """A path of features under their folder, without the shard that they are in."""
    found = _NAME_IN_PATH.match(path)
    return path if found is None else path[found.end() + 1 :]


def read_member(shard: Path, key: str) -> npt.NDArray[np.float32]:
    """The features of a GIF in a shard, float32 (T, D) for any type in the file.

    Raises:
        FeatureError: the shard cannot be read, or has no such features.
    """
    read_member_header(shard, key)
    with _reporting(shard):
        stored: npt.NDArray[Any] = _opened(shard).get_tensor(key)
    with np.errstate(over="ignore"):
        return stored.astype(np.float32, copy=False)


def read_member_header(shard: Path, key: str) -> MatrixHeader:
    """The form of a GIF's features in a shard.

    Raises:
        FeatureError: the shard cannot be read, or has no such features.
    """
    with _reporting(shard):
        file = _opened(shard)
        try:
            stored = file.get_slice(key)
        except SafetensorError as error:
            raise FeatureError(f"{shard}: contains no features of {key}") from error
        shape, dtype = stored.get_shape(), stored.get_dtype()
    if dtype not in _DTYPES:
        raise FeatureError(f"{shard}/{key}: holds {dtype}, not float32 (or float16, float64)")
    if len(shape) != 2 or min(shape) < 1:
        raise FeatureError(f"{shard}/{key}: has shape {tuple(shape)}, not (frames, features)")
    return MatrixHeader((shape[0], shape[1]), _DTYPES[dtype], is_column_major=False, offset_bytes=0)


def shard_keys(shard: Path) -> set[str]:
    """The keys of the features in a shard; none if it cannot be read."""
    try:
        with _reporting(shard):
            return set(_opened(shard).keys())
    except FeatureError:
        return set()


def find_shards(features_dir: Path) -> list[str]:
    """The names of the shards in a folder, sorted."""
    try:
        with os.scandir(features_dir) as entries:
            return sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))
    except FileNotFoundError:
        return []


def find_members(features_dir: Path, entries: Mapping[str, ManifestEntry]) -> Iterator[str]:
    """The paths, under the folder, of the features in its shards.

    Features that the manifest replaced by newer ones are left out. Those of a damaged shard are
    included if the manifest names them: reading them raises the error.

    Args:
        features_dir: the folder of features.
        entries: of its manifest, by source.

    Raises:
        FeatureError: a shard that the manifest does not name cannot be read, or two such shards
            have features of one GIF.
    """
    known_keys = {_key(source): entry.features for source, entry in entries.items()}
    by_shard: dict[str, list[str]] = {}
    for path in filter(None, known_keys.values()):
        name, _, key = path.partition("/")
        by_shard.setdefault(name, []).append(key)
    found: dict[str, str] = {}
    for name in find_shards(features_dir):
        shard = features_dir / name
        try:
            with _reporting(shard):
                keys = _opened(shard).keys()
        except FeatureError:
            if name not in by_shard:
                raise
            keys = by_shard[name]
        for key in keys:
            path = f"{name}/{key}"
            if known_keys.get(key, path) != path:
                continue
            if key in found:
                raise FeatureError(
                    f"{shard} and {features_dir / found[key]} both contain features of {key}, and "
                    "no line of the manifest names them; remove a shard"
                )
            found[key] = name
            yield path


def remove_members(features_dir: Path, paths: Collection[str]) -> None:
    """Remove features from their shards, and shards that would be empty.

    Args:
        features_dir: the folder of features.
        paths: `SHARD/KEY` each, under the folder.

    Raises:
        FeatureError: a shard cannot be read.
        OSError: a shard cannot be written.
    """
    by_shard: dict[str, set[str]] = {}
    for path in paths:
        name, _, key = path.partition("/")
        by_shard.setdefault(name, set()).add(key)
    for name, keys in by_shard.items():
        shard = features_dir / name
        with _reporting(shard), safe_open(shard, framework="numpy") as file:
            kept = {key: file.get_tensor(key) for key in file.keys() if key not in keys}  # noqa: SIM118
        entries = [
            entry
            for entry in shard_entries(shard)
            if (entry.features or "").partition("/")[2] not in keys
        ]
        if kept:
            _save(shard, kept, entries)
        else:
            shard.unlink()


def shard_entries(shard: Path) -> list[ManifestEntry]:
    """The lines of the manifest in a shard; none if gifdesc did not write it.

    Raises:
        FeatureError: the shard cannot be read.
    """
    with _reporting(shard):
        metadata = _opened(shard).metadata() or {}
    try:
        content = parse_json(metadata.get(_METADATA, '{"manifest": []}'))
        entries = [ManifestEntry.from_json(row) for row in content["manifest"]]
    except (ValueError, TypeError, KeyError) as error:
        raise FeatureError(f"{shard}: its lines of the manifest are damaged ({error})") from error
    return [replace(entry, features=f"{shard.name}/{_key(entry.source)}") for entry in entries]


def adopt_shards(features_dir: Path, manifest: Manifest) -> None:
    """Add the lines of shards that the manifest does not name: a killed run wrote these shards.

    A shard whose GIFs all have other lines by now is removed: newer features replaced its own.

    Raises:
        FeatureError: a shard cannot be read.
        OSError: the folder cannot be written.
    """
    for name in unnamed_shards(features_dir, manifest):
        entries = shard_entries(features_dir / name)
        new = [entry for entry in entries if entry.source not in manifest.entries]
        for entry in new:
            manifest.add(entry)
        if entries and not new:
            (features_dir / name).unlink()


def unnamed_shards(features_dir: Path, manifest: Manifest) -> list[str]:
    """The shards of a folder that no line of its manifest names, sorted."""
    named = {
        entry.features.partition("/")[0] for entry in manifest.entries.values() if entry.features
    }
    return [name for name in find_shards(features_dir) if name not in named]


def _key(source: str) -> str:
    """The name of a GIF's features in a shard: its source, which may not be Unicode."""
    key = source.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return f"\\{key}" if key == _RESERVED_KEY else key


def _save(
    shard: Path, tensors: dict[str, npt.NDArray[Any]], entries: Sequence[ManifestEntry]
) -> None:
    lines = [entry.to_json() for entry in entries]
    content = json.dumps({"format_version": SHARD_FORMAT_VERSION, "manifest": lines})
    # Not `save_file`: see `tensor_files.save_tensors`.
    written = save(tensors, {_METADATA: content})
    with replacing(shard, below=shard.parent) as temporary_path:
        temporary_path.write_bytes(written)


def _opened(shard: Path) -> Any:
    """The open shard: its header is parsed once, until the file is replaced."""
    status = shard.stat()
    return _open(shard, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=_MAX_OPEN_SHARDS)
def _open(shard: Path, _identity: tuple[int, int, int]) -> Any:
    file: Any = safe_open(shard, framework="numpy")
    return file


@contextmanager
def _reporting(shard: Path) -> Iterator[None]:
    """Report within the block a shard that cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise FeatureError(f"{shard}: no such file") from error
    except OSError as error:
        raise FeatureError(f"{shard}: cannot be read: {reason(error)}") from error
    except SafetensorError as error:
        raise FeatureError(
            f"{shard}: not a whole shard ({error}); extract its GIFs again"
        ) from error
