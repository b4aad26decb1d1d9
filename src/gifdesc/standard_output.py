"""Standard output, where results go: whole pieces at once, and one sentence where that fails."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from gifdesc.errors import GifdescError
from gifdesc.files import reason


def write_standard_output(data: str | bytes) -> None:
    """Write to standard output and flush it.

    Args:
        data: text, or bytes as they are. In text, what stands for bytes that are not UTF-8 (a
            path's) comes out as those bytes, and what the encoding lacks as `?`.

    Raises:
        BrokenPipeError: nobody reads any more.
        GifdescError: it is closed, or cannot be written, as on a full disk.
    """
    if sys.stdout is None:  # as Python has it after `>&-`
        raise GifdescError("standard output: closed, so the result cannot be written")
    try:
        sys.stdout.buffer.write(_encoded(data) if isinstance(data, str) else data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_standard_output()
        raise GifdescError(f"standard output: cannot be written: {reason(error)}") from error


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
