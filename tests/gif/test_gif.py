"""The choice of frames, and damaged files; `test_corpus` has real files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gif_bytes import TRAILER, TWO, B, G, K, R, colours, control, header, image
from gifdesc.errors import GifError
from gifdesc.gif.limits import MAX_FRAMES_BYTES
from gifdesc.gif.reader import read_gif, scan_gif, shown_duration_ms

DATA = (
    header(1, 1)
    + b"".join(control(delay=delay) + image([str(delay % 4)]) for delay in range(6))
    + TRAILER
)


def test_all_frames_by_default():
    gif = read_gif(DATA)
    assert gif.indices == tuple(range(6))
    assert gif.frames.shape == (6, 1, 1, 3)
    assert gif.frames.dtype == np.uint8


def test_a_delay_of_0_or_1_hundredth_is_shown_for_100_ms():
    assert read_gif(DATA).durations_ms == (100, 100, 20, 30, 40, 50)
    assert shown_duration_ms(10) == 100
    assert shown_duration_ms(11) == 11


def test_a_single_frame_is_noted_as_a_still_picture_unless_the_file_is_cut():
    still = header(1, 1) + image(["0"])
    assert read_gif(still + TRAILER).note == "a still picture (one frame)"
    assert read_gif(DATA).note is None
    assert read_gif(still).note == "no trailer: more frames may have followed"
    cut = read_gif(still + image(["1"])[:-2])
    assert (cut.num_frames, cut.truncated is None, cut.note) == (1, False, None)
    # `check` has a kind of its own for stills.
    assert scan_gif(still + TRAILER).note is None


def test_frames_are_picked_and_repeated():
    gif = read_gif(DATA, [1, 1, 3])
    assert gif.indices == (1, 1, 3)
    assert [colours(frame)[0][0] for frame in gif.frames] == [G, G, K]
    assert gif.num_frames == 6


def test_a_function_gets_the_durations():
    seen = []
    gif = read_gif(DATA, lambda durations_ms: seen.append(durations_ms) or [2])
    assert seen == [(100, 100, 20, 30, 40, 50)]
    assert gif.indices == (2,)


def test_no_frames_when_none_are_asked_for():
    assert read_gif(DATA, []).frames.shape == (0, 1, 1, 3)


@pytest.mark.parametrize("indices", [[6], [-1], [0, 99]])
def test_an_index_out_of_range_is_an_index_error(indices):
    with pytest.raises(IndexError, match="6 frames"):
        read_gif(DATA, indices)


def test_descending_indices_are_the_callers_mistake():
    with pytest.raises(ValueError, match="ascend"):
        read_gif(DATA, [2, 1])


def test_frames_are_reduced_one_by_one():
    shapes = []

    def reduce(frame):
        shapes.append(frame.shape)
        return frame[:, :1]

    data = header(3, 2) + image(["012", "000"]) + image(["2"]) + TRAILER
    gif = read_gif(data, [0, 0, 1], reduce=reduce)
    assert shapes == [(2, 3, 3)] * 2
    assert [colours(frame)[0] for frame in gif.frames] == [[R], [R], [B]]


def test_scan_needs_no_pixels():
    info = scan_gif(DATA)
    assert (info.num_frames, info.width, info.height) == (6, 1, 1)
    assert info.durations_ms == (100, 100, 20, 30, 40, 50)
    assert (info.truncated, info.note) == (None, None)


def test_a_file_cut_in_its_second_image_gives_the_first():
    for num_bytes in range(len(TWO) - len(image(["11", "11"])) + 1, len(TWO)):
        gif = read_gif(TWO[:num_bytes])
        assert gif.num_frames == len(gif.frames) == 1
        assert gif.durations_ms == (50,)
        assert gif.truncated == "it ends inside image 2"


def test_a_damaged_image_ends_the_file_and_the_function_is_asked_again():
    broken = image(["111"], size=(2, 2))
    data = TWO + broken + image(["22", "22"]) + TRAILER
    asked = []

    def last(durations_ms):
        asked.append(len(durations_ms))
        return [0, len(durations_ms) - 1]

    assert read_gif(data).num_frames == 2
    gif = read_gif(data, [0, 2])
    assert gif.indices == (0,)
    assert gif.truncated == "image 3 is damaged"
    assert read_gif(data, lambda durations_ms: [len(durations_ms) - 2]).num_frames == 2
    assert read_gif(data, last).num_frames == 4  # the last frame does not depend on it
    assert asked == [4]
    with pytest.raises(GifError, match="only 2 frames"):
        read_gif(data, [2])


def test_excessive_memory_is_refused():
    num_frames = MAX_FRAMES_BYTES // (3 * 4900 * 4900) + 1
    data = header(4900, 4900) + image(["0"]) * num_frames + TRAILER
    with pytest.raises(GifError, match="ask for fewer"):
        read_gif(data)
    assert read_gif(data, [num_frames - 1]).frames.shape == (1, 4900, 4900, 3)


@settings(deadline=None, max_examples=300)
@given(
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 400),
)
def test_any_bytes_give_frames_or_a_gif_error(edits, cut):
    data = bytearray(TWO + control(disposal=3, transparent=1) + image(["12", "21"]))
    data += b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0" + control(disposal=2) + image(["3"]) + TRAILER
    for place, value in edits:
        data[place % len(data)] = value
    try:
        gif = read_gif(bytes(data[: len(data) - cut // 2]), lambda _: [0])
    except GifError:
        return
    assert gif.frames.shape[0] == 1
