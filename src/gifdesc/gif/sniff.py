"""Recognise the format of a file by its first bytes."""

from __future__ import annotations

from itertools import chain

APPLE_DOUBLE_START = b"\0\x05\x16\x07"
"""The start of an AppleDouble file (RFC 1740, appendix B)."""

_BEGINNINGS = (
    (b"GIF", "a GIF of an unknown version"),
    (b"\x89PNG", "a PNG"),
    (b"\xff\xd8\xff", "a JPEG"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"OggS", "an Ogg file"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (b"\0\0\1\0", "an icon"),
    (b"8BPS", "a Photoshop document"),
    (b"qoif", "a QOI picture"),
    (b"\x8aMNG", "an MNG animation"),
    (APPLE_DOUBLE_START, "an AppleDouble file, which has no picture"),
    (b"ID3", "an MP3 sound"),
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer; fetch the file itself"),
    (b"FLV\x01", "a Flash video"),
    (b"CWS", "a Flash film"),
    (b"FWS", "a Flash film"),
    (b"\0\0\1\xba", "an MPEG program stream"),
    (b"\0\0\1\xb3", "an MPEG video"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
)
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "an AVIF"),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "a HEIC picture"
    ),
    b"crx ": "a CR3 picture",
    b"qt  ": "a QuickTime video",
    b"M4A ": "an M4A sound",
}
"""Brands of ISO base media files (ISO/IEC 14496-12, section 4.3; ISO/IEC 23008-12, section 10)."""

_QUICKTIME_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
"""Boxes at the start of QuickTime files without a file type box."""

_MATROSKA_START = b"\x1aE\xdf\xa3"
"""The start of a WebM or Matroska file (RFC 9559, section 5.1)."""

_RIFF_KINDS = {b"WEBP": "a WebP", b"AVI ": "an AVI video", b"WAVE": "a WAV sound"}

_HEIF_BRANDS = (b"mif1", b"msf1")
"""Brands of pictures whose codec is in another brand."""

_GIF = (b"GIF87a", b"GIF89a")
_UNREAD_PICTURES = {
    *("a TIFF picture", "a JPEG XL picture", "a JPEG 2000 picture", "a QOI picture"),
    *("a HEIC picture", "a HEIF picture", "a CR3 picture"),
}
_STILL = {"a JPEG", "a BMP", "an icon", "a Photoshop document", *_UNREAD_PICTURES}
VIDEO_KINDS = (
    *("an MP4 video", "a QuickTime video", "a WebM video", "a Matroska video", "an AVI video"),
)
"""Videos that are read as GIFs, as named by `describe_beginning`."""

UNREAD_KINDS = (
    *("a Flash video", "an MPEG transport stream", "an MPEG program stream", "an MPEG video"),
    *("a Windows Media file", "an Ogg file", "an MNG animation"),
)
"""Formats of videos and animations that are not read."""

_STREAM_PACKETS = ((188, 0), (192, 4))
"""Bytes of the packets of MPEG transport streams, and where their sync byte is: in broadcasts
(ISO/IEC 13818-1, section 2.4.3.2), and on discs and in cameras with 4 bytes of time before it."""

_MEDIA = {
    *_STILL,
    *("a PNG", "a WebP", "an AVIF"),
    *VIDEO_KINDS,
    *UNREAD_KINDS,
}

_OWN_SUFFIXES = {
    "an APNG": (".apng", ".png"),
    "a WebP": (".webp",),
    "an AVIF": (".avif",),
    **dict.fromkeys(("an MP4 video", "a QuickTime video"), (".mp4", ".m4v", ".mov", ".gifv")),
    **dict.fromkeys(("a WebM video", "a Matroska video"), (".webm", ".mkv", ".gifv")),
    "an AVI video": (".avi",),
}
"""Endings of files that move, by their formats. Hosts of GIFs call their videos `.gifv`."""

_HTML_BEGINNINGS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<title", b"<!--")
_NUM_BYTES = 512
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def describe_beginning(data: bytes) -> str | None:
    """The format of a file by its first bytes, such as ``an HTML page``; None if unknown."""
    for beginning, description in _BEGINNINGS:
        if data.startswith(beginning):
            return description
    if data[:2] == b"BM" and data[6:10] == b"\0\0\0\0":  # reserved bytes; a text has letters here
        return "a BMP"
    if data[:4] == b"RIFF":
        return _RIFF_KINDS.get(data[8:12], "a RIFF file")
    if data.startswith(_MATROSKA_START):
        return "a WebM video" if b"webm" in data[:64] else "a Matroska video"
    if data[4:8] in _QUICKTIME_BOXES and data[:1] < b"\t":  # a text begins with a larger byte
        return "a QuickTime video"
    if data[4:8] == b"ftyp":
        return _describe_brands(data[8 : min(int.from_bytes(data[:4]), _NUM_BYTES)])
    if not data[:_NUM_BYTES].strip(b"\0"):
        return "nothing but zero bytes"
    if (text := _describe_text(data[:_NUM_BYTES])) is not None:
        return text
    return "an MPEG transport stream" if _is_transport_stream(data) else None


