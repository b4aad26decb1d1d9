"""Which GIF a name means: a path, a URL, a bare name, a feature file, or the report's own names.

A GIF's key is its path without `.gif`: `cats/jump.gif` and `cats/jump.txt` meet as `cats/jump`. The
report's names meet too: `gif_7_features_with_pe.npy` and `description_7.txt`. A URL's key begins
with `//` and the host.

Two names mean the same GIF if their keys are equal; else if the path of one is the end of
the other's, the longest common end first; else, where one is a URL, by the longest common end of
the two paths (across folders, of any two paths). A name that could mean several GIFs means none.
Names compare in Unicode NFC, and the endings of pictures and videos do not count unless they decide
between two names: beside `jump.mp4`, `jump.gif` means the GIF alone, and `jump` could mean both.
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

_GIF = ".gif"
"""The ending that a key lacks."""

_ODD_PATH = re.compile(r"\\|//|/$|^$|(^|/)\.(/|$)")
"""Characters that need parsing; most paths have none of them."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_REPORT_NAME = re.compile(r"gif_(\d+)_features_with_pe|description_(\d+)")
_HASHED_HOST = re.compile(r"([^/]*\.[^/]*|[^/]+_\d{1,5})_[0-9a-f]{10}/")
"""The first folder of the file of a URL that has a query, as `url_names.path_of` names it."""

_MOST_CANDIDATES = 3
"""GIFs that a name could mean: more are not listed."""


def gif_key(name: str) -> str:
    """The key of a GIF, a feature file or a URL, in the Unicode form that the name has."""
    return _key_and_ending(name)[0]


@lru_cache(maxsize=1024)  # data sets name a GIF once for each of its captions
def _key_and_ending(name: str) -> tuple[str, str]:
    """The key of a name, and the `.gif` that it lacks; empty if the name has no such ending."""
    if _URL.match(name):
        name = _url_path(name)
    elif _ODD_PATH.search(name):
        name = PurePosixPath(name.replace("\\", "/")).as_posix()
    ending = ""
    for suffix in (".npy", _GIF):
        if name[-len(suffix) :].lower() == suffix:
            name = name[: -len(suffix)]
            ending = suffix
    folder, slash, stem = name.rpartition("/")
    if match := _REPORT_NAME.fullmatch(stem):
        stem = f"gif_{match[1] or match[2]}"
    return folder + slash + stem, ending if ending == _GIF else ""


def comparable_key(name: str) -> str:
    """The key by which names compare: in Unicode NFC (Unicode Standard Annex 15)."""
    return normalize("NFC", gif_key(name))


def full_key(name: str) -> str:
    """The comparable key, with `.gif` if the name has this ending."""
    key, ending = _key_and_ending(name)
    return normalize("NFC", key) + ending


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
        self._other_media: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            full = full_key(name)
            self._names.setdefault(full, []).append(name)
            stem = _without_ending(full)
            if stem != full and not full.endswith(_GIF):
                self._other_media.setdefault(stem, []).append(name)
        self._ends: _Ends | None = None

    def find(self, name: str) -> str | None:
        """The only name of the collection that means the same GIF; None if there is none."""
        found = self.candidates(name)
        return found[0] if len(found) == 1 else None

    def candidates(self, name: str) -> list[str]:
        """The names of the collection that could mean the same GIF equally well, at most three.

        If a name is spelt the same, it is the only candidate.
        """
        full = full_key(name)
        key = full.removesuffix(_GIF)
        without, with_gif = self._names.get(key, []), self._names.get(key + _GIF, [])
        if name in without or name in with_gif:
            return [name]
        if full != key:
            same = [*without, *with_gif]
        else:
            same = without or (with_gif and [*with_gif, *self._other_media.get(key, ())])
        if same:
            return same[:_MOST_CANDIDATES]
        if self._ends is None:
            # This takes longer than all the rest, and is often not needed.
            self._ends = _Ends(self._names, self._across_folders)
        names = chain.from_iterable(self._names[each] for each in self._ends.nearest(full))
        return list(islice(names, _MOST_CANDIDATES))


