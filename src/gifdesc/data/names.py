"""Which GIF a name means: a path, a URL, a bare name, a feature file, or the report's own names.

A GIF's key is its path without `.gif`: `cats/jump.gif` and `cats/jump.txt` meet as `cats/jump`. The
report's names meet too: `gif_7_features_with_pe.npy` and `description_7.txt`. A URL's key begins
with `//` and the host.

Two names mean the same GIF if their keys are equal; else if the path of one is the end of
the other's, the longest common end first; else, where one is a URL, by the longest common end of
the two paths (across folders, of any two paths). A name that could mean several GIFs means none.
Names compare in Unicode NFC, and the endings of pictures and videos do not count unless they decide
between two names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Literal
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

MEDIA_SUFFIXES = (
    *(".gif", ".gifv", ".apng", ".png", ".jpg", ".jpeg", ".webp", ".avif", ".heic", ".bmp"),
    *(".mp4", ".m4v", ".webm", ".avi", ".mov", ".mkv", ".mpg", ".mpeg", ".ogv", ".wmv", ".flv"),
)
"""Endings of pictures and videos, in small letters: `v1.mp4` may be called `v1`."""

_ODD_PATH = re.compile(r"\\|//|/$|^$|(^|/)\.(/|$)")
"""Characters that need parsing; most paths have none of them."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_REPORT_NAME = re.compile(r"gif_(\d+)_features_with_pe|description_(\d+)")
_MOST_CANDIDATES = 3
"""GIFs that a name could mean: more are not listed."""


@lru_cache(maxsize=1024)  # data sets name a GIF once for each of its captions
def gif_key(name: str) -> str:
    """The key of a GIF, a feature file or a URL, in the Unicode form that the name has."""
    if _URL.match(name):
        name = _url_path(name)
    elif _ODD_PATH.search(name):
        name = PurePosixPath(name.replace("\\", "/")).as_posix()
    for suffix in (".npy", ".gif"):
        if name[-len(suffix) :].lower() == suffix:
            name = name[: -len(suffix)]
    folder, slash, stem = name.rpartition("/")
    if match := _REPORT_NAME.fullmatch(stem):
        stem = f"gif_{match[1] or match[2]}"
    return folder + slash + stem


def comparable_key(name: str) -> str:
    """The key by which names compare: in Unicode NFC (Unicode Standard Annex 15)."""
    return normalize("NFC", gif_key(name))


def bare_name(key: str) -> str:
    """A key without its folders."""
    return key.rpartition("/")[2]


def name_problem(name: str) -> str | None:
    """Why a name can mean no GIF; None if it can."""
    if _URL.match(name):
        try:
            has_path = bool(urlsplit(name).path.strip("/"))
        except ValueError:
            return f"not a URL: {name}"
        if not has_path:
            return f"a URL without a file: {name}"
    if not bare_name(gif_key(name)).strip("."):
        return f"not the name of a GIF: {name}"
    return None


def url_query(name: str) -> str:
    """The query of a URL, from its question mark on; empty if there is none."""
    if not _URL.match(name):
        return ""
    _, mark, query = name.partition("#")[0].partition("?")
    return mark + query


def _url_path(url: str) -> str:
    """`//host/path` of a URL in any form; the path of a URL without a host (`file:///`)."""
    rest = re.split(r"[?#]", url.partition("://")[2], maxsplit=1)[0]
    host, _, path = rest.partition("/")
    path = "/" + unquote(path).lstrip("/")
    if _ODD_PATH.search(path):
        path = PurePosixPath(path).as_posix()
    return f"//{host.lower()}{path}" if host else path


class NameIndex:
    """Finds the names of a collection by other names for the same GIFs.

    Args:
        names: paths, URLs or keys, in any form.
        across_folders: whether paths with a common end mean the same GIF, as a URL and a path do.
    """

    def __init__(self, names: Iterable[str], *, across_folders: bool = False) -> None:
        self._across_folders = across_folders
        self._names: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            self._names.setdefault(comparable_key(name), []).append(name)
        self._ends: _Ends | None = None

    def find(self, name: str) -> str | None:
        """The only name of the collection that means the same GIF; None if there is none."""
        found = self.candidates(name)
        return found[0] if len(found) == 1 else None

    def candidates(self, name: str) -> list[str]:
        """The names of the collection that could mean the same GIF equally well, at most three.

        If a name is spelt the same, it is the only candidate.
        """
        key = comparable_key(name)
        same = self._names.get(key, [])
        if name in same:
            return [name]
        if not same and self._ends is None:
            # This takes longer than all the rest, and is often not needed.
            self._ends = _Ends(self._names, self._across_folders)
        keys = [key] if same or self._ends is None else self._ends.nearest(key)
        names = chain.from_iterable(self._names[each] for each in keys)
        return list(islice(names, _MOST_CANDIDATES))


