"""Decode the frames of a video in one ascending pass, from the key frames that are needed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from itertools import islice

from av import FFmpegError, VideoFrame
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from gifdesc.gif.canvas import BrokenFrameError
from gifdesc.gif.limits import MAX_CANVAS_PIXELS
from gifdesc.gif.video_times import read_packets

DECODER_OPTIONS = {"max_pixels": str(MAX_CANVAS_PIXELS)}
"""Options of libavcodec: a frame may be larger than its container states."""

_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that return transparency; ffmpeg's own decoders of these codecs drop it."""


_SKIPPING_CODECS = ("h264", "mpeg4")
"""Codecs that mark frames on which no other frame depends: x264 makes half of all frames so. HEVC
marks frames on which only frames of the same sublayer do not depend."""


class FrameDecoder:
    """Decodes packets in file order.

    Skipped packets are read from memory, which costs next to nothing, and not decoded: unlike a
    seek, that needs no index, and always arrives at the packet that is meant.

    Attributes:
        num_frames: the frames that were decoded and not skipped.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        num_packets: int,
        spend: Callable[[], None],
        wanted: Collection[int] | None = None,
    ) -> None:
        """Prepare.

        Args:
            container: at its beginning.
            stream: the pictures.
            num_packets: later packets are not decoded.
            spend: called before a packet is decoded; may raise an error.
            wanted: times of frames; others may be left out if no frame depends on them. None for
                all frames.
        """
        self._packets = islice(read_packets(container, stream), num_packets)
        self._codec = _make_decoder(stream)
        self._spend = spend
        self._wanted = wanted if self._codec.name in _SKIPPING_CODECS else None
        self._position = 0
        self._decoded: deque[VideoFrame] = deque()
        self._is_drained = False
        self.num_frames = 0

    def skip_to(self, number: int) -> None:
        """Continue at a packet, a key frame; without effect if it was decoded already."""
        num_skipped = number - self._position
        if num_skipped <= 0:
            return
        for _ in islice(self._packets, num_skipped):
            pass
        if self._position:
            self._codec.flush_buffers()
        self._position = number
        self._decoded.clear()

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames in the order of presentation; a later call continues.

        Raises:
            BrokenFrameError: a packet cannot be decoded.
        """
        while True:
            while self._decoded:
                self.num_frames += 1
                yield self._decoded.popleft()
            if self._is_drained:
                return
            self._spend()
            packet = next(self._packets, None)
            self._is_drained = packet is None
            self._position += 1
            if self._wanted is not None and packet is not None:
                is_wanted = packet.pts in self._wanted
                self._codec.skip_frame = "DEFAULT" if is_wanted else "NONREF"
            try:
                self._decoded.extend(self._codec.decode(packet))
            except FFmpegError as error:
                raise BrokenFrameError(f"packet {self._position}: {error}") from error


def _make_decoder(stream: VideoStream) -> VideoCodecContext:
    """A decoder that uses only the thread it is called in: readers and the network have theirs."""
    decoder = stream.codec_context
    # WebM marks transparency with the element AlphaMode (RFC 9559, section 5.1.4.1.28.4).
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in _ALPHA_DECODERS:
        with suppress(UnknownCodecError):  # a PyAV that was built without libvpx
            created = CodecContext.create(_ALPHA_DECODERS[decoder.name], "r")
            assert isinstance(created, VideoCodecContext)
            decoder = created
    decoder.thread_count = 1
    decoder.options = DECODER_OPTIONS
    return decoder
