"""Images laid on a canvas by the browsers' rules; `test_gif_corpus` has the real files."""

import pytest

from gif_bytes import PALETTE, TRAILER, TWO, B, G, R, W, colours, control, header, image
from gifdesc.errors import GifError
from gifdesc.gif.reader import read_gif


def test_uncovered_canvas_is_white_whatever_the_background_index_says():
    gif = read_gif(header(3, 1, background=2) + image(["1"], left=1) + TRAILER)
    assert colours(gif.frames[0]) == [[W, G, W]]


def test_transparent_pixels_of_the_first_frame_are_white():
    gif = read_gif(header(2, 1) + control(transparent=0) + image(["01"]) + TRAILER)
    assert colours(gif.frames[0]) == [[W, G]]


@pytest.mark.parametrize(
    ("disposal", "after"),
    [
        (0, [R, G, B]),
        (1, [R, G, B]),
        (2, [R, W, B]),
        (3, [R, R, B]),
        (4, [R, R, B]),
        (5, [R, G, B]),
        (7, [R, G, B]),
    ],
)
def test_disposal(disposal, after):
    data = header(3, 1, background=2) + image(["000"])
    data += control(disposal=disposal) + image(["1"], left=1)
    data += control(transparent=0) + image(["2"], left=2) + TRAILER
    gif = read_gif(data)
    assert colours(gif.frames[1]) == [[R, G, R]]
    assert colours(gif.frames[2]) == [after]
    assert colours(read_gif(data, [2]).frames[0]) == [after]


def test_a_first_frame_that_is_restored_leaves_an_empty_canvas():
    data = header(2, 1) + control(disposal=3) + image(["00"]) + image(["1"]) + TRAILER
    assert colours(read_gif(data).frames[1]) == [[G, W]]


def test_transparent_pixels_show_the_pixels_below():
    data = header(2, 1) + image(["00"]) + control(transparent=1) + image(["12"]) + TRAILER
    assert colours(read_gif(data).frames[1]) == [[R, B]]


def test_a_local_palette_counts_for_its_image_only():
    local = bytes([1, 2, 3, 4, 5, 6])
    data = header(2, 1) + image(["01"], palette=local) + image(["01"]) + TRAILER
    gif = read_gif(data)
    assert colours(gif.frames[0]) == [[(1, 2, 3), (4, 5, 6)]]
    assert colours(gif.frames[1]) == [[R, G]]


def test_missing_colours_and_palettes_are_black():
    short = read_gif(header(2, 1, palette=PALETTE[:6]) + image(["13"]) + TRAILER)
    assert colours(short.frames[0]) == [[G, (0, 0, 0)]]
    absent = read_gif(header(2, 1, palette=b"") + image(["13"]) + TRAILER)
    assert colours(absent.frames[0]) == [[(0, 0, 0), (0, 0, 0)]]


def test_a_sub_frame_beyond_the_canvas_is_clipped():
    data = header(2, 2) + image(["00", "00"]) + image(["123", "321"], left=1, top=1)
    gif = read_gif(data + image(["1"], left=7, top=7) + TRAILER)
    assert colours(gif.frames[1]) == [[R, R], [R, G]]
    assert colours(gif.frames[2]) == [[R, R], [R, G]]


def test_the_canvas_grows_for_the_first_image_only():
    data = header(1, 1) + image(["0"], left=1) + image(["111"]) + TRAILER
    gif = read_gif(data)
    assert colours(gif.frames[0]) == [[W, R]]
    assert colours(gif.frames[1]) == [[G, G]]


def test_an_image_without_pixels_is_a_frame():
    data = header(1, 1) + image(["0"]) + image([], size=(0, 5)) + TRAILER
    assert colours(read_gif(data).frames[1]) == [[R]]


def test_a_first_image_without_any_pixel_is_an_error():
    with pytest.raises(GifError, match="has no pixels"):
        read_gif(TWO[: len(header(2, 2) + control()) + 11])


def test_the_good_part_of_a_damaged_first_image_is_used():
    gif = read_gif(header(2, 2) + image(["00"], size=(2, 2)) + image(["22", "22"]) + TRAILER, [0])
    assert colours(gif.frames[0]) == [[R, R], [W, W]]
    assert gif.truncated == "image 1 is damaged"
    assert gif.num_frames == 1
