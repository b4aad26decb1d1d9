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


def test_without_gif_undoes_with_gif():
    short, long = features_of(2, 1), features_of(4, 2)
    sums = FrameSums.of([short, long], 3)
    without = sums.without_gif(short)
    assert without.count.tolist() == [1, 1, 1, 1]
    assert np.array_equal(without.total, long)
    assert np.array_equal(without.mean(), long)
    assert sums.count.tolist() == [2, 2, 1, 1]


def test_the_mean_without_the_longest_gif_is_as_long_as_the_others():
    sums = FrameSums.of([features_of(2, 1), features_of(4, 2)], 3)
    assert np.array_equal(sums.without_gif(features_of(4, 2)).mean(), features_of(2, 1))


def test_the_mean_of_no_gif():
    sums = FrameSums.of([features_of(2, 1)], 3).without_gif(features_of(2, 1))
    assert not sums.mean().any()
    with pytest.raises(ValueError, match="no features to take the mean of"):
        FrameSums.empty(3).mean()
