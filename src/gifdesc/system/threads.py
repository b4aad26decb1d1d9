"""Work ahead in threads; results keep the order of the items."""

from __future__ import annotations

import atexit
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_GROUP_SECONDS = 0.1
"""A group waits this long for its results; the consumer may have other work."""

_END_SECONDS = 0.5
"""A thread that is not waiting for its source ends within this time."""


@dataclass(frozen=True)
class _End:
    """The end of the items, or an error."""

    error: BaseException | None = None


class _Reader(Generic[Item, Result]):
    """A thread that fetches items and works on them."""

    def __init__(
        self, items: Iterable[Item], work: Callable[[Item], Result], num_ahead: int
    ) -> None:
        self.done: queue.Queue[Result | _End] = queue.Queue(num_ahead)
        self._items = iter(items)
        self._work = work
        self._stopped = threading.Event()
        self._working = threading.Lock()
        # A daemon thread, because a source that never ends, such as an open pipe, must not keep the
        # process alive. But a process that ends while library code runs in a daemon thread is
        # aborted, also while the thread ends and libraries free their thread-local data.
        self._thread = threading.Thread(target=self._run, name="gifdesc-read-ahead", daemon=True)
        atexit.register(self.stop)
        self._thread.start()

    def stop(self) -> None:
        """Fetch no further item; returns when the current item is done and the thread has ended.

        A thread that waits for its source cannot be ended, and keeps waiting.
        """
        self._stopped.set()
        with self._working:
            pass
        self._thread.join(timeout=_END_SECONDS)
        atexit.unregister(self.stop)

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                item = next(self._items, self)
                with self._working:
                    if self._stopped.is_set():
                        return
                    if isinstance(item, _Reader):
                        break
                    result = self._work(item)
                self._put(result)
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer
            self._put(_End(error))
        else:
            self._put(_End())

    def _put(self, result: Result | _End) -> None:
        while not self._stopped.is_set():
            try:
                self.done.put(result, timeout=_GROUP_SECONDS)
            except queue.Full:
                continue
            break


def grouped_ahead(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    sizes: Iterable[int],
    *,
    num_ahead: int,
) -> Generator[list[Result]]:
    """Work on each item in a thread, ahead of the consumer of the results.

    Args:
        items: the items; the thread fetches them while there is room.
        work: the function of an item; its exceptions are raised in order.
        sizes: the most results in each group, without end.
        num_ahead: the most finished results that wait.

    Yields:
        The results in the order of the items: in each group, those of 0.1 s at most. A group is
        empty if there are none, so that the consumer can do other work.
    """
    reader = _Reader(items, work, num_ahead)
    try:
        for size in sizes:
            group: list[Result] = []
            end: _End | None = None
            due = time.monotonic() + _GROUP_SECONDS
            while len(group) < size and end is None:
                try:
                    result = reader.done.get(timeout=max(0.0, due - time.monotonic()))
                except queue.Empty:
                    break
                if isinstance(result, _End):
                    end = result
                else:
                    group.append(result)
            if group or end is None:
                yield group
            if end is not None:
                if end.error is not None:
                    raise end.error
                return
    finally:
        reader.stop()


def mapped_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, num_threads: int
) -> Iterator[Result]:
    """Work on each item in threads; at most twice as many results as threads wait.

    Args:
        work: the function of an item; its exceptions are raised in order.
        items: the items; fetched by the consumer.
        num_threads: items in work at once.

    Yields:
        The results in the order of the items.
    """
    executor = ThreadPoolExecutor(num_threads, thread_name_prefix="gifdesc-ahead")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(executor.submit(work, item))
            if len(waiting) > 2 * num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
