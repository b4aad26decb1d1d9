"""File names for URLs: safe on every file system, and never one name for two URLs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

from gifdesc.data.names import MEDIA_SUFFIXES, comparable_key

_MOST_BYTES = 120
"""Most bytes of a stem: file systems allow 143 or more for a name, and features have an ending."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""

_NUM_DIGITS = 10
"""Hexadecimal digits of a URL's hash that tell two equal names apart."""


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


class FileNames:
    """Gives every URL a stem that no other file of the folder has.

    Names compare as descriptions and case-insensitive file systems compare them.

    Args:
        file_names: of the files that the folder contains already.
    """

    def __init__(self, file_names: Iterable[str] = ()) -> None:
        self._used: set[str] = set()
        for name in file_names:
            stem, dot, ending = name.rpartition(".")
            is_medium = dot + ending.lower() in MEDIA_SUFFIXES
            self._used.add(_key(stem if stem and is_medium else name))

    def give(self, url: str) -> str:
        """The stem for a URL: its own, or with a part of the URL's hash if that is in use."""
        stem = own_stem = stem_of(url)[0]
        digest = hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()
        num_digits = _NUM_DIGITS
        while _key(stem) in self._used:
            stem = f"{own_stem}-{digest[:num_digits]}"
            num_digits += 1
        self._used.add(_key(stem))
        return stem


def _key(stem: str) -> str:
    return comparable_key(stem).casefold()
