"""The blocks of a file: images, graphic controls, and damage."""

import pytest

from gif_bytes import TRAILER, TWO, B, G, R, W, colours, control, header, image
from gifdesc.errors import GifError
from gifdesc.gif.limits import MAX_FRAMES
from gifdesc.gif.reader import read_gif, scan_gif


def test_an_empty_logical_screen_takes_the_size_of_the_first_image():
    assert read_gif(header(0, 0) + image(["01"]) + TRAILER).frames.shape == (1, 1, 2, 3)


def test_images_without_graphic_control_are_frames():
    data = header(1, 1) + image(["0"]) + image(["1"]) + control() + image(["2"]) + TRAILER
    assert [colours(frame)[0][0] for frame in read_gif(data).frames] == [R, G, B]


def test_a_graphic_control_counts_for_one_image_and_the_last_one_wins():
    data = header(2, 1) + control(delay=9, disposal=2) + control(delay=7, transparent=0)
    data += b"!\xfe\x03abc\0" + image(["01"]) + image(["01"]) + TRAILER
    gif = read_gif(data)
    assert colours(gif.frames[0]) == [[W, G]]
    assert colours(gif.frames[1]) == [[R, G]]
    assert gif.durations_ms == (70, 100)


def test_an_unknown_block_ends_the_file():
    gif = read_gif(TWO + b"\x77" + image(["22", "22"]) + TRAILER)
    assert gif.num_frames == 2
    assert gif.truncated == "the data after image 2 is no GIF block"


def test_a_damaged_graphic_control_ends_the_file_unless_nothing_came_before():
    damaged = b"!\xf9\x05\0\0\0\0\0\0"
    assert read_gif(header(1, 1) + damaged + image(["0"]) + TRAILER).truncated is None
    gif = read_gif(header(1, 1) + image(["0"]) + damaged + image(["0"]) + TRAILER)
    assert gif.num_frames == 1
    assert gif.truncated == "it has a damaged graphic control block"


@pytest.mark.parametrize("num_bytes", [6, 9, 13, 20, 25, 30])
def test_a_file_without_an_image_is_an_error(num_bytes):
    with pytest.raises(GifError, match="without a usable image"):
        read_gif(TWO[:num_bytes])


def test_a_huge_canvas_is_refused_before_anything_is_allocated():
    for data in (
        header(65535, 65535) + image(["0"]),
        header(1, 1) + image(["0"], left=65000, top=65000),
    ):
        with pytest.raises(GifError, match=r"too large \(65\d+ x 65\d+ pixels"):
            read_gif(data + TRAILER)


def test_of_very_many_frames_the_first_are_used():
    data = header(1, 1) + image(["0"]) * MAX_FRAMES
    info = scan_gif(data + TRAILER)
    assert (info.num_frames, info.truncated) == (MAX_FRAMES, None)
    gif = read_gif(data + image(["1"]) + TRAILER, lambda durations_ms: [len(durations_ms) - 1])
    assert gif.indices == (MAX_FRAMES - 1,)
    assert gif.truncated == f"it has more than {MAX_FRAMES} images"
    assert colours(gif.frames[0]) == [[R]]


def test_a_missing_trailer_is_no_damage():
    gif = read_gif(TWO)
    assert gif.num_frames == 2
    assert gif.truncated is None
    assert "no trailer" in gif.note
