"""The standard output of a process."""

from __future__ import annotations

import os
import sys
import unicodedata
from contextlib import suppress

from gifdesc.errors import GifdescError
from gifdesc.system.files import reason


def write_standard_output(data: str | bytes, *, is_styled: bool = False) -> None:
    """Write to standard output and flush it.

    On a terminal, control codes in lines are escaped, because names and captions may contain any.

    Args:
        data: text, or bytes that are written unchanged. In text, surrogates for bytes that are not
            UTF-8 (from a path) are written as those bytes, and characters that the encoding lacks
            as `?`.
        is_styled: the text has control codes for colours, and no others.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        GifdescError: stdout is closed, or cannot be written, as on a full disk.
    """
    if sys.stdout is None:  # as after `>&-` in a shell
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
    """Text with control codes, and bytes that are not UTF-8, escaped as in Python.

    Joiners (Hindi, emoji) and direction marks (Arabic, Hebrew) are kept.

    Args:
        text: any text.
        keep: control codes to keep, such as line ends.
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
    """Text that is safe for a terminal; NUL, which ends paths with `-0`, becomes a line end."""
    return escape_controls(text.replace("\0", "\n"), keep="\n\t")


def drop_standard_output() -> None:
    """Discard further output: Python would try to write the rest once more when it exits."""
    with suppress(
        OSError, ValueError, AttributeError
    ):  # closed, or not a file of the operating system
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _encoded(text: str) -> bytes:
    encoding = sys.stdout.encoding or "utf-8"
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        return text.encode(encoding, "replace")
