"""Read GIFs ahead of the network: in a thread at first, in processes once there are many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gifdesc.data.gif_sources import AnySource, to_input
from gifdesc.data.gifs import GifInput
from gifdesc.errors import GifdescError
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.frames import SampledGif
from gifdesc.features.loader import AHEAD_PER_WORKER, GifReaders, Loaded, Task, loaded_or_error
from gifdesc.gif.sources import CaptionInput, GifSource, source_name
from gifdesc.system.worker_process import keep_to_one_core

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


class ReadAhead:
    """Reads the GIFs of a run; it is called with each in turn, in one thread.

    Args:
        extractor: whose recipe and preprocessing are used.
        num_workers: processes, started after `_MANY_GIFS` GIFs; 0 for none.
    """

    def __init__(self, extractor: FeatureExtractor, num_workers: int) -> None:
        self.num_ahead = max(_NUM_AHEAD, AHEAD_PER_WORKER * num_workers)
        self._extractor = extractor
        self._num_workers = num_workers
        self._num_read = 0
        self._stopped = threading.Event()
        self._starter = ThreadPoolExecutor(1, "gifdesc-start-workers")
        self._readers: Future[GifReaders] | None = None

    def __call__(self, source: AnySource) -> Callable[[], ReadGif]:
        """Read a GIF, or give it to a process; the returned function waits for it."""
        if self._num_read == 0:
            keep_to_one_core()
        self._num_read += 1
        if self._num_workers and self._num_read == _MANY_GIFS:
            self._readers = self._starter.submit(
                GifReaders,
                self._extractor.recipe,
                self._extractor.transform,
                self._num_workers,
                self._stopped,
            )
        given = to_input(source)
        if given.error is not None:
            failed = ReadGif(given.name, error=given.error)
            return lambda: failed
        source = given.source
        if isinstance(source, (str, Path)) and self._readers is not None and self._readers.done():
            readers = self._readers.result()
            reading = readers.submit(Task(GifInput(Path(source), str(source))))
            return lambda: _to_read(given, readers.result(reading))
        read = _to_read(given, self._sample(source))
        return lambda: read

    def _sample(self, source: GifSource) -> Loaded:
        return loaded_or_error(source_name(source), lambda: self._extractor.sample(source))

    def close(self) -> None:
        """End the processes; GIFs that they have not read are dropped."""
        self._stopped.set()
        if self._readers is not None and self._readers.exception() is None:
            self._readers.result().close()
        self._starter.shutdown()


def _to_read(given: CaptionInput, found: Loaded) -> ReadGif:
    assert found is not None, "only an unchanged file is skipped, and none is known"
    if isinstance(found, GifdescError):
        return ReadGif(given.name, error=given.reason(found))
    return ReadGif(given.name, found)
