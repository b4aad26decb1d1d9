"""Pictures and animations under a .gif name that are no GIFs."""

import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from gif_bytes import FORMATS, B, G, K, R, animation_bytes, colours, picture_bytes
from gifdesc.errors import GifError
from gifdesc.gif import foreign as gif_foreign
from gifdesc.gif.reader import read_gif, scan_gif


@pytest.mark.parametrize(
    ("form", "kind"),
    [("PNG", "a PNG"), ("JPEG", "a JPEG"), ("WEBP", "a WebP"), ("BMP", "a BMP")],
)
def test_a_picture_under_a_gif_name_is_read_with_a_note(tmp_path, form, kind):
    path = tmp_path / "clip.gif"
    path.write_bytes(picture_bytes(form))
    gif = read_gif(path)
    assert gif.frames.shape == (1, 2, 3, 3)
    assert np.abs(gif.frames[0, 0, 0].astype(int) - (10, 200, 30)).max() < 8
    assert gif.note == f"{kind} under a .gif name"
    assert gif.durations_ms == (100,)
    assert scan_gif(path).num_frames == 1


@pytest.mark.parametrize(
    ("form", "kind", "suffix"), [("PNG", "an APNG", ".png"), ("WEBP", "a WebP", ".webp")]
)
def test_an_animation_keeps_its_frames_and_delays(form, kind, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in (R, G, B)]
    stream = io.BytesIO()
    options = {"lossless": True} if form == "WEBP" else {}
    frames[0].save(
        stream, form, save_all=True, append_images=frames[1:], duration=[10, 70, 200], **options
    )
    gif = read_gif(stream.getvalue(), lambda _: [1, 1, 2])
    assert gif.durations_ms == (100, 70, 200)
    assert [colours(frame)[0][0] for frame in gif.frames] == [G, G, B]
    notes = {
        name: read_gif(stream.getvalue(), [0], name=name).note
        for name in ("these bytes", f"a{suffix}", "a.gif", "a.MP4")
    }
    assert notes == {
        "these bytes": None,
        f"a{suffix}": None,
        "a.gif": f"{kind} under a .gif name",
        "a.MP4": f"{kind} under a .mp4 name",
    }
    assert gif.note is None


def test_half_transparency_is_blended_with_white():
    gif = read_gif(picture_bytes("PNG", mode="RGBA", colour=(0, 0, 0, 128)))
    assert colours(gif.frames[0])[0][0] == (127, 127, 127)


def test_a_picture_is_rotated_by_its_exif_data():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    data = picture_bytes("JPEG", exif=exif.tobytes())
    assert read_gif(data).frames.shape == (1, 3, 2, 3)
    assert scan_gif(data).width == 2


def test_a_damaged_animation_gives_its_beginning():
    frames = [Image.effect_noise((40, 40), 90) for _ in range(4)]
    stream = io.BytesIO()
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:], duration=50)
    gif = read_gif(stream.getvalue()[: len(stream.getvalue()) * 3 // 5])
    assert 1 <= gif.num_frames < 4
    assert gif.truncated == f"frame {gif.num_frames + 1} is damaged"


def test_of_an_animation_with_very_many_frames_the_first_are_used(monkeypatch):
    monkeypatch.setattr("gifdesc.gif.foreign.MAX_FRAMES", 2)
    frames = [Image.new("L", (4, 4), 40 * index) for index in range(4)]
    stream = io.BytesIO()
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:], duration=50)
    gif = read_gif(stream.getvalue())
    assert (gif.num_frames, gif.truncated) == (2, "it has more than 2 images")


def test_a_damaged_picture_is_an_error(tmp_path):
    path = tmp_path / "clip.gif"
    path.write_bytes(picture_bytes("PNG")[:40])
    with pytest.raises(GifError, match=r"clip\.gif: not a GIF but a PNG, and damaged"):
        read_gif(path)


@pytest.mark.parametrize("size", [(6000, 5000), (12000, 10000)])
def test_a_huge_picture_is_refused(size):
    data = picture_bytes("PNG", size=size, mode="1", colour=0)
    with pytest.raises(GifError, match="too large"):
        read_gif(data)


def test_the_callers_warning_filters_are_unchanged():
    with warnings.catch_warnings():
        filters = list(warnings.filters)
        read_gif(picture_bytes("PNG"))
        assert warnings.filters == filters


@pytest.fixture
def drawn(monkeypatch):
    """The shapes of the frames that were laid over white."""
    shapes = []
    over_white = gif_foreign._over_white

    def watched(picture, **options):
        frame = over_white(picture, **options)
        shapes.append(frame.shape)
        return frame

    monkeypatch.setattr(gif_foreign, "_over_white", watched)
    return shapes


