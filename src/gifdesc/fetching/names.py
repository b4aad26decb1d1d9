"""Names for the files of URLs: never one name for two URLs."""

from __future__ import annotations

from collections.abc import Iterable

from gifdesc.data.names import MEDIA_SUFFIXES, comparable_key
from gifdesc.data.url_names import stem_of, url_hash


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
        number = 1
        while _key(stem) in self._used:
            stem = f"{own_stem}-{url_hash(url)}" + (f"-{number}" if number > 1 else "")
            number += 1
        self._used.add(_key(stem))
        return stem


def _key(stem: str) -> str:
    return comparable_key(stem).casefold()
