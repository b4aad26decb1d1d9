"""Lock a folder or a file, so that only one run at a time writes to it."""

from __future__ import annotations

import errno
import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from filelock import FileLock, Timeout

from gifdesc.errors import GifdescError

LOCK_NAME = ".lock"

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""Errors of file systems without locks, such as some network file systems."""

log = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path, refusal: GifdescError) -> Iterator[None]:
    """Keep other runs out; the operating system releases the lock of a killed run.

    If the file system has no locks, a warning is logged, and other runs are not kept out.

    Args:
        folder: the folder of the run; it is created.
        refusal: the exception to raise if another run is writing to the folder.

    Raises:
        GifdescError: the folder was removed during the block, with what the block wrote before.
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
        yield
        if lock.is_locked and not (folder / LOCK_NAME).exists():
            raise GifdescError(f"{folder}: was removed during the run; run the command again")
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
