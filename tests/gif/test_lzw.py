"""Palette indices of whole, interlaced, damaged and oversized images."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gif_bytes import TRAILER, B, G, K, R, W, colours, header, image, lzw
from gifdesc.errors import GifError
from gifdesc.gif.blocks import parse_blocks
from gifdesc.gif.lzw import BeyondPaletteError, decode_indices, decode_lzw
from gifdesc.gif.reader import read_gif


def test_interlaced_rows_come_in_four_passes():
    order = [0, 8, 4, 2, 6, 1, 3, 5, 7]
    rows = [str(row % 4) for row in order]
    gif = read_gif(header(1, 9) + image(rows, interlaced=True) + TRAILER)
    assert [row[0] for row in colours(gif.frames[0])] == [R, G, B, K, R, G, B, K, R]


def test_data_beyond_the_last_pixel_is_ignored():
    data = header(1, 1) + image(["0123"], size=(1, 1)) + TRAILER + b"more"
    gif = read_gif(data)
    assert colours(gif.frames[0]) == [[R]]
    assert gif.truncated is None


def test_an_incomplete_first_image_is_shown_on_white():
    rows = ["0123"] * 8
    data = header(4, 8) + image(rows)
    gif = read_gif(data[:-10])
    assert gif.truncated == "it ends inside image 1"
    assert colours(gif.frames[0])[0] == [R, G, B, K]
    assert colours(gif.frames[0])[-1] == [W] * 4


def test_missing_rows_of_an_interlaced_first_image_repeat_earlier_passes():
    rows = ["0123", "1230", "2301", "3012", "33"]  # rows 0, 8, 4, 2 and half of 6
    gif = read_gif(header(4, 9) + image(rows, interlaced=True, size=(4, 9)) + TRAILER)
    shown = [[R, G, B, K], [G, B, K, R], [B, K, R, G], [K, R, G, B]]
    order = [0, 0, 3, 3, 2, 2, None, 2, 1]
    for row, source in enumerate(order):
        expected = [K, K, R, G] if source is None else shown[source]
        assert colours(gif.frames[0])[row] == expected


def test_a_huge_image_on_a_small_canvas_is_damage():
    data = header(1, 1) + image(["0"]) + image(["0"], size=(65535, 65535)) + TRAILER
    assert read_gif(data).truncated == "image 2 is damaged"


# Minimum code sizes beyond Pillow's


@pytest.mark.parametrize("min_code_size", [9, 10, 11])
@pytest.mark.parametrize("interlaced", [False, True])
def test_codes_of_up_to_12_bits_are_read_as_browsers_do(min_code_size, interlaced):
    rows = ["0123", "1230", "2301", "3012", "3333", "0000"]
    usual = header(4, 6) + image(rows, interlaced=interlaced) + TRAILER
    wide = image(rows, interlaced=interlaced, min_code_size=min_code_size)
    gif = read_gif(header(4, 6) + wide + TRAILER)
    assert gif.truncated is None
    np.testing.assert_array_equal(gif.frames, read_gif(usual).frames)


def test_codes_of_more_than_12_bits_are_impossible():
    wide = image(["01"], min_code_size=11)
    data = header(2, 1) + wide.replace(b"\x0b", b"\x0c", 1) + TRAILER
    with pytest.raises(GifError, match="image 1 has an impossible code size"):
        read_gif(data)


def without_sub_blocks(data):
    joined, position = b"", 0
    while position < len(data):
        joined += data[position + 1 : position + 1 + data[position]]
        position += 1 + data[position]
    return joined


@pytest.mark.parametrize("num_colours", [2, 5, 256])
def test_any_image_is_decoded_as_pillow_does(num_colours):
    """With a dictionary that grows, fills up and is cleared."""
    random = np.random.default_rng(num_colours)
    pixels = random.integers(0, num_colours, (150, 200), dtype=np.uint8)
    pixels[40:90] = 1
    stream = io.BytesIO()
    picture = Image.fromarray(pixels)
    picture.putpalette(bytes(range(256)) * 3)
    picture.save(stream, "GIF", interlace=0)
    data = stream.getvalue()
    (block,) = parse_blocks(data, "it").images
    codes = without_sub_blocks(data[block.data_start : block.data_end])
    decoded, problem = decode_lzw(codes, block)
    assert problem is None
    assert decoded == Image.open(io.BytesIO(data)).tobytes()
    assert decode_lzw(codes, replace(block, height=100)) == (decoded[: 100 * 200], None)
    part, problem = decode_lzw(codes[: len(codes) // 2], block)
    assert isinstance(problem, ValueError)
    assert decoded.startswith(part)
    assert len(part) > 0


def test_a_pixel_beyond_any_palette_is_an_error_of_its_own():
    first = image(["0123"], min_code_size=9)
    second = image(["0123"], min_code_size=9)
    plain, beyond = lzw([0, 1, 2, 3], 9), lzw([0, 1, 300, 3], 9)
    assert second.count(plain) == 1
    data = header(4, 1) + first + second.replace(plain, beyond) + TRAILER
    block = parse_blocks(data, "it").images[1]
    with pytest.raises(BeyondPaletteError):
        decode_indices(data, block)
    gif = read_gif(data)
    assert gif.num_frames == 1
    assert gif.truncated == "image 2 has a pixel index 300, beyond any palette"


@pytest.mark.parametrize("interlaced", [False, True])
def test_the_beginning_of_a_first_image_with_wide_codes_is_used(interlaced):
    rows = ["0123"] * 8
    usual, wide = (
        header(4, 8) + image(rows, interlaced=interlaced, min_code_size=size) for size in (2, 9)
    )
    gif = read_gif(wide[:-20])
    assert gif.truncated == "it ends inside image 1"
    assert colours(gif.frames[0])[0] == [R, G, B, K]
    whole = read_gif(usual + TRAILER).frames[0]
    is_there = (gif.frames[0] != 255).any(axis=-1)
    assert 0 < is_there.sum() < is_there.size or interlaced
    np.testing.assert_array_equal(gif.frames[0][is_there], whole[is_there])
