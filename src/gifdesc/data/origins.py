"""The GIF that a name in a folder of results belongs to: one name, one GIF."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gifdesc.data.arguments import is_stream, is_url
from gifdesc.data.gifs import GifInput


def origin_of(gif: GifInput) -> str | None:
    """The absolute path of a GIF, links not followed, or its URL; None for a GIF from a pipe."""
    if gif.is_spooled:
        return None if is_stream(gif.name) else gif.name
    path = os.path.abspath(gif.path)  # noqa: PTH100 - resolve() would follow links
    return sys.intern(path)  # the manifest and `Origins` keep it for every GIF


class Origins:
    """The names of GIFs in a folder of results, and where each GIF was.

    A name is the GIF's path under the folder that was given first, whatever else a later run is
    given. A GIF elsewhere is named by its path under the folder that contains both.
    """

    def __init__(self, known: Mapping[str, str | None]) -> None:
        """Begin with the names that are in use.

        Args:
            known: name -> absolute path of the GIF, None if it is unknown.
        """
        self._origin_by_name = dict(known)
        self._name_by_origin = {origin: name for name, origin in known.items() if origin}
        self._root = _first_root(known)
        self._has_root = self._root is not None and os.path.isdir(self._root)  # noqa: PTH112

    def name_of(self, gif: GifInput) -> str:
        """The name of a GIF: its earlier name, or a new name that no other GIF has.

        The name of a GIF that is gone may be given again: if the content is the same, the file was
        moved.
        """
        origin = origin_of(gif)
        if origin is None:
            return gif.source
        if (name := self._name_by_origin.get(origin)) is not None:
            return name
        name = self._under_root(origin) or gif.source
        return self.apart(gif, name) if self._is_taken(name, origin) else name

    def apart(self, gif: GifInput, name: str) -> str:
        """A longer name than `name`, with more of the GIF's folders, that no GIF has."""
        origin = origin_of(gif)
        parts = Path(origin or gif.source).parts
        parts = parts[1:] if origin else parts  # without the root folder or the drive
        for length in range(len(Path(name).parts) + 1, len(parts) + 1):
            longer = "/".join(parts[-length:])
            if longer not in self._origin_by_name:
                return longer
        number = 2
        while f"{name}~{number}" in self._origin_by_name:
            number += 1
        return f"{name}~{number}"

    def origin_by_name(self, name: str) -> str | None:
        """The absolute path of the GIF of a name; None if it is unknown."""
        return self._origin_by_name.get(name)

    def add(self, name: str, gif: GifInput) -> None:
        """Give a name to a GIF."""
        origin = origin_of(gif)
        self._origin_by_name[name] = origin
        if origin is not None:
            self._name_by_origin[origin] = name

    def expected_path(self, name: str) -> str | None:
        """Where the GIF of a name is, or must have been when its path was not recorded.

        None for a GIF from a pipe or a URL.
        """
        origin = self._origin_by_name.get(name)
        if origin is not None and is_url(origin):
            return None
        if origin is None and self._root is not None:
            return os.path.join(self._root, name)  # noqa: PTH118 - a string, for speed
        return origin

    def _is_taken(self, name: str, origin: str) -> bool:
        other = self._origin_by_name.get(name)
        return other is not None and other != origin and os.path.lexists(other)

    def _under_root(self, origin: str) -> str | None:
        if not self._has_root or self._root is None:
            return None
        try:
            shared = os.path.commonpath([self._root, os.path.dirname(origin)])  # noqa: PTH120
        except ValueError:  # on another drive (Windows)
            return None
        return Path(os.path.relpath(origin, shared)).as_posix()


def _first_root(known: Mapping[str, str | None]) -> str | None:
    """The folder that was given first: all others that names are relative to hold it.

    A folder that no longer exists counts only if no other exists.
    """
    roots = {
        origin.removesuffix(name).rstrip("/\\")
        for name, origin in known.items()
        if origin is not None
        and not is_url(origin)
        and origin.replace("\\", "/").endswith(f"/{name}")
    } - {""}
    there = {root for root in roots if os.path.isdir(root)}  # noqa: PTH112 - a string, for speed
    return max(there or roots, key=len, default=None)
