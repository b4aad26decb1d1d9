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


@pytest.mark.parametrize("framing", ["whole", "pad", "crop"])
@pytest.mark.parametrize("size", [(12, 10), (1, 9), (40, 13)])
def test_small_frames_are_reduced_together_as_each_alone(tmp_path, framing, size):
    red, green, blue = COLOURS[:3]
    path = draw_gif(tmp_path / "a.gif", [red, green, red, blue, green], size=size)
    transform = FrameTransform(framing=framing, resize_size=48, image_size=48)
    shapes = []
    together = sample_gif(path, RECIPE, watched(transform, shapes))
    assert shapes == [(3, size[1], size[0], 3)]
    assert together.order == (0, 1, 0, 2, 1)
    for pixels, frame in zip(together.pixels, read_gif(path).frames[[0, 1, 3]], strict=True):
        alone = transform(frame.reshape(1, *frame.shape))[0]
        np.testing.assert_array_equal(pixels, alone.numpy())


def test_a_single_small_frame_is_reduced(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 1)
    transform = FrameTransform(resize_size=48, image_size=48)
    found = sample_gif(path, RECIPE, transform)
    wanted = transform(read_gif(path).frames.copy())
    np.testing.assert_array_equal(found.pixels, wanted.numpy())


def test_small_frames_may_not_fill_more_memory_than_others(tmp_path, monkeypatch):
    path = draw_gif(tmp_path / "a.gif", 3)
    transform = FrameTransform(resize_size=48, image_size=48)
    monkeypatch.setattr("gifdesc.gif.limits.MAX_FRAMES_BYTES", 3 * 3 * 48**2 - 1)
    with pytest.raises(BrokenGifError, match=r"a\.gif: 3 frames would take .* ask for fewer"):
        sample_gif(path, RECIPE, transform)


def watched(transform, shapes):
    """The transform, which also records the shapes that it is given."""

    class Watched(FrameTransform):
        def __call__(self, frames):
            shapes.append(frames.shape)
            return super().__call__(frames)

    return Watched(**{name: getattr(transform, name) for name in transform.__dataclass_fields__})
