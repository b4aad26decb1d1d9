"""Steps that take seconds, announced to whoever shows them.

Nobody does unless a program asks: the core never prints. The command line installs a display.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

Advance = Callable[[int, int | None], None]
"""Takes what is done, and the total where it is known, in the wait's unit."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A step that takes seconds.

    Attributes:
        text: what is done, such as `loading user/model`; empty where nothing need be shown.
        unit: of what is counted, such as `MB`; empty where nothing is.
        is_long: it takes over a second wherever it runs, so a log gets a line as well.
        has_own_bars: a library shows bars of its own meanwhile, such as the hub's for downloads.
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
    """Within, waits are shown by a display, in all threads."""
    _displays.append(display)
    try:
        yield
    finally:
        _displays.remove(display)


def wait_for(
    text: str, *, unit: str = "", is_long: bool = False, has_own_bars: bool = False
) -> AbstractContextManager[Advance]:
    """Announce a step for as long as the block runs.

    Args:
        text: as `Wait.text`.
        unit: as `Wait.unit`.
        is_long: as `Wait.is_long`.
        has_own_bars: as `Wait.has_own_bars`.

    Returns:
        A block that gives what counts the progress.
    """
    wait = Wait(text=text, unit=unit, is_long=is_long, has_own_bars=has_own_bars)
    return _displays[-1](wait)
