"""Process one chunk in a worker: what every engine calls."""

from __future__ import annotations

import logging
import platform
from collections.abc import Sequence
from pathlib import Path

from gifdesc.engines.chunks import Chunk, Row
from gifdesc.engines.results import Attempt, ChunkResults, History
from gifdesc.engines.work import Record, Worker
from gifdesc.errors import GifdescError
from gifdesc.system.files import writing

log = logging.getLogger(__name__)

MAX_DEATHS = 2
"""Workers that may die while they process a GIF alone, before the GIF is given up. The first death
may have another cause, such as a machine that was switched off."""

CRASHED = "the process that read this file crashed"
"""The reason of a GIF that is given up: the same as without an engine."""


def run_chunk(worker: Worker, chunk: Chunk, folder: Path) -> None:
    """Process a chunk, unless its result file exists; write that file.

    The first attempt processes all rows together. If it failed, or if its process died, later
    attempts process the rows that are left one at a time. A GIF at which `MAX_DEATHS` processes
    died is not processed again.

    Raises:
        GifdescError: the worker cannot work, or the folder cannot be reached or written.
    """
    if not folder.is_dir():
        raise GifdescError(
            f"{folder}: not a folder on the node {platform.node()}; the GIFs, the model and the "
            "output must have the same paths on all nodes of the cluster"
        )
    results, rows = ChunkResults(folder), chunk.rows
    with writing(folder, remedy="finished chunks are kept"):
        if results.has(chunk.id):
            return
        history = results.history(chunk.id)
        with results.attempt(chunk.id) as attempt:
            if history.num_deaths or not _run_together(worker, rows, history, attempt):
                _run_alone(worker, rows, history, attempt)
        results.write(chunk.id, [history.records[index] for index in range(len(rows))])


def _run_together(worker: Worker, rows: Sequence[Row], history: History, attempt: Attempt) -> bool:
    """Process the rows without a record together.

    Returns:
        False if a row made the worker fail.
    """
    indices = [index for index in range(len(rows)) if index not in history.records]
    try:
        found = worker.process([rows[index] for index in indices])
        for index, record in zip(indices, found, strict=True):
            attempt.finish(index, record)
            history.records[index] = record
    except (GifdescError, OSError):
        raise
    except Exception as error:
        log.debug("a chunk failed; its GIFs are processed one at a time", exc_info=error)
    return len(history.records) == len(rows)


def _run_alone(worker: Worker, rows: Sequence[Row], history: History, attempt: Attempt) -> None:
    """Process the rows without a record one at a time."""
    for index, row in enumerate(rows):
        if index in history.records:
            continue
        if history.deaths[index] >= MAX_DEATHS:
            record = worker.failure(row, CRASHED)
        else:
            attempt.begin(index)
            record = _processed(worker, row)
        attempt.finish(index, record)
        history.records[index] = record


def _processed(worker: Worker, row: Row) -> Record:
    try:
        [record] = worker.process([row])
    except (GifdescError, OSError):
        raise
    except Exception as error:
        log.debug("a GIF failed", exc_info=error)
        first_line = next(iter(str(error).splitlines()), "")
        return worker.failure(row, f"{type(error).__name__}: {first_line}")
    return record
