"""Limits of files, canvases and frames, checked before memory is allocated."""

from __future__ import annotations

import time

from gifdesc.errors import GifError

MAX_FILE_BYTES = 1 << 30
"""A file larger than this is not read."""

MAX_CANVAS_PIXELS = 25_000_000
"""Most pixels of a canvas or of an image: 100 MB at four bytes per pixel."""

MAX_FRAMES = 100_000
"""Most frames that are used of a file: nearly three hours at 10 frames per second, and some 30 MB
for their positions."""

MAX_DRAWN_PIXELS = 600_000_000
"""Most pixels that are drawn of a file: some 4 seconds for a GIF, 7 for an APNG. Later frames are
not used. Of a WebP, APNG or AVIF, Pillow draws every whole frame up to the last wanted one; images
of a GIF count with their own size."""

MAX_SECONDS = 8.0
"""Most processor time for a file, for costs that the number of pixels does not show."""

MAX_VIDEO_SECONDS = 120.0
"""Most processor time for decoding a video: some ten minutes of full HD, or two of 4K. Videos have
no limit of drawn pixels, because a small file may be a long and honest video."""

MAX_FRAMES_BYTES = 2 << 30
"""Most memory of the frames that a call returns."""


class BudgetSpentError(Exception):
    """A file needs more work than is allowed."""


class Budget:
    """The pixels and processor time left for drawing a file, in the thread that creates it."""

    def __init__(self, seconds: float | None = None) -> None:
        """Start with the whole budget.

        Args:
            seconds: the processor time; by default `MAX_SECONDS`.
        """
        self._pixels = MAX_DRAWN_PIXELS
        self._end_seconds = time.thread_time() + (MAX_SECONDS if seconds is None else seconds)

    def spend(self, pixels: int) -> None:
        """Spend the cost of drawing pixels.

        Raises:
            BudgetSpentError: the cost is more than what is left.
        """
        self._pixels -= pixels
        if self._pixels < 0 or time.thread_time() > self._end_seconds:
            raise BudgetSpentError


def check_canvas(width: int, height: int, name: str) -> None:
    """Check that a canvas has at most `MAX_CANVAS_PIXELS`.

    Raises:
        GifError: the canvas is larger.
    """
    if width * height > MAX_CANVAS_PIXELS:
        limit = f"the limit is {MAX_CANVAS_PIXELS // 1_000_000} megapixels"
        raise GifError(f"{name}: too large ({width} x {height} pixels; {limit})")


def check_frames(num_frames: int, num_bytes: int, name: str) -> None:
    """Check that frames take at most `MAX_FRAMES_BYTES` together.

    Raises:
        GifError: they take more.
    """
    if num_bytes > MAX_FRAMES_BYTES:
        size = f"{num_bytes / 1e9:.1f} GB of memory"
        raise GifError(f"{name}: {num_frames} frames would take {size}; ask for fewer")
