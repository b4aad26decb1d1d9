"""Palette indices of whole, interlaced, damaged and oversized images."""

from gif_bytes import TRAILER, B, G, K, R, W, colours, header, image
from gifdesc.gif import read_gif


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


def test_a_first_image_that_is_partly_there_is_used_over_white():
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
