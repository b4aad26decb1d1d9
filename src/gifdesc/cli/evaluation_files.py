"""The files that `gifdesc evaluate` writes besides its output: scores, a page, a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gifdesc.cli.console import info, stderr, warn
from gifdesc.system.wording import counted

if TYPE_CHECKING:
    from gifdesc.evaluation.results import Evaluation
    from gifdesc.pages.evaluation import EvaluationReport
    from gifdesc.pages.examples import ExamplesPicture
    from gifdesc.pages.summary import Subject


class EvaluationFiles:
    """The files that --per-example, --html and --picture name; None for none.

    Wrong names are reported before any work.

    Args:
        per_example: the scores of each GIF.
        html: the page.
        picture: the picture of some GIFs.
        gifs: the folder of the GIFs that page and picture show; None for `./gifs`.

    Raises:
        UsageError: a file has another ending, or is a folder.
        GifdescError: a file cannot be written, or there is no such folder of GIFs.
    """

    def __init__(
        self,
        *,
        per_example: Path | None,
        html: Path | None,
        picture: Path | None,
        gifs: Path | None,
    ) -> None:
        self._per_example = per_example
        self._report: tuple[Path, EvaluationReport] | None = None
        self._picture: tuple[Path, ExamplesPicture] | None = None
        if per_example is not None:
            from gifdesc.evaluation.results import check_per_example_path

            check_per_example_path(per_example)
        if html is not None:
            from gifdesc.pages.evaluation import EvaluationReport

            self._report = html, EvaluationReport(html, gifs)
        if picture is not None:
            from gifdesc.pages.examples import ExamplesPicture

            self._picture = picture, ExamplesPicture(picture, gifs)

    def write(self, result: Evaluation, subject: Subject) -> None:
        """Write the files.

        Args:
            result: the evaluation.
            subject: the system that was evaluated.

        Raises:
            GifdescError: a file cannot be written.
        """
        if self._per_example is not None:
            from gifdesc.evaluation.results import write_per_example

            write_per_example(self._per_example, result.captions)
            num_scored = counted(len(result.captions), "GIF")
            info(f"wrote the scores of {num_scored} -> {self._per_example}")
        changed: list[str] = []
        if self._picture is not None:
            path, picture = self._picture
            drawn = picture.write(result, subject.features_dir)
            info(f"drew {counted(drawn.num_shown, 'GIF')} -> {path}")
            changed += drawn.changed
        if self._report is not None:
            changed += _write_report(*self._report, result, subject)
        if changed:
            from gifdesc.pages.described_gifs import older_captions_note

            if note := older_captions_note(list(dict.fromkeys(changed))):
                warn(note)


def _write_report(
    path: Path, report: EvaluationReport, result: Evaluation, subject: Subject
) -> tuple[str, ...]:
    """Write the page; the names of the GIFs on it that have changed."""
    from gifdesc.cli.progress import PageProgress

    with PageProgress(stderr) as progress:
        written = report.write(result, subject, progress.advance)
    worst = "the worst " if written.num_shown < result.num_examples else ""
    info(f"wrote a page of {worst}{counted(written.num_shown, 'GIF')} -> {path}")
    if not report.shows_gifs:
        warn("the page shows no GIFs: name their folder with --gifs")
    elif written.warning:
        warn(written.warning)
    return written.changed
