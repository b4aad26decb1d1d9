"""Pieces of the forms that are a single JSON document."""

from __future__ import annotations

from itertools import islice
from typing import Any

from gifdesc.data.forms.base import CaptionLine

_NUM_EXAMINED = 100
"""The first records of a document, by which it is recognised."""


def has_key(rows: list[Any], key: str) -> bool:
    """Whether one of the first records has a key."""
    return any(isinstance(row, dict) and key in row for row in islice(rows, _NUM_EXAMINED))


def list_of(document: dict[str, Any], key: str) -> list[Any]:
    """The list under a key; an empty list if there is none."""
    value = document.get(key)
    return value if isinstance(value, list) else []


def with_problem(line: CaptionLine, problem: str) -> CaptionLine:
    """A line that cannot be used."""
    return CaptionLine(line.number, problem=problem, unit=line.unit)
