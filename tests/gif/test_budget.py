"""The limits of work on a file, and the comparison of its frames."""

import io
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from gif_bytes import TRAILER, animation_bytes, control, header, image
from gifdesc.checks.gifs import GifInspector
from gifdesc.errors import GifError
from gifdesc.gif import canvas as gif_canvas
from gifdesc.gif import foreign as gif_foreign
from gifdesc.gif import limits as gif_limits
from gifdesc.gif.reader import count_equal_frames, read_gif


def gif_of(num_images, rows=("01", "10"), **options):
    shown = image(list(rows), **options)
    return header(2, 2) + num_images * (control(delay=5, transparent=3) + shown) + TRAILER


@pytest.fixture
def budget(monkeypatch):
    """Sets what may be spent on a file."""

    def allow(pixels, seconds=100.0):
        monkeypatch.setattr(gif_limits, "MAX_DRAWN_PIXELS", pixels)
        monkeypatch.setattr(gif_limits, "MAX_SECONDS", seconds)

    return allow


def test_a_good_beginning_is_used_when_the_pixels_are_spent(budget):
    budget(pixels=4 * 9)  # the first frame is free
    gif = read_gif(gif_of(50))
    assert gif.num_frames == 10
    assert gif.truncated == "drawing more than 10 of its frames takes too long"
    np.testing.assert_array_equal(gif.frames, read_gif(gif_of(10)).frames)


def test_a_sampler_is_asked_again_for_the_beginning(budget):
    budget(pixels=4 * 9)
    asked = []

    def last(durations_ms):
        asked.append(len(durations_ms))
        return [len(durations_ms) - 1]

    assert read_gif(gif_of(50), last).indices == (9,)
    assert asked == [50, 10]


def test_frames_that_nothing_needs_cost_nothing(budget):
    budget(pixels=4 * 2)
    whole = header(2, 2) + 50 * image(["01", "10"]) + TRAILER
    gif = read_gif(whole, [0, 30, 49])
    assert (gif.truncated, gif.num_frames) == (None, 50)


def test_processor_time_is_a_budget_too(budget, monkeypatch):
    budget(pixels=10**9, seconds=5.0)
    now = iter(range(10**6))
    monkeypatch.setattr(time, "thread_time", lambda: float(next(now)))
    gif = read_gif(gif_of(50))
    assert gif.num_frames == 6
    assert gif.truncated == "drawing more than 6 of its frames takes too long"


def test_damage_is_not_searched_for_without_end(budget):
    """The search for damage decodes every image, wanted or not."""
    budget(pixels=4 * 20)
    sound = 40 * image(["01", "10"])
    broken = image(["01"], size=(2, 2))  # half of its pixels are missing
    data = header(2, 2) + sound + broken + TRAILER
    gif = read_gif(data, lambda durations_ms: [len(durations_ms) - 1])
    assert gif.num_frames == 21
    assert "takes too long" in gif.truncated


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
def test_other_formats_have_the_same_budget(form, budget, monkeypatch):
    colours = [(index, 90, 10) for index in range(0, 250, 25)]
    data = animation_bytes(form, colours)
    monkeypatch.setattr(gif_foreign, "MAX_DRAWN_PIXELS", 10**9)  # looked at when it is opened
    budget(pixels=3 * 16 * 16)
    gif = read_gif(data)
    assert gif.num_frames == 4
    assert gif.truncated == "drawing more than 4 of its frames takes too long"
    equal = count_equal_frames(data)
    assert (equal.num_equal, equal.damage) == (1, None)


# Whether a file moves


def huge_still(num_images, *changes):
    """One pixel drawn again and again on a canvas of 25 megapixels."""
    shown = control(delay=5) + image(["0"])
    other = control(delay=5) + image(["1"])
    images = [other if index in changes else shown for index in range(num_images)]
    return header(5000, 5000) + b"".join(images) + TRAILER


def test_only_drawn_regions_are_compared(monkeypatch):
    compared = []
    array_equal = np.array_equal

    def counting(one, other):
        compared.append(one.size)
        return array_equal(one, other)

    monkeypatch.setattr(gif_canvas.np, "array_equal", counting)
    equal = count_equal_frames(huge_still(200))
    assert (equal.num_equal, equal.num_frames, equal.damage) == (200, 200, None)
    assert sum(compared) < 500
    assert count_equal_frames(huge_still(200, 150)).num_equal == 150


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_the_count_equals_a_comparison_of_whole_frames(disposal, seed):
    random = np.random.default_rng(seed)
    images = [image(["00", "00"], palette=bytes([7, 7, 7] * 4))]
    for _ in range(6):
        left, top = random.integers(0, 2, 2)
        pixel = "0" if random.random() < 0.8 else "1"
        palette = bytes([7, 7, 7, *random.integers(6, 8, 3), 7, 7, 7, 7, 7, 7])
        shown = image([pixel], left=int(left), top=int(top), palette=palette)
        images.append(control(disposal=disposal) + shown)
    data = header(2, 2) + b"".join(images) + TRAILER
    frames = read_gif(data).frames
    equal = [np.array_equal(frame, frames[0]) for frame in frames]
    wanted = equal.index(False) if False in equal else len(equal)
    assert count_equal_frames(data).num_equal == wanted


def test_check_reports_a_budget_that_was_spent(tmp_path, budget):
    path = tmp_path / "long.gif"
    path.write_bytes(gif_of(50, rows=("00", "00")))
    budget(pixels=4 * 9)
    found = {finding.kind: finding.detail for finding in GifInspector().inspect(path)}
    assert found["truncated"] == (
        "drawing more than 10 of its frames takes too long; 10 frames can be used"
    )


def test_a_first_frame_is_never_too_much(budget):
    budget(pixels=0, seconds=-1.0)
    gif = read_gif(gif_of(3))
    assert gif.num_frames == 1
    with pytest.raises(GifError, match="only 1 frame can be used"):
        read_gif(gif_of(3), [2])


def peak_bytes_a_pixel(data, num_pixels):
    """The memory that numpy takes at once while a GIF is read."""
    tracemalloc.start()
    try:
        read_gif(data)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak_bytes / num_pixels


@pytest.mark.parametrize("min_code_size", [2, 9])  # 9: without Pillow
@pytest.mark.parametrize("interlaced", [False, True])
def test_a_large_picture_is_in_memory_as_canvas_and_frame_alone(interlaced, min_code_size):
    side = 1200
    stream = io.BytesIO()
    Image.new("L", (side, side), 5).save(stream, "GIF", interlace=interlaced)
    damaged = header(side, side) + image(
        ["01"], size=(side, side), interlaced=interlaced, min_code_size=min_code_size
    )
    read_gif(gif_of(1))  # what is loaded once
    # 4 bytes of the canvas, 3 of the frame; of a damaged image also which pixels are there.
    assert peak_bytes_a_pixel(stream.getvalue(), side * side) < 7.5
    assert peak_bytes_a_pixel(damaged, side * side) < 10
