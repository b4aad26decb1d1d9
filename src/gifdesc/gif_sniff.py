"""What a file that is no picture starts like, for the sentence that refuses it."""

_BEGINNINGS = (
    (b"GIF", "a GIF of an unknown version"),
    (b"\x89PNG", "a PNG"),
    (b"\xff\xd8\xff", "a JPEG"),
    (b"BM", "a BMP"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1aE\xdf\xa3", "a WebM or Matroska video"),
    (b"OggS", "an Ogg file"),
    (b"FLV\x01", "a Flash video"),
    (b"CWS", "a Flash film"),
    (b"FWS", "a Flash film"),
)
_HTML_BEGINNINGS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<title", b"<!--")
_NUM_BYTES = 512
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def describe_beginning(data: bytes) -> str | None:
    """What the first bytes look like, such as ``an HTML page``; None if nothing known."""
    for beginning, description in _BEGINNINGS:
        if data.startswith(beginning):
            return description
    if data[:4] == b"RIFF":
        return "a WebP" if data[8:12] == b"WEBP" else "a RIFF file"
    if data[4:8] == b"ftyp":
        return "an AVIF" if data[8:12] in (b"avif", b"avis") else "an MP4 video"
    if not data[:_NUM_BYTES].strip(b"\0"):
        return "nothing but zero bytes"
    return _describe_text(data[:_NUM_BYTES])


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
    """Whether these bytes, perhaps cut inside a character, are UTF-8 without control codes."""
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3 or error.start == 0:
            return False
        text = start[: error.start].decode()
    return bool(text) and all(character.isprintable() or character.isspace() for character in text)
