"""The pages of `gifdesc caption`: the explanation and the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gifdesc.cli.console import info, stderr, warn
from gifdesc.system.wording import counted

if TYPE_CHECKING:
    from gifdesc.captioning.loading import GifCaptioner
    from gifdesc.captioning.run import CaptionCollector
    from gifdesc.pages.explanation import ExplanationCollector
    from gifdesc.pages.gallery import GalleryCollector


class CaptionPages:
    """The files that --explain and --html name; wrong names are reported before any work.

    Args:
        explain: the page or picture of the frames that each word attended to; None for none.
        html: the gallery; None for none.
        output: the file of captions, which no page may replace.
        skip_done: GIFs of an earlier run are left out, whose page the gallery may not replace.
        alt_text_length: the most characters of an alternative text in the gallery.

    Raises:
        typer.BadParameter: two options name the same file, or a page of an earlier run.
        UsageError: a file has another ending.
        GifdescError: a file cannot be written.

    Attributes:
        is_cut_off: the run ended early because nothing reads its output any more.
    """

    def __init__(
        self,
        *,
        explain: Path | None,
        html: Path | None,
        output: Path | None,
        skip_done: bool,
        alt_text_length: int,
    ) -> None:
        if html is not None and html in (explain, output):
            raise typer.BadParameter(f"--html {html}: another option writes this file")
        if html is not None and skip_done and html.exists():
            raise typer.BadParameter(
                f"--html {html}: exists, and with --skip-done the new page would show only new "
                "GIFs; name another page"
            )
        self._explained: tuple[Path, ExplanationCollector] | None = None
        self._gallery: tuple[Path, GalleryCollector] | None = None
        self.is_cut_off = False
        if explain is not None:
            from gifdesc.pages.explanation import ExplanationCollector

            self._explained = explain, ExplanationCollector(explain)
        if html is not None:
            from gifdesc.pages.gallery import GalleryCollector

            self._gallery = html, GalleryCollector(html, alt_text_length=alt_text_length)

    @property
    def collectors(self) -> list[CaptionCollector]:
        """What collects the captions of the run."""
        return [chosen[1] for chosen in (self._explained, self._gallery) if chosen is not None]

    def write(self, model: str, captioner: GifCaptioner | None, num_done: int) -> None:
        """Write the pages.

        Args:
            model: its name as given.
            captioner: the model; None if there was nothing to caption.
            num_done: GIFs that were skipped because an earlier run captioned them.

        Raises:
            GifdescError: a page cannot be written.
        """
        if self._explained is not None:
            _write_explanation(*self._explained)
        if self._gallery is not None:
            _write_gallery(*self._gallery, model, captioner, self._left_out(num_done))

    def _left_out(self, num_done: int) -> tuple[str, ...]:
        """Sentences about the GIFs that the gallery does not show."""
        sentences = []
        if num_done:
            sentences.append(f"{counted(num_done, 'GIF')} captioned by an earlier run: not shown.")
        if self.is_cut_off:
            sentences.append("The run was cut off: later GIFs are not shown.")
        return tuple(sentences)


def _write_explanation(path: Path, explained: ExplanationCollector) -> None:
    from gifdesc.cli.progress import PageProgress

    if not explained.num_captions:
        warn(f"{path}: not written, for there is no caption to explain")
        return
    with PageProgress(stderr) as progress:
        sentences = explained.write(progress.advance)
    for sentence in sentences:
        warn(sentence)
    info(f"explained {counted(explained.num_shown, 'GIF')} -> {path}")


def _write_gallery(
    path: Path,
    gallery: GalleryCollector,
    model: str,
    captioner: GifCaptioner | None,
    notes: tuple[str, ...],
) -> None:
    from gifdesc.cli.progress import PageProgress
    from gifdesc.pages.gallery import GalleryOrigin

    if captioner is None or gallery.counts.num_failed == gallery.counts.num_gifs:
        warn(f"{path}: not written, for there is no caption to show")
        return
    origin = GalleryOrigin(
        model=model,
        commit=captioner.commit,
        warnings=captioner.warnings,
        notes=notes,
    )
    with PageProgress(stderr) as progress:
        sentences = gallery.write(origin, progress.advance)
    for sentence in sentences:
        warn(sentence)
    info(f"wrote a page of {counted(gallery.num_shown, 'GIF')} -> {path}")
