"""Many GIFs to feature files, with a manifest of what became of each."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifdesc.data.feature_files import (
    RECIPE_NAME,
    Manifest,
    ManifestEntry,
    claim_folder,
    features_name,
    write_features,
)
from gifdesc.data.gifs import GifInput
from gifdesc.data.origins import Origins, origin_of
from gifdesc.errors import FeatureError, GifdescError
from gifdesc.features.extractor import NOT_FINITE, FeatureExtractor
from gifdesc.features.frames import BrokenGifError, FileIdentity, SampledGif
from gifdesc.features.loader import Loaded, Task, default_num_workers, load_gifs
from gifdesc.features.results import ExtractionEvent
from gifdesc.sampling import start_times_ms
from gifdesc.system.files import reason, remove_leftovers, writing
from gifdesc.system.locking import locked

_IN_THE_WAY = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG}
"""Why one feature file cannot be written while others can: its path is taken, or too long."""


class _BlockedError(FeatureError):
    """A feature file cannot be written where it belongs; others can."""


@dataclass(frozen=True)
class _Group:
    """GIFs whose frames are in the network together."""

    gifs: list[tuple[GifInput, SampledGif]]
    wait: Callable[[], list[npt.NDArray[np.float32]]]


def extract(
    inputs: Iterable[GifInput],
    features_dir: Path,
    extractor: FeatureExtractor,
    *,
    force: bool = False,
    retry_failed: bool = False,
    num_workers: int | None = 0,
) -> Iterator[ExtractionEvent]:
    """Make the feature file of every input, skipping what is done, and keep the manifest.

    Files are read ahead, frames of several GIFs go through the network together, and one batch is
    written while the next is computed. Killed at any moment, a rerun does what is missing.

    Args:
        inputs: what to extract; one bad file never stops the others.
        features_dir: where the feature files go.
        extractor: holds the recipe and the network.
        force: redo what is done.
        retry_failed: redo what failed, although the file is the same.
        num_workers: processes that read GIFs; 0 for one thread, None to choose by the device.

    Yields:
        One event per input, when its files are safe on disk.

    Raises:
        FeatureError: the folder holds features of another recipe, another run is writing to it,
            or it cannot be written.
    """
    if num_workers is None:
        num_workers = default_num_workers(extractor.device_type)
    with writing(features_dir, FeatureError, remedy="what is done is in the manifest"):
        refusal = FeatureError(
            f"{features_dir}: another gifdesc extract is writing here; wait for it, or choose "
            "another folder with --output"
        )
        with locked(features_dir, refusal):
            claim_folder(features_dir, extractor.recipe)
            remove_leftovers(features_dir)
            run = _Run(features_dir, extractor, Manifest(features_dir))
            run.manifest.compact()  # a line that a killed run left unfinished goes
            tasks = (run.task(one, force=force, retry_failed=retry_failed) for one in inputs)
            yield from run.over(tasks, num_workers)
            run.manifest.compact()


def look_ahead(
    inputs: Iterator[GifInput], features_dir: Path, enough: int, *, force: bool = False
) -> tuple[int, Iterator[GifInput]]:
    """How many inputs are to be done, counted up to `enough`, so that a long list begins at once.

    Inputs that the folder's manifest knows do not count, unless all is redone (`force`): they are
    mostly skipped.

    Returns:
        The number, and all the inputs, those that were looked at included.

    Raises:
        FeatureError: the manifest is damaged.
    """
    known = {} if force else Manifest(features_dir).entries
    origins = _origins_in(known)
    seen: list[GifInput] = []
    num_undone = 0
    for one in inputs:
        seen.append(one)
        num_undone += origins.name_of(one) not in known
        if num_undone == enough:
            break
    return num_undone, chain(seen, inputs)


def find_orphans(features_dir: Path) -> list[str]:
    """The names of GIFs that have features in a folder and are not there any more, sorted.

    Raises:
        FeatureError: the manifest is damaged.
    """
    entries = Manifest(features_dir).entries
    origins = _origins_in(entries)
    return sorted(
        name
        for name, entry in entries.items()
        if entry.features is not None
        and (path := origins.expected_path(name)) is not None
        and not os.path.lexists(path)
    )


def remove_orphans(features_dir: Path, names: Sequence[str]) -> None:
    """Remove the features of GIFs, and their lines of the manifest.

    Raises:
        FeatureError: another run is writing to the folder, or it cannot be written.
    """
    refusal = FeatureError(f"{features_dir}: another gifdesc extract is writing here; wait for it")
    with writing(features_dir, FeatureError), locked(features_dir, refusal):
        manifest = Manifest(features_dir)
        for name in names:
            if (entry := manifest.entries.get(name)) is not None and entry.features is not None:
                (features_dir / entry.features).unlink(missing_ok=True)
        manifest.remove(names)


def _origins_in(entries: Mapping[str, ManifestEntry]) -> Origins:
    return Origins({source: entry.origin for source, entry in entries.items()})


class _Run:
    """One run over many GIFs into one folder."""

    def __init__(self, features_dir: Path, extractor: FeatureExtractor, manifest: Manifest) -> None:
        self.manifest = manifest
        self._features_dir = features_dir
        self._extractor = extractor
        self._origins = _origins_in(manifest.entries)
        self._taken: dict[str, str] = {}  # name -> the shorter one that another GIF has

    def task(self, one: GifInput, *, force: bool, retry_failed: bool) -> Task:
        """What to do about an input: read it, unless it is what was done before."""
        if one.error is None:
            one = self._named(one, self._origins.name_of(one))
        entry = self.manifest.entries.get(one.source)
        if force or entry is None or entry.size_bytes is None or entry.sha256 is None:
            return Task(one)
        if entry.status == "failed":
            is_done = not retry_failed
        else:
            is_done = entry.features is not None and (
                (self._features_dir / entry.features).is_file()
            )
        return Task(one, FileIdentity(entry.size_bytes, entry.sha256) if is_done else None)

    def _named(self, one: GifInput, name: str) -> GifInput:
        """The input under the name that its features have in the folder."""
        if len(name) > len(one.source) and self.manifest.entries.get(name) is None:
            self._taken[name] = one.source
        self._origins.add(name, one)
        return replace(one, source=name)

    def _apart(self, one: GifInput, identity: FileIdentity) -> GifInput:
        """The input under a name of its own, if the one that it has is another GIF's that is gone.

        The same content under the same name is the same GIF, moved.
        """
        entry = self.manifest.entries.get(one.source)
        if entry is None or entry.origin in (None, origin_of(one)):
            return one
        if entry.sha256 == identity.sha256:
            return one
        return self._named(one, self._origins.apart(one, one.source))

    def _event(
        self, entry: ManifestEntry, one: GifInput, *, skipped: bool = False
    ) -> ExtractionEvent:
        taken = None if skipped else self._taken.get(one.source)
        return ExtractionEvent(entry, one.path, one.name, skipped, taken)

    def over(self, tasks: Iterable[Task], num_workers: int) -> Iterator[ExtractionEvent]:
        """Do the tasks: one group is finished while the next one is in the network."""
        extractor = self._extractor
        loaded_gifs = load_gifs(
            tasks, extractor.recipe, extractor.transform, num_workers=num_workers
        )
        try:
            yield from self._compute(loaded_gifs)
        finally:
            extractor.cancel()  # on Ctrl-C nobody waits for what is under way

    def _compute(self, loaded_gifs: Iterable[tuple[Task, Loaded]]) -> Iterator[ExtractionEvent]:
        in_flight: _Group | None = None
        gathered: list[tuple[GifInput, SampledGif]] = []
        num_frames = 0
        enough = 1  # the first GIF goes alone, so that a wrong start shows at once
        for task, loaded in loaded_gifs:
            if loaded is None:
                yield self._skip(task.one)
            elif isinstance(loaded, GifdescError):
                yield self._fail(task.one, loaded)
            else:
                gathered.append((task.one, loaded))
                num_frames += len(loaded.digests)
            if num_frames >= min(enough, self._extractor.batch_frames):
                enough = 2 * num_frames
                group = self._submit(gathered)
                gathered, num_frames = [], 0
                yield from self._finish(in_flight)
                in_flight = group
        yield from self._finish(in_flight)
        yield from self._finish(self._submit(gathered))

    def _skip(self, one: GifInput) -> ExtractionEvent:
        entry = self.manifest.entries[one.source]
        if entry.origin != (origin := origin_of(one)):  # it was moved, or not recorded before
            entry = replace(entry, origin=origin)
            self.manifest.add(entry)
        return self._event(entry, one, skipped=True)

    def _submit(self, gifs: list[tuple[GifInput, SampledGif]]) -> _Group:
        return _Group(gifs, self._extractor.submit([sampled for _, sampled in gifs]))

    def _finish(self, group: _Group | None) -> Iterator[ExtractionEvent]:
        if group is None:
            return
        for (one, sampled), vectors in zip(group.gifs, group.wait(), strict=True):
            one = self._apart(one, sampled.identity)
            name = features_name(one.source)
            if not np.isfinite(vectors).all():
                yield self._fail(one, BrokenGifError(NOT_FINITE, sampled.identity))
                continue
            if not (self._features_dir / RECIPE_NAME).is_file():
                raise FeatureError(f"{self._features_dir}: was removed while it was written")
            try:
                write_features(self._features_dir / name, vectors)
            except OSError as error:
                if error.errno not in _IN_THE_WAY:
                    raise
                path = self._features_dir / name
                yield self._fail(one, _BlockedError(f"{path} cannot be written: {reason(error)}"))
                continue
            entry = self._noting_replacement(_entry(one, sampled, name))
            self.manifest.add(entry)
            yield self._event(entry, one)

    def _noting_replacement(self, entry: ManifestEntry) -> ManifestEntry:
        """The entry, with a note if it takes the place of a GIF that may have been another."""
        before = self.manifest.entries.get(entry.source)
        if before is None or before.origin is not None or before.sha256 in (None, entry.sha256):
            return entry
        note = "replaces features of other content that were made from an unrecorded path"
        return replace(entry, note=f"{entry.note}; {note}" if entry.note else note)

    def _fail(self, one: GifInput, error: GifdescError) -> ExtractionEvent:
        identity = error.identity if isinstance(error, BrokenGifError) else None
        if identity is not None:
            one = self._apart(one, identity)
        entry = ManifestEntry(
            source=one.source,
            status="failed",
            error=str(error).removeprefix(f"{one.path}: ").removeprefix(f"{one.name}: "),
            size_bytes=identity.size_bytes if identity else None,
            sha256=identity.sha256 if identity else None,
            origin=origin_of(one),
        )
        known = self.manifest.entries.get(one.source)
        is_done = known is not None and known.status != "failed"
        # What cannot be read now (a disk that is gone) says nothing against features made before;
        # an argument that is no file has no place among the GIFs.
        is_certain = identity is not None or isinstance(error, _BlockedError)
        if one.error is None and (is_certain or not is_done):
            path = self._features_dir / features_name(one.source)
            if os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises at a path too long
                path.unlink()  # features of what the GIF was before would outlive it
            self.manifest.add(entry)
        return self._event(entry, one)


def _entry(one: GifInput, sampled: SampledGif, name: str) -> ManifestEntry:
    return ManifestEntry(
        source=one.source,
        status="truncated" if sampled.truncated else "ok",
        error=sampled.truncated,
        note=sampled.note,
        size_bytes=sampled.identity.size_bytes,
        sha256=sampled.identity.sha256,
        num_frames=len(sampled.durations_ms),
        duration_ms=sum(sampled.durations_ms),
        sampled_frames=sampled.sampled_frames,
        sampled_times_ms=start_times_ms(sampled.durations_ms, sampled.sampled_frames),
        features=name,
        origin=origin_of(one),
    )
