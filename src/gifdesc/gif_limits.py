"""How large a file, a canvas and a batch of frames may be; checked before memory is taken."""

from gifdesc.errors import GifError

MAX_FILE_BYTES = 1 << 30
"""A file larger than this is not read."""

MAX_CANVAS_PIXELS = 25_000_000
"""No canvas and no single image may hold more pixels: 100 MB at four bytes each."""

MAX_FRAMES = 100_000
"""Of a file with more frames, these are used: nearly three hours at 10 frames a second, and some
30 MB to remember where they lie."""

MAX_FOREIGN_PIXELS = 1_000_000_000
"""Of a WebP, APNG or AVIF whose frames hold more pixels together, only the first are used. Pillow
draws every one of its frames, whole, up to the last that is wanted."""

MAX_FRAMES_BYTES = 2 << 30
"""The frames that one call returns may not take more memory than this."""


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
