"""Read GIFs ahead of the network, in threads or processes, in input order."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import active_children, get_context, parent_process

import torch

from gifdesc.config import FeatureRecipe
from gifdesc.data.gifs import GifInput
from gifdesc.errors import GifdescError, GifError
from gifdesc.features.frames import FileIdentity, SampledGif, sample_gif
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.system.cores import available_cores

log = logging.getLogger(__name__)

_AHEAD_PER_WORKER = 8
"""GIFs that are read ahead per worker: enough to hide a slow GIF, few enough to save memory."""

_NICENESS = 10
"""Niceness of worker processes: the thread that feeds the GPU gets a core first."""

_STARTS = 2
"""Attempts to start worker processes before a thread of this process replaces them."""

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
    window = _AHEAD_PER_WORKER * max(1, num_workers)
    waiting: deque[tuple[Task, Future[Loaded]]] = deque()
    rest = iter(tasks)
    with closing(_Readers(num_workers, recipe, transform)) as readers:
        while True:
            while len(waiting) < window and (task := next(rest, None)) is not None:
                waiting.append((task, readers.submit(task)))
            if not waiting:
                return
            task, future = waiting.popleft()
            try:
                loaded = future.result()
            except BrokenExecutor:
                # A GIF crashed a worker, and the pool lost all its tasks. Retry each alone to
                # isolate the GIF.
                loaded = _load_alone(task, recipe, transform)
                readers.renew()
                waiting = deque(
                    (other, readers.submit(other) if _is_lost(begun) else begun)
                    for other, begun in waiting
                )
            yield task, loaded


class _Readers:
    """Workers that read GIFs."""

    def __init__(self, num_workers: int, recipe: FeatureRecipe, transform: FrameTransform) -> None:
        self._num_workers = num_workers
        self._recipe = recipe
        self._transform = transform
        self._executor = _executor(num_workers)

    def submit(self, task: Task) -> Future[Loaded]:
        """Start a task; if the workers are dead, the future has the error."""
        try:
            return self._executor.submit(_load, task, self._recipe, self._transform)
        except BrokenExecutor as error:
            lost: Future[Loaded] = Future()
            lost.set_exception(error)
            return lost

    def renew(self) -> None:
        """Replace dead workers by new ones."""
        self.close()
        self._executor = _executor(self._num_workers)

    def close(self) -> None:
        """End the workers; queued tasks are dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _is_lost(begun: Future[Loaded]) -> bool:
    """Whether a started task has no result because its workers are dead."""
    return not begun.done() or begun.cancelled() or begun.exception() is not None


def _executor(num_workers: int) -> Executor:
    """Started workers: processes, or a thread where processes do not start."""
    if num_workers:
        for _ in range(_STARTS):
            try:
                return _processes(num_workers)
            except (BrokenExecutor, OSError) as error:
                log.debug("worker processes did not start", exc_info=error)
        log.warning("the processes that read GIFs do not start; a thread reads instead (slower)")
    return ThreadPoolExecutor(1, "gifdesc-loader", initializer=_keep_to_one_core)


def _processes(num_workers: int) -> ProcessPoolExecutor:
    """Started worker processes.

    Raises:
        BrokenExecutor, OSError: a process could not be started, or died at its start.
    """
    before = set(active_children())
    processes = ProcessPoolExecutor(
        num_workers, mp_context=get_context("spawn"), initializer=_start_process
    )
    try:
        with _without_interrupts():
            # A process starts with its first task; only this process handles Ctrl-C.
            starting = [processes.submit(os.getpid) for _ in range(num_workers)]
        for started in starting:
            started.result()
    except BaseException:
        for process in set(active_children()) - before:
            process.kill()  # it may still be importing, and its work is not needed
        processes.shutdown(wait=True, cancel_futures=True)
        raise
    return processes


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Delay Ctrl-C inside the block; processes started in it inherit that they ignore it."""
    if hasattr(signal, "pthread_sigmask"):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    elif threading.current_thread() is threading.main_thread():
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)
    else:
        yield  # only the main thread may change signal handlers


def _load_alone(task: Task, recipe: FeatureRecipe, transform: FrameTransform) -> Loaded:
    """Read a GIF in its own process, so that a crash does not end this process."""
    for _ in range(_STARTS):
        try:
            processes = _processes(1)
        except (BrokenExecutor, OSError):
            continue
        try:
            return processes.submit(_load, task, recipe, transform).result()
        except BrokenExecutor:
            return GifError(f"{task.gif.path}: the process that read this file crashed")
        finally:
            processes.shutdown(wait=True, cancel_futures=True)
    return GifError(
        f"{task.gif.path}: the process that read this file crashed, and no other starts; run "
        "the command again with --num-workers 0"
    )


def _load(task: Task, recipe: FeatureRecipe, transform: FrameTransform) -> Loaded:
    if task.gif.error:
        return GifdescError(f"{task.gif.path}: {task.gif.error}")
    try:
        return sample_gif(task.gif.path, recipe, transform, known=task.known)
    except GifdescError as error:
        return error
    except MemoryError:
        return GifdescError(f"{task.gif.path}: there is not enough memory to read this file")


def _start_process() -> None:
    """Set up a worker: one core, a low priority, and no Ctrl-C, which its parent handles."""
    threading.Thread(target=_end_with_parent, name="gifdesc-parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_to_one_core()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def _end_with_parent() -> None:
    """End with the parent: it cannot notify its workers if it is killed, and they would wait."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _keep_to_one_core() -> None:
    torch.set_num_threads(1)  # of this thread; the threads of the network have other numbers
