"""Helpers for iterators."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TypeVar

_Item = TypeVar("_Item")


def non_empty(items: Iterator[_Item]) -> Iterator[_Item] | None:
    """The same items, or None where there are none; the first item is fetched at once.

    An error that the first item causes is raised here, before the caller prepares anything for
    the items.
    """
    for first in items:
        return chain([first], items)
    return None
