"""Drawing GIFs for the tests, with Pillow alone (never with the reader under test), and seeing
which files a process holds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

#: Colours far apart, so that two frames are never mistaken for each other.
COLOURS = [
    (250, 30, 30), (30, 200, 30), (40, 60, 240), (240, 220, 20), (20, 220, 220),
    (220, 30, 220), (128, 128, 128), (255, 140, 0), (90, 20, 140), (0, 0, 0),
]  # fmt: skip


def frame_colour(index: int) -> tuple[int, int, int]:
    """The colour that `draw_gif` fills frame `index` with; different for the first 1000 frames."""
    red, green, blue = COLOURS[index % len(COLOURS)]
    return red, green, (blue + 7 * (index // len(COLOURS))) % 256


def draw_gif(
    path: Path,
    frames: int | Sequence[tuple[int, int, int]] = 4,
    size: tuple[int, int] = (12, 10),
    durations_ms: int | Sequence[int] = 100,
) -> Path:
    """Write a GIF of plainly coloured frames and return its path.

    Args:
        path: where to write; its folder is made.
        frames: a number of frames, all of different colours (`frame_colour`), or their colours.
            Neighbouring frames must differ: Pillow would merge equal ones.
        size: (width, height) in pixels.
        durations_ms: one delay for all frames or one for each, multiples of 10.
    """
    colours = [frame_colour(i) for i in range(frames)] if isinstance(frames, int) else list(frames)
    images = [Image.new("RGB", size, colour) for colour in colours]
    delays = durations_ms if isinstance(durations_ms, int) else list(durations_ms)
    path.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(
        path, format="GIF", save_all=True, append_images=images[1:], duration=delays, loop=0
    )
    return path


def truncate(path: Path, num_bytes: int) -> Path:
    """Cut the last `num_bytes` bytes off the file at `path`."""
    path.write_bytes(path.read_bytes()[:-num_bytes])
    return path


def draw_broken_gif(path: Path) -> Path:
    """Write a file that is named like a GIF and is a text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("this is not a GIF\n")
    return path


def is_mapped(path: Path) -> bool:
    """Whether this process has a file mapped or open (Linux), so that Windows would keep it.

    Where there is no /proc, the test that asks is skipped.
    """
    maps, descriptors = Path("/proc/self/maps"), Path("/proc/self/fd")
    if not maps.is_file():
        pytest.skip("no /proc here to see what is mapped")
    opened = [os.path.realpath(one) for one in descriptors.iterdir()]
    return str(path.resolve()) in maps.read_text() or str(path.resolve()) in opened
