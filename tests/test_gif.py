"""Browser rules on GIFs written byte by byte here; `test_gif_corpus` has the real files."""

import io
import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gifdesc.errors import GifError
from gifdesc.gif import read_gif, scan_gif, shown_duration_ms
from gifdesc.gif_limits import MAX_FRAMES, MAX_FRAMES_BYTES

PALETTE = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
R, G, B, K, W = (255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9), (255, 255, 255)
TRAILER = b";"


def header(width, height, palette=PALETTE, background=0):
    flags = 0x80 | (len(palette) // 3).bit_length() - 2 if palette else 0
    return b"GIF89a" + struct.pack("<HHBBB", width, height, flags, background, 0) + palette


def control(delay=0, disposal=0, transparent=None):
    flags = disposal << 2 | (transparent is not None)
    return b"!\xf9" + struct.pack("<BBHBB", 4, flags, delay, transparent or 0, 0)


def sub_blocks(data):
    chunks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"".join(bytes([len(chunk)]) + chunk for chunk in chunks)


def lzw(pixels, min_code_size=2):
    """Codes of one size: the table is cleared before it would need a longer one."""
    clear = 1 << min_code_size
    codes = []
    for position, pixel in enumerate(pixels):
        if position % (clear - 2) == 0:
            codes.append(clear)
        codes.append(pixel)
    codes.append(clear + 1)
    bits = sum(code << (min_code_size + 1) * place for place, code in enumerate(codes))
    return bits.to_bytes((len(codes) * (min_code_size + 1) + 7) // 8, "little")


def image(rows, left=0, top=0, palette=b"", interlaced=False, size=None):
    height, width = size[::-1] if size else (len(rows), len(rows[0]))
    flags = 0x40 * interlaced | (0x80 | (len(palette) // 3).bit_length() - 2 if palette else 0)
    descriptor = b"," + struct.pack("<HHHHB", left, top, width, height, flags) + palette
    pixels = [int(pixel) for row in rows for pixel in row]
    return descriptor + b"\x02" + sub_blocks(lzw(pixels)) + b"\0"


def colours(frame):
    return [[tuple(int(value) for value in pixel) for pixel in row] for row in frame]


def picture_bytes(form, size=(3, 2), colour=(10, 200, 30), mode="RGB", **options):
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, form, **options)
    return stream.getvalue()


class TestCanvas:
    def test_uncovered_canvas_is_white_whatever_the_background_index_says(self):
        gif = read_gif(header(3, 1, background=2) + image(["1"], left=1) + TRAILER)
        assert colours(gif.frames[0]) == [[W, G, W]]

    def test_transparent_pixels_of_the_first_frame_are_white(self):
        gif = read_gif(header(2, 1) + control(transparent=0) + image(["01"]) + TRAILER)
        assert colours(gif.frames[0]) == [[W, G]]

    @pytest.mark.parametrize(
        ("disposal", "after"),
        [
            (0, [R, G, B]),
            (1, [R, G, B]),
            (2, [R, W, B]),
            (3, [R, R, B]),
            (4, [R, R, B]),
            (5, [R, G, B]),
            (7, [R, G, B]),
        ],
    )
    def test_disposal(self, disposal, after):
        data = header(3, 1, background=2) + image(["000"])
        data += control(disposal=disposal) + image(["1"], left=1)
        data += control(transparent=0) + image(["2"], left=2) + TRAILER
        gif = read_gif(data)
        assert colours(gif.frames[1]) == [[R, G, R]]
        assert colours(gif.frames[2]) == [after]
        assert colours(read_gif(data, [2]).frames[0]) == [after]

    def test_a_first_frame_that_is_restored_leaves_an_empty_canvas(self):
        data = header(2, 1) + control(disposal=3) + image(["00"]) + image(["1"]) + TRAILER
        assert colours(read_gif(data).frames[1]) == [[G, W]]

    def test_transparent_pixels_show_what_lies_beneath(self):
        data = header(2, 1) + image(["00"]) + control(transparent=1) + image(["12"]) + TRAILER
        assert colours(read_gif(data).frames[1]) == [[R, B]]

    def test_interlaced_rows_come_in_four_passes(self):
        order = [0, 8, 4, 2, 6, 1, 3, 5, 7]
        rows = [str(row % 4) for row in order]
        gif = read_gif(header(1, 9) + image(rows, interlaced=True) + TRAILER)
        assert [row[0] for row in colours(gif.frames[0])] == [R, G, B, K, R, G, B, K, R]

    def test_a_local_palette_counts_for_its_image_only(self):
        local = bytes([1, 2, 3, 4, 5, 6])
        data = header(2, 1) + image(["01"], palette=local) + image(["01"]) + TRAILER
        gif = read_gif(data)
        assert colours(gif.frames[0]) == [[(1, 2, 3), (4, 5, 6)]]
        assert colours(gif.frames[1]) == [[R, G]]

    def test_missing_colours_and_palettes_are_black(self):
        short = read_gif(header(2, 1, palette=PALETTE[:6]) + image(["13"]) + TRAILER)
        assert colours(short.frames[0]) == [[G, (0, 0, 0)]]
        absent = read_gif(header(2, 1, palette=b"") + image(["13"]) + TRAILER)
        assert colours(absent.frames[0]) == [[(0, 0, 0), (0, 0, 0)]]

    def test_a_sub_frame_that_reaches_out_of_the_canvas_is_clipped(self):
        data = header(2, 2) + image(["00", "00"]) + image(["123", "321"], left=1, top=1)
        gif = read_gif(data + image(["1"], left=7, top=7) + TRAILER)
        assert colours(gif.frames[1]) == [[R, R], [R, G]]
        assert colours(gif.frames[2]) == [[R, R], [R, G]]

    def test_the_canvas_grows_for_the_first_image_only(self):
        data = header(1, 1) + image(["0"], left=1) + image(["111"]) + TRAILER
        gif = read_gif(data)
        assert colours(gif.frames[0]) == [[W, R]]
        assert colours(gif.frames[1]) == [[G, G]]

    def test_an_empty_logical_screen_takes_the_size_of_the_first_image(self):
        assert read_gif(header(0, 0) + image(["01"]) + TRAILER).frames.shape == (1, 1, 2, 3)

    def test_an_image_without_pixels_is_a_frame(self):
        data = header(1, 1) + image(["0"]) + image([], size=(0, 5)) + TRAILER
        assert colours(read_gif(data).frames[1]) == [[R]]

    def test_images_without_graphic_control_are_frames(self):
        data = header(1, 1) + image(["0"]) + image(["1"]) + control() + image(["2"]) + TRAILER
        assert [colours(frame)[0][0] for frame in read_gif(data).frames] == [R, G, B]

    def test_a_graphic_control_counts_for_one_image_and_the_last_one_wins(self):
        data = header(2, 1) + control(delay=9, disposal=2) + control(delay=7, transparent=0)
        data += b"!\xfe\x03abc\0" + image(["01"]) + image(["01"]) + TRAILER
        gif = read_gif(data)
        assert colours(gif.frames[0]) == [[W, G]]
        assert colours(gif.frames[1]) == [[R, G]]
        assert gif.durations_ms == (70, 100)

    def test_data_beyond_the_last_pixel_is_ignored(self):
        data = header(1, 1) + image(["0123"], size=(1, 1)) + TRAILER + b"more"
        gif = read_gif(data)
        assert colours(gif.frames[0]) == [[R]]
        assert gif.truncated is None


class TestIndices:
    DATA = (
        header(1, 1)
        + b"".join(control(delay=delay) + image([str(delay % 4)]) for delay in range(6))
        + TRAILER
    )

    def test_all_frames_by_default(self):
        gif = read_gif(self.DATA)
        assert gif.indices == tuple(range(6))
        assert gif.frames.shape == (6, 1, 1, 3)
        assert gif.frames.dtype == np.uint8

    def test_a_delay_of_0_or_1_hundredth_is_shown_for_100_ms(self):
        assert read_gif(self.DATA).durations_ms == (100, 100, 20, 30, 40, 50)
        assert shown_duration_ms(10) == 100
        assert shown_duration_ms(11) == 11

    def test_frames_are_picked_and_repeated(self):
        gif = read_gif(self.DATA, [1, 1, 3])
        assert gif.indices == (1, 1, 3)
        assert [colours(frame)[0][0] for frame in gif.frames] == [G, G, K]
        assert gif.num_frames == 6

    def test_a_function_sees_the_durations(self):
        seen = []
        gif = read_gif(self.DATA, lambda durations_ms: seen.append(durations_ms) or [2])
        assert seen == [(100, 100, 20, 30, 40, 50)]
        assert gif.indices == (2,)

    def test_no_frames_when_none_are_asked_for(self):
        assert read_gif(self.DATA, []).frames.shape == (0, 1, 1, 3)

    @pytest.mark.parametrize("indices", [[6], [-1], [0, 99]])
    def test_an_index_outside_the_file_is_the_callers_mistake(self, indices):
        with pytest.raises(IndexError, match="6 frames"):
            read_gif(self.DATA, indices)

    def test_descending_indices_are_the_callers_mistake(self):
        with pytest.raises(ValueError, match="ascend"):
            read_gif(self.DATA, [2, 1])

    def test_frames_are_reduced_one_by_one(self):
        shapes = []

        def reduce(frame):
            shapes.append(frame.shape)
            return frame[:, :1]

        data = header(3, 2) + image(["012", "000"]) + image(["2"]) + TRAILER
        gif = read_gif(data, [0, 0, 1], reduce=reduce)
        assert shapes == [(2, 3, 3)] * 2
        assert [colours(frame)[0] for frame in gif.frames] == [[R], [R], [B]]

    def test_scan_needs_no_pixels(self):
        info = scan_gif(self.DATA)
        assert (info.num_frames, info.width, info.height) == (6, 1, 1)
        assert info.durations_ms == (100, 100, 20, 30, 40, 50)
        assert (info.truncated, info.note) == (None, None)


class TestDamage:
    TWO = header(2, 2) + control(delay=5) + image(["00", "00"]) + image(["11", "11"])

    def test_a_file_cut_in_its_second_image_gives_the_first(self):
        for num_bytes in range(len(self.TWO) - len(image(["11", "11"])) + 1, len(self.TWO)):
            gif = read_gif(self.TWO[:num_bytes])
            assert gif.num_frames == len(gif.frames) == 1
            assert gif.durations_ms == (50,)
            assert gif.truncated == "it ends inside image 2"

    def test_a_missing_trailer_is_no_damage(self):
        gif = read_gif(self.TWO)
        assert gif.num_frames == 2
        assert gif.truncated is None
        assert "no trailer" in gif.note

    def test_a_first_image_that_is_partly_there_is_used_over_white(self):
        rows = ["0123"] * 8
        data = header(4, 8) + image(rows)
        gif = read_gif(data[:-10])
        assert gif.truncated == "it ends inside image 1"
        assert colours(gif.frames[0])[0] == [R, G, B, K]
        assert colours(gif.frames[0])[-1] == [W] * 4

    def test_missing_rows_of_an_interlaced_first_image_repeat_earlier_passes(self):
        rows = ["0123", "1230", "2301", "3012", "33"]  # rows 0, 8, 4, 2 and half of 6
        gif = read_gif(header(4, 9) + image(rows, interlaced=True, size=(4, 9)) + TRAILER)
        shown = [[R, G, B, K], [G, B, K, R], [B, K, R, G], [K, R, G, B]]
        order = [0, 0, 3, 3, 2, 2, None, 2, 1]
        for row, source in enumerate(order):
            expected = [K, K, R, G] if source is None else shown[source]
            assert colours(gif.frames[0])[row] == expected

    def test_a_damaged_image_ends_the_file_and_the_function_is_asked_again(self):
        broken = image(["111"], size=(2, 2))
        data = self.TWO + broken + image(["22", "22"]) + TRAILER
        asked = []

        def last(durations_ms):
            asked.append(len(durations_ms))
            return [0, len(durations_ms) - 1]

        assert read_gif(data).num_frames == 2
        gif = read_gif(data, [0, 2])
        assert gif.indices == (0,)
        assert gif.truncated == "image 3 is damaged"
        assert read_gif(data, lambda durations_ms: [len(durations_ms) - 2]).num_frames == 2
        assert read_gif(data, last).num_frames == 4  # the last frame does not depend on it
        assert asked == [4]
        with pytest.raises(GifError, match="only 2 frames"):
            read_gif(data, [2])

    def test_a_damaged_first_image_is_used_as_far_as_it_goes(self):
        gif = read_gif(
            header(2, 2) + image(["00"], size=(2, 2)) + image(["22", "22"]) + TRAILER, [0]
        )
        assert colours(gif.frames[0]) == [[R, R], [W, W]]
        assert gif.truncated == "image 1 is damaged"
        assert gif.num_frames == 1

    def test_an_unknown_block_ends_the_file(self):
        gif = read_gif(self.TWO + b"\x77" + image(["22", "22"]) + TRAILER)
        assert gif.num_frames == 2
        assert gif.truncated == "behind image 2 it holds no GIF block"

    def test_a_damaged_graphic_control_ends_the_file_unless_nothing_came_before(self):
        damaged = b"!\xf9\x05\0\0\0\0\0\0"
        assert read_gif(header(1, 1) + damaged + image(["0"]) + TRAILER).truncated is None
        gif = read_gif(header(1, 1) + image(["0"]) + damaged + image(["0"]) + TRAILER)
        assert gif.num_frames == 1
        assert gif.truncated == "it holds a damaged graphic control block"

    def test_a_first_image_without_any_pixel_is_an_error(self):
        with pytest.raises(GifError, match="holds no pixels"):
            read_gif(self.TWO[: len(header(2, 2) + control()) + 11])

    @pytest.mark.parametrize("num_bytes", [6, 9, 13, 20, 25, 30])
    def test_a_file_without_an_image_is_an_error(self, num_bytes):
        with pytest.raises(GifError, match="without a usable image"):
            read_gif(self.TWO[:num_bytes])

    def test_a_huge_canvas_is_refused_before_anything_is_allocated(self):
        for data in (
            header(65535, 65535) + image(["0"]),
            header(1, 1) + image(["0"], left=65000, top=65000),
        ):
            with pytest.raises(GifError, match=r"too large \(65\d+ x 65\d+ pixels"):
                read_gif(data + TRAILER)

    def test_a_huge_image_on_a_small_canvas_is_damage(self):
        data = header(1, 1) + image(["0"]) + image(["0"], size=(65535, 65535)) + TRAILER
        assert read_gif(data).truncated == "image 2 is damaged"

    def test_of_very_many_frames_the_first_are_used(self):
        data = header(1, 1) + image(["0"]) * MAX_FRAMES
        info = scan_gif(data + TRAILER)
        assert (info.num_frames, info.truncated) == (MAX_FRAMES, None)
        gif = read_gif(data + image(["1"]) + TRAILER, lambda durations_ms: [len(durations_ms) - 1])
        assert gif.indices == (MAX_FRAMES - 1,)
        assert gif.truncated == f"it holds more than {MAX_FRAMES} images"
        assert colours(gif.frames[0]) == [[R]]

    def test_more_memory_than_sense_is_refused(self):
        num_frames = MAX_FRAMES_BYTES // (3 * 4900 * 4900) + 1
        data = header(4900, 4900) + image(["0"]) * num_frames + TRAILER
        with pytest.raises(GifError, match="ask for fewer"):
            read_gif(data)
        assert read_gif(data, [num_frames - 1]).frames.shape == (1, 4900, 4900, 3)

    @settings(deadline=None, max_examples=300)
    @given(
        edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
        cut=st.integers(0, 400),
    )
    def test_any_bytes_give_frames_or_a_gif_error(self, edits, cut):
        data = bytearray(self.TWO + control(disposal=3, transparent=1) + image(["12", "21"]))
        data += b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0" + control(disposal=2) + image(["3"]) + TRAILER
        for place, value in edits:
            data[place % len(data)] = value
        try:
            gif = read_gif(bytes(data[: len(data) - cut // 2]), lambda _: [0])
        except GifError:
            return
        assert gif.frames.shape[0] == 1


class TestForeign:
    @pytest.mark.parametrize(
        ("form", "kind"),
        [("PNG", "a PNG"), ("JPEG", "a JPEG"), ("WEBP", "a WebP"), ("BMP", "a BMP")],
    )
    def test_a_picture_under_a_gif_name_is_read_and_said(self, tmp_path, form, kind):
        path = tmp_path / "clip.gif"
        path.write_bytes(picture_bytes(form))
        gif = read_gif(path)
        assert gif.frames.shape == (1, 2, 3, 3)
        assert np.abs(gif.frames[0, 0, 0].astype(int) - (10, 200, 30)).max() < 8
        assert gif.note == f"{kind} under a .gif name"
        assert gif.durations_ms == (100,)
        assert scan_gif(path).num_frames == 1

    @pytest.mark.parametrize(("form", "kind"), [("PNG", "an APNG"), ("WEBP", "a WebP")])
    def test_an_animation_keeps_its_frames_and_delays(self, form, kind):
        frames = [Image.new("RGB", (8, 8), colour) for colour in (R, G, B)]
        stream = io.BytesIO()
        options = {"lossless": True} if form == "WEBP" else {}
        frames[0].save(
            stream, form, save_all=True, append_images=frames[1:], duration=[10, 70, 200], **options
        )
        gif = read_gif(stream.getvalue(), lambda _: [1, 1, 2])
        assert gif.durations_ms == (100, 70, 200)
        assert [colours(frame)[0][0] for frame in gif.frames] == [G, G, B]
        assert gif.note == f"{kind}, not a GIF"

    def test_half_transparency_is_laid_over_white(self):
        gif = read_gif(picture_bytes("PNG", mode="RGBA", colour=(0, 0, 0, 128)))
        assert colours(gif.frames[0])[0][0] == (127, 127, 127)

    def test_a_picture_is_turned_as_its_exif_data_says(self):
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by 90 degrees
        data = picture_bytes("JPEG", exif=exif.tobytes())
        assert read_gif(data).frames.shape == (1, 3, 2, 3)
        assert scan_gif(data).width == 2

    def test_a_damaged_animation_gives_its_beginning(self):
        frames = [Image.effect_noise((40, 40), 90) for _ in range(4)]
        stream = io.BytesIO()
        frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:], duration=50)
        gif = read_gif(stream.getvalue()[: len(stream.getvalue()) * 3 // 5])
        assert 1 <= gif.num_frames < 4
        assert gif.truncated == f"frame {gif.num_frames + 1} is damaged"

    def test_of_an_animation_with_very_many_frames_the_first_are_used(self, monkeypatch):
        monkeypatch.setattr("gifdesc.gif_foreign.MAX_FRAMES", 2)
        frames = [Image.new("L", (4, 4), 40 * index) for index in range(4)]
        stream = io.BytesIO()
        frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:], duration=50)
        gif = read_gif(stream.getvalue())
        assert (gif.num_frames, gif.truncated) == (2, "it holds more than 2 images")

    def test_a_damaged_picture_is_an_error(self, tmp_path):
        path = tmp_path / "clip.gif"
        path.write_bytes(picture_bytes("PNG")[:40])
        with pytest.raises(GifError, match=r"clip\.gif: not a GIF but a PNG, and damaged"):
            read_gif(path)

    @pytest.mark.parametrize("size", [(6000, 5000), (12000, 10000)])
    def test_a_huge_picture_is_refused(self, size):
        data = picture_bytes("PNG", size=size, mode="1", colour=0)
        with pytest.raises(GifError, match="too large"):
            read_gif(data)


class TestFiles:
    @pytest.mark.parametrize(
        ("data", "what"),
        [
            (b"<!DOCTYPE html><html>", "an HTML page"),
            (b"\xef\xbb\xbf\n <HTML>", "an HTML page"),
            (b"<?xml version='1.0'?><svg/>", "an SVG"),
            (b"404 Not Found", "text"),
            ("ein Bild für dich".encode() * 100, "text"),
            (b'{"error": 404}', "JSON"),
            (b"%PDF-1.7", "a PDF"),
            (b"\0\0\0\x18ftypmp42", "an MP4 video"),
            (b"GIF90a\1\0\1\0", "a GIF of an unknown version"),
            (b"\0" * 2000, "nothing but zero bytes"),
        ],
    )
    def test_what_is_no_picture_is_named(self, tmp_path, data, what):
        path = tmp_path / "clip.gif"
        path.write_bytes(data)
        with pytest.raises(GifError) as raised:
            read_gif(path)
        assert str(raised.value) == f"{path}: not a GIF (it starts like {what})"

    def test_unknown_bytes(self):
        with pytest.raises(GifError, match="not a GIF, nor any picture"):
            read_gif(b"\x91\x02\xf3\x99" * 9)

    def test_an_empty_file(self, tmp_path):
        path = tmp_path / "clip.gif"
        path.touch()
        with pytest.raises(GifError, match=r"clip\.gif: an empty file"):
            read_gif(path)
        with pytest.raises(GifError, match=r"clip\.gif: an empty file"):
            read_gif(b"", name="clip.gif")

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(GifError, match=r"gone\.gif: no such file"):
            read_gif(tmp_path / "gone.gif")

    def test_a_folder(self, tmp_path):
        with pytest.raises(GifError, match="a folder, not a GIF"):
            read_gif(str(tmp_path))

    def test_a_pipe(self, tmp_path):
        path = tmp_path / "pipe.gif"
        os.mkfifo(path)
        with pytest.raises(GifError, match="not a regular file"):
            read_gif(path)

    def test_impossible_names(self):
        for name in ("a\0b.gif", "x" * 5000 + ".gif"):
            with pytest.raises(GifError, match="cannot be read"):
                read_gif(name)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_forbidden_file(self, tmp_path):
        path = tmp_path / "clip.gif"
        path.write_bytes(TestDamage.TWO)
        path.chmod(0)
        with pytest.raises(GifError, match=r"clip\.gif: permission denied"):
            read_gif(path)

    def test_a_path_or_a_string(self, tmp_path: Path):
        path = tmp_path / "line\nbreak and \udcff.gif"
        path.write_bytes(TestDamage.TWO)
        assert read_gif(path).num_frames == read_gif(str(path)).num_frames == 2

    def test_the_callers_warning_filters_are_left_alone(self):
        with warnings.catch_warnings():
            filters = list(warnings.filters)
            read_gif(picture_bytes("PNG"))
            assert warnings.filters == filters
