"""File names for URLs, safe on every file system."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

from gifdesc.data.names import MEDIA_SUFFIXES

_MOST_BYTES = 120
"""Most bytes of a stem: file systems allow 143 or more for a name, and features have an ending."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""

_NUM_DIGITS = 10
"""Hexadecimal digits of a URL's hash that tell two names apart."""


def safe_part(text: str) -> str:
    """A text as part of a path: letters, digits, dots, hyphens and underscores.

    The name is in Unicode NFC, begins with no dot and no hyphen, and is at most 120 bytes long.
    """
    text = normalize("NFC", text)
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in text).lstrip(".-")
    cut = safe.encode()[:_MOST_BYTES].decode(errors="ignore").rstrip(".")
    return f"_{cut}" if not cut or _DEVICES.fullmatch(cut) else cut


def stem_of(url: str) -> tuple[str, str]:
    """The name of a URL's file without its ending, and the ending if it is that of a medium."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    stem, dot, ending = name.rpartition(".")
    if stem and dot + ending.lower() in MEDIA_SUFFIXES:
        return safe_part(stem), dot + ending.lower()
    return safe_part(name), ""


def path_of(url: str) -> str:
    """A path of its own for a URL: its host and path, in safe names.

    If that is not all of the URL, a part of the URL's hash follows the host, so that the rest of
    the path is that of the URL, by which descriptions find it.
    """
    parts = urlsplit(url)
    folders = [unquote(each) for each in parts.path.split("/")[:-1] if each]
    stem, ending = stem_of(url)
    names = [*map(safe_part, [parts.netloc.lower(), *folders]), stem]
    # Few hosts have an underscore, so one before the port is unmistakable elsewhere.
    host = parts.netloc.replace(":", "_")
    is_whole = "/".join(names) + ending == f"{host}{unquote(parts.path)}"
    if not is_whole or parts.query or "_" in parts.netloc:
        names[0] += f"_{url_hash(url)}"
    return "/".join(names) + ending


def url_hash(url: str) -> str:
    """A short hash of a URL."""
    digest = hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()
    return digest[:_NUM_DIGITS]
