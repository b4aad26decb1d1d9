"""GIFs written byte by byte, and pictures of other formats, for tests of the reader."""

import io
import struct

from PIL import Image

PALETTE = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
R, G, B, K, W = (255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9), (255, 255, 255)
TRAILER = b";"


def header(width, height, palette=PALETTE, background=0):
    flags = 0x80 | (len(palette) // 3).bit_length() - 2 if palette else 0
    return b"GIF89a" + struct.pack("<HHBBB", width, height, flags, background, 0) + palette


def control(delay=0, disposal=0, transparent=None):
    flags = disposal << 2 | (transparent is not None)
    return b"!\xf9" + struct.pack("<BBHBB", 4, flags, delay, transparent or 0, 0)


def sub_blocks(data):
    chunks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"".join(bytes([len(chunk)]) + chunk for chunk in chunks)


def lzw(pixels, min_code_size=2):
    """Codes of one size: the table is cleared before it would need a longer one."""
    clear = 1 << min_code_size
    codes = []
    for position, pixel in enumerate(pixels):
        if position % (clear - 2) == 0:
            codes.append(clear)
        codes.append(pixel)
    codes.append(clear + 1)
    bits = sum(code << (min_code_size + 1) * place for place, code in enumerate(codes))
    return bits.to_bytes((len(codes) * (min_code_size + 1) + 7) // 8, "little")


def image(rows, left=0, top=0, palette=b"", interlaced=False, size=None, min_code_size=2):
    height, width = size[::-1] if size else (len(rows), len(rows[0]))
    flags = 0x40 * interlaced | (0x80 | (len(palette) // 3).bit_length() - 2 if palette else 0)
    descriptor = b"," + struct.pack("<HHHHB", left, top, width, height, flags) + palette
    pixels = [int(pixel) for row in rows for pixel in row]
    data = sub_blocks(lzw(pixels, min_code_size))
    return descriptor + bytes([min_code_size]) + data + b"\0"


def colours(frame):
    return [[tuple(int(value) for value in pixel) for pixel in row] for row in frame]


def picture_bytes(form, size=(3, 2), colour=(10, 200, 30), mode="RGB", **options):
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, form, **options)
    return stream.getvalue()


TWO = header(2, 2) + control(delay=5) + image(["00", "00"]) + image(["11", "11"])
"""A GIF of two whole frames without a trailer."""


FORMATS = {"PNG": {}, "WEBP": {"lossless": True}, "AVIF": {"quality": 100}}


def animation_bytes(form, colours_, *, durations_ms=50, size=(16, 16), **options):
    frames = [Image.new("RGB", size, colour) for colour in colours_]
    stream = io.BytesIO()
    options = FORMATS[form] | options
    frames[0].save(
        stream, form, save_all=True, append_images=frames[1:], duration=durations_ms, **options
    )
    return stream.getvalue()
