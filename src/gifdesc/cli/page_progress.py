"""How far the pictures of a page have come."""

from __future__ import annotations

from rich.console import Console

from gifdesc.cli.progress import Talk


class PageProgress(Talk):
    """GIFs whose frames were read for a page."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.show(["reading frames for the page"])

    def advance(self, num_done: int, num_gifs: int) -> None:
        """Show that so many of so many GIFs are done."""
        parts = [f"{num_done}/{num_gifs} GIFs", "reading frames for the page"]
        self.show(parts, completed=num_done, total=num_gifs)
        self.line(", ".join(parts))