@pytest.mark.parametrize("form", FORMATS)
def test_only_sampled_frames_are_blended_with_white(form, drawn):
    data = animation_bytes(form, [R, G, B, K, R, G], durations_ms=[20, 30, 40, 50, 60, 70])
    assert scan_gif(data).durations_ms == (20, 30, 40, 50, 60, 70)
    assert drawn == []
    gif = read_gif(data, lambda _: [1, 4])
    assert drawn == [(16, 16, 3)] * 2
    assert np.abs(gif.frames[:, 0, 0].astype(int) - (G, R)).max() <= 4


def test_a_webp_is_scanned_without_decoding_any_frame(monkeypatch):
    monkeypatch.setattr(WebPImageFile, "load", lambda _: pytest.fail("a frame was decoded"))
    assert scan_gif(animation_bytes("WEBP", [R, G, B])).num_frames == 3


@pytest.mark.parametrize("form", FORMATS)
def test_of_an_animation_with_very_many_pixels_the_first_frames_are_used(form, drawn, monkeypatch):
    monkeypatch.setattr(gif_foreign, "MAX_DRAWN_PIXELS", 3 * 16 * 16 + 5)
    gif = read_gif(
        animation_bytes(form, [R, G, B, K, R]), lambda durations_ms: [len(durations_ms) - 1]
    )
    assert (gif.num_frames, gif.indices, len(drawn)) == (3, (2,), 1)
    assert gif.truncated == "it has more than 0 megapixels in all"


def test_a_single_picture_of_many_pixels_is_used(monkeypatch):
    monkeypatch.setattr(gif_foreign, "MAX_DRAWN_PIXELS", 5)
    assert read_gif(picture_bytes("PNG")).truncated is None


def test_a_webp_with_a_damaged_frame_gives_the_frames_before_it():
    noise = [Image.effect_noise((40, 40), 90).convert("RGB") for _ in range(4)]
    stream = io.BytesIO()
    noise[0].save(
        stream, "WEBP", save_all=True, append_images=noise[1:], duration=50, lossless=True
    )
    data = bytearray(stream.getvalue())
    third = [at for at in range(len(data)) if data[at : at + 4] == b"ANMF"][2]
    data[third + 8 + 16 + 16 : third + 8 + 16 + 400] = b"\xff" * 384  # behind the VP8L header
    data = bytes(data)
    assert scan_gif(data).num_frames == 4
    assert read_gif(data, [0, 1]).truncated is None
    gif = read_gif(data)
    assert (gif.num_frames, len(gif.frames)) == (2, 2)
    assert gif.truncated == "frame 3 is damaged"
    with pytest.raises(GifError, match="only 2 frames can be used"):
        read_gif(data, [3])


@pytest.mark.parametrize("num_bytes", [1, 30, 60])
def test_a_truncated_webp_gives_its_whole_frames(num_bytes):
    data = animation_bytes("WEBP", [R, G, B])
    info = scan_gif(data[:-num_bytes])
    assert 1 <= info.num_frames < 3
    assert info.truncated == f"it ends inside frame {info.num_frames + 1}"
    frames = read_gif(data[:-num_bytes]).frames
    np.testing.assert_array_equal(frames, read_gif(data).frames[: info.num_frames])


def test_a_truncated_apng_is_found_without_decoding(drawn):
    data = animation_bytes("PNG", [R, G, B])
    info = scan_gif(data[:-20])
    assert (info.num_frames, info.truncated) == (2, "frame 3 is damaged")
    assert drawn == []


def test_the_fallback_picture_of_an_apng_is_no_frame():
    data = animation_bytes("PNG", [K, R, G, B], durations_ms=[20, 30, 40], default_image=True)
    gif = read_gif(data)
    assert [colours(frame)[0][0] for frame in gif.frames] == [R, G, B]
    assert gif.durations_ms == (20, 30, 40)


def test_invalid_exif_data_rotates_nothing():
    data = picture_bytes("JPEG", exif=b"Exif\0\0no TIFF header at all")
    assert read_gif(data).frames.shape == (1, 2, 3, 3)


@pytest.mark.parametrize("form", [*FORMATS, "JPEG", "BMP"])
@settings(max_examples=100)
@given(
    edits=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
    cut=st.floats(0, 1),
)
def test_any_bytes_give_frames_or_a_gif_error(form, edits, cut):
    whole = animation_bytes(form, [R, G, B]) if form in FORMATS else picture_bytes(form)
    data = bytearray(whole)
    for place, value in edits:
        data[12 + place % (len(data) - 12)] = value
    data = bytes(data[: max(12, round(len(data) * (1 - cut**4)))])
    try:
        gif = read_gif(data, lambda durations_ms: [len(durations_ms) - 1])
    except GifError:
        return
    assert len(gif.frames) == 1
