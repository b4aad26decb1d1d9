"""Caption many GIFs: write each caption as soon as it is ready, and sidecar files if asked."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gifdesc.captioning.lines import CaptionLines
from gifdesc.captioning.output import CaptionSink
from gifdesc.captioning.sidecars import Sidecars
from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig
from gifdesc.data.arguments import is_stream
from gifdesc.gif.sources import CaptionInput

if TYPE_CHECKING:  # a run is prepared before PyTorch is loaded
    from gifdesc.captioning.loading import GifCaptioner


class CaptionCollector(Protocol):
    """Collects the captions of a run, for a page that is written at its end."""

    def remember_input(self, source: CaptionInput) -> CaptionInput:
        """Called with each input before it is captioned; returns the input."""
        ...

    def add(self, caption: Caption) -> None:
        """Called with each caption or failure, in the order of the inputs."""
        ...


@dataclass(kw_only=True)
class CaptionRun:
    """The outputs of a run, and how many captions they got.

    Attributes:
        sink: gets a line for each input; it is entered before the run, which begins it.
        lines: their form; its `shorten` is for sidecars too.
        sidecars: writes a text file beside each GIF; None writes none.
        collectors: collect the captions for pages and pictures.
        advance: is called with every caption after it is written, to show progress.
        warn: is called with a sentence about each odd GIF.
        report_error: is called with a sentence about each failure.
        num_captioned: inputs with a caption.
        num_failed: inputs that failed, and sidecar files that could not be written.
    """

    sink: CaptionSink
    lines: CaptionLines
    warn: Callable[[str], None]
    report_error: Callable[[str], None]
    sidecars: Sidecars | None = None
    collectors: Sequence[CaptionCollector] = ()
    advance: Callable[[Caption], None] = lambda _caption: None
    num_captioned: int = 0
    num_failed: int = 0
    _streams: set[str] = field(default_factory=set)

    def run(
        self, captioner: GifCaptioner, inputs: Iterable[CaptionInput], config: DecodingConfig
    ) -> None:
        """Caption the inputs in order; an input that fails does not stop the run.

        Raises:
            BrokenPipeError: the reader of stdout (such as `head`) has closed it.
            GifdescError: the disk has no room for a line or a sidecar file.
        """
        for collector in self.collectors:
            inputs = map(collector.remember_input, inputs)
        results = captioner.caption_many(inputs, config)
        try:
            self.sink.begin()
            for result in results:
                self._write(result)
        finally:
            if isinstance(results, Generator):
                results.close()  # ends its threads now, not while Python shuts down
        if self.sidecars is not None:
            self.num_failed += self.sidecars.num_failed

    def _write(self, result: Caption) -> None:
        self.num_captioned += result.error is None
        self.num_failed += result.error is not None
        if result.error is not None:
            self.report_error(f"{result.path}: {result.error}")
        elif result.note is not None:
            self.warn(f"{result.path}: {result.note}")
        if result.doubts and self.lines.name in ("text", "tsv"):  # they have no field for it
            self.warn(f"{result.path}: low confidence: {' and '.join(result.doubts)}")
        if line := self.lines.line(result):
            self.sink.write(line)
        if self.sidecars is not None and result.caption is not None:
            self._write_sidecar(self.sidecars, result.path, result.caption)
        for collector in self.collectors:
            collector.add(result)
        self.advance(result)

    def _write_sidecar(self, sidecars: Sidecars, path: str, caption: str) -> None:
        if is_stream(path):
            if path not in self._streams:  # a repeated stream is the same GIF
                self._streams.add(path)
                self.warn(f"{path}: read from a stream, so no .txt file was written beside it")
            return
        text = self.lines.shorten(caption) if self.lines.shorten else caption
        num_failed = sidecars.num_failed
        if problem := sidecars.write(path, text):
            report = self.report_error if sidecars.num_failed > num_failed else self.warn
            report(problem)
