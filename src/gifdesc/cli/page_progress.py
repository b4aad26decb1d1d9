"""How far the pictures of a page have come."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gifdesc.cli.progress import Talk


class PageProgress(Talk):
    """GIFs whose frames were read for a page."""

    def __init__(self, console: Console) -> None:
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("GIFs  reading frames for the page"),
            TimeRemainingColumn(),
        )
        super().__init__(console, Progress(*columns, console=console, transient=True))
        self._task = self.progress.add_task("")

    def advance(self, num_done: int, num_gifs: int) -> None:
        """Show that so many of so many GIFs are done."""
        self.progress.update(self._task, completed=num_done, total=num_gifs)
        self.line(f"{num_done}/{num_gifs} GIFs, reading frames for the page")
