"""Signals that ask a process to stop, and standard output, where its results go."""

from __future__ import annotations

import os
import signal
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from gifdesc.errors import GifdescError
from gifdesc.system.files import reason


def write_standard_output(data: str | bytes, *, is_styled: bool = False) -> None:
    """Write to standard output and flush it.

    On a terminal, control codes within lines are escaped: names and captions are not ours.

    Args:
        data: text, or bytes as they are. In text, what stands for bytes that are not UTF-8 (a
            path's) comes out as those bytes, and what the encoding lacks as `?`.
        is_styled: it holds the control codes of a table's colours, and is safe otherwise.

    Raises:
        BrokenPipeError: nobody reads any more.
        GifdescError: it is closed, or cannot be written, as on a full disk.
    """
    if sys.stdout is None:  # as Python has it after `>&-`
        raise GifdescError("standard output: closed, so the result cannot be written")
    try:
        if sys.stdout.isatty() and not is_styled:
            data = _for_terminal(data if isinstance(data, str) else os.fsdecode(data))
        sys.stdout.buffer.write(_encoded(data) if isinstance(data, str) else data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_standard_output()
        raise GifdescError(f"standard output: cannot be written: {reason(error)}") from error


_CONTROL_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's general categories of control codes, lone surrogates, and line separators."""

_DIRECTION_OVERRIDES = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Codes that reorder the text around them (Unicode Standard Annex 9, section 2)."""


def escape_controls(text: str, keep: str = "") -> str:
    """Text with its control codes, and bytes that are not UTF-8, escaped as in Python.

    What scripts need stays: joiners (Hindi, emoji) and direction marks (Arabic, Hebrew).

    Args:
        text: anything.
        keep: control codes that stay, such as line ends.
    """
    return "".join(
        character
        if character.isprintable() or character in keep or not _is_control(character)
        else _escape(character)
        for character in text
    )


def _is_control(character: str) -> bool:
    category = unicodedata.category(character)
    return category in _CONTROL_CATEGORIES or character in _DIRECTION_OVERRIDES


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that os.fsdecode could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _for_terminal(text: str) -> str:
    """What a terminal may get; NUL, which ends names for `xargs -0`, becomes a line end."""
    return escape_controls(text.replace("\0", "\n"), keep="\n\t")


def drop_standard_output() -> None:
    """Send what is left over nowhere: Python would try it once more when it exits."""
    with suppress(OSError, ValueError, AttributeError):  # closed, or no file of the system's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encoded(text: str) -> bytes:
    encoding = sys.stdout.encoding or "utf-8"
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode(encoding, "replace")


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
