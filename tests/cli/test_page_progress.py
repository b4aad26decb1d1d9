import io

import pytest
from rich.console import Console

from gifdesc.cli.progress import PageProgress


@pytest.fixture
def lines(monkeypatch) -> io.StringIO:
    """What is printed, with nothing left out for coming too soon."""
    monkeypatch.setattr("gifdesc.cli.progress._LINE_INTERVAL_SECONDS", 0.0)
    return io.StringIO()


def test_without_a_terminal_lines_count_the_gifs(lines):
    with PageProgress(Console(file=lines, width=200)) as progress:
        progress.advance(1, 2)
        progress.advance(2, 2)
    assert lines.getvalue().splitlines() == [
        "1/2 GIFs, reading frames for the page",
        "2/2 GIFs, reading frames for the page",
    ]
