"""The files that a run could not use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


class Problems:
    """Sentences about files that cannot be used, in the order in which they are found.

    Feature files are checked when they are read, some of them long after a run has begun, so
    problems are still found then; `report_to` reports these as well.

    Args:
        problems: the sentences so far.
    """

    def __init__(self, problems: Iterable[str] = ()) -> None:
        self._problems = list(problems)
        self._reports: list[Callable[[str], None]] = []

    def __iter__(self) -> Iterator[str]:
        return iter(self._problems)

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, problem: str) -> None:
        """Add a sentence, unless it is known already, and report it."""
        if problem in self._problems:
            return
        self._problems.append(problem)
        for report in self._reports:
            report(problem)

    def report_to(self, report: Callable[[str], None]) -> None:
        """Report every problem: those found so far at once, the later ones as they are found."""
        for problem in self._problems:
            report(problem)
        self._reports.append(report)
