"""Lock a folder or a file, so that only one run at a time writes to it."""

from __future__ import annotations

import errno
import importlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from filelock import FileLock, Timeout

from gifdesc.errors import GifdescError

LOCK_NAME = ".lock"

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""Errors of file systems without locks, such as some network file systems."""

log = logging.getLogger(__name__)


class HeldFolder:
    """A folder that a run writes to, held open: a removal shows even if the folder comes back.

    Args:
        folder: must exist.
        error_class: of the error after a removal.
    """

    def __init__(self, folder: Path, error_class: type[GifdescError]) -> None:
        self._folder = folder
        self._error_class = error_class
        # Windows opens no folder, and removes none whose files are open.
        self._descriptor = None if os.name == "nt" else os.open(folder, os.O_RDONLY)

    def check(self) -> None:
        """Check that the path still names the same folder.

        Raises:
            GifdescError: of `error_class`; the folder was removed, or replaced by another.
        """
        if self._descriptor is None:
            return
        with suppress(FileNotFoundError, NotADirectoryError):
            # The number of an open folder is not given to another.
            if os.path.samestat(os.fstat(self._descriptor), self._folder.stat()):
                return
        raise self._error_class(
            f"{self._folder}: was removed during the run; run the command again"
        )

    def close(self) -> None:
        """Let the folder go."""
        if self._descriptor is not None:
            os.close(self._descriptor)


@contextmanager
def locked(folder: Path, refusal: GifdescError) -> Iterator[HeldFolder]:
    """Keep other runs out; the operating system releases the lock of a killed run.

    If the file system has no locks, a warning is logged, and other runs are not kept out.

    Args:
        folder: the folder of the run; it is created.
        refusal: the exception to raise if another run is writing to the folder.

    Yields:
        The folder, for checks in between.

    Raises:
        GifdescError: of the class of `refusal`; the folder was removed during the block, which is
            checked at its end and after an `OSError` of the block.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise refusal from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        log.warning(
            "%s: its file system has no locks; start no other run that writes to it", folder
        )
    try:
        held = HeldFolder(folder, type(refusal))
        try:
            yield held
            held.check()
        except OSError:
            held.check()
            raise
        finally:
            held.close()
    finally:
        lock.release()


def try_lock(file: FileIO) -> bool:
    """Lock an open file until it is closed, without waiting.

    Returns:
        False if another process or another open file holds the lock; True also where nothing can
        be locked (Windows, some network file systems).
    """
    try:
        fcntl = importlib.import_module("fcntl")  # not on Windows
    except ImportError:
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
