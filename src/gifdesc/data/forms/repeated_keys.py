"""Keys that a JSON object has twice, of which JSON readers keep the last without a word.

RFC 8259, section 4: names within an object should be unique, and readers differ where they are not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json.decoder import JSONObject  # type: ignore[attr-defined]
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from gifdesc.system.json_files import parse_json
from gifdesc.system.wording import counted

_MOST_REMARKS = 5
"""Objects of a document that are each named."""


class RepeatedKeyError(ValueError):
    """An object has a key twice, with different values.

    Attributes:
        key: the first such key.
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"`{key}` occurs twice in an object")
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if value != found[key]:
                raise RepeatedKeyError(key)
    return found


_decode: Callable[[str], Any] = json.JSONDecoder(object_pairs_hook=_unique).decode


def parse_unique(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        RepeatedKeyError: an object has a key twice, with different values.
        ValueError: it is not JSON.
    """
    return parse_json(text, _decode)


def remarks_on_keys(text: str, path: Path, error: RepeatedKeyError) -> list[str]:
    """Remarks about objects that have a key twice with different values, with the objects' lines.

    Args:
        text: a JSON document with such an object.
        path: of the document, for the remarks.
        error: about the first such object.
    """
    try:
        return _Finder(path).remarks_on(text)
    except RecursionError:  # needs more frames than the decoder that found the object
        return [f"{path}: {error}; the last is read, so remove the other"]


class _Finder(json.JSONDecoder):
    """A slow decoder that knows where objects begin, which the hooks of `json` are not given."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._num_found = 0
        self._remarks: list[str] = []
        self.parse_object = self._parse_object
        self.scan_once = py_make_scanner(self)

    def remarks_on(self, text: str) -> list[str]:
        self.decode(text)
        if num_more := self._num_found - len(self._remarks):
            self._remarks.append(
                f"{self._path}: a key occurs twice in {counted(num_more, 'more object')}"
            )
        return self._remarks

    def _parse_object(
        self, text_and_end: tuple[str, int], strict: bool, scan_once: Any, *args: Any
    ) -> Any:
        text, start = text_and_end

        def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            try:
                _unique(pairs)
            except RepeatedKeyError as error:
                self._num_found += 1
                if len(self._remarks) < _MOST_REMARKS:
                    line = text.count("\n", 0, start) + 1
                    remark = f"{error}; the last is read, so remove the other"
                    self._remarks.append(f"{self._path}:{line}: {remark}")
            return dict(pairs)

        _, _, *rest = args
        return JSONObject(text_and_end, strict, scan_once, None, note, *rest)
