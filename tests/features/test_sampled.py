"""One GIF decoded, sampled and preprocessed: what comes before the network."""

import hashlib
import pickle

import numpy as np
import pytest

from gif_files import COLOURS, draw_broken_gif, draw_gif, truncate
from gifdesc.errors import GifError
from gifdesc.features import frames as sampled
from gifdesc.features.frames import BrokenGifError, FileIdentity, sample_gif, sample_source
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.gif.reader import read_gif
from worlds import tiny_recipe

RECIPE = tiny_recipe(num_frames=16)
SMALL = FrameTransform(resize_size=10, image_size=8)


def identity_of(path):
    data = path.read_bytes()
    return FileIdentity(len(data), hashlib.sha256(data).hexdigest())


def test_a_sampled_gif_has_the_identity_of_its_file(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 3, durations_ms=[50, 70, 200])
    found = sample_gif(path, RECIPE, SMALL)
    assert found.durations_ms == (50, 70, 200)
    assert found.identity == identity_of(path)
    assert (found.truncated, found.note) == (None, None)
    assert found.pixels.shape == (3, 3, 8, 8)
    assert found.pixels.dtype == np.uint8


def test_a_file_without_frames_is_refused(tmp_path):
    path = draw_broken_gif(tmp_path / "a.gif")
    with pytest.raises(GifError, match=r"a\.gif: ") as caught:
        sample_gif(path, RECIPE, SMALL)
    again = pickle.loads(pickle.dumps(caught.value))  # as between processes
    assert isinstance(again, BrokenGifError)
    assert (str(again), again.identity) == (str(caught.value), identity_of(path))


def test_an_unchanged_file_is_not_read(tmp_path, monkeypatch):
    path = draw_gif(tmp_path / "a.gif", 3)
    known = identity_of(path)
    other = FileIdentity(known.size_bytes, "0" * 64)
    assert sample_gif(path, RECIPE, SMALL, known=other).durations_ms == (100,) * 3
    monkeypatch.setattr(sampled, "read_gif", lambda *_, **__: pytest.fail("decoded"))
    assert sample_gif(path, RECIPE, SMALL, known=known) is None


def test_equal_frames_are_kept_once_in_the_order_of_their_first(tmp_path):
    red, green, blue = COLOURS[:3]
    path = draw_gif(tmp_path / "a.gif", [red, green, red, blue, green])
    found = sample_gif(path, RECIPE, SMALL)
    assert found.order == (0, 1, 0, 2, 1)
    assert len(set(found.digests)) == len(found.pixels) == 3
    np.testing.assert_array_equal(found.pixels[:, :, 4, 4], np.array([red, green, blue]))


def test_pixels_are_the_transforms_of_the_frames_that_are_sampled(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 9, size=(31, 17))
    found = sample_gif(path, tiny_recipe(num_frames=4), SMALL)
    frames = read_gif(path).frames[list(found.sampled_frames)]
    np.testing.assert_array_equal(found.pixels[list(found.order)], SMALL(frames).numpy())


def test_damage_during_decoding_keeps_the_digests_of_the_used_frames(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 6, size=(40, 30))
    data = bytearray(path.read_bytes())
    last = data.rindex(b"\x2c\0\0\0\0")  # the last image's descriptor
    palette_bytes = 3 << ((data[last + 9] & 7) + 1) if data[last + 9] & 0x80 else 0
    start = last + 10 + palette_bytes + 2
    data[start : start + 6] = b"\xff" * 6
    path.write_bytes(data)
    found = sample_gif(path, RECIPE, SMALL)
    assert found.truncated == "image 6 is damaged"
    whole = sample_gif(truncate(draw_gif(tmp_path / "b.gif", 6, size=(40, 30)), 8), RECIPE, SMALL)
    assert found.digests == whole.digests
    np.testing.assert_array_equal(found.pixels, whole.pixels)


def test_frames_in_memory_are_sampled_like_a_file(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 5)
    frames = read_gif(path).frames
    found, wanted = (sample_source(one, RECIPE, SMALL) for one in (frames, path))
    assert found.digests == wanted.digests
    assert found.identity == sample_source(frames.copy(), RECIPE, SMALL).identity
    assert found.identity != sample_source(frames[::-1].copy(), RECIPE, SMALL).identity
