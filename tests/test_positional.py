"""The sinusoidal encoding against the formula of Vaswani et al. 2017, section 3.5."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.positional import sinusoidal_encoding


def formula(position: int, column: int, size: int) -> float:
    """PE(pos, 2i) = sin(pos / 10000^(2i/d)), PE(pos, 2i+1) = cos of the same angle."""
    i = column // 2
    angle = position / math.pow(10000.0, 2 * i / size)
    return math.cos(angle) if column % 2 else math.sin(angle)


def test_values_worked_by_hand():
    encoding = sinusoidal_encoding(3, 4)
    # Pair 0 turns by 1 radian a frame, pair 1 by 1 / 10000^(2/4) = 0.01.
    wanted = [
        [0.0, 1.0, 0.0, 1.0],
        [0.841471, 0.540302, 0.0099998, 0.99995],
        [0.909297, -0.416147, 0.0199987, 0.9998],
    ]
    np.testing.assert_allclose(encoding, wanted, atol=1e-6)


@pytest.mark.parametrize(("length", "size"), [(16, 2048), (40, 6), (5, 7), (3, 1)])
def test_every_value_is_the_formulas(length, size):
    encoding = sinusoidal_encoding(length, size)
    wanted = [[formula(p, c, size) for c in range(size)] for p in range(length)]
    assert encoding.shape == (length, size)
    assert encoding.dtype == np.float32
    np.testing.assert_array_equal(encoding, np.array(wanted, dtype=np.float32))


def test_the_first_frame_is_all_sines_of_zero_and_cosines_of_zero():
    assert sinusoidal_encoding(1, 6).tolist() == [[0, 1, 0, 1, 0, 1]]


def test_an_odd_size_ends_with_a_sine():
    encoding = sinusoidal_encoding(4, 5)
    assert encoding[3, 4] == pytest.approx(math.sin(3 / 10000 ** (4 / 5)))


def test_no_frames():
    assert sinusoidal_encoding(0, 8).shape == (0, 8)


@given(length=st.integers(1, 200), size=st.integers(1, 40))
def test_values_lie_between_minus_one_and_one_and_positions_differ(length, size):
    encoding = sinusoidal_encoding(length, size)
    assert np.abs(encoding).max() <= 1
    assert len(np.unique(encoding, axis=0)) == length


@given(length=st.integers(1, 50), more=st.integers(1, 50))
def test_a_position_is_encoded_alike_in_every_gif(length, more):
    longer = sinusoidal_encoding(length + more, 8)
    np.testing.assert_array_equal(sinusoidal_encoding(length, 8), longer[:length])


@pytest.mark.parametrize(("length", "size"), [(-1, 8), (3, 0), (3, -2)])
def test_impossible_sizes_are_refused(length, size):
    with pytest.raises(ValueError, match=f"no encoding has length {length} and size {size}"):
        sinusoidal_encoding(length, size)
