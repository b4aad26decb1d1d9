"""Read the frames of a GIF file, exactly as a browser shows them on a white page.

The file is read once, and its frames are drawn in a single ascending pass; frames that no wanted
frame depends on are skipped. The good beginning of a broken file is used, and pictures in other
formats are read as such.
"""

from __future__ import annotations

import operator
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from gifdesc.errors import GifError
from gifdesc.gif.canvas import BrokenFrameError, Frames, GifImages
from gifdesc.gif.foreign import ForeignImages
from gifdesc.gif.limits import MAX_FILE_BYTES, check_frames
from gifdesc.gif.sniff import VIDEO_KINDS, describe_beginning

__all__ = [
    "EqualFrames",
    "Gif",
    "GifInfo",
    "Indices",
    "count_equal_frames",
    "load_bytes",
    "read_gif",
    "scan_gif",
    "shown_duration_ms",
]

STILL_NOTE = "a still picture (one frame)"
"""The remark about a file with a single frame."""

_GIF = (b"GIF87a", b"GIF89a")  # section 17 of the GIF89a specification

Indices = Sequence[int] | Callable[[Sequence[int]], Sequence[int]] | None
"""A choice of frames: their indices, or a function of the usable frames' durations in milliseconds
that returns them; None for all."""


@dataclass(frozen=True, kw_only=True)
class GifInfo:
    """The content of a GIF file, without its pixels.

    Attributes:
        width, height: the canvas in pixels.
        durations_ms: the duration of each usable frame in a browser.
        truncated: why only the beginning of the file is used, None for a whole file.
        note: anything else that is odd about the file, such as ``a WebP under a .gif name``.
    """

    width: int
    height: int
    durations_ms: tuple[int, ...]
    truncated: str | None
    note: str | None

    @property
    def num_frames(self) -> int:
        """The number of usable frames of the file."""
        return len(self.durations_ms)


@dataclass(frozen=True, kw_only=True)
class Gif:
    """Frames of a GIF file.

    Attributes:
        frames: uint8 (T, height, width, 3), RGB over white; after `reduce`, if given.
        indices: the indices of the frames in the file: T ascending numbers, which may repeat.
        durations_ms: the duration of each usable frame of the file in a browser.
        truncated: why only the beginning of the file is used, None for a whole file.
        note: anything else that is odd, such as ``a WebP under a .gif name`` or HDR colours.
    """

    frames: Frames
    indices: tuple[int, ...]
    durations_ms: tuple[int, ...]
    truncated: str | None
    note: str | None

    @property
    def num_frames(self) -> int:
        """The number of usable frames of the file, also of those that are not in `frames`."""
        return len(self.durations_ms)


def shown_duration_ms(duration_ms: int) -> int:
    """The duration of a frame in a browser: 100 ms if the file states 10 ms or less.

    This is the rule of Chromium and Firefox for every animated picture; videos have no such rule.
    """
    return duration_ms if duration_ms > 10 else 100


class _Images(Protocol):
    """A parsed file whose frames can be drawn."""

    @property
    def has_exact_times(self) -> bool: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def durations_ms(self) -> tuple[int, ...]: ...
    @property
    def damage(self) -> str | None: ...
    @property
    def note(self) -> str | None: ...
    @property
    def colour_note(self) -> str | None: ...
    def frames(self, wanted: Sequence[int]) -> Iterator[Frames]: ...
    def count_equal_frames(self) -> int: ...
    def cut(self) -> None: ...


def read_gif(
    source: Path | str | bytes,
    indices: Indices = None,
    *,
    name: str | None = None,
    reduce: Callable[[Frames], Frames] | None = None,
) -> Gif:
    """Frames of a GIF file, as a browser shows them on a white page.

    Args:
        source: the file's path, or its bytes.
        indices: the frames to read: ascending indices, which may repeat (a frame is decoded
            once); or a function of the usable frames' durations in milliseconds that returns
            such indices; None for all frames.
        name: the name of the file in error messages; by default its path.
        reduce: applied to every frame, uint8 (height, width, 3), as soon as it is drawn, so
            that the frames of a large canvas are never in memory together; it must return
            the same shape for all frames, which are then in `Gif.frames`.

    Returns:
        The frames and their properties. If the file is cut off, or a needed frame is damaged,
        it is cut before its first damaged frame and marked ``truncated``; indices beyond the
        cut are dropped, and a function is called again. An incomplete first frame is used if
        there is no other. Damage in frames that no wanted frame depends on is not found.

    Raises:
        GifError: the file has no usable frame, is too large, or all given indices are beyond
            its good beginning.
        IndexError: an index is out of range in a whole file.
        ValueError: the indices do not ascend.
    """
    data, name = _load(source, name)
    images = _open(data, name)
    with suppress(BrokenFrameError):
        return _read(images, indices, name, reduce)
    # After the exception, because its traceback keeps the canvas of the first attempt.
    images.cut()
    return _read(images, indices, name, reduce)


def scan_gif(source: Path | str | bytes, *, name: str | None = None) -> GifInfo:
    """The content of a GIF file, without decoding its pixels (but the first frame of a PNG).

    Args:
        source: the file's path, or its bytes.
        name: the name of the file in error messages; by default its path.

    Raises:
        GifError: the file has no frame, or is too large. Damage inside the data of an image is
            found only by `read_gif`.
    """
    data, name = _load(source, name)
    images = _open(data, name)
    return GifInfo(
        width=images.width,
        height=images.height,
        durations_ms=_shown_durations_ms(images),
        truncated=images.damage,
        note=images.note,
    )


