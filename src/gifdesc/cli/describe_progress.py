"""How far `gifdesc describe` has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from gifdesc.cli.progress import Talk

if TYPE_CHECKING:
    from gifdesc.describing import DescribingEvent


class DescribingProgress(Talk):
    """GIFs done, and how many of them failed or were done before."""

    def __init__(self, console: Console, num_gifs: int) -> None:
        super().__init__(console, num_gifs)
        self._num_gifs = num_gifs
        self._num_done = 0
        self._num_failed = 0
        self._num_skipped = 0
        self.show(["describing"])

    def advance(self, event: DescribingEvent) -> None:
        """Count one finished GIF."""
        self._num_done += 1
        self._num_failed += event.error is not None
        self._num_skipped += event.is_skipped
        parts = [
            f"{self._num_done}/{self._num_gifs} GIFs",
            f"{self._num_failed} failed",
            f"{self._num_skipped} done before",
        ]
        self.show(parts, completed=self._num_done)
        self.line(", ".join(parts))
