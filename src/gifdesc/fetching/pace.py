"""How fast servers are asked."""

from __future__ import annotations

import threading
import time


class Pace:
    """Spaces the requests to each host, in all threads.

    Args:
        requests_per_second: to each host; None for no limit.
        stop: ends every wait when it is set.
    """

    def __init__(self, requests_per_second: float | None, stop: threading.Event) -> None:
        self._gap_seconds = 1 / requests_per_second if requests_per_second else 0.0
        self._stop = stop
        self._lock = threading.Lock()
        self._next_seconds: dict[str, float] = {}

    def wait(self, host: str) -> None:
        """Wait until the host may be asked."""
        now = time.monotonic()
        with self._lock:
            start = max(now, self._next_seconds.get(host, 0.0))
            self._next_seconds[host] = start + self._gap_seconds
        if start > now:
            self._stop.wait(start - now)

    def pause(self, host: str, seconds: float) -> None:
        """Ask a host for nothing for some time, because it asks for that."""
        with self._lock:
            end = time.monotonic() + seconds
            self._next_seconds[host] = max(end, self._next_seconds.get(host, 0.0))
