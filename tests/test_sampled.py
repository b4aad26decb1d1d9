import hashlib
import pickle

import numpy as np
import pytest

from builders import tiny_recipe
from gifdesc.errors import GifError
from gifdesc.gif import read_gif
from gifdesc.preprocessing import FrameTransform
from gifdesc.sampled import BrokenGifError, FileIdentity, sample_gif, sample_source
from helpers import draw_gif

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def transform():
    recipe = tiny_recipe()
    return FrameTransform(resize_size=recipe.resize_size, image_size=recipe.image_size)


def test_equal_frames_are_kept_once(tmp_path, transform):
    path = draw_gif(tmp_path / "a.gif", [RED, BLUE, RED, BLUE], durations_ms=[100, 50, 100, 70])
    found = sample_gif(path, tiny_recipe(), transform)
    assert found.sampled_frames == (0, 1, 2, 3)
    assert found.order == (0, 1, 0, 1)
    assert len(found.pixels) == len(set(found.digests)) == 2
    assert found.durations_ms == (100, 50, 100, 70)
    assert (found.truncated, found.note) == (None, None)


def test_a_file_that_is_still_what_is_known_of_it_is_not_read_again(tmp_path, transform):
    path = draw_gif(tmp_path / "a.gif", 3)
    first = sample_gif(path, tiny_recipe(), transform)
    data = path.read_bytes()
    assert first.identity == FileIdentity(len(data), hashlib.sha256(data).hexdigest())
    assert sample_gif(path, tiny_recipe(), transform, known=first.identity) is None
    draw_gif(path, 4)
    assert sample_gif(path, tiny_recipe(), transform, known=first.identity) is not None


def test_bytes_and_frames_give_what_the_file_gives(tmp_path, transform):
    path = draw_gif(tmp_path / "a.gif", 5)
    gif = read_gif(path)
    of_file, of_bytes, of_frames = (
        sample_source(source, tiny_recipe(), transform)
        for source in (path, path.read_bytes(), (gif.frames, gif.durations_ms))
    )
    assert of_bytes.identity == of_file.identity
    for other in (of_bytes, of_frames):
        np.testing.assert_array_equal(other.pixels, of_file.pixels)
        assert other.sampled_frames == of_file.sampled_frames
        assert other.durations_ms == of_file.durations_ms


def test_a_broken_file_says_what_was_read_also_between_processes(tmp_path, transform):
    path = tmp_path / "a.gif"
    path.write_bytes(b"GIF89a")
    with pytest.raises(BrokenGifError) as caught:
        sample_gif(path, tiny_recipe(), transform)
    there = pickle.loads(pickle.dumps(caught.value))
    assert str(there) == str(caught.value)
    assert str(there).startswith(f"{path}: ")
    assert there.identity == FileIdentity(6, hashlib.sha256(b"GIF89a").hexdigest())


def test_a_file_that_cannot_be_read_has_no_identity(tmp_path, transform):
    with pytest.raises(GifError) as caught:
        sample_gif(tmp_path / "missing.gif", tiny_recipe(), transform)
    assert not isinstance(caught.value, BrokenGifError)
