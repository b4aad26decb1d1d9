"""One run at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gifdesc.errors import GifdescError

LOCK_NAME = ".lock"


@contextmanager
def locked(folder: Path, refusal: GifdescError) -> Iterator[None]:
    """Keep other runs out; a killed run's lock is released by the operating system.

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
    try:
        yield
    finally:
        lock.release()
