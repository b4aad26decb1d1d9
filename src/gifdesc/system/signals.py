"""SIGINT and SIGTERM end a run with one sentence and the exit code 128 + the signal's number.

The program installs `catch_signals` before it imports anything slow. A signal then

- ends the process at once while nothing has begun that could be left half done,
- raises `Interrupted` in the main thread inside `raising_signals`, where a command runs. An import
  ends first, or the process ends without it: an exception inside the C++ code that PyTorch runs on
  import would abort the process,
- is only recorded inside `holding_signals`, whose owner stops at a good moment.

This module imports nothing slow, because a signal may come in the first millisecond.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # as in `typing`, whose import takes milliseconds
if TYPE_CHECKING:
    from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM)

_END_SECONDS = 2.0
"""A command that has not ended this long after a signal is ended without its own clean-up."""

_IMPORT_SECONDS = 0.5
"""An import that has not ended this long after a signal is not waited for."""

_IMPORT_MACHINERY = "<frozen importlib._bootstrap>"
"""The file name of Python's own code that imports modules."""

_RAISE_AGAIN_SECONDS = 0.05

_SHOW_CURSOR = b"\r\x1b[?25h"
"""Shows the cursor, which a live line hides (ECMA-48; DECTCEM of the VT220)."""


class Interrupted(KeyboardInterrupt):
    """A run was stopped by a signal; its finished work is kept.

    Attributes:
        signal_number: of the signal, such as SIGTERM.
    """

    def __init__(self, message: str, signal_number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class StoppedAtOnce(KeyboardInterrupt):
    """A second signal came before the owner of `holding_signals` stopped; nothing more is done.

    It is no `Interrupted`, so that no clean-up of an orderly stop delays the end.

    Attributes:
        signal_number: of the second signal.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(sentence_of(signal_number))
        self.signal_number = signal_number


class _Watched:
    """The signals of this process, if the program catches them.

    Attributes:
        number: of the first signal; None until it comes.
        is_caught: the handlers of `catch_signals` are installed.
        is_raising: a command runs.
        is_held: the owner of `holding_signals` ends the run.
        is_due: the exception must be raised again: Python dropped it, for example in `__del__`, or
            a module was being imported.
        is_importing: when the last signal came, a module was being imported.
        is_reported: the sentence is printed.
        wants_json: whether stdout is to get an object with the sentence.
        clean_ups: called before a process ends without its own clean-up.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.is_caught = self.is_raising = self.is_held = False
        self.is_due = self.is_importing = self.is_reported = False
        self.wants_json: Callable[[], bool] = lambda: "--json" in sys.argv
        self.clean_ups: list[Callable[[], None]] = []


_watched = _Watched()


def sentence_of(number: int) -> str:
    """The sentence about a signal that stopped a command."""
    return "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"


def received() -> int | None:
    """The number of the first signal that `catch_signals` has caught, None if none came."""
    return _watched.number


def catch_signals() -> None:
    """Catch SIGINT and SIGTERM in this process; a signal that the parent ignores stays ignored."""
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _receive)
    _watched.is_caught = True
    # The C handler writes to the pipe at once; the Python handler waits for the main thread, which
    # may be inside a long computation.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    sys.unraisablehook = _note_lost
    _thread.start_new_thread(_watch, (reading,))


def clean_up_by(function: Callable[[], None]) -> None:
    """Call a function before a process ends without its own clean-up, in another thread."""
    _watched.clean_ups.append(function)


@contextmanager
def raising_signals(wants_json: Callable[[], bool]) -> Iterator[None]:
    """Let signals raise `Interrupted` inside the block, if the program catches them.

    Args:
        wants_json: whether stdout is to get an object with the sentence.
    """
    before = _watched.is_raising, _watched.wants_json
    _watched.wants_json, _watched.is_raising = wants_json, True
    try:
        yield
    finally:
        _watched.is_raising, _watched.wants_json = before


def mark_reported() -> None:
    """Record that the sentence about the signal is printed, so that it is printed once."""
    _watched.is_reported = True


def ignore_signals() -> None:
    """Ignore SIGINT and SIGTERM in a process that is about to end.

    While Python shuts down, Ctrl-C would print a traceback. Outside the main thread, where Python
    handles no signals, this does nothing.
    """
    if threading.current_thread() is threading.main_thread():
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_IGN)


def _receive(number: int, frame: FrameType | None) -> None:
    """Stop the run; signals after the first change nothing, for the process ends in any case."""
    if _watched.number is not None and not _watched.is_due:
        return
    _watched.number, _watched.is_due = number, False
    if not _watched.is_raising:
        _end(number)
    _watched.is_due = _watched.is_importing = _is_importing(frame)
    if not _watched.is_importing:
        raise Interrupted(sentence_of(number), number)


def _is_importing(frame: FrameType | None) -> bool:
    """Whether a frame was called, directly or not, by the import of a module."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT_MACHINERY:
            return True
        frame = frame.f_back
    return False


def _note_lost(unraisable: sys.UnraisableHookArgs) -> None:
    """Raise the exception of a signal again if Python dropped it; print other exceptions."""
    if unraisable.exc_type is not None and issubclass(unraisable.exc_type, Interrupted):
        _watched.is_due = True
    else:
        sys.__unraisablehook__(unraisable)


def _watch(reading: int) -> None:
    """End the process if a signal has come and the main thread does not end it."""
    while (number := os.read(reading, 1)[0]) not in _NUMBERS or _watched.is_held:
        pass
    start = time.monotonic()
    while (waited := time.monotonic() - start) < _END_SECONDS:
        if _watched.is_importing and waited > _IMPORT_SECONDS:
            break
        time.sleep(_RAISE_AGAIN_SECONDS)
        if _watched.is_due:
            signal.pthread_kill(threading.main_thread().ident or 0, number)
    _end(number)


def _end(number: int) -> None:
    """Report a signal and end the process, without Python's own clean-up."""
    # Of several processes under torchrun, which all get the signal, the first one reports it.
    if not _watched.is_reported and os.environ.get("RANK", "0") == "0":
        _watched.is_reported = True
        sentence = sentence_of(number)
        with suppress(OSError):
            if _watched.wants_json():
                os.write(1, b'{"error": "%s"}\n' % sentence.encode())
        with suppress(OSError):
            if _watched.is_raising and os.isatty(2):
                os.write(2, _SHOW_CURSOR)
            os.write(2, b"warning: %s\n" % sentence.encode())
    for clean_up in _watched.clean_ups:
        with suppress(OSError):
            clean_up()
    os._exit(128 + number)


class StopRequest:
    """Records a signal that stops the run.

    Attributes:
        signal_number: None until a signal comes.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def __bool__(self) -> bool:
        return self.signal_number is not None

    def receive(self, signal_number: int, frame: FrameType | None = None) -> None:
        """Record a signal; a second signal raises `StoppedAtOnce`, or ends an import's process."""
        if self:
            if _watched.is_caught and _is_importing(frame):
                _end(signal_number)
            raise StoppedAtOnce(signal_number)
        self.signal_number = signal_number


@contextmanager
def holding_signals() -> Iterator[StopRequest]:
    """Record SIGINT and SIGTERM inside the block; a second signal interrupts at once.

    Outside the main thread, where Python handles no signals, nothing is recorded.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    if _watched.number is not None and _watched.is_due:  # it came during an import
        _watched.is_due = False
        raise Interrupted(sentence_of(_watched.number), _watched.number)
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    _watched.is_held = True
    for number in before:
        signal.signal(number, request.receive)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _watched.is_held = False
