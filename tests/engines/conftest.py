"""A hard time limit for the tests that start Ray."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HARD_LIMIT_SECONDS = 300


@pytest.fixture(autouse=True)
def _hard_limit(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a slow test that hangs, wherever it hangs."""
    if request.node.get_closest_marker("slow") is None:
        yield
        return

    def fail(_number: int, _frame: object) -> None:
        raise TimeoutError(f"not done within {HARD_LIMIT_SECONDS} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(HARD_LIMIT_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
