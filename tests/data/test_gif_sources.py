"""What Python users hand to a captioner."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gif_files import draw_gif
from gifdesc.captions import Caption
from gifdesc.data.gif_sources import CallableCaptioner, check_several, input_or_error, to_input
from gifdesc.errors import GifError
from gifdesc.gif.reader import read_gif
from gifdesc.gif.sources import CaptionInput, read_source


@pytest.fixture
def path(tmp_path) -> Path:
    return draw_gif(tmp_path / "clip.gif", 4, durations_ms=[20, 30, 40, 50])


def read(source):
    given = to_input(source)
    assert given.error is None
    return read_source(given.source, lambda durations_ms: range(len(durations_ms)))


def without_file(path: Path) -> Image.Image:
    """A picture of Pillow whose file is not on this disk."""
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.mark.parametrize(
    "source_of",
    [
        str,
        Path,
        Path.read_bytes,
        lambda path: bytearray(path.read_bytes()),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: path.open("rb"),
        Image.open,
        without_file,
        lambda path: (read_gif(path).frames, read_gif(path).durations_ms),
        lambda path: CaptionInput(str(path)),
    ],
)
def test_all_forms_of_a_gif_have_the_same_frames(path, source_of):
    wanted = read_gif(path)
    source = source_of(path)
    found = read(source)
    if hasattr(source, "close"):
        source.close()
    np.testing.assert_array_equal(found.frames, wanted.frames)
    assert found.durations_ms == wanted.durations_ms


def test_pictures_and_arrays_that_are_frames(path):
    frames = read_gif(path).frames
    pictures = [Image.fromarray(frame) for frame in frames]
    for source in (frames, pictures):
        found = read(source)
        np.testing.assert_array_equal(found.frames, frames)
        assert found.durations_ms == (100,) * 4
    for source in (frames[0], pictures[0]):
        np.testing.assert_array_equal(read(source).frames, frames[:1])


def test_transparency_is_white():
    frame = np.zeros((2, 2, 4), np.uint8)
    frame[0, 0] = [10, 20, 30, 255]
    frame[0, 1] = [0, 0, 0, 128]
    for source in (frame, frame[None], Image.fromarray(frame)):
        shown = read(source).frames[0]
        assert shown[0, 0].tolist() == [10, 20, 30]
        assert shown[0, 1].tolist() == [127, 127, 127]
        assert shown[1, 1].tolist() == [255, 255, 255]


def test_a_picture_that_was_changed_is_not_its_file(path):
    with Image.open(path) as picture:
        small = picture.resize((5, 4))
    assert read(small).frames.shape == (1, 4, 5, 3)


def test_a_picture_that_was_drawn_on_is_not_its_file(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        picture.paste("blue", (0, 0, 3, 3))
        assert read(picture).frames[0, 0, 0].tolist() == [0, 0, 255]


def test_pictures_beyond_the_limits_are_refused():
    with pytest.raises(GifError, match="this picture: too large"):
        to_input(Image.new("1", (6000, 6000)))


def test_a_name_is_that_of_the_file(path):
    with path.open("rb") as file:
        assert to_input(file).name == str(path)
    assert to_input(io.BytesIO(b"x")).name == "these bytes"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (io.StringIO("x"), TypeError),
        (np.zeros((2, 2, 2, 4)), ValueError),
        (np.zeros((2, 2, 2, 5), np.uint8), ValueError),
        (7, TypeError),
        ([], TypeError),
    ],
)
def test_what_can_be_no_gif_is_refused(source, error):
    with pytest.raises(error):
        read(source)


def test_a_url_that_cannot_be_downloaded_is_an_error_with_its_name():
    url = "http://127.0.0.1:9/x.gif"
    assert to_input(url).error is not None
    with pytest.raises(GifError, match=r"http://127\.0\.0\.1:9/x\.gif: "):
        input_or_error(url)


# Calls


class Namer(CallableCaptioner):
    """A captioner whose captions are the names of the GIFs."""

    def caption(self, source, config=None):
        return Caption(to_input(source).name, caption=f"one {config}")

    def caption_many(self, sources, config=None):
        check_several(sources)
        return (Caption(to_input(source).name, caption=f"many {config}") for source in sources)


def test_a_call_with_one_gif_gives_its_caption(path):
    frames = read_gif(path).frames
    for source in (str(path), path, b"x", io.BytesIO(b"x"), frames, (frames, [20] * 4)):
        assert Namer()(source).caption == "one None"
    with Image.open(path) as picture:
        assert Namer()(picture).caption == "one None"


def test_a_call_with_several_gifs_gives_a_list(path, capsys):
    for sources in ([path, path], (path, path), iter([path, path]), [b"x", b"y"]):
        found = Namer()(sources)
        assert [caption.caption for caption in found] == ["many None"] * 2
    found = Namer()([path, path], progress=True)
    assert len(found) == 2
    shown = capsys.readouterr()
    assert ("captioning" in shown.err, shown.out) == (True, "")


@pytest.mark.parametrize(
    "source", ["a.gif", Path("a.gif"), b"x", io.BytesIO(b"x"), CaptionInput("x")]
)
def test_a_single_gif_is_not_several(source):
    with pytest.raises(TypeError, match="for one, use caption"):
        Namer().caption_many(source)


@pytest.mark.parametrize("source", [None, 3, object(), {"a": 1}, [None]])
def test_what_is_no_gif_is_a_type_error_that_says_what_is(source):
    with pytest.raises(TypeError, match="a GIF is a path, a URL"):
        Namer()(source)


def test_a_second_gif_is_no_configuration(path):
    with pytest.raises(TypeError, match="config is a DecodingConfig, not str"):
        Namer()(str(path), str(path))
