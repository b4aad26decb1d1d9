"""Many GIFs to feature files, with a manifest of what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from gifdesc.errors import FeatureError, GifdescError
from gifdesc.extractor import BATCH_FRAMES, FeatureExtractor, SampledGif
from gifdesc.features import (
    Manifest,
    ManifestEntry,
    claim_folder,
    features_name,
    write_features,
)
from gifdesc.files import reason, sha256_of
from gifdesc.inputs import GifInput


@dataclass(frozen=True)
class ExtractionEvent:
    """What became of one input, in the order in which inputs are finished.

    Attributes:
        entry: its line of the manifest.
        path: the input itself.
        skipped: it was done before and is unchanged.
    """

    entry: ManifestEntry
    path: Path
    skipped: bool = False


def extract(
    inputs: Iterable[GifInput],
    features_dir: Path,
    extractor: FeatureExtractor,
    *,
    force: bool = False,
    batch_frames: int = BATCH_FRAMES,
) -> Iterator[ExtractionEvent]:
    """Make the feature file of every input, skipping what is done, and keep the manifest.

    Args:
        inputs: what to extract; one bad file never stops the others.
        features_dir: where the feature files go.
        extractor: holds the recipe and the network.
        force: redo what is done.
        batch_frames: distinct frames gathered before the network runs.

    Yields:
        One event per input, as its files are safe on disk.

    Raises:
        FeatureError: the folder holds features of another recipe, or cannot be written.
    """
    try:
        claim_folder(features_dir, extractor.recipe)
        manifest = Manifest(features_dir)
        waiting: list[tuple[GifInput, SampledGif]] = []
        for one in inputs:
            known = None if force else _done_before(one, manifest, features_dir)
            if known is not None:
                yield ExtractionEvent(known, one.path, skipped=True)
                continue
            try:
                if one.error:
                    raise GifdescError(f"{one.path}: {one.error}")
                waiting.append((one, extractor.sample(one.path)))
            except GifdescError as error:
                yield _fail(one, str(error), manifest, features_dir)
            if sum(len(sampled.digests) for _, sampled in waiting) >= batch_frames:
                yield from _finish(waiting, extractor, manifest, features_dir)
                waiting.clear()
        yield from _finish(waiting, extractor, manifest, features_dir)
        manifest.compact()
    except OSError as error:
        raise FeatureError(f"{features_dir}: cannot be written: {reason(error)}") from error


def _done_before(one: GifInput, manifest: Manifest, features_dir: Path) -> ManifestEntry | None:
    """The entry of an input whose feature file is there and whose bytes are unchanged."""
    entry = manifest.entries.get(one.source)
    if entry is None or entry.status == "failed" or entry.features is None or one.error:
        return None
    if not (features_dir / entry.features).is_file():
        return None
    try:
        is_same = one.path.stat().st_size == entry.size_bytes and (
            sha256_of(one.path) == entry.sha256
        )
    except OSError:
        return None
    return entry if is_same else None


def _fail(one: GifInput, message: str, manifest: Manifest, features_dir: Path) -> ExtractionEvent:
    # A feature file of what the GIF was before would outlive it.
    (features_dir / features_name(one.source)).unlink(missing_ok=True)
    error = message.removeprefix(f"{one.path}: ")
    entry = ManifestEntry(source=one.source, status="failed", error=error)
    if one.path.is_file():
        size_bytes = one.path.stat().st_size
        entry = replace(entry, size_bytes=size_bytes, sha256=_sha256_or_none(one.path))
    manifest.add(entry)
    return ExtractionEvent(entry, one.path)


def _sha256_or_none(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None


def _finish(
    waiting: Sequence[tuple[GifInput, SampledGif]],
    extractor: FeatureExtractor,
    manifest: Manifest,
    features_dir: Path,
) -> Iterator[ExtractionEvent]:
    features = extractor.encode([sampled for _, sampled in waiting])
    for (one, sampled), vectors in zip(waiting, features, strict=True):
        name = features_name(one.source)
        write_features(features_dir / name, vectors)
        starts_ms = [0, *accumulate(sampled.durations_ms)]
        entry = ManifestEntry(
            source=one.source,
            status="truncated" if sampled.truncated else "ok",
            error=sampled.truncated,
            note=sampled.note,
            size_bytes=sampled.size_bytes,
            sha256=sampled.sha256,
            num_frames=len(sampled.durations_ms),
            duration_ms=starts_ms[-1],
            sampled_frames=sampled.sampled_frames,
            sampled_times_ms=tuple(starts_ms[i] for i in sampled.sampled_frames),
            features=name,
        )
        manifest.add(entry)
        yield ExtractionEvent(entry, one.path)
