"""Mean and deviation of features over a training split."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gifdesc.data import dataset as module
from gifdesc.data.dataset import feature_statistics
from gifdesc.data.feature_files import read_features, write_features
from gifdesc.data.feature_store import FeatureStore
from worlds import example


def write(path: Path, num_frames: int = 3, size: int = 5, offset: float = 0.0) -> np.ndarray:
    """Write random features and return them."""
    random = np.random.default_rng(len(str(path)) + num_frames)
    features = (offset + random.standard_normal((num_frames, size))).astype(np.float32)
    write_features(path, features)
    return features


@pytest.mark.parametrize("offset", [0.0, 3.0, 1000.0])
def test_statistics_are_numpys_over_all_frames(tmp_path, offset):
    paths = [tmp_path / f"{name}.npy" for name in ("a", "bb", "ccc")]
    frames = [write(path, 4 + 9 * i, 6, offset) for i, path in enumerate(paths)]
    mean, std = feature_statistics([example(path, "x", "y") for path in paths], 6)
    whole = np.concatenate(frames).astype(np.float64)
    assert mean.dtype == std.dtype == torch.float32
    np.testing.assert_allclose(mean, whole.mean(axis=0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(std, whole.std(axis=0), rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, 2.7, -7.3, 12345.678, 1e-6, 1e8])
def test_a_constant_feature_has_no_deviation_at_all(tmp_path, value):
    # So many that the sums' rounding would show as a deviation (of 0.1 and 2.7 it does).
    features = np.full((4999, 2), value, dtype=np.float32)
    features[:, 1] = np.linspace(0, 1, 4999)
    write_features(tmp_path / "a.npy", features)
    mean, std = feature_statistics([example(tmp_path / "a.npy", "x")], 2)
    assert mean[0].item() == pytest.approx(float(np.float32(value)))
    assert std[0].item() == 0.0
    assert std[1].item() == pytest.approx(features[:, 1].std(), rel=1e-5)


def test_a_small_deviation_is_no_constant(tmp_path):
    features = np.array([[1.0], [1.0 + 1e-3], [1.0]], dtype=np.float32)
    write_features(tmp_path / "a.npy", features)
    _, std = feature_statistics([example(tmp_path / "a.npy", "x")], 1)
    assert std.item() == pytest.approx(read_features(tmp_path / "a.npy").std(), rel=1e-3)


def test_statistics_of_no_examples_are_zeros():
    mean, std = feature_statistics([], 3)
    assert mean.tolist() == std.tolist() == [0, 0, 0]


def test_of_many_files_a_sample_decides_the_same_one_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILES", 40)
    examples = []
    for index in range(100):
        write_features(tmp_path / f"{index}.npy", np.full((2, 1), index, np.float32))
        examples.append(example(tmp_path / f"{index}.npy", "x"))
    mean, std = feature_statistics(examples, 1)
    assert feature_statistics(examples, 1)[0] == mean
    # The mean of 0 .. 99 is 49.5 and their deviation 28.9: that of 40 lies within 2 of its own.
    assert mean.item() == pytest.approx(49.5, abs=2 * 28.9 / 40**0.5)
    assert std.item() == pytest.approx(28.9, rel=0.25)


def test_a_damaged_file_is_left_out_and_named(tmp_path):
    frames = write(tmp_path / "a.npy")
    write_features(tmp_path / "b.npy", np.full((2, 5), np.nan, np.float32))
    store = FeatureStore(5)
    mean, _ = feature_statistics([example(tmp_path / f"{n}.npy", "x") for n in "ab"], 5, store)
    np.testing.assert_allclose(mean, frames.mean(axis=0), rtol=1e-5)
    assert list(store.problems) == [
        f"{tmp_path / 'b.npy'}: holds numbers that are not finite (NaN or infinity)"
    ]
