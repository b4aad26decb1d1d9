"""Work of an engine without a network, importable by worker processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gifdesc.engines.chunk_run import run_chunk
from gifdesc.engines.chunks import Chunk, Row
from gifdesc.engines.work import Record
from gifdesc.errors import GifdescError


@dataclass(frozen=True)
class SmallWork:
    """Returns the names of the rows.

    A row named `deadly` kills its process, `raising` raises an error that no worker expects,
    `fatal` an error that stops the run, and `slow` takes some seconds. The process that processes
    a row writes its id into a file of the folder `seen_dir`.
    """

    seen_dir: str
    seconds: float = 0.0

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing but the name."""
        return {"work": "small"}

    def is_final(self, record: Record) -> bool:
        """All but a row that is named as missing."""
        return record["error"] != "missing"

    def load(self, num_threads: int | None = None) -> SmallWorker:  # noqa: ARG002
        """The worker."""
        return SmallWorker(self)


class SmallWorker:
    """Processes the rows of `SmallWork`."""

    def __init__(self, work: SmallWork) -> None:
        self._work = work

    def process(self, rows: Sequence[Row]) -> Iterator[Record]:
        """The name of each row, and the number of rows that were processed together."""
        for row in rows:
            name = row["name"] or ""
            with Path(self._work.seen_dir, name.replace("/", "-")).open("a") as file:
                file.write(f"{os.getpid()}\n")
            time.sleep(self._work.seconds)
            if name.startswith("deadly"):
                os.kill(os.getpid(), signal.SIGKILL)
            if name.startswith("raising"):
                raise RuntimeError("an odd file\nwith details")
            if name.startswith("fatal"):
                raise GifdescError("the disk is full")
            yield {"name": name, "error": None, "together": len(rows)}

    def failure(self, row: Row, reason: str) -> Record:
        """The record of a row that cannot be processed."""
        return {"name": row["name"], "error": reason, "together": 0}


def rows_named(*names: str) -> tuple[Row, ...]:
    """Rows with these names."""
    return tuple({"name": name, "path": f"/{name}", "error": None} for name in names)


def seen_by(seen_dir: Path, name: str) -> list[str]:
    """The processes that processed a row, once for each time."""
    path = seen_dir / name
    return path.read_text().split() if path.exists() else []


def run_small_chunk(seen_dir: Path, folder: Path, *names: str) -> None:
    """Run the chunk `c1` of rows with these names."""
    run_chunk(SmallWork(str(seen_dir)).load(), Chunk.of("c1", rows_named(*names)), folder)
