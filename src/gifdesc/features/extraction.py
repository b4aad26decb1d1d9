"""Extract the features of many GIFs into a folder, with a manifest of the results."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifdesc.data.feature_files import (
    RECIPE_NAME,
    are_usable,
    claim_folder,
    features_name,
    has_features,
    read_features,
    without_features,
)
from gifdesc.data.feature_shards import (
    adopt_shards,
    is_in_shard,
    remove_members,
    shard_member,
)
from gifdesc.data.gifs import GifInput
from gifdesc.data.manifest import (
    Manifest,
    ManifestEntry,
    Place,
    read_places,
    shared_numbers,
)
from gifdesc.data.origins import Origins, origin_of
from gifdesc.errors import FeatureError, GifdescError
from gifdesc.features.extractor import UNUSABLE_OUTPUT, FeatureExtractor
from gifdesc.features.frames import BrokenGifError, FileIdentity, SampledGif
from gifdesc.features.labels import Labeller
from gifdesc.features.loader import Task, default_num_workers
from gifdesc.features.pipeline import Compute, ComputedGif, compute
from gifdesc.features.results import ExtractionEvent
from gifdesc.features.storage import (
    FeatureStorage,
    FileStorage,
    NotStoredError,
    record,
    remove_file,
)
from gifdesc.sampling import start_times_ms
from gifdesc.system.files import list_all, writing
from gifdesc.system.locking import HeldFolder, locked
from gifdesc.system.replacement import remove_leftovers
from gifdesc.system.wording import counted

log = logging.getLogger(__name__)

_MISSING_NAME = "missing-features.list"
"""The names of GIFs whose features are missing at the end of a run, if there are many."""


def extract(
    inputs: Iterable[GifInput],
    features_dir: Path,
    extractor: FeatureExtractor,
    *,
    force: bool = False,
    retry_failed: bool = False,
    num_workers: int | None = 0,
    with_labels: bool = False,
    storage: FeatureStorage | None = None,
    compute_on: Compute | None = None,
) -> Iterator[ExtractionEvent]:
    """Write the feature file of every input, skip finished GIFs, and keep the manifest.

    Files are read ahead, several GIFs are computed together, and a batch is written while the next
    is computed. After a kill at any moment, a rerun extracts the missing GIFs.

    Args:
        inputs: the GIFs; a bad file does not stop the run.
        features_dir: the folder of feature files.
        extractor: the recipe and the network.
        force: extract finished GIFs again.
        retry_failed: retry files that failed, although they are unchanged.
        num_workers: processes that read GIFs; 0 for one thread, None to choose by the device.
        with_labels: record the classes that the backbone's own classifier gives, also of GIFs
            that were finished without them.
        storage: writes the features; None for a `.npy` file for each GIF.
        compute_on: runs the tasks on other machines; None for this process.

    Yields:
        An event for each input, after its features are written or wait for others of their shard.

    Raises:
        FeatureError: the folder has features of another recipe, another run is writing to it, it
            cannot be written, or it lacks features at the end.
        UsageError: `with_labels` is set, and the backbone has no trained classifier.
    """
    labeller = extractor.labeller() if with_labels else None
    if num_workers is None:
        num_workers = default_num_workers(extractor.device_type)
    with writing(features_dir, FeatureError, remedy="finished GIFs are in the manifest"):
        refusal = FeatureError(
            f"{features_dir}: another gifdesc extract is writing here; wait for it, or choose "
            "another folder with --output"
        )
        with locked(features_dir, refusal) as held:
            storage = storage or FileStorage(features_dir)
            claim_folder(features_dir, replace(extractor.recipe, dtype=storage.dtype))
            remove_leftovers(features_dir)
            manifest = Manifest(features_dir)
            adopt_shards(features_dir, manifest)
            manifest.compact()  # removes half a line of a killed run
            run = _Run(held, features_dir, manifest, labeller, storage)
            tasks = (run.task(gif, force=force, retry_failed=retry_failed) for gif in inputs)
            here = partial(compute, extractor=extractor, num_workers=num_workers)
            yield from run.extract_all(tasks, compute_on or here)
            manifest.compact()
            adopt_shards(features_dir, manifest)  # removes those with older features alone
            run.check_stored()


def count_ahead(
    inputs: Iterator[GifInput], features_dir: Path, enough: int, *, force: bool = False
) -> tuple[int, Iterator[GifInput]]:
    """The number of inputs to extract, counted up to `enough`, so that a long list starts at once.

    Inputs in the manifest of the folder do not count, unless `force` is set: most are skipped.

    Returns:
        The number, and all inputs, including the counted ones.

    Raises:
        FeatureError: the manifest is damaged.
    """
    known = {} if force else read_places(features_dir)
    origins = _origins_in(known)
    counted: list[GifInput] = []
    num_undone = 0
    for gif in inputs:
        counted.append(gif)
        num_undone += origins.name_of(gif) not in known
        if num_undone == enough:
            break
    return num_undone, chain(counted, inputs)


def find_orphans(features_dir: Path) -> list[str]:
    """The names of GIFs that have features in a folder but no longer exist, sorted.

    Raises:
        FeatureError: the manifest is damaged.
    """
    places = read_places(features_dir)
    origins = _origins_in(places)
    return sorted(
        name
        for name, place in places.items()
        if place.features is not None
        and (path := origins.expected_path(name)) is not None
        and not os.path.lexists(path)
    )


def remove_orphans(features_dir: Path, names: Sequence[str]) -> None:
    """Remove the features of GIFs and their lines in the manifest.

    Raises:
        FeatureError: another run is writing to the folder, or it cannot be written.
    """
    refusal = FeatureError(f"{features_dir}: another gifdesc extract is writing here; wait for it")
    with writing(features_dir, FeatureError), locked(features_dir, refusal):
        manifest = Manifest(features_dir)
        in_shards = []
        for name in names:
            if (entry := manifest.entries.get(name)) is None or entry.features is None:
                continue
            if shard_member(features_dir / entry.features) is None:
                (features_dir / entry.features).unlink(missing_ok=True)
            else:
                in_shards.append(entry.features)
        remove_members(features_dir, in_shards)
        manifest.remove(names)


def _origins_in(entries: Mapping[str, ManifestEntry | Place]) -> Origins:
    return Origins({source: entry.origin for source, entry in entries.items()})


class _Run:
    """A run over many GIFs into a folder."""

    def __init__(
        self,
        held: HeldFolder,
        features_dir: Path,
        manifest: Manifest,
        labeller: Labeller | None,
        storage: FeatureStorage,
    ) -> None:
        self.manifest = manifest
        self._held = held
        self._storage = storage
        self._labeller = labeller
        self._features_dir = features_dir
        self._recipe_path = features_dir / RECIPE_NAME
        self._origins = _origins_in(manifest.entries)
        self._unsettled: dict[str, Callable[[], None]] = {}
        self._stored: set[str] = set()
        self._taken: dict[str, str] = {}  # name -> the shorter name of another GIF

    def task(self, gif: GifInput, *, force: bool, retry_failed: bool) -> Task:
        """The task for an input: read it, unless it is unchanged since an earlier run."""
        if gif.error is None:
            gif = self._named(gif, self._origins.name_of(gif))
        entry = self.manifest.entries.get(gif.source)
        if force or entry is None or entry.size_bytes is None or entry.sha256 is None:
            return Task(gif)
        if entry.status == "failed":
            is_done = not retry_failed
        else:
            is_done = has_features(self._features_dir, entry)
        return Task(gif, FileIdentity(entry.size_bytes, entry.sha256) if is_done else None)

    def _named(self, gif: GifInput, name: str) -> GifInput:
        """The input with the name of its features in the folder."""
        if len(name) > len(gif.source) and self.manifest.entries.get(name) is None:
            self._taken[name] = gif.source
        self._origins.add(name, gif)
        return replace(gif, source=name)

    def _with_own_name(self, gif: GifInput, identity: FileIdentity) -> GifInput:
        """The input with a new name, if its name belongs to another GIF, which no longer exists.

        The same content with the same name is the same GIF, moved.
        """
        entry = self.manifest.entries.get(gif.source)
        if entry is None or entry.origin in (None, origin_of(gif)):
            return gif
        if entry.sha256 == identity.sha256:
            return gif
        return self._named(gif, self._origins.apart(gif, gif.source))

    def _event(
        self, entry: ManifestEntry, gif: GifInput, *, skipped: bool = False
    ) -> ExtractionEvent:
        taken = None if skipped else self._taken.get(gif.source)
        is_other = False
        if skipped and entry.features is not None:
            is_other = is_in_shard(entry.features) != (self._storage.form == "shards")
        return ExtractionEvent(entry, gif.path, gif.name, skipped, taken, is_other)

    def extract_all(self, tasks: Iterable[Task], compute_on: Compute) -> Iterator[ExtractionEvent]:
        """Run the tasks, and store what they give."""
        try:
            for gif, outcome in compute_on(tasks):
                if outcome is None:
                    yield self._skip(gif)
                elif isinstance(outcome, GifdescError):
                    yield self._fail(gif, outcome)
                else:
                    yield self._store(gif, outcome)
        except (GifdescError, OSError, KeyboardInterrupt, GeneratorExit):
            self._keep_computed()
            raise
        self._record(self._storage.flush())

    def check_stored(self) -> None:
        """Compare the GIFs of this run with the files that are there.

        Raises:
            FeatureError: features are missing; a rerun extracts their GIFs.
        """
        list_path = self._features_dir / _MISSING_NAME
        list_path.unlink(missing_ok=True)  # of an earlier run
        entries = self.manifest.entries
        missing = without_features(self._features_dir, (entries[name] for name in self._stored))
        if missing := sorted({*missing, *self._unsettled}):
            self.manifest.remove(missing)
            names = list_all(missing, list_path)
            raise FeatureError(
                f"{self._features_dir}: the features of {counted(len(missing), 'GIF')} are missing "
                f"although they were written: {names}; run the command again"
            )

    def _keep_computed(self) -> None:
        """Store the GIFs that wait for others of their shard, if the folder can be written."""
        if self._recipe_path.is_file():
            with suppress(OSError, FeatureError):  # an error ends the run already
                self._record(self._storage.flush())

    def _skip(self, gif: GifInput) -> ExtractionEvent:
        before = self.manifest.entries[gif.source]
        # The GIF may have been moved, or its path was not recorded.
        entry = replace(before, origin=origin_of(gif))
        if entry.labels is None and entry.features is not None and self._labeller is not None:
            try:
                vectors = read_features(self._features_dir / entry.features)
            except FeatureError as error:
                log.warning("%s; extract %s again with --force", error, gif.name)
            else:
                entry = self._labelled(entry, vectors)
        if entry != before:
            self.manifest.add(entry)
        return self._event(entry, gif, skipped=True)

    def _labelled(self, entry: ManifestEntry, vectors: npt.NDArray[np.float32]) -> ManifestEntry:
        if self._labeller is None:
            return entry
        labels: tuple[dict[str, str | float], ...] = tuple(
            {"label": each.name, "probability": round(each.probability, 4)}
            for each in self._labeller(vectors)
        )
        return replace(entry, labels=labels)

    def _store(self, gif: GifInput, computed: ComputedGif) -> ExtractionEvent:
        sampled, vectors = computed.sampled, computed.vectors
        gif = self._with_own_name(gif, sampled.identity)
        if not are_usable(vectors):
            computed.settle()
            return self._fail(gif, BrokenGifError(UNUSABLE_OUTPUT, sampled.identity))
        self._held.check()
        entry = self._labelled(self._noting_replacement(_entry(gif, sampled)), vectors)
        entry = self._storage.placed(entry)
        try:
            stored = self._storage.put(entry, vectors)
        except NotStoredError as error:
            computed.settle()
            return self._fail(gif, error)
        self._settle(entry.source)  # the same GIF, given twice
        self._unsettled[entry.source] = computed.settle
        self._record(stored)
        return self._event(self.manifest.entries[gif.source] if stored else entry, gif)

    def _record(self, stored: Iterable[ManifestEntry]) -> None:
        """Add the lines of stored GIFs to the manifest."""
        stored = list(stored)
        self._stored.update(entry.source for entry in stored)
        record(self._features_dir, self.manifest, stored)
        for entry in stored:
            self._settle(entry.source)

    def _settle(self, source: str) -> None:
        if (settle := self._unsettled.pop(source, None)) is not None:
            settle()

    def _noting_replacement(self, entry: ManifestEntry) -> ManifestEntry:
        """The entry, with a note if it replaces a GIF that may have been another one."""
        before = self.manifest.entries.get(entry.source)
        if before is None or before.origin is not None or before.sha256 in (None, entry.sha256):
            return entry
        note = "replaces features of other content, whose path was not recorded"
        return replace(entry, note=f"{entry.note}; {note}" if entry.note else note)

    def _fail(self, gif: GifInput, error: GifdescError) -> ExtractionEvent:
        identity = error.identity if isinstance(error, BrokenGifError) else None
        if identity is not None:
            gif = self._with_own_name(gif, identity)
        entry = ManifestEntry(
            source=gif.source,
            status="failed",
            error=str(error).removeprefix(f"{gif.path}: ").removeprefix(f"{gif.name}: "),
            size_bytes=identity.size_bytes if identity else None,
            sha256=identity.sha256 if identity else None,
            origin=origin_of(gif),
        )
        known = self.manifest.entries.get(gif.source)
        is_done = known is not None and known.status != "failed"
        # A file that cannot be read now (on a missing disk) keeps its features; an argument that
        # is not a file gets no line in the manifest.
        is_certain = identity is not None or isinstance(error, NotStoredError)
        if gif.error is None and (is_certain or not is_done):
            remove_file(
                self._features_dir / features_name(gif.source)
            )  # it belongs to the earlier content
            self.manifest.add(entry)
        return self._event(entry, gif)


def _entry(gif: GifInput, sampled: SampledGif) -> ManifestEntry:
    return ManifestEntry(
        source=gif.source,
        status="truncated" if sampled.truncated else "ok",
        error=sampled.truncated,
        note=sampled.note,
        size_bytes=sampled.identity.size_bytes,
        sha256=sampled.identity.sha256,
        num_frames=len(sampled.durations_ms),
        duration_ms=sum(sampled.durations_ms),
        sampled_frames=shared_numbers(sampled.sampled_frames),
        sampled_times_ms=shared_numbers(
            start_times_ms(sampled.durations_ms, sampled.sampled_frames)
        ),
        origin=origin_of(gif),
    )
