"""The formats of files that are no pictures."""

import pytest

from gifdesc.errors import GifError
from gifdesc.gif.reader import read_gif
from gifdesc.gif.sniff import describe_beginning, is_animation_or_video, unread_kind


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


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"FLV\x01\x05\0\0\0\x09", "a Flash video"),
        ((b"G\x40\0\x10" + b"\xff" * 184) * 3, "an MPEG transport stream"),
        ((b"\0\0\0\0G\x40\0\x10" + b"\xff" * 184) * 3, "an MPEG transport stream"),
        (b"\0\0\1\xbaD\0\4\0", "an MPEG program stream"),
        (b"\0\0\1\xb3\x16\0\xf0", "an MPEG video"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa", "a Windows Media file"),
        (b"OggS\0\2\0\0\0\0\0\0", "an Ogg file"),
    ],
)
def test_a_video_of_a_format_that_is_not_read_is_named(data, what):
    assert unread_kind(data) == what
    with pytest.raises(GifError) as raised:
        read_gif(data)
    assert str(raised.value) == (
        f"these bytes: {what}, which is not read; convert it, for example to MP4"
    )


def test_a_text_of_the_sync_byte_is_no_transport_stream():
    data = b"G" * 600
    assert (describe_beginning(data), unread_kind(data)) == ("text", None)


def test_a_text_that_resembles_a_quicktime_box():
    assert describe_beginning(b"the free press") == "text"


def test_unknown_bytes():
    with pytest.raises(GifError, match="neither a GIF nor another known format"):
        read_gif(b"\x91\x02\xf3\x99" * 9)


def test_an_avif_may_name_another_brand_first():
    data = b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif"
    with pytest.raises(GifError, match="not a GIF but an AVIF, and damaged"):
        read_gif(data)
