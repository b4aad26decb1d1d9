"""Memory that processes share, in slots of one size: large arrays need not go through pipes."""

from __future__ import annotations

import logging
import os
import shutil
from functools import lru_cache
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import numpy.typing as npt

log = logging.getLogger(__name__)

_MAX_BYTES = 512 << 20
"""Most memory of all slots."""

_SHARED_FOLDER = Path("/dev/shm")
"""Where Linux keeps shared memory; containers often have 64 MB of it."""

_MIN_SHARE_FREE = 0.5
"""Share of the free shared memory that other programs keep."""


class SharedSlots:
    """Slots that the owner gives out and takes back; another process fills a slot by `put`.

    Attributes:
        name: of the memory, for `put`.
        slot_bytes: size of a slot.
    """

    def __init__(self, num_slots: int, slot_bytes: int) -> None:
        """Allocate the memory.

        Raises:
            OSError: there is too little.
        """
        self._memory = SharedMemory(create=True, size=num_slots * slot_bytes)
        self.name = self._memory.name
        self.slot_bytes = slot_bytes
        try:
            _allocate(self._memory)
        except OSError:
            self.close()
            raise
        self._free = list(range(num_slots))

    def take(self) -> int | None:
        """A free slot, None if there is none."""
        return self._free.pop() if self._free else None

    def free(self, slot: int) -> None:
        """Take a slot back."""
        self._free.append(slot)

    def get(self, slot: int, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """A copy of the array that another process has put into a slot."""
        offset = slot * self.slot_bytes
        return np.array(np.ndarray(shape, np.uint8, self._memory.buf, offset))

    def close(self) -> None:
        """Give the memory back to the system; processes that use it keep it until they end."""
        self._memory.close()
        self._memory.unlink()


def open_slots(num_slots: int, slot_bytes: int) -> SharedSlots | None:
    """Slots, as many as fit into the memory that may be shared; None if there is too little."""
    most_bytes = _MAX_BYTES
    if _SHARED_FOLDER.is_dir():
        free = shutil.disk_usage(_SHARED_FOLDER).free
        most_bytes = min(most_bytes, int((1 - _MIN_SHARE_FREE) * free))
    num_slots = min(num_slots, most_bytes // slot_bytes)
    if num_slots < 1:
        return None
    try:
        return SharedSlots(num_slots, slot_bytes)
    except OSError as error:
        log.debug("no shared memory", exc_info=error)
        return None


def _allocate(memory: SharedMemory) -> None:
    """Let the system allocate all pages now: later, no process runs short.

    Without room for a page, a write to it would end the process by SIGBUS; this raises `OSError`.
    """
    path = _SHARED_FOLDER / memory.name
    if path.exists():
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, memory.size)
    else:
        np.ndarray(memory.size, np.uint8, memory.buf)[:] = 0


def put(name: str, slot: int, slot_bytes: int, array: npt.NDArray[np.uint8]) -> None:
    """Copy an array into a slot of another process's memory."""
    target = np.ndarray(array.shape, np.uint8, _attached(name).buf, slot * slot_bytes)
    target[...] = array


@lru_cache(maxsize=1)
def _attached(name: str) -> SharedMemory:
    return SharedMemory(name)
