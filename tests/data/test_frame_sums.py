import numpy as np
import pytest

from gifdesc.data.frame_sums import FrameSums


def features_of(num_frames, value):
    return np.full((num_frames, 3), value, np.float32)


def test_the_mean_has_as_many_frames_as_half_of_the_gifs():
    sums = FrameSums.of([features_of(n, n) for n in (1, 2, 4)], 3)
    assert sums.count.tolist() == [3, 2, 1, 1]
    assert sums.mean()[:, 0].tolist() == pytest.approx([7 / 3, 3])
    assert sums.mean().dtype == np.float32


def test_of_two_gifs_the_longer_one_counts_to_its_end():
    assert len(FrameSums.of([features_of(2, 1), features_of(4, 2)], 3).mean()) == 4


def test_a_gif_is_removed_again():
    one, two = features_of(2, 1), features_of(4, 2)
    sums = FrameSums.of([one, two], 3)
    without = sums.without_gif(one)
    assert without.count.tolist() == [1, 1, 1, 1]
    assert np.array_equal(without.total, two)
    assert sums.count.tolist() == [2, 2, 1, 1]
