"""A record of named values, such as a JSON object, as a line of captions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gifdesc.data.forms.base import CaptionLine, split_named, unknown_split
from gifdesc.data.forms.field_names import (
    NAME_KEYS,
    NAMES,
    OTHER_CAPTIONS,
    OWNER_KEYS,
    plain_name,
)
from gifdesc.data.names import NameIndex, gif_key

NEEDS = "needs `id` and `caption` or `captions`"
"""The problem of a record without a name or a caption."""


def line_of_row(number: int, row: Mapping[str, Any]) -> CaptionLine:
    """The line of a record.

    Args:
        number: of the line.
        row: the values by their keys.
    """
    if row.keys().isdisjoint(NAME_KEYS):
        row = {**row, **_renamed(row)}
    url = _url_beside_name(row)
    name, problem = _name_of({**row, "url": None} if url else row)
    if problem is not None:
        return CaptionLine(number, problem=problem, url=url)
    if isinstance(row.get("error"), str) and _is_nothing(row.get("caption")):
        problem = f"no caption ({row['error']})"
        return CaptionLine(number, name, has_text=False, problem=problem, is_empty=True, url=url)
    key, problem = _captions_key(row)
    if problem is not None:
        return CaptionLine(number, name, problem=problem, url=url)
    gif_id = next((id_text(row[owner]) for owner in OWNER_KEYS if row.get(owner)), "")
    split = row.get("split")
    line = CaptionLine(
        number,
        name,
        gif_id=gif_id,
        split=split_named(split),
        unknown_split=unknown_split(split),
        url=url,
    )
    return caption_line(line, row[key], key)


def caption_line(line: CaptionLine, value: object, key: str) -> CaptionLine:
    """A line with the captions of a JSON value.

    Args:
        line: the line without captions.
        value: a text, or a list of texts; null and NaN are empty texts.
        key: of the value, for messages.
    """
    if isinstance(value, str) and value.strip():  # most of a million: `replace` takes its time
        return CaptionLine(
            line.number,
            line.name,
            (value,),
            gif_id=line.gif_id,
            split=line.split,
            other_split=line.other_split,
            unknown_split=line.unknown_split,
            url=line.url,
            unit=line.unit,
        )
    values = value if isinstance(value, list) else [value]
    for text in values:
        if not isinstance(text, str) and not _is_nothing(text):
            contains = "contains" if isinstance(value, list) else "is"
            problem = f"`{key}` {contains} {_kind(text)}; a text or a list of texts is needed"
            return replace(line, problem=problem)
    captions = tuple(text if isinstance(text, str) else "" for text in values)
    has_text = any(isinstance(text, str) for text in values)
    line = replace(line, captions=captions, has_text=has_text, is_list=isinstance(value, list))
    if any(caption.strip() for caption in captions):
        return line
    return replace(line, problem="no caption", is_empty=True)


def id_text(value: object) -> str:
    """A whole number or a text as an id; empty for other values."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def unread_captions(row: Mapping[str, Any]) -> list[str]:
    """The keys of captions of an object that has its captions under another key."""
    key, _ = _captions_key(row)
    others = [other for other in OTHER_CAPTIONS if other in row and other != key]
    return [other for other in others if key and isinstance(row[other], (str, list))]


def _renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The names of a GIF under keys that only tables have, by the keys of a record."""
    keys = {key: NAMES.get(plain_name(key)) for key in reversed([*row])}
    return {known: row[key] for key, known in keys.items() if known and id_text(row[key])}


def _url_beside_name(row: Mapping[str, Any]) -> str:
    """Where a GIF is that has a name as well; empty if the URL is its only name.

    The number of a GIF in a data set is no name.
    """
    url = row.get("url")
    if not isinstance(url, str) or "://" not in url:
        return ""
    names = {key: id_text(row[key]) for key in NAME_KEYS if key != "url" and row.get(key)}
    if all(key in OWNER_KEYS and name.isdecimal() for key, name in names.items()):
        return ""
    return url


def _name_of(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """The GIF that an object names, or why it names none."""
    given = {key: row[key] for key in NAME_KEYS if key in row and not _is_nothing(row[key])}
    if any(key in given for key in OWNER_KEYS):
        given.pop("id", None)  # the caption's own number, as in COCO's annotations
    if not given:
        return "", NEEDS
    if len(given) == 1 and isinstance(name := next(iter(given.values())), str) and name:
        return name, None
    names: dict[str, str] = {}
    for key, value in given.items():
        if not (name := id_text(value)):
            return "", f"`{key}` is {_kind(value)}; a name is needed"
        names[key] = name
    own = next((key for key in OWNER_KEYS if names.get(key, "").isdecimal()), None)
    others = [name for key, name in names.items() if key != own]
    if own is not None and others and NameIndex(others).find(names[own]) is None:
        del names[own]  # the number of the GIF in the data set, beside the name of its file
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


def _captions_key(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """The key of an object's captions, or the reason why it has none."""
    if "caption" not in row and "captions" not in row:
        other = next((key for key in OTHER_CAPTIONS if key in row), None)
        return (other, None) if other else ("", NEEDS)
    key = "caption" if _is_nothing(row.get("captions")) else "captions"
    key = key if key in row else "captions"
    value = row[key]
    values = value if isinstance(value, list) else [value]
    if key == "captions" and not _is_nothing(row.get("caption")) and row["caption"] not in values:
        return "", "`caption` and `captions` differ; leave one out"
    return key, None


def _is_nothing(value: object) -> bool:
    """Null, or the NaN that pandas writes for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds: dict[type, str] = {str: "a text", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "an object")