def format_note(kind: str, name: str, *, moves: bool) -> str | None:
    """A remark about a file that is no GIF.

    Args:
        kind: the format, as named by `describe_beginning`, or `an APNG`.
        name: of the file.
        moves: whether the format is one of animations or videos, and the file has frames.

    Returns:
        The format, for a still picture and a name of another format; else None.
    """
    lowered = name.lower()
    if not moves:
        return f"{kind} under a .gif name" if lowered.endswith(".gif") else f"{kind}, not a GIF"
    own = _OWN_SUFFIXES.get(kind, ())
    others = {".gif", *chain.from_iterable(_OWN_SUFFIXES.values())}.difference(own)
    other = next((suffix for suffix in others if lowered.endswith(suffix)), None)
    return None if other is None else f"{kind} under a {other} name"


def is_media(data: bytes) -> bool:
    """Whether the first 12 or more bytes of a file are those of a picture or a video."""
    return data.startswith(_GIF) or (
        describe_beginning(data) in _MEDIA and any(byte < 9 for byte in data[:32])
    )


def unread_kind(data: bytes) -> str | None:
    """The format of a video or a picture that is not read; None for other files."""
    kind = describe_beginning(data)
    is_unread = kind in UNREAD_KINDS or kind in _UNREAD_PICTURES
    return kind if is_unread and is_media(data) else None


def is_animation_or_video(data: bytes) -> bool:
    """As `is_media`, without formats of still pictures."""
    return data.startswith(_GIF) or (is_media(data) and describe_beginning(data) not in _STILL)


def is_still_picture(data: bytes) -> bool:
    """Whether the beginning of a file is that of a picture that is read as a single frame."""
    kind = describe_beginning(data)
    if kind in ("a PNG", "a WebP", "an AVIF"):
        return not is_animated_picture(data)
    return kind in ("a JPEG", "a BMP")


def is_animated_picture(data: bytes) -> bool:
    """Whether a PNG, WebP or AVIF is animated, by the beginning of its file."""
    kind = describe_beginning(data)
    if kind == "a WebP":  # the flags of a VP8X chunk (RFC 9649, section 2.7.1)
        return data[12:16] == b"VP8X" and len(data) > 20 and bool(data[20] & 2)
    if kind == "an AVIF":  # the brand of sequences (AV1 Image File Format, section 6.3)
        return b"avis" in data[8 : int.from_bytes(data[:4])]
    if kind == "a PNG":  # the chunk acTL is before IDAT (PNG, third edition, section 5.6)
        return b"acTL" in data.partition(b"IDAT")[0]
    return False


def _is_transport_stream(data: bytes) -> bool:
    """Whether the first three packets begin with the sync byte of MPEG transport streams."""
    return any(
        len(data) > 2 * size + start and data[start : 2 * size + start + 1 : size] == b"GGG"
        for size, start in _STREAM_PACKETS
    )


def _describe_brands(box: bytes) -> str:
    """The format of a file type box: major brand, version, compatible brands, 4 bytes each."""
    major, compatible = box[:4], [box[start : start + 4] for start in range(8, len(box), 4)]
    if major in _BRANDS:
        return _BRANDS[major]
    if major in _HEIF_BRANDS:
        return next((_BRANDS[brand] for brand in compatible if brand in _BRANDS), "a HEIF picture")
    return "an MP4 video"


def _describe_text(start: bytes) -> str | None:
    start = start.removeprefix(_BYTE_ORDER_MARK).lstrip()
    lowered = start.lower()
    if lowered.startswith(_HTML_BEGINNINGS):
        return "an HTML page"
    if lowered.startswith(b"<svg"):
        return "an SVG"
    if lowered.startswith(b"<?xml"):
        return "an SVG" if b"<svg" in lowered else "an HTML page" if b"<html" in lowered else "XML"
    if not _is_text(start):
        return None
    return "JSON" if lowered.startswith((b"{", b"[")) else "text"


def _is_text(start: bytes) -> bool:
    """Whether bytes, which may end inside a character, are UTF-8 without control codes."""
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3 or error.start == 0:
            return False
        text = start[: error.start].decode()
    return bool(text) and all(character.isprintable() or character.isspace() for character in text)
