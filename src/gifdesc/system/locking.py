"""One run at a time in a folder."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gifdesc.errors import GifdescError

LOCK_NAME = ".lock"

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What a file system without locks answers, as some that lie on a network."""

log = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path, refusal: GifdescError) -> Iterator[None]:
    """Keep other runs out; a killed run's lock is released by the operating system.

    Where the file system has no locks this is said, and nobody is kept out.

    Args:
        folder: where the run writes; it is made.
        refusal: raised where another run is writing there.

    Raises:
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
        log.warning("%s: its file system has no locks; keep other runs out yourself", folder)
    try:
        yield
    finally:
        lock.release()
