"""Read videos (MP4, QuickTime, WebM, Matroska, AVI) as GIFs, with PyAV.

PyAV is used directly: the plugin of imageio for it has neither the times of frames nor a way to
decode only what the wanted frames need.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
from av import FFmpegError, VideoFrame
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from gifdesc.errors import GifError
from gifdesc.gif.canvas import BrokenFrameError, Frames
from gifdesc.gif.limits import (
    MAX_FRAMES,
    MAX_VIDEO_SECONDS,
    Budget,
    BudgetSpentError,
    check_canvas,
)
from gifdesc.gif.sniff import format_note
from gifdesc.gif.video_decoding import DECODER_OPTIONS, FrameDecoder
from gifdesc.gif.video_pictures import Pictures
from gifdesc.gif.video_times import durations_ms, is_cut_off, list_frames

_DEMUXERS = {
    "an MP4 video": "mp4",
    "a QuickTime video": "mov",
    "a WebM video": "matroska",
    "a Matroska video": "matroska",
    "an AVI video": "avi",
}
"""ffmpeg's readers of `sniff.VIDEO_KINDS`. The reader is named because ffmpeg would also recognise
lists of other files to open."""

_BUFFER_BYTES = 1 << 18

_METADATA_OPTIONS: dict[str, Any] = (
    {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}
)
"""Before PyAV 19, titles and the like that are not UTF-8 are errors unless they are ignored."""

_CODING_NOISE = 16
"""Grey levels by which frames may differ and count as equal: encoders refine a still picture over
several frames."""


class VideoImages:
    """The frames of a video.

    Attributes:
        width, height: of the frames in pixels, which are square, after rotation.
        has_exact_times: whether the durations are meant literally, also those of 10 ms or less.
        durations_ms: the duration of each usable frame.
        damage: why no later frame can be used, or None for a whole file.
        note: the format if the file has the name of another, such as ``an MP4 video under a .gif
            name``.
        colour_note: what is odd about the colours; None if nothing is.
    """

    has_exact_times = True

    def __init__(self, data: bytes, kind: str, name: str) -> None:
        """List the frames, and decode the first one.

        Args:
            data: the whole file.
            kind: the format, one of `sniff.VIDEO_KINDS`.
            name: the name of the file in error messages.

        Raises:
            GifError: the file has no picture, is encrypted, damaged or too large.
        """
        self._data = data
        self._name = name
        self._kind = kind
        self._budget: Budget | None = Budget(MAX_VIDEO_SECONDS)
        self._num_affordable: int | None = None
        self._last_time = 0
        self.note = format_note(kind, name, moves=True)
        with self._opened() as (container, stream):
            check_canvas(stream.codec_context.width, stream.codec_context.height, name)
            listing = list_frames(container, stream, data)
        if listing.is_encrypted:
            raise GifError(f"{name}: {kind} that is encrypted (DRM); gifdesc cannot decrypt it")
        self.damage = listing.damage
        self.durations_ms = listing.durations_ms
        self._num_packets = listing.num_packets
        # Frames are recognised by their times; by their numbers if the times are unknown.
        self._has_times = listing.times is not None
        self._times: Sequence[int] = listing.times or ()
        self._starts: Sequence[tuple[int, int]] = listing.starts
        self._pictures = self._prepare_pictures()
        self.width, self.height = self._pictures.width, self._pictures.height
        self.colour_note = self._pictures.colour_note

    def _prepare_pictures(self) -> Pictures:
        """Decode the first frame, whose size and rotation all frames get.

        Raises:
            GifError: there is none, or it is too large.
        """
        try:
            if self._has_times:
                return self._first_pictures()
        except BrokenFrameError:
            pass
        self._list_by_decoding()
        try:
            return self._first_pictures()
        except BrokenFrameError as error:
            raise self._nothing_usable() from error

    def _first_pictures(self) -> Pictures:
        if not self._times:
            raise self._nothing_usable()
        with self._opened() as (container, stream):
            first = next(self._decode(container, stream, [0]))
            pictures = Pictures(first, stream.sample_aspect_ratio or Fraction(1))
        check_canvas(pictures.width, pictures.height, self._name)
        return pictures

    def frames(self, wanted: Sequence[int]) -> Iterator[Frames]:
        """Decode frames.

        Args:
            wanted: ascending frame indices, each once.

        Yields:
            For each, uint8 (height, width, 3): RGB over white.

        Raises:
            BrokenFrameError: A frame that is needed is damaged.
        """
        with self._opened() as (container, stream):
            for frame in self._decode(container, stream, wanted):
                try:
                    yield self._pictures.to_rgb(frame)
                except FFmpegError as error:
                    raise BrokenFrameError(f"no conversion to RGB: {error}") from error

    def _decode(
        self, container: InputContainer, stream: VideoStream, wanted: Sequence[int]
    ) -> Iterator[VideoFrame]:
        """Decode frames, from the last key frame before each.

        Raises:
            BrokenFrameError: as `frames`.
        """
        times = {self._times[index] for index in wanted} if self._has_times else None
        decoder = FrameDecoder(container, stream, self._num_packets, self._spend, times)
        for index in wanted:
            number, start_time = self._starts[index]
            decoder.skip_to(number)
            try:
                yield self._find(decoder, index, start_time)
            except BudgetSpentError as error:
                self._num_affordable = max(1, bisect_right(self._times, self._last_time))
                raise BrokenFrameError(f"frame {index}: too much to decode") from error

    def _find(self, decoder: FrameDecoder, index: int, start_time: int) -> VideoFrame:
        """Decode up to a frame.

        Args:
            decoder: is before the frame.
            index: of the frame.
            start_time: earlier frames may depend on frames that were skipped.

        Raises:
            BrokenFrameError: as `frames`.
            BudgetSpentError: decoding took too long.
        """
        for frame in decoder:
            time = decoder.num_frames - 1
            if self._has_times:
                time = start_time - 1 if frame.pts is None else frame.pts
            if time < start_time:
                continue
            if frame.is_corrupt:
                break
            self._last_time = time
            if time == self._times[index]:
                return frame
            if time > self._times[index]:
                break
        raise BrokenFrameError(f"frame {index}: damaged, or needs a damaged frame")

    def count_equal_frames(self) -> int:
        """The number of frames, from the first one, that look like it.

        Raises:
            BrokenFrameError: as `frames`; the frames before are equal.
        """
        first: np.ndarray[tuple[int, ...], np.dtype[np.int16]] | None = None
        for index, frame in enumerate(self.frames(range(len(self.durations_ms)))):
            if first is None:
                first = frame.astype(np.int16)
            elif np.abs(frame - first).max() > _CODING_NOISE:
                return index
        return len(self.durations_ms)

    def cut(self) -> None:
        """Keep the frames before the first damaged one.

        Raises:
            GifError: there is no good frame.
        """
        if self._num_affordable is None:
            self._list_by_decoding()
        else:
            self._keep(self._num_affordable)
            self.damage = f"decoding more than {self._num_affordable} of its frames takes too long"
        self._budget = None  # the cost of the rest was spent already

    def _list_by_decoding(self) -> None:
        """List the frames that can be decoded, from the first one on; numbers are their times.

        Raises:
            GifError: there is no good frame.
        """
        self._budget = Budget(MAX_VIDEO_SECONDS)
        times: list[int | None] = []
        with self._opened() as (container, stream):
            try:
                for frame in FrameDecoder(container, stream, self._num_packets, self._spend):
                    if frame.is_corrupt:
                        raise BrokenFrameError(f"frame {len(times)} is damaged")
                    if len(times) == MAX_FRAMES:
                        self.damage = f"it has more than {MAX_FRAMES} frames"
                        break
                    times.append(frame.dts if frame.pts is None else frame.pts)
            except BrokenFrameError:
                self.damage = f"frame {len(times) + 1} is damaged"
            except BudgetSpentError:
                self.damage = f"decoding more than {len(times)} of its frames takes too long"
            known = [time for time in times if time is not None]
            if len(known) < len(times) or any(one >= other for one, other in pairwise(known)):
                rate, tick = stream.average_rate, stream.time_base
                ticks = 1 / (rate * tick) if rate and tick else Fraction(1)
                known = [round(number * ticks) for number in range(len(times))]
            self.durations_ms = durations_ms(known, stream)
        if self._has_times and self.damage is None and len(times) < len(self._times):
            self.damage = f"{len(self._times) - len(times)} of its frames cannot be decoded"
        self._has_times = False
        self._times = range(len(times))
        self._starts = [(0, 0)] * len(times)
        if not times:
            raise self._nothing_usable()

    def _keep(self, num_frames: int) -> None:
        self.durations_ms = self.durations_ms[:num_frames]
        self._times = self._times[:num_frames]
        self._starts = self._starts[:num_frames]

    def _spend(self) -> None:
        """Check the processor time.

        Raises:
            BudgetSpentError: too much was used.
        """
        if self._budget is not None:
            self._budget.spend(0)

    def _nothing_usable(self) -> GifError:
        reason = "cut off before its index or its first frame, or damaged"
        return GifError(f"{self._name}: {self._kind} without a usable frame ({reason})")

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """The file and its pictures; not the cover of a sound.

        Raises:
            GifError: the file is damaged, or has no pictures that can be decoded.
        """
        try:
            container = av.open(
                io.BytesIO(self._data),
                "r",
                format=_DEMUXERS[self._kind],
                options=DECODER_OPTIONS,
                buffer_size=_BUFFER_BYTES,
                **_METADATA_OPTIONS,
            )
        except FFmpegError as error:
            raise self._nothing_usable() from error
        with container:
            streams = [
                stream
                for stream in container.streams.video
                if not stream.disposition & Disposition.attached_pic
            ]
            if not streams and is_cut_off(self._data):  # the list of streams may be at the end
                raise self._nothing_usable()
            if not streams:
                only = " (only sound)" if container.streams.audio else ""
                raise GifError(f"{self._name}: {self._kind} without a moving picture{only}")
            stream = max(streams, key=lambda each: bool(each.disposition & Disposition.default))
            if stream.codec_context is None:
                raise GifError(f"{self._name}: {self._kind} with an unknown codec")
            yield container, stream
