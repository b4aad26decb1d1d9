import numpy as np
import pytest

from gif_files import draw_broken_gif, draw_gif
from gifdesc.errors import GifError
from gifdesc.features.frames import sample_source
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.gif.reader import read_gif
from gifdesc.gif.sources import FRAME_DURATION_MS, read_source, source_name
from worlds import tiny_recipe


def every(durations_ms):
    return range(len(durations_ms))


@pytest.fixture
def path(tmp_path):
    return draw_gif(tmp_path / "clip.gif", 5, durations_ms=[20, 30, 40, 50, 60])


def test_a_path_its_bytes_and_its_frames_are_one_gif(path):
    wanted = read_gif(path)
    frames = wanted.frames
    for source in (path, str(path), path.read_bytes(), (frames, wanted.durations_ms)):
        found = read_source(source, every)
        assert np.array_equal(found.frames, frames)
        assert (found.indices, found.durations_ms) == (tuple(range(5)), (20, 30, 40, 50, 60))


def test_they_are_sampled_and_preprocessed_alike(path):
    wanted = read_gif(path)
    recipe, transform = (
        tiny_recipe(num_frames=3, sampling="time"),
        FrameTransform(resize_size=16, image_size=16),
    )
    first = sample_source(path, recipe, transform)
    assert len(first.order) == 3
    for source in (path.read_bytes(), (wanted.frames, wanted.durations_ms)):
        found = sample_source(source, recipe, transform)
        assert np.array_equal(found.pixels, first.pixels)
        assert found.digests == first.digests
        assert (found.order, found.sampled_frames) == (first.order, first.sampled_frames)
        assert found.durations_ms == first.durations_ms


def test_frames_without_durations_are_shown_a_tenth_of_a_second(path):
    found = read_source(read_gif(path).frames, every)
    assert found.durations_ms == (FRAME_DURATION_MS,) * 5


def test_a_frame_that_is_picked_twice_is_reduced_once(path):
    seen = []

    def reduce(frame):
        seen.append(frame)
        return frame[:2]

    found = read_source(read_gif(path).frames, lambda _: [1, 1, 4], reduce)
    assert found.frames.shape == (3, 2, 12, 3)
    assert np.array_equal(found.frames[0], found.frames[1])
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("source", "name"),
    [("a/b.gif", "a/b.gif"), (b"GIF89a", "these bytes"), (np.zeros(1), "these frames")],
)
def test_a_source_has_a_name(source, name):
    assert source_name(source) == name


def test_bytes_that_are_no_gif_are_a_one_sentence_error(tmp_path):
    data = draw_broken_gif(tmp_path / "x.gif").read_bytes()
    with pytest.raises(GifError, match=r"^these bytes: not a GIF"):
        read_source(data, every)
    with pytest.raises(GifError, match=r"^these bytes: an empty file"):
        read_source(b"", every)


FRAMES = np.zeros((2, 4, 5, 3), np.uint8)


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [
        (FRAMES.astype(float), ValueError, "not float64"),
        (FRAMES[0], ValueError, r"not uint8 \(4, 5, 3\)"),
        (FRAMES[..., :2], ValueError, r"\(2, 4, 5, 2\)"),
        ((FRAMES, [100]), ValueError, "2 frames need as many durations"),
        ((FRAMES, [100, 0]), ValueError, "above 0 milliseconds"),
        (FRAMES[:0], GifError, "these frames: there are none"),
        (FRAMES[:, :0], GifError, "or they have no pixels"),
        ([FRAMES], TypeError, "a GIF is a path, bytes, or uint8 frames"),
    ],
)
def test_invalid_frames_are_an_error(source, kind, said):
    with pytest.raises(kind, match=said):
        read_source(source, every)
