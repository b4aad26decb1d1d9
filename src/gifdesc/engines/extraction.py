"""Extraction whose GIFs are read and computed by the workers of an engine.

A worker writes the features of each GIF into a file of the shared folder. The process of the
command names them, stores them and keeps the manifest, as without an engine.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gifdesc.config import (
    DEFAULT_WORK_SIZE,
    Encoding,
    FeatureRecipe,
    Framing,
    PrecisionChoice,
    Sampling,
    to_json,
)
from gifdesc.data.feature_files import encode_features, is_unused, note_precision
from gifdesc.data.gifs import GifInput
from gifdesc.data.matrix_files import read_matrix
from gifdesc.engines.choice import EngineChoice
from gifdesc.engines.chunk_run import CRASHED
from gifdesc.engines.chunks import Chunk, Row, split_into_chunks
from gifdesc.engines.inputs import (
    Copies,
    absolute,
    absolute_path,
    extraction_row,
    extraction_task,
)
from gifdesc.engines.ordering import map_in_order
from gifdesc.engines.results import ChunkResults
from gifdesc.engines.work import OpensEngine, Record
from gifdesc.errors import GifdescError, GifError, WeightsError
from gifdesc.features.backbones.from_transformers import is_folder
from gifdesc.features.backbones.loading import is_weight_name
from gifdesc.features.encoder import RuntimeName
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.frames import BrokenGifError, FileIdentity, SampledGif
from gifdesc.features.loader import Task
from gifdesc.features.pipeline import Compute, ComputedGif, Outcome, compute
from gifdesc.system.files import writing
from gifdesc.system.wording import joined

_VECTORS_SUFFIX = ".vectors"
"""Not `.npy`: the features of a run that was killed are not yet those of the folder."""


@dataclass(frozen=True, kw_only=True)
class ExtractorChoice:
    """The arguments of `FeatureExtractor.create`, for workers on other machines.

    Attributes:
        backbone: a name, or the absolute path of a folder.
        weights: a name, or the absolute path of a file.
        num_frames: as in `FeatureExtractor.create`, and so are the others.
    """

    backbone: str
    weights: str | None = None
    num_frames: int = 16
    sampling: Sampling = "uniform"
    framing: Framing = "whole"
    encoding: Encoding = "sinusoidal"
    device: str = "auto"
    precision: PrecisionChoice = "auto"
    runtime: RuntimeName = "torch"
    num_gifs: int = 1
    batch_frames: int | None = None

    def load(self) -> FeatureExtractor:
        """The extractor.

        Raises:
            GifdescError: as `FeatureExtractor.create`.
        """
        return FeatureExtractor.create(**asdict(self))

    def for_workers(self) -> ExtractorChoice:
        """The choice with absolute paths of the folder and the file, if it names any."""
        backbone, weights = self.backbone, self.weights
        if is_folder(backbone):
            backbone = absolute_path(backbone)
        if weights is not None and not is_weight_name(self.backbone, weights):
            weights = absolute(weights)
        return replace(self, backbone=backbone, weights=weights)


@dataclass(frozen=True)
class ExtractionWork:
    """Computes the features of GIFs.

    Attributes:
        choice: the network and its options.
        recipe: of the features; a node with other weights is refused.
        folder: where the features are written until they are stored.
    """

    choice: ExtractorChoice
    recipe: FeatureRecipe
    folder: Path

    @property
    def settings(self) -> Mapping[str, Any]:
        """The recipe and the options, without those that only change the last bits."""
        without = {"device": None, "num_gifs": None, "batch_frames": None}
        return {
            "work": "extract",
            "recipe": {**to_json(self.recipe), "precision": None},  # that of this machine
            "options": {**asdict(self.choice), **without},
        }

    def is_final(self, record: Record) -> bool:
        """All but the failures of GIFs that could not be read."""
        if record["status"] != "failed" or record["identity"] is not None:
            return True
        return str(record["error"]).endswith(CRASHED)

    def load(self, num_threads: int | None = None) -> ExtractionWorker:
        """A worker with the network loaded."""
        if num_threads is not None:
            torch.set_num_threads(num_threads)
        extractor = self.choice.load()
        found = replace(extractor.recipe, backbone=self.recipe.backbone)  # perhaps another path
        if names := self.recipe.differences(found):
            raise WeightsError(
                f"{self.choice.backbone}: a node of the cluster differs from this machine in "
                f"{joined(names)}; install the same files on all nodes"
            )
        return ExtractionWorker(extractor, self.folder)


class ExtractionWorker:
    """Computes the features of the GIFs of chunks."""

    def __init__(self, extractor: FeatureExtractor, folder: Path) -> None:
        self._extractor = extractor
        self._folder = folder

    def process(self, rows: Sequence[Row]) -> Iterator[Record]:
        """The outcome of each row as a record; see `work.Worker.process`."""
        tasks = [extraction_task(row) for row in rows]
        places = {id(task.gif): place for place, task in enumerate(tasks)}
        ready: dict[int, Record] = {}
        next_place = 0
        for gif, outcome in compute(tasks, self._extractor):
            ready[places[id(gif)]] = self._record(outcome)
            while next_place in ready:  # failures come before GIFs that are still computed
                yield ready.pop(next_place)
                next_place += 1

    def failure(self, row: Row, reason: str) -> Record:
        """The record of a row without features."""
        return _failure(GifError(f"{row['path']}: {reason}"))

    def _record(self, outcome: Outcome) -> Record:
        if outcome is None:
            return {"status": "skipped"}
        if isinstance(outcome, GifdescError):
            return _failure(outcome)
        name = f"{secrets.token_hex(10)}{_VECTORS_SUFFIX}"
        # Under its final name at once: nothing reads the file before its record is in a journal.
        (self._folder / name).write_bytes(encode_features(outcome.vectors))
        sampled = outcome.sampled
        return {
            "status": "computed",
            "vectors": name,
            "precision": self._extractor.recipe.precision,
            "sampled_frames": sampled.sampled_frames,
            "durations_ms": sampled.durations_ms,
            "truncated": sampled.truncated,
            "note": sampled.note,
            "identity": asdict(sampled.identity),
        }


class EngineCompute:
    """Runs the tasks of an extraction on an engine: a `features.pipeline.Compute`.

    Args:
        choice: what the workers load.
        recipe: of the features.
        open_engine: starts the engine, when there are tasks.
        folder: the folder of result files, which all workers share; removed when all is done.
        chunk_size: GIFs of a chunk, about.
        resume: use the chunks of an earlier run in the folder.
        new_dir: the new folder of features, whose recipe gets the precision of the workers; None
            for a folder that has features.
    """

    def __init__(
        self,
        choice: ExtractorChoice,
        recipe: FeatureRecipe,
        open_engine: OpensEngine,
        folder: Path,
        *,
        chunk_size: int,
        resume: bool = True,
        new_dir: Path | None = None,
    ) -> None:
        self._work = ExtractionWork(choice.for_workers(), recipe, folder)
        self._open_engine = open_engine
        self._results = ChunkResults(folder)
        self._chunk_size = chunk_size
        self._resume = resume
        self._unsettled: Counter[str] = Counter()
        self._is_whole = False
        self._new_dir = new_dir

    def __call__(self, tasks: Iterable[Task]) -> Iterator[tuple[GifInput, Outcome]]:
        """Run tasks; the outcomes keep the order of the tasks.

        Raises:
            GifdescError: the engine or a worker cannot work, or outcomes are missing at the end.
        """
        results = self._results
        if not self._resume:
            results.remove()
        with writing(results.folder):
            results.folder.mkdir(parents=True, exist_ok=True)
        copies = Copies(results.copies_dir)
        rows = (extraction_row(task, copies) for task in tasks)
        chunks = self._noting(split_into_chunks(rows, self._chunk_size, self._work.settings))
        with self._open_engine() as engine:
            for chunk, records in map_in_order(engine, self._work, chunks, results):
                settle = self._settler(chunk.id, records)
                for row, record in zip(chunk.rows, records, strict=True):
                    yield extraction_task(row).gif, self._outcome(record, settle)
                settle()
                copies.release(chunk)
        self._is_whole = True
        self._remove_if_done()

    def _noting(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """The chunks, each of which is counted until all its features are stored."""
        for chunk in chunks:
            self._unsettled[chunk.id] += 1
            yield chunk

    def _settler(self, chunk_id: str, records: list[Record]) -> Callable[[], None]:
        """A function to call after the chunk, and once for each GIF whose features are stored.

        The last call removes the files of the chunk: not earlier, because a shard is written with
        its last GIF, and a run that is killed before computes nothing twice.
        """
        num_left = 1 + sum("vectors" in record for record in records)

        def settle() -> None:
            nonlocal num_left
            num_left -= 1
            if num_left:
                return
            self._unsettled[chunk_id] -= 1
            if not self._unsettled[chunk_id]:  # repeated inputs may make equal chunks
                del self._unsettled[chunk_id]
                self._remove(chunk_id, records)
                self._remove_if_done()

        return settle

    def _remove_if_done(self) -> None:
        if self._is_whole and not self._unsettled:
            self._results.remove()

    def _outcome(self, record: Record, settle: Callable[[], None]) -> Outcome:
        if record["status"] == "skipped":
            return None
        if record["status"] == "failed" and record["identity"] is None:
            return GifError(record["error"])
        identity = FileIdentity(**record["identity"])
        if record["status"] == "failed":
            return BrokenGifError(record["error"], identity)
        sampled = SampledGif(
            pixels=np.empty((0, 3, 0, 0), np.uint8),
            digests=(),
            order=(),
            sampled_frames=tuple(record["sampled_frames"]),
            durations_ms=tuple(record["durations_ms"]),
            truncated=record["truncated"],
            note=record["note"],
            identity=identity,
        )
        if self._new_dir is not None:
            with writing(self._new_dir):
                note_precision(self._new_dir, record["precision"])
            self._new_dir = None
        vectors = read_matrix(self._results.folder / record["vectors"])
        return ComputedGif(sampled, vectors, settle)

    def _remove(self, chunk_id: str, records: list[Record]) -> None:
        """Remove the features that are stored by now; first their list, so that none is missed."""
        self._results.path(chunk_id).unlink(missing_ok=True)
        for record in records:
            if "vectors" in record:
                (self._results.folder / record["vectors"]).unlink(missing_ok=True)


def _failure(error: GifdescError) -> Record:
    identity = asdict(error.identity) if isinstance(error, BrokenGifError) else None
    return {"status": "failed", "error": str(error), "identity": identity}


def load_extractor(choice: ExtractorChoice, engine: EngineChoice) -> FeatureExtractor:
    """The extractor of this process; with another engine its recipe alone is used.

    Raises:
        UsageError: the device is the GPU of one machine, and the engine has several.
        GifdescError: as `FeatureExtractor.create`.
    """
    if engine.is_local:
        return choice.load()
    engine.check_device(choice.device)
    # The nodes that compute may have a GPU that this machine has not, and other precisions.
    return replace(choice, device="cpu", precision="auto").load()


def compute_on_engine(
    engine: EngineChoice,
    choice: ExtractorChoice,
    recipe: FeatureRecipe,
    features_dir: Path,
    *,
    chunk_size: int | None = None,
    resume: bool = True,
) -> Compute | None:
    """How an extraction computes on an engine; None for the local engine.

    Args:
        engine: the engine.
        choice: what the workers load.
        recipe: of the features.
        features_dir: the folder of features, which all workers share.
        chunk_size: GIFs of a chunk, about; None for the default.
        resume: use the chunks of an earlier run in the folder.
    """
    if engine.is_local:
        return None
    return EngineCompute(
        choice,
        recipe,
        lambda: engine.open(choice.device),
        engine.folder_in(features_dir),
        chunk_size=chunk_size or DEFAULT_WORK_SIZE,
        resume=resume,
        new_dir=features_dir if is_unused(features_dir) else None,
    )
