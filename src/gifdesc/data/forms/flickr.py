"""Flickr8k and Flickr30k: `name#0<TAB>caption`, and a table with bars between the cells.

Formats: Hodosh et al. 2013 (`Flickr8k.token.txt`), Young et al. 2014 (`results_20130124.token`),
and the `results.csv` that is passed on for Flickr30k.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource
from gifdesc.data.forms.tables import NUMBERED, TSV, is_numbered

FEWEST_ROWS = 0.5
"""A file with a smaller share of rows may be Flickr's only if all its lines have tabs."""

_UNCUT = re.compile(r"\s*\d+\s+(\S.*)")
"""A number and a caption without the bar between them, as `results.csv` has it once."""
_COLUMNS = ["image_name", "comment_number", "comment"]


def _recognises(source: CaptionSource) -> bool:
    num_rows = sum(map(is_numbered, source.sample))
    # A damaged line among rows is a problem of that line, and no text for a GIF.
    is_mostly_rows = num_rows >= FEWEST_ROWS * len(source.sample)
    return num_rows > 0 and (is_mostly_rows or all("\t" in line for line in source.sample))


def _read(source: CaptionSource) -> Iterator[CaptionLine]:
    for line in TSV.read(source):
        if line.problem is not None and not line.is_empty:
            yield line
        elif match := NUMBERED.fullmatch(line.name):
            yield replace(line, name=match[1])
        else:
            yield CaptionLine(line.number, problem="not `name#0<TAB>caption`")


def _recognises_table(source: CaptionSource) -> bool:
    return bool(source.sample) and _cells(source.sample[0]) == _COLUMNS


def _read_table(source: CaptionSource) -> Iterator[CaptionLine]:
    for number, text in source.lines():
        cells = text.split("|", 2)
        if number == 1 and _cells(text) == _COLUMNS:
            continue
        if len(cells) == 2 and (match := _UNCUT.fullmatch(cells[1])):
            cells.append(match[1])
        name = cells[0].strip()
        if len(cells) < len(_COLUMNS) or not name:
            yield CaptionLine(number, problem="not `image_name| comment_number| comment`")
        elif caption := cells[2].strip():
            yield CaptionLine(number, name, (caption,))
        else:
            yield CaptionLine(number, name, ("",), problem="no caption", is_empty=True)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


FLICKR = CaptionForm(
    name="flickr", title="Flickr's name#0<TAB>caption", recognises=_recognises, read=_read
)
FLICKR_CSV = CaptionForm(
    name="flickr-csv",
    title="Flickr's table with bars",
    recognises=_recognises_table,
    read=_read_table,
)
