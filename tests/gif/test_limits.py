"""What is refused for its size, and what may just pass."""

import pytest

from gifdesc.errors import GifError
from gifdesc.gif.limits import MAX_CANVAS_PIXELS, MAX_FRAMES_BYTES, check_canvas, check_frames


@pytest.mark.parametrize(("width", "height"), [(5000, 5000), (25_000_000, 1), (1, 1), (0, 70_000)])
def test_a_canvas_may_hold_25_megapixels(width, height):
    assert MAX_CANVAS_PIXELS == 5000 * 5000
    check_canvas(width, height, "clip.gif")


@pytest.mark.parametrize(("width", "height"), [(5000, 5001), (25_000_001, 1), (65535, 65535)])
def test_a_canvas_of_more_is_refused_with_its_size(width, height):
    with pytest.raises(GifError) as caught:
        check_canvas(width, height, "clip.gif")
    size = f"{width} x {height} pixels"
    assert str(caught.value) == f"clip.gif: too large ({size}; the limit is 25 megapixels)"


def test_frames_may_take_two_gibibytes_and_not_a_byte_more():
    assert MAX_FRAMES_BYTES == 2 * 1024**3
    check_frames(30, 2 * 1024**3, "clip.gif")
    with pytest.raises(GifError) as caught:
        check_frames(30, 2 * 1024**3 + 1, "clip.gif")
    # 2 * 1024^3 bytes are 2.147 * 10^9.
    said = "clip.gif: 30 frames would take 2.1 GB of memory; ask for fewer"
    assert str(caught.value) == said
