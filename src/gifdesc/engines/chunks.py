"""Split a list of inputs into chunks with ids that a later run computes again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gifdesc.system.files import json_line

Row = dict[str, str | None]
"""An input of a run: paths and names, never frames or bytes."""

_ID_DIGITS = 20
"""Hexadecimal digits of an id: 80 bits, so that no two of a billion chunks share one."""

_MAX_SIZE_FACTOR = 2
"""The longest chunk, in average lengths."""


@dataclass(frozen=True)
class Chunk:
    """A slice of the inputs of a run: what a worker processes at once.

    Attributes:
        id: equal in two runs if and only if the rows and the settings are equal.
        rows: the inputs, in order.
    """

    id: str
    rows: tuple[Row, ...]

    def to_text(self) -> str:
        """The rows as JSON lines, for a worker in another process."""
        return "".join(map(json_line, self.rows))

    @classmethod
    def from_text(cls, chunk_id: str, text: str) -> Chunk:
        """The chunk whose `to_text` is given."""
        return cls(chunk_id, tuple(json.loads(line) for line in text.split("\n") if line))


def split_into_chunks(
    rows: Iterable[Row], size: int, settings: Mapping[str, Any]
) -> Iterator[Chunk]:
    """The rows in chunks, in order, as they are consumed.

    A chunk ends after a row whose hash is divisible by `size`. So a list without its first rows
    (the GIFs that a killed run has finished) and a list with a new row have the same chunks as
    before, but for the chunk of the change. Muthitacharoen et al., A Low-Bandwidth Network File
    System, SOSP 2001, section 3.1, cuts files so.

    Args:
        rows: the inputs.
        size: rows of a chunk, about; at most twice as many.
        settings: everything else that a result depends on, as JSON.
    """
    start = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).digest()
    gathered: list[Row] = []
    digest = hashlib.sha256(start)
    for row in rows:
        line = json_line(row).encode()
        digest.update(line)
        gathered.append(row)
        row_hash = int.from_bytes(hashlib.sha256(line).digest()[:8])
        if row_hash % size == 0 or len(gathered) == _MAX_SIZE_FACTOR * size:
            yield Chunk(digest.hexdigest()[:_ID_DIGITS], tuple(gathered))
            gathered, digest = [], hashlib.sha256(start)
    if gathered:
        yield Chunk(digest.hexdigest()[:_ID_DIGITS], tuple(gathered))
