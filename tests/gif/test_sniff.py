"""The formats of files that are no pictures."""

import pytest

from gifdesc.errors import GifError
from gifdesc.gif.reader import read_gif
from gifdesc.gif.sniff import describe_beginning, is_animation_or_video


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
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x14ftypmsf1\0\0\0\0msf1", "a HEIF picture"),
        (b"II*\0\x08\0\0\0", "a TIFF picture"),
        (b"MM\0*\0\0\0\x08", "a TIFF picture"),
        (b"\xff\x0a\xfa\x1f", "a JPEG XL picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "a JPEG XL picture"),
        (b"\0\x05\x16\x07\0\2\0\0Mac OS X", "an AppleDouble file, which has no picture"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:",
            "a Git LFS pointer; fetch the file itself",
        ),
        (b"GIF90a\1\0\1\0", "a GIF of an unknown version"),
        (b"\0" * 2000, "nothing but zero bytes"),
    ],
)
def test_a_file_that_is_no_picture_is_named(tmp_path, data, what):
    path = tmp_path / "clip.gif"
    path.write_bytes(data)
    with pytest.raises(GifError) as raised:
        read_gif(path)
    assert str(raised.value) == f"{path}: not a GIF (it starts like {what})"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\0\0\0\x18ftypmp42", "an MP4 video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "a QuickTime video"),
        (b"\0\0\0\x08wide\0\0\x01\0mdat", "a QuickTime video"),
        (b"RIFF\x24\0\0\0AVI LIST", "an AVI video"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\x82\x84webmB", "a WebM video"),
        (b"\x1aE\xdf\xa3\xa3B\x86\x81\1B\xf7\x81\1B\x82\x88matroska", "a Matroska video"),
    ],
)
def test_the_beginning_of_a_video_alone_gives_no_frame(data, what):
    assert describe_beginning(data) == what
    assert is_animation_or_video(data)
    with pytest.raises(GifError, match=f"^these bytes: {what} without a usable frame"):
        read_gif(data)


def test_a_text_that_resembles_a_quicktime_box():
    assert describe_beginning(b"the free press") == "text"


def test_unknown_bytes():
    with pytest.raises(GifError, match="neither a GIF nor another known format"):
        read_gif(b"\x91\x02\xf3\x99" * 9)


def test_an_avif_may_name_another_brand_first():
    data = b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif"
    with pytest.raises(GifError, match="not a GIF but an AVIF, and damaged"):
        read_gif(data)
