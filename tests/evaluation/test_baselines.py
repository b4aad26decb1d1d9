import tracemalloc

import numpy as np
import pytest

from gifdesc.data.examples import Example
from gifdesc.errors import FeatureError
from gifdesc.evaluation.baselines import blind_captions, nearest_captions
from gifdesc.positional import sinusoidal_encoding


def examples_of(folder, vectors, prefix=""):
    """An example for each name: two frames whose mean is the vector."""
    examples = []
    for name, vector in vectors.items():
        path = folder / f"{prefix}{name}.npy"
        mean = np.array(vector, np.float32)
        np.save(path, np.stack([mean - 1, mean + 1]))
        examples.append(Example(name, path, (f"caption of {name}", f"another of {name}")))
    return examples


@pytest.mark.parametrize("num_captions", [2, 3, 7, 40])
def test_blind_gives_every_gif_the_caption_of_another(num_captions):
    own = [f"word{i}" for i in range(num_captions)]
    dealt = blind_captions(own)
    assert sorted(dealt) == sorted(own)
    assert not any(one == other for one, other in zip(own, dealt, strict=True))
    assert blind_captions(own) == dealt
    if num_captions == 40:  # not simply the neighbour's, which may be of the same kind
        assert dealt not in (own[1:] + own[:1], own[-1:] + own[:-1])


@pytest.mark.parametrize("own", [[], ["alone"]])
def test_a_single_gif_has_no_nearest_gif(own):
    assert blind_captions(own) is None


def test_the_nearest_is_nearest_by_angle(tmp_path):
    training = examples_of(tmp_path, {"x": [1, 0], "y": [0, 1], "far": [90, 91]}, "train-")
    wanted = {"p": [50, 1], "q": [0.1, 7], "r": [3, 3]}
    captions = nearest_captions(examples_of(tmp_path, wanted), training, 2)
    assert captions == ["caption of x", "caption of y", "caption of far"]


def test_blocks_change_nothing_and_ties_go_to_the_first(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    vectors = {f"t{i}": random.normal(size=5) for i in range(11)}
    vectors["t20"] = vectors["t3"]
    training = examples_of(tmp_path, vectors, "train-")
    examples = examples_of(tmp_path, {f"e{i}": random.normal(size=5) for i in range(9)})
    examples += examples_of(tmp_path, {"twin": vectors["t3"]})
    whole = nearest_captions(examples, training, 5)
    monkeypatch.setattr("gifdesc.evaluation.baselines._BLOCK_GIFS", 2)
    assert nearest_captions(examples, training, 5) == whole
    assert whole[-1] == "caption of t3"


def test_the_positional_encoding_does_not_count(tmp_path):
    """With it, GIFs of as many frames are near each other whatever they show."""
    random = np.random.default_rng(0)
    shown = {"x": random.random(64) / 4, "y": random.random(64) / 4}

    def write(name, vector, num_frames):
        path = tmp_path / f"{name}-{num_frames}.npy"
        frames = np.tile(vector, (num_frames, 1)) + sinusoidal_encoding(num_frames, 64)
        np.save(path, frames.astype(np.float32))
        return Example(path.stem, path, (f"caption of {name}",))

    training = [write("x", shown["x"], 2), write("y", shown["y"], 16)]
    examples = [write("x", shown["x"], 16), write("y", shown["y"], 2)]
    captions = nearest_captions(examples, training, 64, encoding="sinusoidal")
    assert captions == ["caption of x", "caption of y"]
    assert nearest_captions(examples, training, 64) == ["caption of y", "caption of x"]


def test_a_gif_is_not_its_own_neighbour(tmp_path):
    training = examples_of(tmp_path, {"a": [1, 0], "b": [1, 0.1], "c": [0, 1]})
    assert nearest_captions(training, training, 2) == [f"caption of {x}" for x in "bab"]
    assert nearest_captions(training[:1], training[:1], 2) is None
    assert nearest_captions(training, [], 2) is None


def test_features_of_zeros_have_a_nearest_gif(tmp_path):
    training = examples_of(tmp_path, {"a": [0, 0], "b": [1, 0]}, "train-")
    assert nearest_captions(examples_of(tmp_path, {"z": [0, 0]}), training, 2) == ["caption of a"]


def test_damage_is_named(tmp_path):
    training = examples_of(tmp_path, {"a": [0, 1]})
    training[0].features_path.write_bytes(b"damage")
    with pytest.raises(FeatureError, match=r"a\.npy"):
        nearest_captions(training, training, 2)


def test_features_are_held_one_file_at_a_time(tmp_path):
    size, num_gifs, num_frames = 64, 40, 400
    vectors = np.random.default_rng(0).random((num_frames, num_gifs, size), np.float32)
    examples = []
    for index in range(num_gifs):
        np.save(tmp_path / f"{index}.npy", vectors[:, index])
        examples.append(Example(str(index), tmp_path / f"{index}.npy", ("a caption",)))
    file_bytes = vectors[:, 0].nbytes
    del vectors
    tracemalloc.start()
    try:
        assert nearest_captions(examples, examples, size) is not None
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 6 * file_bytes, "of 40 files"
