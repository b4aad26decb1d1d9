"""Read GIFs ahead of the network, in threads or processes, in input order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from gifdesc.config import FeatureRecipe
from gifdesc.data.gifs import GifInput
from gifdesc.errors import GifdescError, GifError
from gifdesc.features.frames import FileIdentity, SampledGif, sample_gif
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.system.cores import available_cores
from gifdesc.system.shared_memory import SharedSlots, open_slots, put
from gifdesc.system.workers import Pending, WorkerCrashError, Workers

AHEAD_PER_WORKER = 8
"""GIFs that are read ahead per worker: enough to hide a slow GIF, few enough to save memory."""

_CORES_PER_READER = 20
"""Cores that compute on a CPU for each core that decodes: ResNet50 takes a core many times longer
than decoding."""

Loaded = SampledGif | GifdescError | None
"""A sampled GIF, the error, or None for an unchanged file."""


@dataclass(frozen=True)
class Task:
    """A GIF to read, unless its file is unchanged.

    Attributes:
        gif: the input.
        known: the identity of the file in an earlier run; None to read it in any case.
    """

    gif: GifInput
    known: FileIdentity | None = None


def default_num_workers(device_type: str) -> int:
    """The number of worker processes that keep a device busy; 0 is one thread of this process.

    Args:
        device_type: `cpu`, `cuda` or `mps`. On a CPU the network uses all cores, and a thread
            decodes many times faster than a core computes.
    """
    num_cores = available_cores()
    return num_cores // _CORES_PER_READER if device_type == "cpu" else min(16, num_cores)


class GifReaders:
    """Processes, or one thread of this process, that read GIFs.

    The pixels come through shared memory: 16 frames take 2.4 MB, which would go through a pipe in
    dozens of pieces, each of which waits for its turn of a core. Where there is too little shared
    memory, they come through the pipe.

    Args:
        recipe: how to sample.
        transform: how to preprocess.
        num_workers: processes; 0 for one thread of this process. If no process can be started, a
            thread reads instead, and a warning is logged.
        stopped: is set to give up the start.

    Attributes:
        num_ahead: GIFs to submit before the first result is awaited.

    Raises:
        InterruptedError: `stopped` was set while the processes started.
    """

    def __init__(
        self,
        recipe: FeatureRecipe,
        transform: FrameTransform,
        num_workers: int,
        stopped: threading.Event | None = None,
    ) -> None:
        self.num_ahead = AHEAD_PER_WORKER * max(1, num_workers)
        self._slots: SharedSlots | None = None
        work = partial(load_gif, recipe=recipe, transform=transform)
        if num_workers:
            slot_bytes = recipe.num_frames * 3 * transform.image_size**2
            self._slots = open_slots(self.num_ahead, slot_bytes)
        try:
            self._workers = Workers(partial(_load_shared, work), num_workers, stopped)
        except BaseException:
            self._close_slots()
            raise

    def submit(self, task: Task) -> GifReading:
        """Start to read a GIF."""
        slot = None if self._slots is None else self._slots.take()
        place = None
        if self._slots is not None and slot is not None:
            place = _Place(self._slots.name, slot, self._slots.slot_bytes)
        return GifReading(task, slot, self._workers.submit((task, place)))

    def result(self, reading: GifReading) -> Loaded:
        """Wait for a GIF; if its process died, the result is an error."""
        try:
            loaded = self._workers.result(reading.pending)
        except WorkerCrashError as error:
            loaded = GifError(f"{reading.task.gif.path}: {error}")
        if self._slots is None or reading.slot is None:
            assert not isinstance(loaded, _Parked), "only a task with a slot is parked"
            return loaded
        if isinstance(loaded, _Parked):
            pixels = self._slots.get(reading.slot, loaded.shape)
            loaded = replace(loaded.gif, pixels=pixels.transpose(0, 3, 1, 2))
        self._slots.free(reading.slot)
        return loaded

    def close(self) -> None:
        """End the workers; GIFs that they have not begun are dropped."""
        self._workers.close()
        self._close_slots()

    def _close_slots(self) -> None:
        if self._slots is not None:
            self._slots.close()


@dataclass(frozen=True)
class _Place:
    """A slot of shared memory."""

    name: str
    slot: int
    slot_bytes: int


@dataclass(frozen=True)
class _Parked:
    """A sampled GIF whose pixels, (U, h, w, 3) in memory, are in its slot."""

    gif: SampledGif
    shape: tuple[int, ...]


@dataclass(frozen=True)
class GifReading:
    """A GIF that is being read.

    Attributes:
        task: what to read.
        slot: where its pixels go, None for through the pipe.
        pending: the result.
    """

    task: Task
    slot: int | None
    pending: Pending[tuple[Task, _Place | None], Loaded | _Parked]


def _load_shared(
    work: Callable[[Task], Loaded], item: tuple[Task, _Place | None]
) -> Loaded | _Parked:
    task, place = item
    loaded = work(task)
    if place is None or not isinstance(loaded, SampledGif):
        return loaded
    pixels = loaded.pixels.transpose(0, 2, 3, 1)
    if pixels.nbytes > place.slot_bytes:
        return loaded
    put(place.name, place.slot, place.slot_bytes, pixels)
    return _Parked(replace(loaded, pixels=loaded.pixels[:0]), pixels.shape)


def load_gifs(
    tasks: Iterable[Task],
    recipe: FeatureRecipe,
    transform: FrameTransform,
    *,
    num_workers: int = 0,
) -> Iterator[tuple[Task, Loaded]]:
    """Read GIFs ahead of the consumer.

    Args:
        tasks: the GIFs to read; consumed as needed.
        recipe: how to sample.
        transform: how to preprocess.
        num_workers: as in `GifReaders`.

    Yields:
        Each task with its result, in order.
    """
    waiting: deque[GifReading] = deque()
    rest = iter(tasks)
    with closing(GifReaders(recipe, transform, num_workers)) as readers:
        while True:
            while len(waiting) < readers.num_ahead and (task := next(rest, None)) is not None:
                waiting.append(readers.submit(task))
            if not waiting:
                return
            reading = waiting.popleft()
            yield reading.task, readers.result(reading)


def load_gif(task: Task, recipe: FeatureRecipe, transform: FrameTransform) -> Loaded:
    """Read one GIF; an error is a result."""
    if task.gif.error:
        return GifdescError(f"{task.gif.path}: {task.gif.error}")
    path = task.gif.path
    return loaded_or_error(path, lambda: sample_gif(path, recipe, transform, known=task.known))


def loaded_or_error(name: object, load: Callable[[], Loaded]) -> Loaded:
    """The result of a function that reads a GIF, or the error that it raises.

    Args:
        name: of the GIF, for the message that memory ran out.
        load: reads the GIF.
    """
    try:
        return load()
    except GifdescError as error:
        return error
    except MemoryError:
        return GifError(f"{name}: there is not enough memory to read this file")