class _Ends:
    """Keys by the ends of their paths, each end with and without the ending of a medium."""

    def __init__(self, keys: Iterable[str], across_folders: bool) -> None:
        self._across_folders = across_folders
        self._whole: dict[str, tuple[str, ...]] = {}
        self._longer: dict[str, tuple[str, ...]] = {}
        self._longer_urls: dict[str, tuple[str, ...]] = {}
        for key in keys:
            for path in _paths(key):
                whole, *ends = _ends_of(path)
                _note(self._whole, whole, key)
                for end in ends:
                    _note(self._longer, end, key)
                    if _is_url(key):
                        _note(self._longer_urls, end, key)

    def nearest(self, key: str) -> tuple[str, ...]:
        """Up to three keys that share the longest end with a key that is not among them itself."""
        paths = _paths(key)
        for ends in zip(*map(_ends_of, paths), strict=True):
            reaches_all = self._across_folders or ends[0] == paths[0] or _is_url(key)
            conflicting = self._longer if reaches_all else self._longer_urls
            for group in (self._whole, conflicting):
                # The same ending decides between keys that are equal apart from it.
                for end in ends:
                    if found := group.get(end):
                        return found
        return ()


def _is_url(key: str) -> bool:
    return key.startswith("//")


def _paths(key: str) -> tuple[str, ...]:
    """The path of a key, and if it ends like a medium, also the path without the ending."""
    path = key.strip("/")
    stem, dot, ending = path.rpartition(".")
    is_medium = bool(bare_name(stem)) and dot + ending.lower() in MEDIA_SUFFIXES
    return (path, stem if is_medium else path)


def _ends_of(path: str) -> Iterator[str]:
    """The path, then the path without its first folder, and so on to the bare name."""
    yield path
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _note(keys: dict[str, tuple[str, ...]], end: str, key: str) -> None:
    """Add a key to those of an end, unless it is there or three are."""
    present = keys.get(end, ())
    if len(present) < _MOST_CANDIDATES and key not in present:
        keys[end] = (*present, key)


@dataclass(frozen=True)
class Matches:
    """Which of the names in a table, a list or a folder means each GIF.

    Attributes:
        found: for each GIF its name; None if it has none.
        ambiguous: names there that mean no GIF because they could mean several, or because a GIF
            could be meant by several names: each with its candidates.
        by: what was compared: the names; only the ends of paths, because no name means a GIF; or
            the data set's own ids, because no end does either.
    """

    found: list[str | None]
    ambiguous: Mapping[str, Sequence[str]]
    by: Literal["names", "ends", "ids"] = "names"


def match_names(
    gifs: Sequence[str], names: Collection[str], *, across_folders: bool = False
) -> Matches:
    """Match GIFs with the names that a table, a list or a folder has for them.

    A name that is not a GIF's own key belongs to a GIF only where each is the other's best match.

    Args:
        gifs: the keys of all GIFs.
        names: of the table; no two have the same key.
        across_folders: as in `NameIndex`.
    """
    by_name = NameIndex(names, across_folders=across_folders)
    by_gif = NameIndex(gifs, across_folders=across_folders)
    key_of = {gif: comparable_key(gif) for gif in gifs}
    found: list[str | None] = []
    ambiguous: dict[str, list[str]] = {}
    for gif in gifs:
        best = by_name.candidates(gif)
        name = best[0] if len(best) == 1 else None
        if name is not None and comparable_key(name) != key_of[gif]:
            others = by_gif.candidates(name)
            if {key_of[other] for other in others} != {key_of[gif]}:
                if key_of[gif] in {key_of[other] for other in others}:
                    ambiguous[name] = others
                name = None
        for candidate in best if len(best) > 1 else ():
            listed = ambiguous.setdefault(candidate, [])
            if gif not in listed and len(listed) < _MOST_CANDIDATES:
                listed.append(gif)
        found.append(name)
    used = set(found)
    left = {name: could for name, could in ambiguous.items() if name not in used}
    return Matches(found, left, "ends" if across_folders else "names")