@dataclass(frozen=True, kw_only=True)
class EqualFrames:
    """How far a file does not move.

    Attributes:
        num_equal: frames from the first on that are equal to it.
        num_frames: the usable frames, as far as they were drawn.
        damage: why no later frame can be used, None if none is damaged.
    """

    num_equal: int
    num_frames: int
    damage: str | None


def count_equal_frames(source: Path | str | bytes, *, name: str | None = None) -> EqualFrames:
    """The number of frames that are equal to the first one, drawing as few frames as possible.

    Args:
        source: the file's path, or its bytes.
        name: the name of the file in error messages; by default its path.

    Raises:
        GifError: the file has no usable frame, or is too large.
    """
    data, name = _load(source, name)
    images = _open(data, name)
    try:
        num_equal = images.count_equal_frames()
    except BrokenFrameError:
        images.cut()
        num_equal = images.count_equal_frames()
    return EqualFrames(
        num_equal=num_equal, num_frames=len(images.durations_ms), damage=images.damage
    )


def _open(data: bytes, name: str) -> _Images:
    """Parse a file; its content decides how, not its name."""
    if data.startswith(_GIF):
        return GifImages(data, name)
    kind = describe_beginning(data)
    if kind in VIDEO_KINDS:
        from gifdesc.gif.video import VideoImages  # loads ffmpeg's libraries

        return VideoImages(data, kind, name)
    return ForeignImages(data, name)


def _read(
    images: _Images, indices: Indices, name: str, reduce: Callable[[Frames], Frames] | None
) -> Gif:
    """Decode the chosen frames.

    Raises:
        BrokenFrameError: A frame that is needed is damaged.
    """
    durations_ms = _shown_durations_ms(images)
    chosen = _choose(indices, durations_ms, images.damage, name)
    frames = np.empty((0, images.height, images.width, 3), np.uint8)
    drawn = images.frames(sorted(set(chosen)))
    for position, index in enumerate(chosen):
        if position > 0 and chosen[position - 1] == index:
            frames[position] = frames[position - 1]
            continue
        frame = next(drawn)
        if reduce is not None:
            frame = reduce(frame)
        if position == 0:
            check_frames(len(chosen), len(chosen) * frame.nbytes, name)
            if len(chosen) == 1 and frame.base is None:  # not a view, which keeps a larger array
                frames = frame[None]  # a large picture is in memory once
                break
            frames = np.empty((len(chosen), *frame.shape), np.uint8)
        frames[position] = frame
    return Gif(
        frames=frames,
        indices=chosen,
        durations_ms=durations_ms,
        truncated=images.damage,
        note=_note(images, len(durations_ms)),
    )


def _note(images: _Images, num_frames: int) -> str | None:
    """What is odd about a file: of a still picture, at least that it is one."""
    notes = [note for note in (images.note, images.colour_note) if note is not None]
    if num_frames == 1 and images.note is None and images.damage is None:
        notes.append(STILL_NOTE)
    return "; ".join(notes) or None


def _choose(
    indices: Indices, durations_ms: tuple[int, ...], damage: str | None, name: str
) -> tuple[int, ...]:
    """The frames to decode."""
    num_frames = len(durations_ms)
    if indices is None:
        return tuple(range(num_frames))
    wanted = indices(durations_ms) if callable(indices) else indices
    chosen = tuple(operator.index(index) for index in wanted)
    if any(later < earlier for earlier, later in pairwise(chosen)):
        raise ValueError(f"frame indices must ascend, got {list(chosen)}")
    if damage is not None and not callable(indices):
        usable = tuple(index for index in chosen if index < num_frames)
        if chosen and not usable:
            frames = "1 frame" if num_frames == 1 else f"{num_frames} frames"
            raise GifError(f"{name}: only {frames} can be used ({damage})")
        chosen = usable
    if chosen and not 0 <= chosen[0] <= chosen[-1] < num_frames:
        raise IndexError(f"frame indices {list(chosen)} of a file of {num_frames} frames")
    return chosen


def _shown_durations_ms(images: _Images) -> tuple[int, ...]:
    if images.has_exact_times:
        return images.durations_ms
    return tuple(shown_duration_ms(duration_ms) for duration_ms in images.durations_ms)


def _load(source: Path | str | bytes, name: str | None) -> tuple[bytes, str]:
    """The bytes of a file, and its name in error messages.

    Raises:
        GifError: the file cannot be read or is empty.
    """
    if not isinstance(source, bytes):
        return load_bytes(source), name or str(source)
    name = name or "these bytes"
    if not source:
        raise GifError(f"{name}: an empty file")
    return source, name


def load_bytes(path: Path | str) -> bytes:
    """The bytes of a file, at most `MAX_FILE_BYTES`, read once.

    Raises:
        GifError: there is no such file, it may not be read, or it is empty, too large, a folder
            or a pipe (which may never end).
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise GifError(f"{path}: a folder, not a GIF")
        if not stat.S_ISREG(mode):
            raise GifError(f"{path}: not a regular file")
        with path.open("rb") as file:
            # One byte more than the size, so that a file that is too large is noticed.
            data = file.read(min(path.stat().st_size, MAX_FILE_BYTES) + 1)
    except FileNotFoundError as error:
        raise GifError(f"{path}: no such file") from error
    except PermissionError as error:
        raise GifError(f"{path}: permission denied") from error
    except OSError as error:
        raise GifError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a name that no file can have
        raise GifError(f"{path!r}: cannot be read: {error}") from error
    if not data:
        raise GifError(f"{path}: an empty file")
    if len(data) > MAX_FILE_BYTES:
        raise GifError(f"{path}: too large (more than {MAX_FILE_BYTES >> 20} MB)")
    return data
