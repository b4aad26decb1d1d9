"""Announce steps that take seconds to a display.

The core never prints; a program such as the command line installs a display.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

Advance = Callable[[int, int | None], None]
"""A function of the amount that is done, and the total if it is known, in the wait's unit."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A step that takes seconds.

    Attributes:
        text: the step, such as `loading user/model`; empty to show nothing.
        unit: of the progress, such as `MB`; empty without progress.
        is_long: the step takes over a second everywhere, so a log gets a line as well.
        has_own_bars: a library shows its own progress bars, such as the hub for downloads.
    """

    text: str
    unit: str = ""
    is_long: bool = False
    has_own_bars: bool = False


Display = Callable[[Wait], AbstractContextManager[Advance]]


def _show_nothing(_wait: Wait) -> AbstractContextManager[Advance]:
    return nullcontext(lambda _num_done, _total: None)


_displays: list[Display] = [_show_nothing]


@contextmanager
def showing_waits(display: Display) -> Iterator[None]:
    """Show waits by a display inside the block, in all threads."""
    _displays.append(display)
    try:
        yield
    finally:
        _displays.remove(display)


def wait_for(
    text: str, *, unit: str = "", is_long: bool = False, has_own_bars: bool = False
) -> AbstractContextManager[Advance]:
    """Announce a step while the block runs.

    Args:
        text: as `Wait.text`.
        unit: as `Wait.unit`.
        is_long: as `Wait.is_long`.
        has_own_bars: as `Wait.has_own_bars`.

    Returns:
        A context manager whose value is the function that reports progress.
    """
    wait = Wait(text=text, unit=unit, is_long=is_long, has_own_bars=has_own_bars)
    return _displays[-1](wait)
