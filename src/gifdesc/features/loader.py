"""Read GIFs ahead of the network, in threads or processes, in input order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from gifdesc.config import FeatureRecipe
from gifdesc.data.gifs import GifInput
from gifdesc.errors import GifdescError, GifError
from gifdesc.features.frames import FileIdentity, SampledGif, sample_gif
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.system.cores import available_cores
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
        num_workers: processes; 0 for one thread of this process.

    Yields:
        Each task with its result, in order. If a worker process dies, the result of its GIF is an
        error. If no worker process can be started, a thread of this process reads instead, and a
        warning is logged.
    """
    window = AHEAD_PER_WORKER * max(1, num_workers)
    waiting: deque[Pending[Task, Loaded]] = deque()
    rest = iter(tasks)
    work = partial(load_gif, recipe=recipe, transform=transform)
    with closing(Workers(work, num_workers)) as workers:
        while True:
            while len(waiting) < window and (task := next(rest, None)) is not None:
                waiting.append(workers.submit(task))
            if not waiting:
                return
            pending = waiting.popleft()
            task = pending.item
            try:
                loaded = workers.result(pending)
            except WorkerCrashError as error:
                loaded = GifError(f"{task.gif.path}: {error}")
            yield task, loaded


def load_gif(task: Task, recipe: FeatureRecipe, transform: FrameTransform) -> Loaded:
    """Read one GIF; an error is a result."""
    if task.gif.error:
        return GifdescError(f"{task.gif.path}: {task.gif.error}")
    try:
        return sample_gif(task.gif.path, recipe, transform, known=task.known)
    except GifdescError as error:
        return error
    except MemoryError:
        return GifdescError(f"{task.gif.path}: there is not enough memory to read this file")
