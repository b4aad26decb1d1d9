"""A text file: a description a line, of the GIF that the file is named like."""

from __future__ import annotations

from collections.abc import Iterator

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource


def _read(source: CaptionSource) -> Iterator[CaptionLine]:
    for number, line in source.lines():
        yield CaptionLine(number, source.name, (line,))


TEXT = CaptionForm(
    name="text",
    title="text, a description a line",
    # Any text could be a description: the file's ending decides (registry.py).
    recognises=lambda _source: False,
    read=_read,
)
