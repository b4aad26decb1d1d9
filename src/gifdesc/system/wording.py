"""Numbers and lists of names in the sentences of messages."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 GIF`, `2 GIFs`.

    Args:
        number: of the things.
        noun: for a single thing.
        plural: of the noun; empty for the noun with an `s`.
    """
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def joined(names: Sequence[str]) -> str:
    """All names as part of a sentence: `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def list_some(names: Sequence[str], limit: int = 5) -> str:
    """The first few names, and how many more there are: `a, b and 7 more`."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
