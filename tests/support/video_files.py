"""Drawing videos for the tests, with PyAV's encoders (never with the reader under test)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from gif_files import frame_colour

Frames = npt.NDArray[np.uint8]

SIZE = (64, 48)


def colour_frames(num_frames: int, size: tuple[int, int] = SIZE) -> list[Frames]:
    """Frames of plain colours that are far apart, as `gif_files.draw_gif` draws."""
    width, height = size
    return [np.full((height, width, 3), frame_colour(i), np.uint8) for i in range(num_frames)]


def moving_frames(num_frames: int, size: tuple[int, int] = (96, 80)) -> list[Frames]:
    """Frames of a bright square that moves over a soft background."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    background = np.stack(
        [columns * 150 // width + 40, rows * 150 // height + 40, 90 + 0 * rows], -1
    ).astype(np.uint8)
    frames = []
    for index in range(num_frames):
        frame = background.copy()
        left, top = 4 + index * (width - 32) // num_frames, 10 + index % 20
        frame[top : top + 24, left : left + 24] = (250, 220, 30)
        frames.append(frame)
    return frames


def draw_video(
    path: Path,
    frames: int | Sequence[Frames] | Sequence[av.VideoFrame] = 4,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times_ms: Sequence[int] | None = None,
    key_interval: int = 12,
    rotation: tuple[float, bool, bool] | None = None,
    pixel_shape: Fraction | None = None,
    options: Mapping[str, str] | None = None,
    container_options: Mapping[str, str] | None = None,
    sound: bool = False,
    format: str | None = None,  # noqa: A002 - the word of PyAV
) -> Path:
    """Write a video and return its path; skips the test if PyAV has no such encoder.

    Args:
        path: where to write; its folder is made. The suffix decides the container.
        frames: a number of plainly coloured frames, RGB frames, or frames of PyAV as they are.
        codec: the encoder.
        pix_fmt: the format of pixels.
        times_ms: when each frame is shown; every 100 ms by default.
        key_interval: frames between key frames.
        rotation: degrees, and whether to mirror horizontally and vertically, for the player.
        pixel_shape: width by height of a pixel.
        options: of the encoder.
        container_options: of the container.
        sound: whether to add a second of silence.
        format: the container, if not that of the suffix.
    """
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"PyAV has no encoder {codec} here")
    path.parent.mkdir(parents=True, exist_ok=True)
    given: Sequence[Any] = colour_frames(frames) if isinstance(frames, int) else frames
    pictures = [_to_video_frame(frame, pix_fmt) for frame in given]
    times_ms = times_ms or [100 * index for index in range(len(pictures))]
    mean_ms = Fraction(times_ms[-1] - times_ms[0], max(1, len(times_ms) - 1)) or Fraction(100)
    with av.open(str(path), "w", format=format, options=dict(container_options or {})) as out:
        rate = (1000 / mean_ms).limit_denominator(1000)
        if codec == "libx265":  # with reordered frames, two frames cannot be written at times
            options = {"x265-params": "frame-threads=1:pools=none:bframes=0", **(options or {})}
        stream = out.add_stream(codec, rate=rate, options=dict(options or {}))
        stream.width, stream.height = pictures[0].width, pictures[0].height
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = key_interval
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        stream.codec_context.color_range = pictures[0].color_range
        stream.codec_context.colorspace = pictures[0].colorspace
        stream.codec_context.color_trc = pictures[0].color_trc
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        if pixel_shape is not None:
            stream.codec_context.sample_aspect_ratio = pixel_shape
        speech = out.add_stream("aac", rate=8000, layout="mono") if sound else None
        for picture, time_ms in zip(pictures, times_ms, strict=True):
            picture.pts, picture.time_base = time_ms, Fraction(1, 1000)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
        if speech is not None:
            _mux_silence(out, speech)
    return path


def draw_sound(path: Path) -> Path:
    """Write a file with sound and without pictures."""
    with av.open(str(path), "w") as out:
        _mux_silence(out, out.add_stream("aac", rate=8000, layout="mono"))
    return path


def _mux_silence(out: Any, stream: Any) -> None:
    silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
    silence.sample_rate, silence.pts = 8000, 0
    out.mux(stream.encode(silence))
    out.mux(stream.encode())


def _to_video_frame(frame: Any, pix_fmt: str) -> av.VideoFrame:
    if isinstance(frame, av.VideoFrame):
        return frame
    form = "rgba" if frame.shape[-1] == 4 else "rgb24"
    return av.VideoFrame.from_ndarray(frame, form).reformat(format=pix_fmt)


def yuv_frame(
    values: Sequence[int], pix_fmt: str, *, colorspace: int, color_range: int
) -> av.VideoFrame:
    """A frame of one colour, given as Y, U and V, with its colour tags."""
    frame = av.VideoFrame(*SIZE, pix_fmt)
    for plane, value in zip(frame.planes, values, strict=True):
        dtype = np.dtype("<u2" if "10le" in pix_fmt else "u1")
        plane.update(np.full(plane.buffer_size // dtype.itemsize, value, dtype).tobytes())
    frame.colorspace, frame.color_range = colorspace, color_range
    return frame
