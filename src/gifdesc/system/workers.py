"""Worker processes: results in any order, and an item that kills its process fails alone."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Generic, TypeVar

from gifdesc.errors import GifdescError
from gifdesc.system.worker_process import keep_to_one_core, start_worker

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

_STARTS = 2
"""Attempts to start worker processes before a thread of this process replaces them."""

_POLL_SECONDS = 0.1
"""While processes start, their owner may stop the start within this time."""

_MAX_SECONDS = 300.0
"""An item that takes a process longer is given up; the slowest valid GIFs take a few seconds."""

CRASHED = "the process that read this file crashed"
HUNG = f"took longer than {_MAX_SECONDS:.0f} s to read"


class WorkerCrashError(GifdescError):
    """The process that worked on an item died, or did not finish it."""


class _Processes(ProcessPoolExecutor):
    """Worker processes that can be killed."""

    def __init__(self, num_workers: int) -> None:
        super().__init__(num_workers, mp_context=get_context("spawn"), initializer=start_worker)
        self._before = set(active_children())

    def kill(self) -> None:
        """Kill the processes: what they work on is not needed."""
        for process in set(active_children()) - self._before:
            process.kill()


class Pending(Generic[Item, Result]):
    """An item that is in work.

    Attributes:
        item: the item.
        future: its result; replaced if the processes died before they finished it.
    """

    def __init__(self, item: Item, future: Future[Result]) -> None:
        self.item = item
        self.future = future

    @property
    def is_lost(self) -> bool:
        """There is no result, because the processes are dead."""
        future = self.future
        return not future.done() or future.cancelled() or future.exception() is not None


class Workers(Generic[Item, Result]):
    """Processes, or one thread of this process, that work on items.

    One thread may submit items while another waits for results.

    Args:
        work: the function of an item; processes get it by pickle.
        num_workers: processes; 0 for one thread. If no process starts, a thread works instead, and
            a warning is logged.
        stopped: is set to give up the start.

    Raises:
        InterruptedError: `stopped` was set while the processes started.
    """

    def __init__(
        self,
        work: Callable[[Item], Result],
        num_workers: int,
        stopped: threading.Event | None = None,
    ) -> None:
        self._work = work
        self._num_workers = num_workers
        self._pending: list[Pending[Item, Result]] = []
        self._awaited: Pending[Item, Result] | None = None
        self._lock = threading.Lock()
        self._executor = _executor(num_workers, stopped)

    def submit(self, item: Item) -> Pending[Item, Result]:
        """Start the work on an item."""
        with self._lock:
            pending = Pending(item, self._start(item))
            self._pending.append(pending)
        return pending

    def result(self, pending: Pending[Item, Result]) -> Result:
        """Wait for the result of an item; its exceptions are raised.

        Raises:
            WorkerCrashError: a process died, and it was this item that killed it; or the item took
                a process too long.
        """
        with self._lock:
            self._pending.remove(pending)
        self._awaited = pending
        try:
            return pending.future.result(_MAX_SECONDS if self._num_workers else None)
        except TimeoutError:
            if pending.future.done():  # the work's own error
                raise
            self._renew()
            raise WorkerCrashError(HUNG) from None
        except BrokenExecutor:
            # An item crashed a process, and the pool lost all its items. Retry each alone to
            # isolate the item.
            try:
                return self._work_alone(pending.item)
            finally:
                self._renew()

    def close(self) -> None:
        """End the workers; items that are not finished are dropped."""
        unfinished = [*self._pending, *filter(None, [self._awaited])]
        if isinstance(self._executor, _Processes) and any(
            not pending.future.done() for pending in unfinished
        ):
            self._executor.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _start(self, item: Item) -> Future[Result]:
        """Start the work; if the workers are dead, the future has the error."""
        try:
            return self._executor.submit(self._work, item)
        except BrokenExecutor as error:
            lost: Future[Result] = Future()
            lost.set_exception(error)
            return lost

    def _renew(self) -> None:
        """Replace dead workers by new ones, and give these the lost items."""
        with self._lock:
            self.close()
            self._executor = _executor(self._num_workers)
            for pending in self._pending:
                if pending.is_lost:
                    pending.future = self._start(pending.item)

    def _work_alone(self, item: Item) -> Result:
        """Work on an item in its own process, so that a crash does not end this process."""
        for _ in range(_STARTS):
            try:
                processes = _processes(1)
            except (BrokenExecutor, OSError):
                continue
            try:
                future = processes.submit(self._work, item)
                return future.result(_MAX_SECONDS)
            except TimeoutError:
                if future.done():  # the work's own error
                    raise
                processes.kill()
                raise WorkerCrashError(HUNG) from None
            except BrokenExecutor as error:
                raise WorkerCrashError(CRASHED) from error
            finally:
                processes.shutdown(wait=True, cancel_futures=True)
        raise WorkerCrashError(f"{CRASHED}, and no other starts; free memory and try again")


def _executor(num_workers: int, stopped: threading.Event | None = None) -> Executor:
    """Started workers: processes, or a thread where processes do not start."""
    if num_workers:
        for _ in range(_STARTS):
            try:
                return _processes(num_workers, stopped)
            except InterruptedError:
                raise
            except (BrokenExecutor, OSError) as error:
                log.debug("worker processes did not start", exc_info=error)
        log.warning("the processes that read GIFs do not start; a thread reads instead (slower)")
    return ThreadPoolExecutor(1, "gifdesc-worker", initializer=keep_to_one_core)


def _processes(num_workers: int, stopped: threading.Event | None = None) -> _Processes:
    """Started worker processes.

    Raises:
        BrokenExecutor, OSError: a process could not be started, or died at its start.
        InterruptedError: `stopped` was set.
    """
    processes = _Processes(num_workers)
    try:
        with _without_interrupts():
            # A process starts with its first task; only this process handles Ctrl-C.
            starting = [processes.submit(os.getpid) for _ in range(num_workers)]
        for started in starting:
            _wait(started, stopped)
    except BaseException:
        processes.kill()  # a process may still be importing
        processes.shutdown(wait=True, cancel_futures=True)
        raise
    return processes


def _wait(started: Future[int], stopped: threading.Event | None) -> None:
    """Wait for the first result of a process, unless its owner needs it no longer.

    Raises:
        InterruptedError: `stopped` was set.
    """
    while True:
        try:
            started.result(None if stopped is None else _POLL_SECONDS)
        except TimeoutError:
            if stopped is not None and stopped.is_set():
                raise InterruptedError from None
        else:
            return


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
