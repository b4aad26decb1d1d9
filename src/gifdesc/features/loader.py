"""GIFs read ahead of the network, in threads or processes, in input order."""

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
"""GIFs that a worker may be ahead: enough to hide a slow one, little enough to stay small."""

_NICENESS = 10
"""Of worker processes: they never keep the thread that feeds the GPU waiting for a core."""

_STARTS = 2
"""How often worker processes are started before one thread of this process takes their place."""

_CORES_PER_READER = 20
"""Cores that compute on a CPU for each that decodes: a frame keeps a core many times longer in
ResNet50 than in decoding."""

Loaded = SampledGif | GifdescError | None
"""A sampled GIF, why there is none, or None for a file that is what it was."""


@dataclass(frozen=True)
class Task:
    """One GIF to read, unless it is still what is known of it."""

    one: GifInput
    known: FileIdentity | None = None


def default_num_workers(device_type: str) -> int:
    """Worker processes that keep a device busy; 0 stands for one thread of this process.

    Args:
        device_type: `cpu`, `cuda` or `mps`. On a CPU the network itself takes all cores, and one
            thread decodes many times faster than one core computes.
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
    """Read GIFs ahead of whoever consumes them.

    Args:
        tasks: what to read; consumed as needed.
        recipe: how to sample.
        transform: how to preprocess.
        num_workers: processes; 0 for one thread of this process.

    Yields:
        Each task with what came of it, in order. A worker process that dies costs one GIF, which
        is reported as an error. Where no worker process can be started, one thread of this
        process reads instead, and a warning is logged.
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
                # Somebody's file killed a worker, and with it all that was under way. Each is
                # tried alone, so that the culprit takes only itself along.
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
        """Begin a task; where the workers are dead, this is told by the future as well."""
        try:
            return self._executor.submit(_load, task, self._recipe, self._transform)
        except BrokenExecutor as error:
            lost: Future[Loaded] = Future()
            lost.set_exception(error)
            return lost

    def renew(self) -> None:
        """Take new workers in place of dead ones."""
        self.close()
        self._executor = _executor(self._num_workers)

    def close(self) -> None:
        """End the workers; what is still queued is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _is_lost(begun: Future[Loaded]) -> bool:
    """Whether a task that was begun gave no result, its workers being dead."""
    return not begun.done() or begun.cancelled() or begun.exception() is not None


def _executor(num_workers: int) -> Executor:
    """Workers that have started: processes, or one thread where there can be none."""
    if num_workers:
        for _ in range(_STARTS):
            try:
                return _processes(num_workers)
            except (BrokenExecutor, OSError) as error:
                log.debug("worker processes did not start", exc_info=error)
        log.warning("the processes that read GIFs do not start; one thread reads instead (slower)")
    return ThreadPoolExecutor(1, "gifdesc-loader", initializer=_keep_to_one_core)


def _processes(num_workers: int) -> ProcessPoolExecutor:
    """Worker processes that have started.

    Raises:
        BrokenExecutor, OSError: a process died while it started, or could not be started.
    """
    before = set(active_children())
    processes = ProcessPoolExecutor(
        num_workers, mp_context=get_context("spawn"), initializer=_start_process
    )
    try:
        with _without_interrupts():
            # A process starts when work comes; Ctrl-C is this process's affair alone.
            starting = [processes.submit(os.getpid) for _ in range(num_workers)]
        for started in starting:
            started.result()
    except BaseException:
        for process in set(active_children()) - before:
            process.kill()  # it is still importing, and nobody waits for its work
        processes.shutdown(wait=True, cancel_futures=True)
        raise
    return processes


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Within, Ctrl-C waits; processes that are started inherit that it does not reach them."""
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
        yield  # only the main thread may change what a signal does


def _load_alone(task: Task, recipe: FeatureRecipe, transform: FrameTransform) -> Loaded:
    """Read a GIF in a process of its own: this process must outlive whatever the file does."""
    for _ in range(_STARTS):
        try:
            processes = _processes(1)
        except (BrokenExecutor, OSError):
            continue
        try:
            return processes.submit(_load, task, recipe, transform).result()
        except BrokenExecutor:
            return GifError(f"{task.one.path}: reading it killed the process that did")
        finally:
            processes.shutdown(wait=True, cancel_futures=True)
    return GifError(
        f"{task.one.path}: the process that read it died, and no other starts; run the command "
        "again with --num-workers 0"
    )


def _load(task: Task, recipe: FeatureRecipe, transform: FrameTransform) -> Loaded:
    if task.one.error:
        return GifdescError(f"{task.one.path}: {task.one.error}")
    try:
        return sample_gif(task.one.path, recipe, transform, known=task.known)
    except GifdescError as error:
        return error
    except MemoryError:
        return GifdescError(f"{task.one.path}: there is not enough memory to read it")


def _start_process() -> None:
    """A worker is one of many: it keeps to one core, never before its parent, who has Ctrl-C."""
    threading.Thread(target=_end_with_parent, name="gifdesc-parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _keep_to_one_core()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def _end_with_parent() -> None:
    """A parent that was killed sends no word: its workers would wait for work for ever."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _keep_to_one_core() -> None:
    torch.set_num_threads(1)  # of this thread; the network's have their own numbers
