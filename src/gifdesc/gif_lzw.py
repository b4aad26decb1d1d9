"""One image of a GIF: from its data sub-blocks to palette indices, with Pillow's LZW decoder.

Section numbers are those of the GIF89a specification: 22 is table based image data, appendix E
the interlaced row order, appendix F the LZW compression.
"""

from contextlib import suppress

import numpy as np
import numpy.typing as npt
from PIL import Image

from gifdesc.gif_blocks import ImageBlock
from gifdesc.gif_limits import MAX_CANVAS_PIXELS

Indices = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def decode_indices(data: bytes, image: ImageBlock) -> Indices:
    """The palette index of every pixel of one image.

    Args:
        data: The whole file.
        image: The image, with a complete chain of data sub-blocks.

    Returns:
        uint8 (image.height, image.width), rows in their final order.

    Raises:
        ValueError: The data is damaged or does not fill the image. What follows the last
            pixel is ignored, as browsers do.
    """
    if _is_oversized(image):
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
    if image.width == 0 or image.height == 0:
        if not image.is_complete:
            raise ValueError("an image without pixels is cut off")
        return np.empty((image.height, image.width), np.uint8)
    picture = Image.frombytes(
        "L",
        (image.width, image.height),
        data[image.data_start : image.data_end],
        "gif",
        image.min_code_size,
        int(image.interlaced),
    )
    return np.asarray(picture)


def decode_partial_indices(data: bytes, image: ImageBlock) -> tuple[Indices, Mask]:
    """What can be had of an image whose data is damaged or cut off.

    Args:
        data: The whole file.
        image: The image.

    Returns:
        The palette indices, uint8 (image.height, image.width), and which of them there are,
        bool of the same shape. Rows of an interlaced image that are missing repeat the row
        above from an earlier pass, as browsers show a picture that is still loading.
    """
    shape = (image.height, image.width)
    if 0 in shape or _is_oversized(image):
        return np.zeros(shape, np.uint8), np.zeros(shape, np.bool_)
    sub_blocks = _close_last_sub_block(data[image.data_start : image.data_end])
    low, high = (_decode_over(fill, sub_blocks, image) for fill in (0, 255))
    is_there = low == high
    if image.interlaced and image.transparent_index is None:
        _repeat_rows(low, is_there)
    return low, is_there


def _repeat_rows(indices: Indices, is_there: Mask) -> None:
    """Fill the gaps of an interlaced image, in place, with whole rows of earlier passes."""
    rows = np.arange(len(indices))
    for step in (2, 4, 8):  # from the finest pass to the coarsest, appendix E
        source = rows - rows % step
        gaps = ~is_there & is_there[source].all(axis=1, keepdims=True)
        np.copyto(indices, indices[source], where=gaps)
        is_there |= gaps


def _is_oversized(image: ImageBlock) -> bool:
    return image.width * image.height > MAX_CANVAS_PIXELS


def _decode_over(fill: int, sub_blocks: bytes, image: ImageBlock) -> Indices:
    """Decode onto a filled picture: a pixel that the data does not hold keeps the fill."""
    picture = Image.new("L", (image.width, image.height), fill)
    with suppress(ValueError):  # damaged or too short: known already, what is there is wanted
        picture.frombytes(sub_blocks, "gif", (image.min_code_size, int(image.interlaced)))
    return np.array(picture)


def _close_last_sub_block(sub_blocks: bytes) -> bytes:
    """Shorten the last sub-block's stated size to the bytes that are there.

    Pillow decodes no sub-block that is not there as a whole.
    """
    position = 0
    while position < len(sub_blocks):
        end = position + 1 + sub_blocks[position]
        if end > len(sub_blocks):
            size = len(sub_blocks) - position - 1
            return sub_blocks[:position] + bytes([size]) + sub_blocks[position + 1 :]
        position = end
    return sub_blocks
