"""What is shown while a command works."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from gifdesc.cli import progress as progress_module
from gifdesc.cli.progress import ExtractionProgress
from gifdesc.extraction import ExtractionEvent
from gifdesc.features import ManifestEntry


class Count:
    """A count that is not known before it is set."""

    total: int | None = None


@pytest.fixture
def lines(monkeypatch) -> io.StringIO:
    """What is printed, with nothing left out for coming too soon."""
    monkeypatch.setattr(progress_module, "_LINE_INTERVAL_SECONDS", 0.0)
    return io.StringIO()


def test_without_a_terminal_lines_say_how_far_extraction_is(lines):
    count = Count()
    entries = [
        ManifestEntry(source="a", status="ok", sampled_frames=(0, 1)),
        ManifestEntry(source="b", status="failed", error="not a GIF"),
        ManifestEntry(source="c", status="ok", sampled_frames=(0,)),
    ]
    with ExtractionProgress(Console(file=lines, width=200), count) as progress:
        progress.advance(ExtractionEvent(entries[0], Path("a")))
        count.total = 3
        progress.advance(ExtractionEvent(entries[1], Path("b")))
        progress.advance(ExtractionEvent(entries[2], Path("c"), skipped=True))
    first, second, third = lines.getvalue().splitlines()
    assert first.startswith("1 done, 0 failed, 0 done before, ")
    assert second.startswith("2/3 GIFs, 1 failed, 0 done before, ")
    assert third.startswith("3/3 GIFs, 1 failed, 1 done before, ")
    assert third.endswith(" frames/s, 0 s left")
