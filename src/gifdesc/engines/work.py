"""The interfaces between an engine, the work that it distributes, and the workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from gifdesc.engines.chunks import Chunk, Row

Record = dict[str, Any]
"""The result of a row, as JSON."""


class Worker(Protocol):
    """Holds a network and processes rows; one worker per process of an engine."""

    def process(self, rows: Sequence[Row]) -> Iterator[Record]:
        """A record for each row, in order, each as soon as it is ready.

        A row that fails gives a record with its reason. An exception concerns all rows.

        Raises:
            GifdescError: no row can be processed, as on a full disk.
        """
        ...

    def failure(self, row: Row, reason: str) -> Record:
        """The record of a row that cannot be processed."""
        ...


class Work(Protocol):
    """A description of work: small, and picklable, so that it travels to other machines."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that a result depends on besides its rows, as JSON."""
        ...

    def is_final(self, record: Record) -> bool:
        """Whether a later run may use a record.

        A failure that may have another cause than the content of the GIF, such as a disk that was
        missing, is tried again.
        """
        ...

    def load(self, num_threads: int | None = None) -> Worker:
        """A worker, with its network loaded.

        Args:
            num_threads: threads that the network computes with; None keeps the number.

        Raises:
            GifdescError: the network cannot be loaded here.
        """
        ...


class Engine(Protocol):
    """Maps chunks to result files. It does nothing else, so that its retries are harmless."""

    def map(self, work: Work, chunks: Iterable[Chunk], folder: Path) -> Iterator[Chunk]:
        """Process the chunks that have no result file in a folder.

        Args:
            work: what to do with them.
            chunks: the chunks; consumed as needed.
            folder: the folder of result files (`results.ChunkResults`), which every worker can
                reach under this path.

        Yields:
            Each chunk once its file is complete, in any order.

        Raises:
            GifdescError: the engine or a worker cannot work; finished chunks are kept.
        """
        ...


class OpensEngine(Protocol):
    """Starts an engine, or connects to one."""

    def __call__(self) -> AbstractContextManager[Engine]:
        """The engine; it is stopped at the end of the context."""
        ...