class _Ends:
    """Keys by the ends of their paths, each end with and without the ending of a medium."""

    def __init__(self, full_keys: Iterable[str], across_folders: bool) -> None:
        self._across_folders = across_folders
        self._whole: dict[str, tuple[str, ...]] = {}
        self._longer: dict[str, tuple[str, ...]] = {}
        self._longer_urls: dict[str, tuple[str, ...]] = {}
        for key in full_keys:
            for path in _paths(key):
                whole, *ends = _ends_of(path)
                _note(self._whole, whole, key)
                for end in (*_without_hash(whole), *ends):
                    _note(self._longer, end, key)
                    if _is_url(key):
                        _note(self._longer_urls, end, key)

    def nearest(self, key: str) -> tuple[str, ...]:
        """Up to three full keys that share the longest end with a full key."""
        paths = _paths(key)
        for ends in chain(
            [paths],
            zip(*map(_without_hash, paths), strict=True),
            islice(zip(*map(_ends_of, paths), strict=True), 1, None),
        ):
            reaches_all = self._across_folders or ends[0] == paths[0] or _is_url(key)
            conflicting = self._longer if reaches_all else self._longer_urls
            for group in (self._whole, conflicting):
                # The same ending decides between keys that are equal apart from it.
                for end in ends:
                    if found := group.get(end):
                        return _for_gif(found) if key.endswith(_GIF) else found
        return ()


def _for_gif(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Of keys that a GIF could have, those that a GIF is likeliest to have."""
    for is_likelier in (lambda key: key.endswith(_GIF), lambda key: _without_ending(key) == key):
        if likelier := tuple(filter(is_likelier, keys)):
            return likelier
    return keys


def _is_url(key: str) -> bool:
    return key.startswith("//")


def _paths(key: str) -> tuple[str, ...]:
    """The path of a full key, and if it ends like a medium, also the path without the ending."""
    path = key.strip("/")
    stem = _without_ending(path)
    return (stem + path[len(stem) :].lower(), stem)


def _without_ending(path: str) -> str:
    """A path without the ending of a medium, if it has such an ending."""
    stem, dot, ending = path.rpartition(".")
    is_medium = dot + ending.lower() in MEDIA_SUFFIXES and bool(bare_name(stem))
    return stem if is_medium else path


def _ends_of(path: str) -> Iterator[str]:
    """The path, then the path without its first folder, and so on to the bare name."""
    yield path
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _without_hash(path: str) -> Sequence[str]:
    """The path of the file of a URL without the hash of its query; nothing for other paths."""
    match = _HASHED_HOST.match(path)
    return [f"{match[1]}/{path[match.end() :]}"] if match else []


def _note(keys: dict[str, tuple[str, ...]], end: str, key: str) -> None:
    """Add a key to those of an end, unless it is there or three are."""
    present = keys.get(end, ())
    if key in present:
        return
    if len(present) < _MOST_CANDIDATES:
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

    A name belongs to a GIF only where each is the other's best match. A name without an ending
    that could mean `jump.gif` and `jump.mp4` means neither, unless one of them has a name of its
    own.

    Args:
        gifs: the keys of all GIFs.
        names: of the table; no two have the same key.
        across_folders: as in `NameIndex`.
    """
    full_names = {gif: _full_name(gif) for gif in gifs}
    gif_of = {full: gif for gif, full in full_names.items()}
    by_name = NameIndex(names, across_folders=across_folders)
    by_gif = NameIndex(gif_of, across_folders=across_folders)
    found: list[str | None] = []
    ambiguous: dict[str, list[str]] = {}
    for gif in gifs:
        best = by_name.candidates(full_names[gif])
        name = best[0] if len(best) == 1 else None
        if name is not None and (others := by_gif.candidates(name)) != [full_names[gif]]:
            key = comparable_key(gif)
            rivals = [other for other in others if not _is_apart(other, gif, name, by_name)]
            keys = {comparable_key(other) for other in rivals}
            if key in keys and len(keys) > 1:
                ambiguous[name] = [gif_of[other] for other in others]
            if keys != {key}:
                name = None
        for candidate in best if len(best) > 1 else ():
            listed = ambiguous.setdefault(candidate, [])
            if gif not in listed and len(listed) < _MOST_CANDIDATES:
                listed.append(gif)
        found.append(name)
    used = set(found)
    left = {name: could for name, could in ambiguous.items() if name not in used}
    return Matches(found, left, "ends" if across_folders else "names")


def _full_name(gif: str) -> str:
    """The key of a GIF with the ending `.gif`, if it has no ending of a medium."""
    return gif if _without_ending(gif) != gif else gif + _GIF


def _is_apart(other: str, gif: str, name: str, names: NameIndex) -> bool:
    """Whether another GIF differs from a GIF by its ending alone and has a name of its own."""
    stem, other_stem = (_without_ending(comparable_key(each)) for each in (gif, other))
    is_other = comparable_key(other) != comparable_key(gif)
    return is_other and stem == other_stem and names.find(other) not in (None, name)
