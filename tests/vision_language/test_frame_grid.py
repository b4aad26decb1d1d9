import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.vision_language.inputs import (
    LONGEST_SIDE,
    SHORTEST_SIDE,
    fit_frame,
    frame_grid,
    grid_shape,
)


def plain(height, width, value=0):
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((300, 400), (300, 400)),
        ((1024, 512), (512, 256)),
        ((10, 12), (56, 67)),
        ((1, 1), (56, 56)),
        ((2000, 10), (512, 128)),
        ((20, 500), (128, 512)),
        ((60, 500), (125, 500)),
    ],
)
def test_a_frame_is_resized_to_fit(size, wanted):
    assert fit_frame(plain(*size)).shape == (*wanted, 3)


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_no_side_is_too_long_too_short_or_too_thin(height, width):
    found = fit_frame(plain(height, width)).shape[:2]
    assert SHORTEST_SIDE <= min(found) <= max(found) <= LONGEST_SIDE
    assert max(found) <= 4 * min(found)


def test_a_frame_of_a_good_size_is_unchanged():
    frame = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    assert np.array_equal(fit_frame(frame), frame)


def test_a_thin_frame_gets_white_on_both_sides_and_is_not_squeezed():
    found = fit_frame(plain(512, 40))
    assert found.shape == (512, 128, 3)
    dark = (found == 0).all(axis=(0, 2))
    assert dark.sum() == 40
    assert dark[44:84].all()
    assert (found[:, ~dark] == 255).all()


@pytest.mark.parametrize(
    ("num_frames", "size", "wanted"),
    [
        (4, (100, 100), (2, 2)),
        (9, (100, 100), (3, 3)),
        (3, (100, 100), (2, 2)),
        (2, (100, 200), (2, 1)),
        (2, (200, 100), (1, 2)),
        (4, (100, 400), (4, 1)),
        (6, (100, 150), (3, 2)),
        (7, (100, 100), (3, 3)),
    ],
)
def test_a_grid_is_as_square_as_possible(num_frames, size, wanted):
    assert grid_shape(num_frames, *size) == wanted


@given(st.integers(1, 20), st.integers(1, 500), st.integers(1, 500))
def test_no_row_and_no_column_of_a_grid_is_empty(num_frames, height, width):
    rows, columns = grid_shape(num_frames, height, width)
    assert (rows - 1) * columns < num_frames <= rows * columns
    assert (columns - 1) * rows < num_frames


def test_frames_are_placed_row_by_row_with_white_between():
    frames = np.stack([plain(10, 12, value) for value in (10, 20, 30)])
    grid = frame_grid(frames)
    assert grid.shape == (24, 28, 3)
    assert (grid[:10, :12] == 10).all()
    assert (grid[:10, 16:] == 20).all()
    assert (grid[14:, :12] == 30).all()
    assert (grid[14:, 16:] == 255).all()
    assert (grid[10:14] == 255).all()
    assert (grid[:, 12:16] == 255).all()


def test_large_frames_are_shrunk_and_a_single_frame_is_unchanged():
    assert frame_grid(np.stack([plain(512, 512)] * 4)).shape == (676, 676, 3)
    one = np.random.default_rng(0).integers(0, 256, (1, 500, 400, 3), np.uint8)
    assert np.array_equal(frame_grid(one), one[0])
