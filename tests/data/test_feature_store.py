"""Feature files kept in memory up to a limit."""

from pathlib import Path

import numpy as np
import pytest

from gifdesc.data import feature_store
from gifdesc.data.feature_files import read_features, write_features
from gifdesc.data.feature_store import FeatureStore
from gifdesc.data.problems import Problems
from gifdesc.errors import FeatureError


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Names of the files that were read, in order."""
    names: list[str] = []

    def spy(path: Path, feature_size: int | None) -> np.ndarray:
        names.append(path.stem)
        return read_features(path, feature_size)

    monkeypatch.setattr(feature_store, "read_features", spy)
    return names


def write(folder: Path, name: str, value: float = 1.0) -> Path:
    """Write a file of 60 bytes of numbers."""
    write_features(folder / f"{name}.npy", np.full((3, 5), value, np.float32))
    return folder / f"{name}.npy"


def test_a_file_is_read_once(tmp_path, reads):
    path = write(tmp_path, "a", 7.0)
    store = FeatureStore(5)
    for _ in range(3):
        np.testing.assert_array_equal(store.read(path), np.full((3, 5), 7.0, np.float32))
    assert reads == ["a"]


def test_files_beyond_the_cache_are_read_again(tmp_path, reads):
    paths = [write(tmp_path, name) for name in "abc"]
    store = FeatureStore(5, cache_bytes=150)
    for _ in range(3):
        for path in paths:
            assert store.read(path).sum() == 15
    assert "".join(reads) == "abc" + "c" + "c"


def test_without_a_cache_every_read_reads_the_file(tmp_path, reads):
    path = write(tmp_path, "a")
    store = FeatureStore(5, cache_bytes=0)
    store.read(path)
    store.read(path)
    assert reads == ["a", "a"]


def test_a_damaged_file_is_refused_each_time_and_reported_once(tmp_path, reads):
    path = write(tmp_path, "a", np.nan)
    problems = Problems(["one from before"])
    store = FeatureStore(5, problems=problems)
    for _ in range(2):
        with pytest.raises(FeatureError, match="not finite"):
            store.read(path)
        assert store.read_or_none(path) is None
    assert list(problems) == [
        "one from before",
        f"{path}: holds numbers that are not finite (NaN or infinity)",
    ]
    assert reads == ["a"]


def test_a_file_of_another_size_or_that_is_gone_is_a_problem(tmp_path):
    store = FeatureStore(6)
    assert store.read_or_none(write(tmp_path, "a")) is None
    assert store.read_or_none(tmp_path / "gone.npy") is None
    assert list(store.problems) == [
        f"{tmp_path / 'a.npy'}: has 5 features a frame where 6 are needed",
        f"{tmp_path / 'gone.npy'}: no such file",
    ]
