"""Decode the data sub-blocks of an image into palette indices, with Pillow's LZW decoder.

Pillow reads minimum code sizes up to 8. Larger sizes, which browsers also read, are decoded here.

Section numbers are those of the GIF89a specification: 22 is table based image data, appendix E
the interlaced row order, appendix F the LZW compression.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt
from PIL import Image

from gifdesc.gif.blocks import ImageBlock
from gifdesc.gif.limits import MAX_CANVAS_PIXELS

_PILLOW_MAX_CODE_SIZE = 8
_BAND_PIXELS = 1 << 20
_MAX_CODES = 4096  # of 12 bits, appendix F

PaletteIndices = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


class BeyondPaletteError(ValueError):
    """The index of a pixel needs more than the 8 bits of the largest palette."""


def decode_indices(data: bytes, image: ImageBlock) -> PaletteIndices:
    """The palette index of every pixel of an image.

    Args:
        data: the whole file.
        image: the image, with a complete chain of data sub-blocks.

    Returns:
        uint8 (image.height, image.width), rows in their final order.

    Raises:
        BeyondPaletteError: the index of a pixel is 256 or more.
        ValueError: the data is damaged or does not fill the image. Data after the last pixel
            is ignored, as in browsers.
    """
    if _is_oversized(image):
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
    if image.width == 0 or image.height == 0:
        if not image.is_complete:
            raise ValueError("an image without pixels is cut off")
        return np.empty((image.height, image.width), np.uint8)
    if image.min_code_size > _PILLOW_MAX_CODE_SIZE:
        pixels, problem = decode_lzw(_joined(data, image), image)
        if problem is not None:
            try:
                raise problem
            finally:  # its traceback has this frame, whose caller has the canvas
                del problem
        return _in_rows(pixels, image)
    picture = Image.frombytes(
        "L",
        (image.width, image.height),
        data[image.data_start : image.data_end],
        "gif",
        image.min_code_size,
        int(image.interlaced),
    )
    return _as_array(picture)


def decode_partial_indices(data: bytes, image: ImageBlock) -> tuple[PaletteIndices, Mask]:
    """The good part of an image whose data is damaged or cut off.

    Args:
        data: the whole file.
        image: the image.

    Returns:
        The palette indices, uint8 (image.height, image.width), and which of them exist, bool of
        the same shape. Missing rows of an interlaced image repeat the row above from an earlier
        pass, as browsers do while a picture is loading.
    """
    shape = (image.height, image.width)
    if 0 in shape or _is_oversized(image):
        return np.zeros(shape, np.uint8), np.zeros(shape, np.bool_)
    if image.min_code_size > _PILLOW_MAX_CODE_SIZE:
        pixels, _ = decode_lzw(_joined(data, image), image)
        padding = image.width * image.height - len(pixels)
        indices = _in_rows(pixels + bytes(padding), image)
        is_there = np.equal(_in_rows(b"\1" * len(pixels) + bytes(padding), image), 1)
        if image.interlaced and image.transparent_index is None:
            _repeat_rows(indices, is_there)
        return indices, is_there
    sub_blocks = _close_last_sub_block(data[image.data_start : image.data_end])
    low, high = (_decode_over(fill, sub_blocks, image) for fill in (0, 255))
    is_there = np.equal(low, high)  # not `==`, whose arrays atheris never frees
    if image.interlaced and image.transparent_index is None:
        _repeat_rows(low, is_there)
    return low, is_there


def decode_lzw(codes: bytes, image: ImageBlock) -> tuple[bytes, ValueError | None]:
    """The palette indices of an image in the order of the file, for any minimum code size.

    Args:
        codes: the data of the image, joined from its sub-blocks.
        image: for the number of pixels and the minimum code size.

    Returns:
        A byte per pixel, at most `width * height`, and why pixels are missing, None if none are.
    """
    num_pixels = image.width * image.height
    clear = 1 << image.min_code_size
    end = clear + 1
    literals: list[bytes | None] = [bytes([n]) if n < 256 else None for n in range(clear)]
    table: list[bytes | None] = []
    pixels = bytearray()
    width, previous = image.min_code_size + 1, b""
    bits, num_bits, position = 0, 0, 0
    while len(pixels) < num_pixels:
        while num_bits < width and position < len(codes):
            bits |= codes[position] << num_bits
            num_bits += 8
            position += 1
        if num_bits < width:
            return bytes(pixels), ValueError("the data does not fill the image")
        code, bits, num_bits = bits & ((1 << width) - 1), bits >> width, num_bits - width
        if code == clear or not table:
            table = [*literals, None, None]
            width, previous = image.min_code_size + 1, b""
            if code == clear:
                continue
        if code == end:
            return bytes(pixels), ValueError("the data does not fill the image")
        if code < len(table):
            found = table[code]
            if found is None:
                return bytes(pixels), BeyondPaletteError(f"pixel index {code}")
        elif code == len(table) and previous:
            found = previous + previous[:1]
        else:
            return bytes(pixels), ValueError(f"code {code} has no meaning yet")
        if previous and len(table) < _MAX_CODES:
            table.append(previous + found[:1])
            if len(table) == 1 << width and width < 12:
                width += 1
        previous = found
        pixels += found
    return bytes(pixels[:num_pixels]), None


def _joined(data: bytes, image: ImageBlock) -> bytes:
    """The data of an image, joined from its sub-blocks; the last sub-block may be cut off."""
    joined = bytearray()
    position = image.data_start
    while position < image.data_end and data[position]:
        joined += data[position + 1 : min(position + 1 + data[position], image.data_end)]
        position += 1 + data[position]
    return bytes(joined)


def _in_rows(pixels: bytes, image: ImageBlock) -> PaletteIndices:
    """Rows in their final order (appendix E), from pixels in the order of the file."""
    rows = np.frombuffer(pixels, np.uint8).reshape(image.height, image.width)
    if not image.interlaced:
        return rows
    passes = ((0, 8), (4, 8), (2, 4), (1, 2))  # first row, step
    order = np.concatenate([np.arange(first, image.height, step) for first, step in passes])
    ordered = np.empty_like(rows)
    ordered[order] = rows
    return ordered


def _repeat_rows(indices: PaletteIndices, is_there: Mask) -> None:
    """Fill the gaps of an interlaced image, in place, with whole rows of earlier passes."""
    rows = np.arange(len(indices))
    for step in (2, 4, 8):  # from the finest pass to the coarsest, appendix E
        source = rows - rows % step
        gaps = ~is_there & is_there[source].all(axis=1, keepdims=True)
        np.copyto(indices, indices[source], where=gaps)
        is_there |= gaps


def _is_oversized(image: ImageBlock) -> bool:
    return image.width * image.height > MAX_CANVAS_PIXELS


def _decode_over(fill: int, sub_blocks: bytes, image: ImageBlock) -> PaletteIndices:
    """Decode onto a filled picture: pixels without data keep the fill."""
    picture = Image.new("L", (image.width, image.height), fill)
    with suppress(ValueError):  # damaged or too short, as expected: the good part is used
        picture.frombytes(sub_blocks, "gif", (image.min_code_size, int(image.interlaced)))
    return _as_array(picture)


def _as_array(picture: Image.Image) -> PaletteIndices:
    """The pixels of a picture of bytes, uint8 (height, width).

    Of a large picture in bands: Pillow hands a picture over in two copies.
    """
    width, height = picture.size
    num_rows = max(1, _BAND_PIXELS // width)
    if height <= num_rows:
        return np.array(picture)
    pixels = np.empty((height, width), np.uint8)
    for top in range(0, height, num_rows):
        bottom = min(height, top + num_rows)
        pixels[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    return pixels


def _close_last_sub_block(sub_blocks: bytes) -> bytes:
    """Shorten the stated size of the last sub-block to the existing bytes.

    Pillow does not decode an incomplete sub-block.
    """
    position = 0
    while position < len(sub_blocks):
        end = position + 1 + sub_blocks[position]
        if end > len(sub_blocks):
            size = len(sub_blocks) - position - 1
            return sub_blocks[:position] + bytes([size]) + sub_blocks[position + 1 :]
        position = end
    return sub_blocks
