"""The folder of a run on an engine: a result file for each chunk, and the journals of attempts.

A worker may die at any moment: a GIF kills it, or its machine is switched off. So a worker writes
each record into a journal as soon as it has it, and after a first death the name of each GIF before
it processes that GIF alone. The next attempt reads what earlier attempts have left.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, groupby, takewhile
from pathlib import Path
from typing import IO

from gifdesc.engines.work import Record
from gifdesc.errors import GifdescError
from gifdesc.system.files import read_json_lines, reading, write_text, writing
from gifdesc.system.json_files import parse_json

_RESULT_SUFFIX = ".results"
"""No ending that a search finds: the folder of a killed run may be inside one of descriptions."""
_JOURNAL_SUFFIX = ".journal"
_COPIES_NAME = "inputs"


class ChunkResults:
    """The result files and journals in a folder.

    Args:
        folder: the folder; every worker reaches it under this path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def copies_dir(self) -> Path:
        """The folder of inputs that have no file of their own, such as those from a pipe."""
        return self.folder / _COPIES_NAME

    def begin(self, is_final: Callable[[Record], bool]) -> None:
        """Prepare the folder for a run, which uses what an earlier run has left.

        Records that are not final are forgotten, and so are deaths: a worker that ended with its
        command was not killed by its GIF. Damaged files are removed.

        Args:
            is_final: see `work.Work.is_final`.

        Raises:
            GifdescError: the folder cannot be written.
        """
        with writing(self.folder):
            for path in sorted(self.folder.glob(f"*{_RESULT_SUFFIX}")):
                chunk_id = path.name.removesuffix(_RESULT_SUFFIX)
                with suppress(GifdescError):
                    records = self.read(chunk_id)
                    if all(map(is_final, records)):
                        continue
                    self._note(chunk_id, dict(enumerate(records)))
                path.unlink()  # its journal is next
            journals = sorted(self.folder.glob(f"*{_JOURNAL_SUFFIX}"))
            for chunk_id, paths in groupby(journals, lambda path: path.name.partition(".")[0]):
                history = History()
                for path in paths:
                    history.add(path)
                    path.unlink()
                self._note(
                    chunk_id,
                    {index: each for index, each in history.records.items() if is_final(each)},
                )

    def path(self, chunk_id: str) -> Path:
        """The result file of a chunk; it exists once the chunk is complete."""
        return self.folder / f"{chunk_id}{_RESULT_SUFFIX}"

    def has(self, chunk_id: str) -> bool:
        """Whether a chunk is complete."""
        return self.path(chunk_id).is_file()

    def finished_ids(self) -> set[str]:
        """The ids of the complete chunks.

        A network disk may answer `has` by an old answer, so a process that waits for the file of
        another machine must not ask for it before.
        """
        return {
            path.name.removesuffix(_RESULT_SUFFIX)
            for path in self.folder.glob(f"*{_RESULT_SUFFIX}")
        }

    def read(self, chunk_id: str) -> list[Record]:
        """The records of a complete chunk, in the order of its rows.

        Raises:
            GifdescError: the file cannot be read, or is damaged.
        """
        path = self.path(chunk_id)
        with reading(path):
            try:
                return read_json_lines(path)
            except ValueError as error:
                raise GifdescError(f"{path}: damaged: {error}; remove it and run again") from error

    def write(self, chunk_id: str, records: list[Record]) -> None:
        """Write the result file of a chunk, and remove the journals of its attempts.

        Raises:
            OSError: the folder cannot be written.
        """
        write_text(self.path(chunk_id), "".join(map(_line, records)))
        for path in reversed(list(self._journals(chunk_id))):  # no gap, if this process dies now
            path.unlink(missing_ok=True)

    def history(self, chunk_id: str) -> History:
        """What earlier attempts at a chunk have left.

        Raises:
            OSError: a journal cannot be read.
        """
        found = History()
        for path in self._journals(chunk_id):
            found.add(path)
        return found

    @contextmanager
    def attempt(self, chunk_id: str) -> Iterator[Attempt]:
        """A new attempt at a chunk, with a journal of its own.

        Raises:
            OSError: the journal cannot be written.
        """
        with self._new_journal(chunk_id) as file:
            attempt = Attempt(file)
            try:
                yield attempt
            except BaseException:
                with suppress(OSError):  # the disk may be full
                    attempt.stop()
                raise

    def _note(self, chunk_id: str, records: Mapping[int, Record]) -> None:
        """Keep the records of a chunk that is not complete, by their index, in a journal."""
        with self.attempt(chunk_id) as attempt:
            for index, record in records.items():
                attempt.finish(index, record)
            attempt.stop()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _new_journal(self, chunk_id: str) -> IO[str]:
        for number in count():
            with suppress(FileExistsError):  # another attempt may begin at the same time
                return self._journal(chunk_id, number).open("x", encoding="ascii")
        raise AssertionError("count() ended")

    def _journals(self, chunk_id: str) -> Iterator[Path]:
        """The journals of a chunk; a search would read the names of the whole folder."""
        return takewhile(Path.exists, (self._journal(chunk_id, number) for number in count()))

    def _journal(self, chunk_id: str, number: int) -> Path:
        return self.folder / f"{chunk_id}.{number}{_JOURNAL_SUFFIX}"


class Attempt:
    """The journal of one attempt; a line reaches the file before the call returns."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def begin(self, index: int) -> None:
        """Note that the row with this index is processed alone, from now on."""
        self._add({"begun": index})

    def finish(self, index: int, record: Record) -> None:
        """Note the record of a row."""
        self._add({"done": index, "record": record})

    def stop(self) -> None:
        """Note that the attempt ends without a result, although its process lives."""
        self._add({"stopped": True})

    def _add(self, line: Record) -> None:
        self._file.write(_line(line))
        self._file.flush()


@dataclass
class History:
    """What earlier attempts at a chunk have left.

    Attributes:
        num_deaths: attempts whose process died.
        records: the records of finished rows, by their index.
        deaths: by index, the attempts that ended while that row was processed alone.
    """

    num_deaths: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)

    def add(self, path: Path) -> None:
        """Add the journal of an attempt; half a last line of a killed worker is skipped."""
        begun: int | None = None
        has_stopped = False
        for line in path.read_text(encoding="ascii").split("\n"):
            with suppress(ValueError, KeyError):
                row = parse_json(line)
                if "begun" in row:
                    begun = row["begun"]
                elif "stopped" in row:
                    has_stopped = True
                else:
                    self.records[row["done"]] = row["record"]
                    begun = None
        if not has_stopped:
            self.num_deaths += 1
            if begun is not None:
                self.deaths[begun] += 1


def _line(record: Record) -> str:
    """A line of JSON in ASCII, which a path that is not valid UTF-8 needs; NaN is allowed."""
    return json.dumps(record) + "\n"
