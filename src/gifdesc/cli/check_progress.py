"""How far `gifdesc check` has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from gifdesc.cli.progress import Talk

if TYPE_CHECKING:
    from gifdesc.inspection import Inspection


class CheckProgress(Talk):
    """GIFs looked at, and findings.

    Attributes:
        num_gifs: looked at so far.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console, has_bar=False)
        self.show(["checking"])
        self.num_gifs = 0
        self._num_findings = 0

    def advance(self, inspection: Inspection) -> None:
        """Count what was looked at."""
        self.num_gifs += inspection.is_gif
        self._num_findings += len(inspection.findings)
        parts = [f"{self.num_gifs} GIFs checked", f"findings: {self._num_findings}"]
        self.show(parts)
        self.line(", ".join(parts))
