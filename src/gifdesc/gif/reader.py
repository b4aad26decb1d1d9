"""A GIF file to its frames, exactly as a browser shows them on a white page.

The file is read once and its frames are drawn in one ascending pass; frames that nothing
wanted depends on are skipped. A good beginning of a broken file is used, and what is not a GIF
is read as what it is.
"""

import operator
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from gifdesc.errors import GifError
from gifdesc.gif.canvas import BrokenFrameError, Frame, GifImages
from gifdesc.gif.foreign import ForeignImages
from gifdesc.gif.limits import MAX_FILE_BYTES, check_frames

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

_GIF = (b"GIF87a", b"GIF89a")  # section 17 of the GIF89a specification

Indices = Sequence[int] | Callable[[Sequence[int]], Sequence[int]] | None
"""Which frames: their indices, or a function of the usable frames' durations in milliseconds
that returns them; None for all."""


@dataclass(frozen=True, kw_only=True)
class GifInfo:
    """What a GIF file holds, without its pixels.

    Attributes:
        width, height: The canvas in pixels.
        durations_ms: How long a browser shows each usable frame.
        truncated: Why only a beginning of the file could be used, None for a whole file.
        note: What else is worth saying, such as ``a WebP under a .gif name``.
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
        frames: uint8 (T, height, width, 3), RGB over white; reduced if that was asked for.
        indices: Which frames of the file these are: T ascending numbers, which may repeat.
        durations_ms: How long a browser shows each usable frame of the file.
        truncated: Why only a beginning of the file could be used, None for a whole file.
        note: What else is worth saying, such as ``a WebP under a .gif name``.
    """

    frames: Frame
    indices: tuple[int, ...]
    durations_ms: tuple[int, ...]
    truncated: str | None
    note: str | None

    @property
    def num_frames(self) -> int:
        """The number of usable frames of the file, whether they were asked for or not."""
        return len(self.durations_ms)


def shown_duration_ms(duration_ms: int) -> int:
    """How long a browser shows a frame: 100 ms where the file says 10 ms or less.

    Chromium's and Firefox's rule for every animated format.
    """
    return duration_ms if duration_ms > 10 else 100


class _Images(Protocol):
    """A file that was looked at and whose frames can be drawn."""

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
    def frames(self, wanted: Sequence[int]) -> Iterator[Frame]: ...
    def count_equal_frames(self) -> int: ...
    def cut(self) -> None: ...


def read_gif(
    source: Path | str | bytes,
    indices: Indices = None,
    *,
    name: str | None = None,
    reduce: Callable[[Frame], Frame] | None = None,
) -> Gif:
    """Frames of a GIF file, as a browser shows them on a white page.

    Args:
        source: The file's path, or its bytes.
        indices: Which frames: ascending indices, which may repeat (a frame is decoded
            once); or a function that gets the usable frames' durations in milliseconds and
            returns such indices; None for all frames.
        name: What an error message calls the file; its path by default.
        reduce: Applied to every frame, uint8 (height, width, 3), as soon as it is drawn, so
            that the frames of a large canvas need not lie in memory together; what it
            returns has one shape for all frames, and `Gif.frames` holds it.

    Returns:
        The frames, and what the file says of them. A file that breaks off or holds a damaged
        frame that is needed is cut before its first damaged frame and marked ``truncated``;
        given indices beyond the cut are dropped, a function is asked again. A first frame
        that is only partly there is used if it is all there is. Damage in frames that nothing
        asked for depends on is not looked for.

    Raises:
        GifError: The file gives no frame, is too large, or the frames asked for all lie
            beyond the good beginning.
        IndexError: An index lies outside a whole file.
        ValueError: The indices do not ascend.
    """
    data, name = _load(source, name)
    images = _open(data, name)
    try:
        return _read(images, indices, name, reduce)
    except BrokenFrameError:
        images.cut()
        return _read(images, indices, name, reduce)


def scan_gif(source: Path | str | bytes, *, name: str | None = None) -> GifInfo:
    """What a GIF file holds, without decoding its pixels (of a PNG, the first frame's are).

    Args:
        source: The file's path, or its bytes.
        name: What an error message calls the file; its path by default.

    Raises:
        GifError: The file holds no frame, or is too large. Damage inside an image's data is
            seen only by `read_gif`.
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
        num_equal: Frames from the first on that are equal to it.
        num_frames: Frames that can be used, as far as they were drawn.
        damage: Why no later frame can be used, None where none is damaged.
    """

    num_equal: int
    num_frames: int
    damage: str | None


def count_equal_frames(source: Path | str | bytes, *, name: str | None = None) -> EqualFrames:
    """How many frames of a file are equal to its first one, drawing no more than that takes.

    Args:
        source: The file's path, or its bytes.
        name: What an error message calls the file; its path by default.

    Raises:
        GifError: The file gives no frame, or is too large.
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
    return GifImages(data, name) if data.startswith(_GIF) else ForeignImages(data, name)


def _read(
    images: _Images, indices: Indices, name: str, reduce: Callable[[Frame], Frame] | None
) -> Gif:
    """Decode the frames asked for.

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
            frames = np.empty((len(chosen), *frame.shape), np.uint8)
        frames[position] = frame
    return Gif(
        frames=frames,
        indices=chosen,
        durations_ms=durations_ms,
        truncated=images.damage,
        note=images.note,
    )


def _choose(
    indices: Indices, durations_ms: tuple[int, ...], damage: str | None, name: str
) -> tuple[int, ...]:
    """The frames to decode."""
    num_frames = len(durations_ms)
    if indices is None:
        return tuple(range(num_frames))
    asked = indices(durations_ms) if callable(indices) else indices
    chosen = tuple(operator.index(index) for index in asked)
    if any(later < earlier for earlier, later in pairwise(chosen)):
        raise ValueError(f"frame indices must ascend, got {list(chosen)}")
    if damage is not None and not callable(indices):
        usable = tuple(index for index in chosen if index < num_frames)
        if chosen and not usable:
            raise GifError(f"{name}: only {num_frames} frames can be used ({damage})")
        chosen = usable
    if chosen and not 0 <= chosen[0] <= chosen[-1] < num_frames:
        raise IndexError(f"frame indices {list(chosen)} of a file of {num_frames} frames")
    return chosen


def _shown_durations_ms(images: _Images) -> tuple[int, ...]:
    return tuple(shown_duration_ms(duration_ms) for duration_ms in images.durations_ms)


def _load(source: Path | str | bytes, name: str | None) -> tuple[bytes, str]:
    """A file's bytes, and what an error message calls it.

    Raises:
        GifError: It cannot be read or is empty.
    """
    if not isinstance(source, bytes):
        return load_bytes(source), name or str(source)
    name = name or "these bytes"
    if not source:
        raise GifError(f"{name}: an empty file")
    return source, name


def load_bytes(path: Path | str) -> bytes:
    """The bytes of a file that may be a GIF; read once, at most `MAX_FILE_BYTES`.

    Raises:
        GifError: There is no such file, it may not be read, it is empty, too large, a folder
            or a pipe (which might never end).
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise GifError(f"{path}: a folder, not a GIF")
        if not stat.S_ISREG(mode):
            raise GifError(f"{path}: not a regular file")
        with path.open("rb") as file:
            # One byte more than is there: a file that grows meanwhile is read to its old end.
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
