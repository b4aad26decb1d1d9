"""Inputs that wait for their captions: if many wait, bytes from pipes and URLs go to disk."""

from __future__ import annotations

import atexit
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gifdesc.gif.sources import CaptionInput
from gifdesc.system.files import writing
from gifdesc.system.replacement import TemporaryFolder

_MOST_IN_MEMORY = 64
"""Inputs that wait with their bytes in memory. An engine takes thousands of inputs ahead."""


class WaitingInputs:
    """The inputs of a run between their reading and their caption, in order.

    Inputs are added in one thread and taken in another.
    """

    def __init__(self) -> None:
        self._inputs: deque[CaptionInput] = deque()
        self._folder: Path | None = None
        self._num_on_disk = 0

    def __len__(self) -> int:
        return len(self._inputs)

    def add(self, source: CaptionInput) -> None:
        """Keep an input.

        Raises:
            GifdescError: there is no room on the disk for the bytes.
        """
        if isinstance(source.data, bytes) and len(self) >= _MOST_IN_MEMORY:
            source = replace(source, data=self._on_disk(source.data))
        self._inputs.append(source)

    @contextmanager
    def take(self) -> Iterator[CaptionInput | None]:
        """The input that has waited longest, None if none waits; its copy is removed afterwards."""
        source = self._inputs.popleft() if self._inputs else None
        try:
            yield source
        finally:
            data = None if source is None else source.data
            if isinstance(data, Path) and data.parent == self._folder:
                data.unlink(missing_ok=True)

    def _on_disk(self, data: bytes) -> Path:
        with writing(Path(tempfile.gettempdir())):
            if self._folder is None:
                folder = TemporaryFolder()
                atexit.register(folder.cleanup)
                self._folder = Path(folder.name)
            self._num_on_disk += 1
            path = self._folder / str(self._num_on_disk)
            path.write_bytes(data)
        return path
