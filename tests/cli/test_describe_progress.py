import io
from pathlib import Path

import pytest
from rich.console import Console

from gifdesc.captioning.results import DescribingEvent, DescribingSummary
from gifdesc.captions import Caption
from gifdesc.cli.progress import DescribingProgress


@pytest.fixture
def lines(monkeypatch) -> io.StringIO:
    """What is printed, with nothing left out for coming too soon."""
    monkeypatch.setattr("gifdesc.cli.progress._LINE_INTERVAL_SECONDS", 0.0)
    return io.StringIO()


def test_without_a_terminal_lines_count_failures_and_skipped_gifs(lines):
    events = [
        DescribingEvent(Path("a.gif"), "a.gif", "a.gif", caption=Caption("a.gif", caption="a dog")),
        DescribingEvent(Path("b.gif"), "b.gif", "b.gif", error="not a GIF"),
        DescribingEvent(Path("c.gif"), "c.gif", "c.gif"),
    ]
    summary = DescribingSummary()
    with DescribingProgress(Console(file=lines, width=200), 3, summary) as progress:
        for event in events:
            summary.add(event)
            progress.advance()
    assert lines.getvalue().splitlines() == [
        "1/3 GIFs, 0 failed, 0 done before",
        "2/3 GIFs, 1 failed, 0 done before",
        "3/3 GIFs, 1 failed, 1 done before",
    ]
