"""A record of named values, such as a JSON object, as a line of captions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gifdesc.data.forms.base import CaptionLine
from gifdesc.data.names import NameIndex, gif_key

_OWNER_KEYS = ("image_id", "video_id", "gif_id")
_NAME_KEYS = (
    *_OWNER_KEYS,
    *("id", "path", "gif", "source", "name", "file_name", "filename", "url"),
)
NEEDS = "needs `id` and `caption` or `captions`"
"""The problem of a record without a name or a caption."""


def line_of_row(number: int, row: Mapping[str, Any]) -> CaptionLine:
    """The line of a record.

    Args:
        number: of the line.
        row: the values by their keys.
    """
    name, problem = _name_of(row)
    if problem is not None:
        return CaptionLine(number, problem=problem)
    if isinstance(row.get("error"), str) and _is_nothing(row.get("caption")):
        problem = f"no caption ({row['error']})"
        return CaptionLine(number, name, has_text=False, problem=problem, is_empty=True)
    value, problem = _captions_of(row)
    if problem is not None:
        return CaptionLine(number, name, problem=problem)
    captions = tuple("" if _is_nothing(text) else text for text in value)
    line = CaptionLine(
        number,
        name,
        captions,
        has_text=any(isinstance(text, str) for text in value),
        is_list=isinstance(row.get("captions", row.get("caption")), list),
    )
    if any(caption.strip() for caption in captions):
        return line
    return replace(line, problem="no caption", is_empty=True)


def _name_of(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """The GIF that an object names, or why it names none."""
    given = {key: row[key] for key in _NAME_KEYS if not _is_nothing(row.get(key))}
    if any(key in given for key in _OWNER_KEYS):
        given.pop("id", None)  # the caption's own number, as in COCO's annotations
    if not given:
        return "", NEEDS
    names: dict[str, str] = {}
    for key, value in given.items():
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            return "", f"`{key}` is {_kind(value)}; a name is wanted"
        names[key] = str(value)
    # A path identifies a file better than a bare name, and a local path better than a URL.
    key = max(
        names, key=lambda each: (not gif_key(names[each]).startswith("//"), _depth(names[each]))
    )
    for other, name in names.items():
        if name != names[key] and NameIndex([names[key]]).find(name) is None:
            return "", f"`{key}` {names[key]} and `{other}` {name} name two GIFs; leave one out"
    return names[key], None


def _depth(name: str) -> int:
    return gif_key(name).count("/")


def _captions_of(row: Mapping[str, Any]) -> tuple[list[Any], str | None]:
    """The captions of an object, None or NaN among them, or the reason why it has none."""
    if "caption" not in row and "captions" not in row:
        return [], NEEDS
    key = "caption" if _is_nothing(row.get("captions")) else "captions"
    value = row.get(key)
    values = value if isinstance(value, list) else [value]
    if key == "captions" and not _is_nothing(row.get("caption")) and row["caption"] not in values:
        return [], "`caption` and `captions` differ; leave one out"
    for text in values:
        if not isinstance(text, str) and not _is_nothing(text):
            contains = "contains" if isinstance(value, list) else "is"
            return [], f"`{key}` {contains} {_kind(text)}; a text or a list of texts is needed"
    return values, None


def _is_nothing(value: object) -> bool:
    """Null, or the NaN that pandas writes for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds: dict[type, str] = {str: "a text", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "an object")
