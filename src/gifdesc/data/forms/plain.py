"""A text file: a description a line, of the GIF that the file is named like."""

from __future__ import annotations

from collections.abc import Iterator

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource
from gifdesc.data.forms.msvd import may_be_text


def _recognises(source: CaptionSource) -> bool:
    # Any text could be descriptions, so the ending of a file decides where no form recognises it
    # (registry.py). Only text that may also be of another form is in doubt.
    return may_be_text(source)


def _read(source: CaptionSource) -> Iterator[CaptionLine]:
    for number, line in source.lines():
        yield CaptionLine(number, source.name, (line,))


TEXT = CaptionForm(
    name="text", title="text, a description a line", recognises=_recognises, read=_read
)
