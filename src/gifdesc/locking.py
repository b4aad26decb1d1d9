"""One run at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gifdesc.errors import FeatureError

LOCK_NAME = ".lock"


@contextmanager
def locked(features_dir: Path) -> Iterator[None]:
    """Keep other runs out; a killed run's lock is released by the operating system.

    The folder is made.

    Raises:
        FeatureError: another run is writing there.
        OSError: the folder cannot be written.
    """
    features_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(features_dir / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FeatureError(
            f"{features_dir}: another gifdesc extract is writing here; wait for it, or choose "
            "another folder with --output"
        ) from None
    try:
        yield
    finally:
        lock.release()
