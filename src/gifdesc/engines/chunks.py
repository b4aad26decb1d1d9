"""Split a list of inputs into chunks with ids that a later run computes again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gifdesc.system.files import json_line
from gifdesc.system.json_files import parse_json

Row = dict[str, str | None]
"""An input of a run: its path, name and state, never frames or bytes."""

_ID_DIGITS = 20
"""Hexadecimal digits of an id: 80 bits, so that no two of a billion chunks share one."""

_MAX_SIZE_FACTOR = 2
"""The longest chunk, in average lengths."""


@dataclass(frozen=True)
class Chunk:
    """A slice of the inputs of a run: what a worker processes at once.

    Attributes:
        id: equal in two runs if and only if the rows and the settings are equal.
        text: the rows as JSON lines, a fifth of the memory of the rows: thousands of chunks wait.
        num_rows: the number of rows.
    """

    id: str
    text: str
    num_rows: int

    @classmethod
    def of(cls, chunk_id: str, rows: Sequence[Row]) -> Chunk:
        """A chunk of rows."""
        return cls(chunk_id, "".join(map(json_line, rows)), len(rows))

    @property
    def rows(self) -> list[Row]:
        """The inputs, in order."""
        return [parse_json(line) for line in self.text.split("\n") if line]


def split_into_chunks(
    rows: Iterable[Row], size: int, settings: Mapping[str, Any]
) -> Iterator[Chunk]:
    """The rows in chunks, in order, as they are consumed.

    A chunk ends after a row whose hash, without the state of its file, is divisible by `size`. So a
    list without its first rows (the GIFs that a killed run has finished), a list with a new row and
    one with a file that was replaced have the same chunks as before, but for the chunk of the
    change. The method is that of Muthitacharoen et al., A Low-Bandwidth Network File System, SOSP
    2001, section 3.1.

    Args:
        rows: the inputs.
        size: rows of a chunk, about; at most twice as many.
        settings: everything else that a result depends on, as JSON.
    """
    start = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).digest()
    lines: list[str] = []
    digest = hashlib.sha256(start)
    for row in rows:
        line = json_line(row)
        lines.append(line)
        digest.update(line.encode())
        if _hash({**row, "state": None}) % size == 0 or len(lines) == _MAX_SIZE_FACTOR * size:
            yield Chunk(digest.hexdigest()[:_ID_DIGITS], "".join(lines), len(lines))
            lines, digest = [], hashlib.sha256(start)
    if lines:
        yield Chunk(digest.hexdigest()[:_ID_DIGITS], "".join(lines), len(lines))


def _hash(row: Row) -> int:
    return int.from_bytes(hashlib.sha256(json_line(row).encode()).digest()[:8])
