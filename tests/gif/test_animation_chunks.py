"""Delays read from the chunks of a file equal those of Pillow after decoding."""

import io

import pytest
from PIL import Image

from gifdesc.gif.foreign_delays import frame_delays_ms, trim_to_whole_chunks

DELAYS_MS = [20, 110, 3000, 40, 40, 250]


def animation_bytes(form, *, with_alpha=False, **options):
    mode, colours = ("RGBA", [(40 * n, 9, 9, 200) for n in range(6)]) if with_alpha else ("L", [])
    colours = colours or [40 * n for n in range(6)]
    frames = [Image.new(mode, (9, 7), colour) for colour in colours]
    stream = io.BytesIO()
    frames[0].save(
        stream, form, save_all=True, append_images=frames[1:], duration=DELAYS_MS, **options
    )
    return stream.getvalue()


def pillow_delays_ms(data):
    with Image.open(io.BytesIO(data)) as picture:
        found = []
        for index in range(picture.n_frames):
            picture.seek(index)
            picture.load()
            found.append(picture.info["duration"])
        return found


@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
def test_delays_are_those_of_decoded_frames(form, with_alpha):
    data = animation_bytes(form, with_alpha=with_alpha)
    assert frame_delays_ms(data, form, 100) == pillow_delays_ms(data) == DELAYS_MS
    assert frame_delays_ms(data, form, 2) == DELAYS_MS[:2]


def test_an_apng_may_count_in_any_fraction_of_a_second():
    data = animation_bytes("PNG")
    place = data.index(b"fcTL") + 4 + 20
    for fraction, delay_ms in ((b"\0\1\0\x3c", 17), (b"\0\7\0\0", 70), (b"\0\0\0\1", 0)):
        assert frame_delays_ms(data[:place] + fraction + data[place + 4 :], "PNG", 1) == [delay_ms]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_only_frames_that_are_whole_count(form):
    data = animation_bytes(form)
    numbers = [len(frame_delays_ms(data[:size], form, 100)) for size in range(len(data))]
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert numbers[-1] == (6 if form == "PNG" else 5)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF", "JPEG", "BMP"])
def test_a_still_picture_has_no_delays(form):
    stream = io.BytesIO()
    Image.new("RGB", (5, 5)).save(stream, form)
    assert frame_delays_ms(stream.getvalue(), form, 100) == []


def test_a_wrong_frame_count_costs_no_extra_work():
    data = bytearray(animation_bytes("AVIF"))
    place = data.index(b"stts") + 4 + 8
    data[place : place + 4] = b"\xff\xff\xff\xff"
    assert frame_delays_ms(bytes(data), "AVIF", 1000) == [20] * 1000


def test_a_truncated_webp_ends_after_its_last_whole_chunk():
    data = animation_bytes("WEBP")
    assert trim_to_whole_chunks(data) is data
    for size in range(12, len(data)):
        cut = trim_to_whole_chunks(data[:size])
        assert len(cut) == 8 + int.from_bytes(cut[4:8], "little") <= size
        assert data.startswith(cut[8:], 8)
        assert trim_to_whole_chunks(cut) is cut


def test_endlessly_nested_boxes_are_not_followed():
    nested = b""
    for _ in range(3000):
        nested = (len(nested) + 8).to_bytes(4, "big") + b"moov" + nested
    assert frame_delays_ms(nested, "AVIF", 5) == []
