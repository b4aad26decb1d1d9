"""Where captions go, line by line: stdout, or a file that a later run goes on with."""

from __future__ import annotations

import importlib
import os
import stat
from collections import Counter
from contextlib import suppress
from io import FileIO
from os import fstat
from os.path import samestat
from pathlib import Path
from typing import Self

from gifdesc.caption_formats import FormatName, done_paths, header, whole_length
from gifdesc.errors import GifdescError, UsageError
from gifdesc.files import reason
from gifdesc.standard_output import write_standard_output


class StdoutSink:
    """Standard output, each line at once; a path that is not UTF-8 comes out as its bytes.

    Args:
        format_name: of its lines.
    """

    def __init__(self, format_name: FormatName) -> None:
        self._format_name: FormatName = format_name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self) -> None:
        """Write what stands before the first line; raises as `write`."""
        if names := header(self._format_name):
            self.write(names)

    def write(self, line: str) -> None:
        """Write a line and flush.

        Raises:
            BrokenPipeError: nobody reads any more.
            GifdescError: it is closed, or cannot be written, as on a full disk.
        """
        write_standard_output(line)


class CaptionFile:
    """A file of captions that is appended to and holds whole lines only; a context manager.

    Args:
        path: the file, opened and locked when it is entered (its folder is made then); what is
            in it stays until `begin`. A new file into which nothing came is removed again.
        format_name: of its lines.
        skip_done: go on with a file that is there. Without it, a file that holds something is
            refused, unless `overwrite` allows to write it anew.
        overwrite: start anew.

    Raises, when it is entered:
        UsageError: the file holds something, and nothing was said of it.
        GifdescError: it cannot be read or written, holds lines of another format, or another run
            is writing it.
    """

    def __init__(
        self,
        path: Path,
        format_name: FormatName,
        *,
        skip_done: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._path = path
        self._format_name: FormatName = format_name
        self._done: Counter[str] = Counter()
        self._skip_done = skip_done
        self._overwrite = overwrite
        self._is_new = False
        self._whole_bytes = 0
        self.num_done = 0

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
        except OSError as error:
            raise GifdescError(
                f"--output {self._path}: cannot be written: {reason(error)}"
            ) from error
        try:
            # Under the lock: what is read here is what will be gone on with.
            self._look()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._file, suppress(OSError):
            if self._is_new and self._path.is_file() and not self._path.stat().st_size:
                self._remove()

    def _remove(self) -> None:
        """Remove the file while it is locked, so that no other run has begun it."""
        try:
            self._path.unlink()
        except PermissionError:  # Windows removes no file that is open
            self._file.close()
            self._path.unlink()

    def begin(self) -> None:
        """Cut away what will not be gone on with; raises as `write`."""
        try:
            if self._path.is_file():
                self._file.truncate(self._whole_bytes)
        except OSError as error:
            raise GifdescError(
                f"--output {self._path}: cannot be written: {reason(error)}"
            ) from error
        self._is_new = False
        if not self._whole_bytes and (names := header(self._format_name)):
            self.write(names)

    def take_done(self, name: str) -> bool:
        """Whether the file held a line for this input; each line stands for one input only."""
        if not self._done[name]:
            return False
        self._done[name] -= 1
        self.num_done += 1
        return True

    def write(self, line: str) -> None:
        """Append a line, or nothing of it.

        Raises:
            GifdescError: it cannot be written, as on a full disk.
        """
        data = line.encode("utf-8", "surrogateescape")
        start = self._file.seek(0, os.SEEK_END) if self._file.seekable() else 0
        written = 0
        if not self._is_there(self._file):
            raise GifdescError(
                f"--output {self._path}: was removed or replaced while it was written"
            )
        try:
            while written < len(data):
                written += self._file.write(data[written:])
        except OSError as error:
            with suppress(OSError):  # a device cannot be cut
                self._file.truncate(start)
            raise GifdescError(
                f"--output {self._path}: cannot be written: {reason(error)}; what is there is "
                "whole, and --skip-done continues it"
            ) from error

    def _open(self) -> FileIO:
        """The file, open and locked.

        Raises:
            GifdescError: another run is writing it.
            OSError: it cannot be written.
        """
        while True:
            self._is_new = not self._path.exists()
            file = self._path.open("ab", buffering=0)
            try:
                self._lock(file)
                # The run that held the lock before may have removed the file.
                if self._is_there(file):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()

    def _is_there(self, file: FileIO) -> bool:
        """Whether an open file is what lies under its path, or no file at all but a device."""
        opened = fstat(file.fileno())
        if not stat.S_ISREG(opened.st_mode):
            return True
        try:
            return samestat(opened, self._path.stat())
        except FileNotFoundError:
            return False

    def _look(self) -> None:
        """See what is there, and whether it may be gone on with or overwritten."""
        try:
            has_content = self._path.is_file() and self._path.stat().st_size > 0
            if has_content and self._skip_done:
                self._whole_bytes = self._read_done()
        except OSError as error:
            raise GifdescError(f"--output {self._path}: cannot be read: {reason(error)}") from error
        if has_content and not (self._skip_done or self._overwrite):
            raise UsageError(
                f"--output {self._path}: there already; continue it with --skip-done, or "
                "overwrite it with --force"
            )

    def _read_done(self) -> int:
        """Count the lines that are there; the length of the whole ones in bytes."""
        data = self._path.read_bytes()
        whole = whole_length(data, self._format_name)
        try:
            text = data[:whole].decode("utf-8", "surrogateescape")
            self._done.update(done_paths(text, self._format_name))
        except ValueError as error:
            raise GifdescError(
                f"--output {self._path}: {error}; give the --format that it was written in, or "
                "another file"
            ) from error
        return whole

    def _lock(self, file: FileIO) -> None:
        """Keep a second run out, where the system can (it has `fcntl`: all but Windows).

        Raises:
            GifdescError: another run is writing the file.
        """
        with suppress(ImportError):
            fcntl = importlib.import_module("fcntl")
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise GifdescError(f"--output {self._path}: another run is writing it") from None
            except OSError:
                return  # a file system without locks


CaptionSink = StdoutSink | CaptionFile
"""Takes lines: a context manager, to be begun once when the first line is about to come."""
