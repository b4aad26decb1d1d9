"""Sources of GIFs: a path, the bytes of a file, or frames in memory, each with a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gifdesc.errors import GifdescError, GifError, cut_long
from gifdesc.gif.canvas import Frames
from gifdesc.gif.reader import Gif, read_gif


@dataclass(frozen=True)
class CaptionInput:
    """A GIF to caption, or an argument without one.

    Attributes:
        name: its name in results: the path as it was given or found.
        data: the source to open, such as bytes from a pipe, or the temporary file of a URL; None
            for the file of that name.
        error: why there is nothing to caption, None if there is a GIF.
    """

    name: str
    data: GifSource | None = None
    error: str | None = None

    @property
    def source(self) -> GifSource:
        """The source to open."""
        return self.name if self.data is None else self.data

    def reason(self, error: GifdescError) -> str:
        """The message of an error, without the name, which results have already."""
        reason = str(error)
        names = [self.name, Path(self.name)]
        for name in names if not isinstance(self.data, (str, Path)) else [*names, self.data]:
            reason = reason.removeprefix(cut_long(f"{name}: "))
        return reason.removeprefix("these bytes: ")


def as_input(source: GifSource | CaptionInput) -> CaptionInput:
    """A source with its name in results."""
    if isinstance(source, CaptionInput):
        return source
    return CaptionInput(source_name(source), source)


GifSource = Path | str | bytes | Frames | tuple[Frames, Sequence[int]]
"""A GIF: its path, the bytes of its file, its frames, or its frames with their durations in
milliseconds."""

FRAME_DURATION_MS = 100
"""The duration of frames that have none: that of browsers for GIFs without a useful delay."""


def source_name(source: GifSource) -> str:
    """The name of a source in results and messages: its path, or its kind."""
    if isinstance(source, (str, Path)):
        return str(source)
    return "these bytes" if isinstance(source, bytes) else "these frames"


def read_source(
    source: GifSource,
    pick: Callable[[Sequence[int]], Sequence[int]],
    reduce: Callable[[Frames], Frames] | None = None,
) -> Gif:
    """The sampled frames of a source.

    Args:
        source: the source.
        pick: a function of the frames' durations in milliseconds that returns ascending indices.
        reduce: applied to each frame as it is drawn; see `gif.read_gif`.

    Raises:
        GifError: the file has no frame that can be used.
        TypeError: the source has an unknown type.
        ValueError: the frames have another shape, or the durations do not match them.
    """
    if isinstance(source, (str, Path)):
        return read_gif(Path(source), pick, reduce=reduce)
    if isinstance(source, bytes):
        return read_gif(source, pick, name=source_name(source), reduce=reduce)
    frames, durations_ms = _frames_of(source)
    indices = tuple(int(index) for index in pick(durations_ms))
    # As `read_gif`: a frame that is picked repeatedly is reduced once.
    drawn = {index: frames[index] for index in sorted(set(indices))}
    if reduce is not None:
        drawn = {index: reduce(frame) for index, frame in drawn.items()}
    return Gif(
        frames=np.stack([drawn[index] for index in indices]),
        indices=indices,
        durations_ms=durations_ms,
        truncated=None,
        note=None,
    )


def _frames_of(source: Frames | tuple[Frames, Sequence[int]]) -> tuple[Frames, tuple[int, ...]]:
    """Frames in memory and their durations, checked.

    Raises:
        GifError: there is no frame.
        TypeError, ValueError: as `read_source`.
    """
    frames, durations_ms = source if isinstance(source, tuple) else (source, None)
    if not isinstance(frames, np.ndarray):
        raise TypeError(
            f"a GIF is a path, bytes, or uint8 frames (T, height, width, 3), not {type(frames)}"
        )
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(
            f"frames are uint8 (T, height, width, 3), not {frames.dtype} {frames.shape}"
        )
    if frames.size == 0:
        raise GifError("these frames: there are none, or they have no pixels")
    if durations_ms is None:
        durations_ms = [FRAME_DURATION_MS] * len(frames)
    if len(durations_ms) != len(frames) or any(duration_ms <= 0 for duration_ms in durations_ms):
        raise ValueError(f"{len(frames)} frames need as many durations, each above 0 milliseconds")
    return np.ascontiguousarray(frames), tuple(int(duration_ms) for duration_ms in durations_ms)
