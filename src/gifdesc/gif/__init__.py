"""Decode a file's bytes into composited frames with their times, as a browser shows them.

The public names load the reader on first use, so that the room's light modules stay light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gifdesc.gif.reader import Gif, GifInfo, load_bytes, read_gif, scan_gif, shown_duration_ms

__all__ = ["Gif", "GifInfo", "load_bytes", "read_gif", "scan_gif", "shown_duration_ms"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gifdesc.gif import reader

    return getattr(reader, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
