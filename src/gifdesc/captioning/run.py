"""A run over many GIFs: each caption is written as soon as it is ready, also beside its GIF."""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gifdesc.captioning.output import CaptionSink, FormatName, Shorten, to_line
from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig
from gifdesc.data.arguments import is_stream
from gifdesc.errors import GifdescError
from gifdesc.gif.sources import CaptionInput
from gifdesc.system.files import reason, write_text

if TYPE_CHECKING:  # a run is prepared before PyTorch is loaded
    from gifdesc.captioning.captioner import GifCaptioner
    from gifdesc.pages.explanation import Explained


@dataclass(kw_only=True)
class CaptionRun:
    """Where the captions of a run go, and how many went there.

    Attributes:
        sink: takes a line of each; entered, and begun by the run.
        format_name: of the lines.
        with_path: as text, whether a line begins with its path.
        shorten: makes alternative text of a caption; None leaves captions as they are.
        sidecars: writes each caption beside its GIF, too.
        explained: keeps them for a page or a picture.
        advance: gets every caption when it is written, to show progress.
        warn: gets what is odd about a GIF, a sentence each.
        report_error: gets what failed, a sentence each.
        num_captioned: inputs that have a caption.
        num_failed: those that failed, and sidecars that could not be written.
    """

    sink: CaptionSink
    format_name: FormatName
    warn: Callable[[str], None]
    report_error: Callable[[str], None]
    with_path: bool = True
    shorten: Shorten | None = None
    sidecars: Sidecars | None = None
    explained: Explained | None = None
    advance: Callable[[Caption], None] = lambda _caption: None
    num_captioned: int = 0
    num_failed: int = 0
    _streams: set[str] = field(default_factory=set)

    def run(
        self, captioner: GifCaptioner, inputs: Iterable[CaptionInput], config: DecodingConfig
    ) -> None:
        """Caption the inputs, in their order; one that fails costs no other.

        Raises:
            BrokenPipeError: the reader of stdout (such as `head`) has closed it.
            GifdescError: the disk has no room for a line or a sidecar.
        """
        if self.explained is not None:
            inputs = map(self.explained.see, inputs)
        results = captioner.caption_many(inputs, config)
        try:
            self.sink.begin()
            for result in results:
                self._take(result)
        finally:
            if isinstance(results, Generator):
                results.close()  # its threads end now, not while Python shuts down
        if self.sidecars is not None:
            self.num_failed += self.sidecars.num_failed

    def _take(self, result: Caption) -> None:
        self.num_captioned += result.error is None
        self.num_failed += result.error is not None
        if result.error is not None:
            self.report_error(f"{result.path}: {result.error}")
        elif result.note is not None:
            self.warn(f"{result.path}: {result.note}")
        if result.doubts and self.format_name in ("text", "tsv"):  # which have no field for it
            self.warn(f"{result.path}: a doubtful caption: {' and '.join(result.doubts)}")
        line = to_line(result, self.format_name, shorten=self.shorten, with_path=self.with_path)
        if line:
            self.sink.write(line)
        if self.sidecars is not None and result.caption is not None:
            self._write_sidecar(self.sidecars, result.path, result.caption)
        if self.explained is not None:
            self.explained.take(result)
        self.advance(result)

    def _write_sidecar(self, sidecars: Sidecars, path: str, caption: str) -> None:
        if is_stream(path):
            if path not in self._streams:  # given again, it is the same GIF
                self._streams.add(path)
                self.warn(f"{path}: came through a stream, so there is no .txt beside it")
            return
        text = self.shorten(caption) if self.shorten else caption
        num_failed = sidecars.num_failed
        if problem := sidecars.take(path, text):
            report = self.report_error if sidecars.num_failed > num_failed else self.warn
            report(problem)


SIDECAR_SUFFIX = ".txt"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def sidecar_path(gif_path: Path) -> Path:
    """`jump.txt` beside `jump.gif`."""
    return gif_path.with_suffix(SIDECAR_SUFFIX)


class Sidecars:
    """Writes captions beside their GIFs.

    Attributes:
        num_failed: files that could not be written.

    Args:
        overwrite: replace files that are there; without it they are kept.
    """

    def __init__(self, *, overwrite: bool) -> None:
        self._overwrite = overwrite
        self.num_failed = 0

    def take(self, gif_name: str, text: str) -> str | None:
        """Write one line of text beside a GIF.

        Returns:
            What a person should know: that a file of other content is there and was kept, or
            that it could not be written; None where all is well.

        Raises:
            GifdescError: there is no room left on the disk.
        """
        gif_path = Path(gif_name)
        path = sidecar_path(gif_path)
        if not gif_path.is_file():
            return f"{gif_name}: no file, so nothing was written beside it"
        content = text + "\n"
        try:
            if path.exists() and not self._overwrite:
                if path.is_file() and path.read_bytes() == content.encode():
                    return None
                return f"{path}: there already and kept; --force overwrites it"
            write_text(path, content)
        except OSError as error:
            message = f"{path}: cannot be written: {reason(error)}"
            if error.errno in _NO_ROOM:
                raise GifdescError(message) from error
            self.num_failed += 1
            return message
        return None
