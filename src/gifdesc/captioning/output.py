"""Where captions go: stdout, or a file that a run can continue."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from os import fstat
from os.path import samestat
from pathlib import Path
from typing import Self

from gifdesc.captioning.lines import CaptionLines
from gifdesc.errors import GifdescError, UsageError
from gifdesc.gif.sources import CaptionInput
from gifdesc.system.files import reading, reason, writing
from gifdesc.system.locking import try_lock
from gifdesc.system.process import write_standard_output


class StdoutSink:
    """Standard output, flushed after each line; a path that is not UTF-8 keeps its bytes.

    Attributes:
        num_done: inputs that were skipped: none.

    Args:
        lines: their form.
    """

    num_done = 0

    def __init__(self, lines: CaptionLines) -> None:
        self._lines = lines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def undone(self, inputs: Iterator[CaptionInput]) -> Iterator[CaptionInput]:
        """The inputs that are to be captioned: all."""
        return inputs

    def begin(self) -> None:
        """Write the header, if the format has one; raises as `write`."""
        if names := self._lines.header:
            self.write(names)

    def write(self, line: str) -> None:
        """Write a line and flush.

        Raises:
            BrokenPipeError: the reader has closed the pipe.
            GifdescError: stdout is closed, or cannot be written, as on a full disk.
        """
        write_standard_output(line)


class CaptionFile:
    """A file of captions to which whole lines are appended; a context manager.

    Attributes:
        num_done: inputs that were skipped, for the file has their lines.

    Args:
        path: the file. Entering the context creates its folder, opens and locks it; its content
            stays until `begin`. A new file that got no line is removed at the end.
        lines: their form.
        skip_done: continue a file that exists. Otherwise a file with content is an error, unless
            `overwrite` is set.
        overwrite: replace a file that exists.

    Raises, when it is entered:
        UsageError: the file has content, and neither `skip_done` nor `overwrite` is set.
        GifdescError: the file cannot be read or written, has lines of another format, or another
            run is writing it.
    """

    def __init__(
        self,
        path: Path,
        lines: CaptionLines,
        *,
        skip_done: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._path = path
        self._lines = lines
        self._done: Counter[str] = Counter()
        self._skip_done = skip_done
        self._overwrite = overwrite
        self._is_new = False
        self._whole_bytes = 0
        self.num_done = 0

    def __enter__(self) -> Self:
        with writing(f"--output {self._path}"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
        try:
            # Under the lock, so that no other run changes the content that is continued.
            self._read_existing()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._file, suppress(OSError):
            if self._file.seekable():
                os.fsync(self._file.fileno())  # the lines stay after a power cut
            if self._is_new and self._path.is_file() and not self._path.stat().st_size:
                self._remove()

    def _remove(self) -> None:
        """Remove the file while it is locked, so that no other run has started to write it."""
        try:
            self._path.unlink()
        except PermissionError:  # Windows does not remove open files
            self._file.close()
            self._path.unlink()

    def begin(self) -> None:
        """Remove half a line at the end, or all content; raises as `write`."""
        with writing(f"--output {self._path}"):
            if self._path.is_file():
                self._file.truncate(self._whole_bytes)
        self._is_new = False
        if not self._whole_bytes and (names := self._lines.header):
            self.write(names)

    def undone(self, inputs: Iterator[CaptionInput]) -> Iterator[CaptionInput]:
        """The inputs that have no line in the file; each line counts for one input."""
        for caption_input in inputs:
            if self._done[caption_input.name]:
                self._done[caption_input.name] -= 1
                self.num_done += 1
            else:
                yield caption_input

    def write(self, line: str) -> None:
        """Append a whole line, or nothing.

        Raises:
            GifdescError: the line cannot be written, as on a full disk.
        """
        data = line.encode("utf-8", "surrogateescape")
        start = self._file.seek(0, os.SEEK_END) if self._file.seekable() else 0
        written = 0
        if not self._is_current(self._file):
            raise GifdescError(f"--output {self._path}: was removed or replaced during the run")
        try:
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError as error:
            with suppress(OSError):  # a device cannot be truncated
                self._file.truncate(start)
            raise GifdescError(
                f"--output {self._path}: cannot be written: {reason(error)}; its lines are "
                "whole, continue it with --skip-done"
            ) from error

    def _open(self) -> FileIO:
        """The file, open and locked.

        Raises:
            GifdescError: another run is writing it.
            OSError: the file cannot be written.
        """
        while True:
            self._is_new = not self._path.exists()
            file = self._path.open("ab", buffering=0)
            try:
                if not try_lock(file):
                    raise GifdescError(f"--output {self._path}: another run is writing it")
                # Another run may have removed the file before this run got the lock.
                if self._is_current(file):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()

    def _is_current(self, file: FileIO) -> bool:
        """Whether the path still names the open file, or the file is a device."""
        opened = fstat(file.fileno())
        if not stat.S_ISREG(opened.st_mode):
            return True
        try:
            return samestat(opened, self._path.stat())
        except FileNotFoundError:
            return False

    def _read_existing(self) -> None:
        """Read a file that is continued; refuse a file that may not be overwritten."""
        with reading(f"--output {self._path}"):
            has_content = self._path.is_file() and self._path.stat().st_size > 0
            if has_content and self._skip_done:
                self._whole_bytes = self._read_done()
        if has_content and not (self._skip_done or self._overwrite):
            raise UsageError(
                f"--output {self._path}: exists; continue it with --skip-done, or "
                "overwrite it with --force"
            )

    def _read_done(self) -> int:
        """Count the inputs that have lines, and return the length of the whole lines in bytes."""
        data = self._path.read_bytes()
        whole = self._lines.whole_length(data)
        try:
            text = data[:whole].decode("utf-8", "surrogateescape")
            self._done.update(self._lines.paths(text))
        except ValueError as error:
            raise GifdescError(
                f"--output {self._path}: {error}; give the --format of the file, or another file"
            ) from error
        return whole


CaptionSink = StdoutSink | CaptionFile
"""A destination for lines: a context manager; `begin` is called once, before the first line."""


def open_sink(
    path: Path | None, lines: CaptionLines, *, skip_done: bool, overwrite: bool
) -> CaptionSink:
    """The file of that path, or standard output where there is none.

    Args:
        path: the file; None for standard output.
        lines: their form.
        skip_done: as in `CaptionFile`.
        overwrite: as in `CaptionFile`.
    """
    if path is None:
        return StdoutSink(lines)
    return CaptionFile(path, lines, skip_done=skip_done, overwrite=overwrite)
