"""Write whole files or nothing, also if the process is killed or the power fails."""

from __future__ import annotations

import errno
import importlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from gifdesc.system.signals import clean_up_by

_PREFIX = ".gifdesc-tmp-"
_LOCKED_PREFIX = f"{_PREFIX}locked-"
"""Of files that their process locks, so that the system shows whether it still runs."""

_FOLDER_PREFIX = "gifdesc-"
_LOCK_SUFFIX = ".lock"

_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EROFS, errno.EBADF}
"""Errors of file systems that cannot flush a file, such as some network file systems."""

_SYNC_THREADS = 8
"""Flushes at once: a journalling file system writes those of several files together."""

_living: set[Path] = set()
"""The temporary files that this process writes now."""

_searched: set[Path] = set()
"""The folders that this process has searched for files of killed runs."""


@contextmanager
def replacing(path: Path, *, sync: bool = True, below: Path | None = None) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block succeeds.

    The folder is created. If the block raises, the temporary file is removed and `path` is
    unchanged. Temporary files of killed runs in the folder are removed.

    Args:
        path: the file to replace.
        sync: flush the file and its folder to disk, so that it is whole after a power cut. A
            caller that writes many files may do so later, by `sync_files`.
        below: a folder that must exist: only folders below it are created. A folder that another
            program removes during a run must not come back with the last files alone.

    Raises:
        OSError: the folder or the file cannot be written; FileNotFoundError if `below` is gone.
    """
    # An unrelated short name: the final name may have the greatest length that the file system
    # allows, and a search for its suffix must not find half a file.
    try:
        temporary_path, lock = _new_locked_file(path.parent)
    except FileNotFoundError:  # seldom: most files of a run go into folders that are there
        if below is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            _make_folders(path.parent, below)
        temporary_path, lock = _new_locked_file(path.parent)
    _remove_stale(path.parent)
    try:
        yield temporary_path
        if sync:
            sync_file(temporary_path)
        temporary_path.replace(path)
        if sync:
            _sync_folder(path.parent)
    except BaseException:
        temporary_path.unlink(missing_ok=True)
        raise
    finally:
        _living.discard(temporary_path)
        if lock is not None:
            os.close(lock)


def _make_folders(folder: Path, below: Path) -> None:
    """Create a folder and its parents, but not `below` or the folders above it."""
    parents = folder.parts[len(below.parts) :]
    for number in range(len(parents)):
        below.joinpath(*parents[: number + 1]).mkdir(exist_ok=True)


def sync_file(path: Path) -> None:
    """Flush a file to disk, but not its folder; a file that is gone is skipped.

    Raises:
        OSError: the disk reports an error.
    """
    with suppress(FileNotFoundError):
        _sync_descriptor(os.open(path, os.O_RDWR))


def sync_files(paths: Iterable[Path]) -> None:
    """Flush files and their folders to disk; a file that is gone is skipped.

    Raises:
        OSError: the disk reports an error.
    """
    files = list(set(paths))
    shares = [files[first::_SYNC_THREADS] for first in range(_SYNC_THREADS)]
    with ThreadPoolExecutor(_SYNC_THREADS, "gifdesc-sync") as threads:
        list(threads.map(_sync_all, shares))
        list(threads.map(_sync_folder, {path.parent for path in files}))


def new_temporary_file(folder: Path) -> Path:
    """A new empty file with a random name, which `remove_leftovers` finds.

    The umask decides its permissions.

    Raises:
        OSError: the folder cannot be written.
    """
    path, descriptor = _new_file(folder, _PREFIX)
    os.close(descriptor)
    return path


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed runs under a folder that only this run writes to.

    A file of another command that runs now, such as a sidecar file, is kept.
    """
    for path in folder.rglob(f"{_PREFIX}*"):
        if not path.name.startswith(_LOCKED_PREFIX) or _is_stale(path, if_unknown=True):
            path.unlink(missing_ok=True)


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A folder in the system's place for temporary files; a lock shows that its process runs.

    It is removed by `cleanup`, at the end of its context or of the process. The next folder's
    process removes the folders of killed processes.
    """

    def __init__(self) -> None:
        """Create the folder, and the lock beside it.

        Raises:
            OSError: it cannot be written.
        """
        parent = Path(tempfile.gettempdir())
        _remove_stale_folders(parent)
        self._lock_path, self._lock = _new_locked_file(parent, _FOLDER_PREFIX, _LOCK_SUFFIX)
        super().__init__(prefix=f"{self._lock_path.stem}-")

    def cleanup(self) -> None:
        """Remove the folder."""
        super().cleanup()
        self._lock_path.unlink(missing_ok=True)
        _living.discard(self._lock_path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _new_locked_file(
    folder: Path, prefix: str = _LOCKED_PREFIX, suffix: str = ""
) -> tuple[Path, int | None]:
    """A new file, and the descriptor whose lock shows that this process writes it.

    The descriptor is None where nothing can be locked (Windows, some network file systems).
    """
    while True:
        path, descriptor = _new_file(folder, prefix, suffix)
        _living.add(path)
        if not _lock_new(descriptor):
            os.close(descriptor)
            return path, None
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)  # another process took it for a killed run's before it was locked
        _living.discard(path)


def _new_file(folder: Path, prefix: str, suffix: str = "") -> tuple[Path, int]:
    while True:
        path = folder / f"{prefix}{secrets.token_hex(4)}{suffix}"
        with suppress(FileExistsError):
            return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _lock_new(descriptor: int) -> bool:
    """Lock a file of this process; False where nothing can be locked."""
    try:
        fcntl = importlib.import_module("fcntl")  # not on Windows
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return False
    return True


def _is_stale(path: Path, *, if_unknown: bool) -> bool:
    """Whether the process that wrote a locked file is dead; `if_unknown` where no lock shows it."""
    try:
        fcntl = importlib.import_module("fcntl")
        descriptor = os.open(path, os.O_RDWR)
    except (ImportError, OSError):
        return if_unknown
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return if_unknown
    else:
        return True
    finally:
        os.close(descriptor)


def _remove_stale(folder: Path) -> None:
    """Remove the files of killed runs from a folder, once in the life of this process."""
    if folder in _searched:
        return
    _searched.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith(_LOCKED_PREFIX) and _is_stale(path, if_unknown=False):
                path.unlink(missing_ok=True)


def _remove_stale_folders(parent: Path) -> None:
    """Remove the temporary folders of killed processes, once in the life of this process."""
    if parent in _searched:
        return
    _searched.add(parent)
    for lock_path in parent.glob(f"{_FOLDER_PREFIX}*{_LOCK_SUFFIX}"):
        if _is_stale(lock_path, if_unknown=False):
            for folder in parent.glob(f"{lock_path.stem}-*"):
                shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another user's
                lock_path.unlink(missing_ok=True)


def _sync_all(paths: Iterable[Path]) -> None:
    for path in paths:
        sync_file(path)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # Windows opens no folders
        with suppress(FileNotFoundError):
            _sync_descriptor(os.open(folder, os.O_RDONLY))


def _sync_descriptor(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


@clean_up_by
def _remove_living() -> None:
    for path in list(_living):
        path.unlink(missing_ok=True)
