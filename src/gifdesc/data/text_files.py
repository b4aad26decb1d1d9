"""Text files line by line: UTF-8 with or without a byte order mark, with any line ends."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import TextIO

from gifdesc.errors import DescriptionError
from gifdesc.system.files import reading
from gifdesc.system.json_files import check_regular

_CHUNK_BYTES = 1 << 16
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Byte order mark -> encoding (The Unicode Standard, section 23.8), the longer marks first."""

_SINGLE_BYTES = re.compile(rb"[\x80-\xff]")
_RUNS = re.compile(rb"[\x80-\xff]{2,}")


class TextFile:
    """A file of UTF-8 text, behind its byte order mark. A small file is read only once.

    Args:
        path: the file.

    Raises:
        DescriptionError: it is not UTF-8, with the encoding that it seems to have; or it cannot be
            read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text: str | None = None
        decoder = codecs.getincrementaldecoder("utf-8")()
        num_before = 0
        with reading(path, DescriptionError):
            check_regular(path)
        with reading(path, DescriptionError), path.open("rb") as file:
            while True:
                chunk = file.read(_CHUNK_BYTES)
                is_last = len(chunk) < _CHUNK_BYTES
                if num_before == 0 and (name := _encoding_with_nulls(chunk)):
                    raise DescriptionError(f"{path}: not UTF-8 text ({name}); save it as UTF-8")
                # Bytes of a character that the chunk before ended within, which the decoder kept.
                num_kept = len(decoder.getstate()[0])
                try:
                    text = decoder.decode(chunk, final=is_last)
                except UnicodeDecodeError as error:
                    position = num_before - num_kept + error.start
                    guess = _guessed_encoding(error.object)
                    raise DescriptionError(
                        f"{path}: not UTF-8 text (byte {position}; {guess}); save it as UTF-8"
                    ) from error
                if is_last:
                    if num_before == 0:
                        self._text = text.removeprefix("\ufeff")
                    return
                num_before += len(chunk)

    def open(self, *, newline: str | None = None) -> TextIO:
        """The text, opened for reading.

        Args:
            newline: as of `open`; None makes every line end a LF, and "" keeps them for `csv`.

        Raises:
            DescriptionError: the file cannot be read any more.
        """
        if self._text is not None:
            return StringIO(self._text, newline)
        with reading(self.path, DescriptionError):
            return self.path.open(encoding="utf-8-sig", newline=newline)

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines that are not empty, each with its number from 1.

        A line ends where a text editor ends it: at LF, CRLF or CR. U+2028, NEL and the like, at
        which `str.splitlines` splits as well, stay within captions.
        """
        with self.open() as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.removesuffix("\n")


def read_text_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        DescriptionError: the file cannot be read or is not UTF-8.
    """
    return [line for _, line in TextFile(path).lines()]


def _encoding_with_nulls(start: bytes) -> str | None:
    """The name of an encoding with marks or NULs that UTF-8 text has not; None for other bytes."""
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return f"{name}, by its byte order mark"
    beginning = start[:4096]
    if b"\0" not in beginning:
        return None
    num_even, num_odd = beginning[::2].count(0), beginning[1::2].count(0)
    if max(num_even, num_odd) > len(beginning) // 4 and min(num_even, num_odd) == 0:
        return f"probably UTF-16-{'BE' if num_even else 'LE'} without a byte order mark"
    return "it contains NUL bytes, so it may be UTF-16, UTF-32 or no text"


def _guessed_encoding(data: bytes) -> str:
    """A guess for bytes that are not UTF-8: of Western text, accented letters are mostly single."""
    num_high = len(_SINGLE_BYTES.findall(data))
    num_in_runs = sum(map(len, _RUNS.findall(data)))
    if num_in_runs * 2 <= num_high:
        return "a guess: Latin-1 or Windows-1252"
    return "a guess: an encoding of several bytes a character, such as GB18030 or Shift JIS"
