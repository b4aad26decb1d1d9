"""How large a file, a canvas and a batch of frames may be; checked before memory is taken."""

import time

from gifdesc.errors import GifError

MAX_FILE_BYTES = 1 << 30
"""A file larger than this is not read."""

MAX_CANVAS_PIXELS = 25_000_000
"""No canvas and no single image may hold more pixels: 100 MB at four bytes each."""

MAX_FRAMES = 100_000
"""Of a file with more frames, these are used: nearly three hours at 10 frames a second, and some
30 MB to remember where they lie."""

MAX_DRAWN_PIXELS = 600_000_000
"""Pixels that are drawn of one file: some 4 seconds of a GIF, 7 of an APNG. Frames behind them are
not used. Of a WebP, APNG or AVIF, Pillow draws every frame, whole, up to the last that is wanted;
of a GIF, images count with their own size."""

MAX_SECONDS = 8.0
"""Processor time that is spent on one file, for what its pixels do not tell."""

MAX_FRAMES_BYTES = 2 << 30
"""The frames that one call returns may not take more memory than this."""


class BudgetSpentError(Exception):
    """More work on a file than is allowed."""


class Budget:
    """What may still be spent on drawing one file, by the thread that makes it."""

    def __init__(self) -> None:
        """Begin with all of it."""
        self._pixels = MAX_DRAWN_PIXELS
        self._end_seconds = time.thread_time() + MAX_SECONDS

    def spend(self, pixels: int) -> None:
        """Take what drawing so many pixels costs.

        Raises:
            BudgetSpentError: that is more than is left.
        """
        self._pixels -= pixels
        if self._pixels < 0 or time.thread_time() > self._end_seconds:
            raise BudgetSpentError


def check_canvas(width: int, height: int, name: str) -> None:
    """Refuse a canvas of more than `MAX_CANVAS_PIXELS`.

    Raises:
        GifError: It is larger.
    """
    if width * height > MAX_CANVAS_PIXELS:
        limit = f"the limit is {MAX_CANVAS_PIXELS // 1_000_000} megapixels"
        raise GifError(f"{name}: too large ({width} x {height} pixels; {limit})")


def check_frames(num_frames: int, num_bytes: int, name: str) -> None:
    """Refuse frames of more than `MAX_FRAMES_BYTES` together.

    Raises:
        GifError: They are larger.
    """
    if num_bytes > MAX_FRAMES_BYTES:
        size = f"{num_bytes / 1e9:.1f} GB of memory"
        raise GifError(f"{name}: {num_frames} frames would take {size}; ask for fewer")
