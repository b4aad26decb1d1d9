"""Read GIFs ahead of the network: in a thread at first, in processes once there are many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from gifdesc.config import FeatureRecipe
from gifdesc.errors import GifdescError, GifError
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.frames import SampledGif, sample_source
from gifdesc.features.loader import AHEAD_PER_WORKER
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.gif.sources import CaptionInput, GifSource, as_input
from gifdesc.system.workers import WorkerCrashError, Workers

_MANY_GIFS = 64
"""GIFs after which the processes are started: a thread reads as many while they start."""

_NUM_AHEAD = 16
"""Most GIFs that wait for the network if a thread reads them; 16 frames take 2.4 MB."""


@dataclass(frozen=True)
class ReadGif:
    """A GIF that was read ahead of the network, or why it cannot be read."""

    name: str
    gif: SampledGif | None = None
    error: str | None = None


class GifReading:
    """Reads the GIFs of a run; it is called with each in turn, in one thread.

    Args:
        extractor: whose recipe and preprocessing are used.
        num_workers: processes, started after `_MANY_GIFS` GIFs; 0 for none.
    """

    def __init__(self, extractor: FeatureExtractor, num_workers: int) -> None:
        self.num_ahead = max(_NUM_AHEAD, AHEAD_PER_WORKER * num_workers)
        self._read = partial(_read, recipe=extractor.recipe, transform=extractor.transform)
        self._num_workers = num_workers
        self._num_read = 0
        self._stopped = threading.Event()
        self._starter = ThreadPoolExecutor(1, "gifdesc-start-workers")
        self._workers: Future[Workers[str, SampledGif | GifdescError]] | None = None

    def __call__(self, source: GifSource | CaptionInput) -> Callable[[], ReadGif]:
        """Read a GIF, or give it to a process; the returned function waits for it."""
        if self._num_read == 0:
            torch.set_num_threads(
                1
            )  # of this thread; the threads of the network have other numbers
        self._num_read += 1
        if self._num_workers and self._num_read == _MANY_GIFS:
            self._workers = self._starter.submit(
                Workers, self._read, self._num_workers, self._stopped
            )
        given = as_input(source)
        if given.error is not None:
            failed = ReadGif(given.name, error=given.error)
            return lambda: failed
        path = given.source
        if isinstance(path, (str, Path)) and self._workers is not None and self._workers.done():
            workers = self._workers.result()
            pending = workers.submit(str(path))

            def wait() -> ReadGif:
                try:
                    return _to_read(given, workers.result(pending))
                except WorkerCrashError as error:
                    return ReadGif(given.name, error=str(error))

            return wait
        read = _to_read(given, self._read(path))
        return lambda: read

    def close(self) -> None:
        """End the processes; GIFs that they have not read are dropped."""
        self._stopped.set()
        if self._workers is not None and self._workers.exception() is None:
            self._workers.result().close()
        self._starter.shutdown()


def _to_read(given: CaptionInput, found: SampledGif | GifdescError) -> ReadGif:
    if isinstance(found, GifdescError):
        return ReadGif(given.name, error=given.reason(found))
    return ReadGif(given.name, found)


def _read(
    source: GifSource, recipe: FeatureRecipe, transform: FrameTransform
) -> SampledGif | GifdescError:
    """The sampled frames of a GIF; an error is a result."""
    try:
        return sample_source(source, recipe, transform)
    except GifdescError as error:
        return error
    except MemoryError:
        return GifError("there is not enough memory to read this file")
