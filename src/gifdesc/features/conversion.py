"""Features in one form of storage to another: feature files to shards, and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gifdesc.config import DEFAULT_CHUNK_SIZE, FeatureDtype, FeatureFormat
from gifdesc.data.feature_files import (
    FEATURES_SUFFIX,
    claim_folder,
    find_features,
    has_features,
    read_features,
    read_recipe,
)
from gifdesc.data.feature_shards import adopt_shards, without_shard
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.data.paths import check_features_dir
from gifdesc.errors import FeatureError, UsageError
from gifdesc.features.storage import FeatureStorage, NotStoredError, make_storage, record
from gifdesc.system.files import writing
from gifdesc.system.locking import locked
from gifdesc.system.replacement import remove_leftovers
from gifdesc.system.waits import wait_for


@dataclass
class FeatureConversion:
    """The result of a conversion.

    Attributes:
        output: the folder.
        form: of the output.
        num_gifs: GIFs whose features were written.
        num_done: GIFs that the output contained already.
        num_failed: GIFs whose lines of the manifest were copied, because they have no features.
        problems: one sentence for each GIF whose features cannot be read or stored.
    """

    output: Path
    form: FeatureFormat
    num_gifs: int = 0
    num_done: int = 0
    num_failed: int = 0
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The result as `convert --json` prints it."""
        return {
            "output": str(self.output),
            "format": self.form,
            "num_gifs": self.num_gifs,
            "num_done": self.num_done,
            "num_failed": self.num_failed,
            "problems": self.problems,
        }


def convert_features(
    features_dir: Path,
    output_dir: Path,
    form: FeatureFormat,
    *,
    dtype: FeatureDtype = "float32",
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    force: bool = False,
) -> FeatureConversion:
    """Write the features of a folder into another folder, in another form.

    After a kill at any moment, a rerun converts the rest.

    Args:
        features_dir: the folder to read; it is not changed.
        output_dir: the folder to write, empty or with features of the same recipe.
        form: of the output.
        dtype: of the numbers in the output; `float16` only in shards.
        chunk_size: GIFs in a shard.
        force: also write GIFs that the output contains, and replace features of other content.

    Raises:
        FeatureError: there is no such folder, no features in it, or a manifest or recipe is
            damaged; the output has another recipe, or cannot be written.
        UsageError: both folders are the same, or `form` has no such numbers.
    """
    check_features_dir(features_dir)
    if output_dir.exists() and output_dir.samefile(features_dir):
        raise UsageError(f"{output_dir}: is the folder of the features; name another output")
    storage = make_storage(output_dir, form, dtype, chunk_size)
    entries = _entries_of(features_dir)
    if not entries:
        raise FeatureError(f"{features_dir}: no features here; run `gifdesc extract` first")
    recipe = read_recipe(features_dir)
    result = FeatureConversion(output_dir, form)
    refusal = FeatureError(f"{output_dir}: another gifdesc is writing here; wait for it")
    with writing(output_dir, FeatureError, remedy="a rerun converts the rest"):
        output_dir.mkdir(parents=True, exist_ok=True)
        with locked(output_dir, refusal):
            if recipe is not None:
                claim_folder(output_dir, replace(recipe, dtype=storage.dtype))
            remove_leftovers(output_dir)
            manifest = Manifest(output_dir)
            adopt_shards(output_dir, manifest)
            with wait_for("converting features", unit="GIFs") as advance:
                for num_read, entry in enumerate(entries, start=1):
                    before = manifest.entries.get(entry.source)
                    if force or not _is_kept(entry, before, storage, result):
                        stored = _convert(features_dir, entry, before, storage, result)
                        record(output_dir, manifest, stored)
                    advance(num_read, len(entries))
            record(output_dir, manifest, storage.flush())
            manifest.compact()
            adopt_shards(output_dir, manifest)  # removes those with older features alone
    return result


def _entries_of(features_dir: Path) -> list[ManifestEntry]:
    """A line for each GIF of a folder: that of the manifest, or one for features made elsewhere."""
    by_source = Manifest(features_dir).entries
    named = {entry.features for entry in by_source.values()}
    others = (path for path in find_features(features_dir, by_source) if path not in named)
    made_elsewhere = (
        ManifestEntry(
            source=without_shard(path).removesuffix(FEATURES_SUFFIX), status="ok", features=path
        )
        for path in others
    )
    return [*by_source.values(), *made_elsewhere]


def _convert(
    features_dir: Path,
    entry: ManifestEntry,
    before: ManifestEntry | None,
    storage: FeatureStorage,
    result: FeatureConversion,
) -> Iterable[ManifestEntry]:
    """Convert the features of a GIF, and return the lines that are due in the manifest."""
    if entry.features is None:
        result.num_failed += 1
        # A failure does not replace features.
        return [] if before is not None and before.features is not None else [entry]
    try:
        stored = storage.put(entry, read_features(features_dir / entry.features))
    except NotStoredError as error:
        result.problems.append(f"{entry.source}: {error}")
    except FeatureError as error:
        result.problems.append(str(error))
    else:
        result.num_gifs += 1
        return stored
    return []


def _is_kept(
    entry: ManifestEntry,
    before: ManifestEntry | None,
    storage: FeatureStorage,
    result: FeatureConversion,
) -> bool:
    """Whether the output keeps the features that it has of a GIF."""
    if entry.features is None or before is None or not has_features(result.output, before):
        return False
    if before.sha256 != entry.sha256:
        result.problems.append(
            f"{result.output}: has features of another {entry.source}, which are kept; replace "
            "them with --force"
        )
        return True
    is_in_shard = without_shard(before.features or "") != before.features
    result.num_done += is_in_shard == (storage.form == "shards")
    return is_in_shard == (storage.form == "shards")
