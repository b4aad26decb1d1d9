"""Ctrl-C and SIGTERM, held back until it is a good moment to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def ignore_interrupts() -> None:
    """Let no further Ctrl-C disturb a process that is about to end.

    While Python shuts down, one would spill the traceback of whatever it hit. Outside the main
    thread, where Python takes no signals, there is nothing to do.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop and has saved what it had.

    Attributes:
        signal_number: the signal that asked, such as SIGTERM's.
    """

    def __init__(self, message: str, signal_number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class StopRequest:
    """Remembers the signal that asked to stop.

    Attributes:
        signal_number: None as long as nobody asked.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None

    def receive(self, signal_number: int, _frame: FrameType | None = None) -> None:
        """Remember a signal; the second one interrupts at once."""
        if self:
            raise KeyboardInterrupt
        self.signal_number = signal_number


@contextmanager
def holding_signals() -> Iterator[StopRequest]:
    """Within, SIGINT and SIGTERM only raise a flag; a second one interrupts at once.

    Outside the main thread, where Python takes no signals, the flag just stays down.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, request.receive)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
