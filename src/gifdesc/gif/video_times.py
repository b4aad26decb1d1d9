"""List the frames of a video and their times from its packets, without decoding.

A packet is the compressed data of a frame. Packets are in the order of decoding; frames are in the
order of their presentation times (PTS).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from av import FFmpegError, Packet
from av.container import InputContainer
from av.video.stream import VideoStream

from gifdesc.gif.limits import MAX_FRAMES

_MATROSKA_START = b"\x1aE\xdf\xa3"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The frames of a video, as its packets describe them.

    Attributes:
        times: the presentation times of the shown frames in ticks, ascending; None if the packets
            do not have them, so that only decoding finds the frames.
        starts: for each of these frames, the number of the packet at which decoding can begin, and
            the time of that packet's frame.
        durations_ms: of these frames.
        num_packets: the whole packets.
        damage: why there are no more frames, None if all were found.
        is_encrypted: whether the packets are (Common Encryption, ISO/IEC 23001-7).
    """

    times: tuple[int, ...] | None
    starts: tuple[tuple[int, int], ...]
    durations_ms: tuple[int, ...]
    num_packets: int
    damage: str | None
    is_encrypted: bool


def list_frames(container: InputContainer, stream: VideoStream, data: bytes) -> Listing:
    """The frames of a video.

    Args:
        container: at its beginning; it is read to its end.
        stream: the pictures.
        data: the whole file.
    """
    is_cut = is_cut_off(data)
    is_vp8 = stream.codec_context.name == "vp8"
    shown: list[tuple[int, int]] = []  # time and number of each packet
    keys: list[tuple[int, int]] = []  # the same of key frames
    last_duration: tuple[int, int] = (0, 0)  # the last time, and the duration of its frame
    has_times = True
    num_packets = 0
    damage = None
    is_encrypted = False
    for packet in read_packets(container, stream):
        if is_cut and (packet.is_corrupt or (packet.pos or 0) + packet.size > len(data)):
            break
        if len(shown) == MAX_FRAMES:
            damage = f"it has more than {MAX_FRAMES} frames"
            break
        num_packets += 1
        is_encrypted |= packet.has_sidedata("encryption_info")
        # An edit list may hide frames that others depend on; so may VP8.
        if packet.is_discard or (is_vp8 and _is_hidden_vp8(packet)):
            continue
        if packet.pts is None:
            has_times = False
            continue
        shown.append((packet.pts, num_packets - 1))
        last_duration = max(last_duration, (packet.pts, packet.duration or 0))
        if packet.is_keyframe:
            keys.append(shown[-1])
    if is_cut and damage is None:
        damage = f"it ends inside frame {len(shown) + 1}"
    shown.sort()
    times = tuple(time for time, _ in shown)
    has_times = has_times and all(first < second for first, second in pairwise(times))
    return Listing(
        times=times if has_times else None,
        starts=_starts(shown, keys) if has_times else (),
        durations_ms=durations_ms(times, stream, last_duration[1]) if has_times else (),
        num_packets=num_packets,
        damage=damage,
        is_encrypted=is_encrypted,
    )


def read_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The packets of the pictures in file order, up to the first that cannot be read."""
    try:
        for packet in container.demux(stream):
            if packet.size:  # the empty packet at the end only drains decoders
                yield packet
    except FFmpegError:
        return


def durations_ms(
    times: Sequence[int], stream: VideoStream, last_duration: int = 0
) -> tuple[int, ...]:
    """How long each frame is shown, in milliseconds; their sum is right although each is rounded.

    Args:
        times: of the frames in ticks, ascending.
        stream: has the duration of a tick, and a frame rate for a single frame.
        last_duration: of the last frame in ticks; 0 for the mean of the others.
    """
    if not times:
        return ()
    tick = stream.time_base or Fraction(1, 1000)
    last = Fraction(last_duration)
    if not last and len(times) > 1:
        last = Fraction(times[-1] - times[0], len(times) - 1)
    if not last and stream.average_rate:
        last = 1 / (stream.average_rate * tick)
    ends: list[int | Fraction] = [*times, times[-1] + last]
    ends_ms = [round(1000 * tick * (end - times[0])) for end in ends]
    return tuple(end - start for start, end in pairwise(ends_ms))


def _starts(
    shown: Sequence[tuple[int, int]], keys: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """For each frame, the last key frame that is neither shown nor decoded after it.

    A frame that is decoded after a key frame and shown before it may need frames before both.
    """
    starts = []
    start, position = (0, shown[0][0] if shown else 0), 0
    for time, number in shown:
        while position < len(keys) and keys[position][0] <= time and keys[position][1] <= number:
            start = keys[position][1], keys[position][0]
            position += 1
        starts.append(start)
    return tuple(starts)


def _is_hidden_vp8(packet: Packet[VideoStream]) -> bool:
    """Whether a VP8 frame is only a reference: `show_frame` is 0 (RFC 6386, section 9.1)."""
    return not memoryview(packet)[0] >> 4 & 1


def is_cut_off(data: bytes) -> bool:
    """Whether a file is shorter than the boxes, elements or chunks at its top level state."""
    if data.startswith(_MATROSKA_START):
        return any(end > len(data) for end in _matroska_ends(data))
    if data.startswith(b"RIFF"):
        return 8 + int.from_bytes(data[4:8], "little") > len(data)
    return any(end > len(data) for end in _box_ends(data))


def _box_ends(data: bytes) -> Iterator[int]:
    """The end of each box of an MP4 or MOV at top level (ISO/IEC 14496-12, section 4.2)."""
    position = 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4])
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16])
        if size < 8:  # 0: up to the end of the file
            return
        position += size
        yield position


def _matroska_ends(data: bytes) -> Iterator[int]:
    """The ends of the header and of the segment of a Matroska file (RFC 8794, sections 4 to 6)."""
    position = 0
    for _ in range(2):  # both identifiers have four bytes
        size_start = position + 4
        if len(data) < size_start + 8:
            return
        width = 9 - data[size_start].bit_length()  # the first bit that is set marks the width
        mask = (1 << 7 * width) - 1
        size = int.from_bytes(data[size_start : size_start + width]) & mask
        if width > 8 or size == mask:  # the size is not stated
            return
        position = size_start + width + size
        yield position
