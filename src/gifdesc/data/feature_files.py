"""Features on disk, in a file for each GIF or in shards, and the recipe that made them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gifdesc.config import FeatureRecipe, Precision, to_json
from gifdesc.data.feature_shards import (
    find_members,
    find_shards,
    read_member,
    read_member_header,
    shard_keys,
    shard_member,
    without_shard,
)
from gifdesc.data.manifest import MANIFEST_NAME, ManifestEntry
from gifdesc.data.matrix_files import MatrixHeader, read_matrix, read_matrix_header
from gifdesc.errors import FeatureError
from gifdesc.system.files import find_files, write_json
from gifdesc.system.json_files import from_json, read_json
from gifdesc.system.replacement import replacing
from gifdesc.system.wording import joined

RECIPE_NAME = "recipe.json"
FEATURES_SUFFIX = ".npy"
MAX_FEATURE = 1e15
"""The greatest absolute value of a feature. Networks give numbers below 1e5; a damaged file may
contain 1e30, whose square is infinite in float32: the model that is trained on it does not load."""

_MAX_NAME_BYTES = 255
"""The longest file name that common file systems take, in bytes."""

_EXTRACT_OPTIONS = {
    "backbone": "--backbone",
    "num_frames": "--num-frames",
    "sampling": "--sampling",
    "framing": "--framing",
    "weights": "--weights",
}
"""Fields of a recipe that an option of `gifdesc extract` sets as they are."""


_FOLLOWING = {
    "backbone": ("weights", "weights_sha256", "image_size", "resize_size"),
    "framing": ("resize_size",),
}
"""Field of a recipe -> fields that follow from it, as a rule."""


def features_name(source: str) -> str:
    """The path of a GIF's features under the features folder: its own path and `.npy`.

    A file name that would grow too long for the file system ends in a hash of itself instead.
    """
    folder, _, name = source.rpartition("/")
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) + len(FEATURES_SUFFIX) > _MAX_NAME_BYTES:
        digest = hashlib.sha256(encoded).hexdigest()[:16]
        kept = encoded[: _MAX_NAME_BYTES - len(digest) - len(FEATURES_SUFFIX) - 1]
        name = f"{kept.decode('utf-8', 'ignore')}-{digest}"
    return (f"{folder}/" if folder else "") + name + FEATURES_SUFFIX


def write_features(
    path: Path, features: npt.NDArray[np.float32], *, features_dir: Path | None = None
) -> None:
    """Write a feature file, float32 (T, D), under a temporary name and rename it into place.

    It is not flushed to disk: `replacement.sync_files` does so for many at once.

    Args:
        path: the file; folders are created.
        features: float32 (T, D).
        features_dir: the folder of all features, which is not created.

    Raises:
        OSError: the file cannot be written; FileNotFoundError if `features_dir` is gone.
    """
    with replacing(path, sync=False, below=features_dir) as temporary_path:
        temporary_path.write_bytes(encode_features(features))


def encode_features(features: npt.NDArray[np.float32]) -> bytes:
    """The content of a feature file, float32 (T, D), as `numpy.save` writes it."""
    return _npy_header(features.shape) + features.astype("<f4", copy=False).tobytes()


@lru_cache(maxsize=64)
def _npy_header(shape: tuple[int, ...]) -> bytes:
    """What `numpy.save` writes before the numbers; few shapes occur in a run."""
    stream = io.BytesIO()
    fields = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, fields)
    return stream.getvalue()


def read_features(path: Path, feature_size: int | None = None) -> npt.NDArray[np.float32]:
    """The features of a GIF.

    Args:
        path: a `.npy` file, or `SHARD/KEY`.
        feature_size: D that is needed, None for any.

    Returns:
        float32 (T, D), T of 1 or more, no number beyond `MAX_FEATURE`.

    Raises:
        FeatureError: the file cannot be read or contains anything else.
    """
    features = read_numbers(path)
    if feature_size is not None and features.shape[1] != feature_size:
        raise FeatureError(
            f"{path}: has {features.shape[1]} features a frame where {feature_size} are needed"
        )
    if not are_usable(features):
        if not np.isfinite(features).all():
            raise FeatureError(f"{path}: holds numbers that are not finite (NaN or infinity)")
        raise FeatureError(
            f"{path}: holds numbers beyond {MAX_FEATURE:.0e}; extract it again with --force"
        )
    return features


def are_usable(features: npt.NDArray[np.float32]) -> bool:
    """Whether all numbers are finite, and none is beyond `MAX_FEATURE`."""
    return bool(features.min() >= -MAX_FEATURE and features.max() <= MAX_FEATURE)  # False for NaN


def read_numbers(path: Path) -> npt.NDArray[np.float32]:
    """The same, also if some of the numbers are not finite, or beyond `MAX_FEATURE`."""
    member = shard_member(path)
    return read_matrix(path) if member is None else read_member(*member)


def read_header(path: Path) -> MatrixHeader:
    """The form of a GIF's features.

    Raises:
        FeatureError: the file cannot be read, is cut off, or contains anything else.
    """
    member = shard_member(path)
    return read_matrix_header(path) if member is None else read_member_header(*member)


def size_bytes(path: Path) -> int:
    """The size of a feature file; in a shard, of the GIF's numbers.

    Raises:
        FeatureError: the shard cannot be read.
        OSError: the file cannot be read.
    """
    member = shard_member(path)
    return path.stat().st_size if member is None else read_member_header(*member).end_bytes


def has_features(features_dir: Path, entry: ManifestEntry) -> bool:
    """Whether the features that a line of the manifest names are there."""
    if entry.features is None:
        return False
    path = features_dir / entry.features
    return path.is_file() or shard_member(path) is not None


def without_features(features_dir: Path, entries: Iterable[ManifestEntry]) -> list[str]:
    """The GIFs whose features, which lines of the manifest name, are not there, sorted.

    Args:
        features_dir: the folder of features.
        entries: lines of its manifest; those of failed GIFs do not count.
    """
    missing = []
    keys: dict[str, set[str]] = {}
    for entry in entries:
        if entry.status == "failed" or (
            entry.features is not None and (features_dir / entry.features).is_file()
        ):
            continue
        member = None if entry.features is None else shard_member(features_dir / entry.features)
        if member is not None:
            shard, key = member
            if shard.name not in keys:
                keys[shard.name] = shard_keys(shard)
            if key in keys[shard.name]:
                continue
        missing.append(entry.source)
    return sorted(missing)


def find_features(features_dir: Path, entries: Mapping[str, ManifestEntry]) -> list[str]:
    """The paths of all features under a folder, in the same order whatever file they are in.

    Args:
        features_dir: the folder of features.
        entries: of its manifest, by source.

    Raises:
        FeatureError: a shard cannot be read.
    """
    files = find_files(features_dir, (FEATURES_SUFFIX,))
    members = list(find_members(features_dir, entries))
    if not members:
        return files
    paths = [(path.split("/"), path) for path in files]
    paths += [((without_shard(path) + FEATURES_SUFFIX).split("/"), path) for path in members]
    return [path for _, path in sorted(paths)]


def read_recipe(features_dir: Path) -> FeatureRecipe | None:
    """The recipe of a features folder, None if it has none (made elsewhere).

    Raises:
        FeatureError: the recipe file is damaged.
    """
    path = features_dir / RECIPE_NAME
    try:
        return from_json(FeatureRecipe, read_json(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise FeatureError(f"{path}: not a recipe of this gifdesc ({error})") from error


def claim_folder(features_dir: Path, recipe: FeatureRecipe) -> None:
    """Make sure that a features folder is for this recipe, writing it into a new folder.

    Raises:
        FeatureError: the folder has another recipe (the differing field is named), or it holds
            feature files of unknown origin.
        OSError: the folder cannot be written.
    """
    present = read_recipe(features_dir)
    if present is None:
        files = features_dir.rglob(f"*{FEATURES_SUFFIX}")
        if find_shards(features_dir) or any(path.is_file() for path in files):
            raise FeatureError(
                f"{features_dir}: holds feature files without {RECIPE_NAME}, so these cannot be "
                "mixed in; choose another folder with --output, or remove the files"
            )
        write_json(features_dir / RECIPE_NAME, to_json(recipe))
        return
    check_same_recipe(present, recipe, f"{features_dir}: its features")
    if present.dtype != recipe.dtype:
        raise FeatureError(
            f"{features_dir}: its features are stored as {present.dtype}, not {recipe.dtype}; use "
            f"another folder, or extract --dtype {present.dtype}"
        )


def note_precision(features_dir: Path, precision: Precision) -> None:
    """Record the precision of the machines that compute, if the recipe of a folder has another.

    Raises:
        FeatureError: the recipe file is damaged.
        OSError: the folder cannot be written.
    """
    present = read_recipe(features_dir)
    if present is not None and present.precision != precision:
        write_json(features_dir / RECIPE_NAME, to_json(replace(present, precision=precision)))


def is_unused(features_dir: Path) -> bool:
    """Whether no line of a manifest describes the features of a folder, or there is no folder."""
    path = features_dir / MANIFEST_NAME
    return not path.exists() or path.stat().st_size == 0


def check_choices(features_dir: Path, choices: Mapping[str, Any]) -> None:
    """Check, before a network is loaded, that a folder has no recipe with other choices.

    Args:
        features_dir: where features are to go.
        choices: field of the recipe -> value, such as `backbone`.

    Raises:
        FeatureError: the folder has another recipe; the message names the fields that differ.
    """
    present = read_recipe(features_dir)
    if present is not None:
        wanted = replace(present, **choices)
        check_same_recipe(present, wanted, f"{features_dir}: its features")


def check_same_recipe(present: FeatureRecipe, wanted: FeatureRecipe, who: str) -> None:
    """Refuse to mix two recipes.

    Raises:
        FeatureError: they differ; the message names the fields that do.
    """
    names = present.differences(wanted)
    if not names:
        return
    following = {other for name in names for other in _FOLLOWING.get(name, ())}
    if present.is_untrained or wanted.is_untrained:
        following.discard("weights")
    names = [name for name in names if name not in following]
    values = [f"{name} {getattr(present, name)}, not {getattr(wanted, name)}" for name in names]
    options = [option for name in names if (option := _option(name, getattr(present, name)))]
    command = f" (extract {' '.join(options)})" if options else ""
    raise FeatureError(
        f"{who} were made with {'; '.join(values)}; use another folder, or the same "
        f"{joined(names)}{command}"
    )


def _option(name: str, value: object) -> str | None:
    """The option of `gifdesc extract` that sets a field of the recipe; None if none does."""
    if name == "encoding":
        return "--no-positional-encoding" if value == "none" else "--positional-encoding"
    option = _EXTRACT_OPTIONS.get(name)
    return None if option is None else f"{option} {value}"


def untrained_warning(recipe: FeatureRecipe | None) -> str | None:
    """The warning that features are of random weights; None if they are not."""
    if recipe is None or not recipe.is_untrained:
        return None
    return f"the features come from an untrained {recipe.backbone_title} (random weights)"


def missing_recipe_warning(features_dir: Path) -> str:
    """The warning that a folder of features has no recipe, so that it cannot be compared."""
    return f"{features_dir}: no recipe.json, so it cannot be checked how these features were made"
