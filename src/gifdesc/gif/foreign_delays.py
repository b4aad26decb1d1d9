"""Read the delays of an APNG, WebP or AVIF without decoding its frames.

Pillow has the delay of a frame only after decoding it; the files have them in their chunks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

_PNG_SIGNATURE_BYTES, _RIFF_HEADER_BYTES = 8, 12
_AVIF_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def frame_delays_ms(data: bytes, picture_format: str, max_frames: int) -> list[int]:
    """The delays of the complete frames, in milliseconds.

    Args:
        data: the whole file.
        picture_format: its name in Pillow: `PNG`, `WEBP` or `AVIF`; other formats have no frames.
        max_frames: the most delays to return.

    Returns:
        A delay per complete frame; none for a still picture. For an AVIF, a delay per frame of its
        index.
    """
    readers = {"PNG": _png_delays_ms, "WEBP": _webp_delays_ms, "AVIF": _avif_delays_ms}
    reader = readers.get(picture_format)
    return [] if reader is None else list(islice(reader(data), max_frames))


def _png_delays_ms(data: bytes) -> Iterator[int]:
    """Read the fcTL chunks (PNG specification, third edition, 11.3.6.2)."""
    delay_ms: int | None = None
    has_data = False
    position = _PNG_SIGNATURE_BYTES
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        is_whole = position + 12 + length <= len(data)  # length, type, content, check sum
        if kind in (b"IDAT", b"fdAT"):
            if not is_whole:
                return
            has_data = True
        if kind in (b"fcTL", b"IEND") and delay_ms is not None and has_data:
            yield delay_ms
            delay_ms, has_data = None, False
        if kind == b"IEND" or not is_whole:
            return
        if kind == b"fcTL" and length >= 26:
            numerator, denominator = struct.unpack_from(">HH", data, position + 8 + 20)
            delay_ms, has_data = round(1000 * numerator / (denominator or 100)), False
        position += 12 + length
    if delay_ms is not None and has_data:
        yield delay_ms


def trim_to_whole_chunks(data: bytes) -> bytes:
    """A cut WebP, shortened to end after its last whole chunk; a whole WebP is unchanged.

    libwebp does not read an animation that is shorter than its header states.
    """
    if 8 + int.from_bytes(data[4:8], "little") <= len(data):
        return data
    *_, end = [_RIFF_HEADER_BYTES, *(stop for _, _, stop in _riff_chunks(data))]
    return data[:4] + (end - 8).to_bytes(4, "little") + data[8:end]


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The whole chunks: type, start and end of the content."""
    position = _RIFF_HEADER_BYTES
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        end = position + 8 + length + length % 2
        if end > len(data):
            return
        yield kind, position + 8, end
        position = end


def _webp_delays_ms(data: bytes) -> Iterator[int]:
    """Read the ANMF chunks (RFC 9649, section 2.7.1.1)."""
    for kind, start, end in _riff_chunks(data):
        if kind == b"ANMF" and end - start >= 16:
            yield int.from_bytes(data[start + 12 : start + 15], "little")


def _avif_delays_ms(data: bytes) -> Iterator[int]:
    """Read the time scale and stts box of the first track (ISO/IEC 14496-12, 8.4.2, 8.6.1.2)."""
    scale: int | None = None
    for kind, content in _boxes(data, 0, len(data)):
        if kind == b"mdhd" and scale is None and len(content) >= 24:
            scale = int.from_bytes(content[20:24] if content[0] == 1 else content[12:16], "big")
        if kind == b"stts":
            for position in range(8, len(content) - 7, 8):
                count, ticks = struct.unpack_from(">II", content, position)
                delay_ms = round(1000 * ticks / scale) if scale else 0
                for _ in range(count):
                    yield delay_ms
            return


def _boxes(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """The boxes without inner boxes, in file order: type and content."""
    if depth > len(_AVIF_CONTAINERS):  # each kind is inside another kind
        return
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size < 8 or start + size > end:  # a box that extends to the end has the pixels
            return
        if kind in _AVIF_CONTAINERS:
            yield from _boxes(data, start + 8, start + size, depth + 1)
        elif kind in (b"mdhd", b"stts"):
            yield kind, data[start + 8 : start + size]
        start += size
