"""Tables: lines of a name, a tab and a sentence."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource, parsed
from gifdesc.data.forms.headed_tables import MOST_CELL_LINES, header_of, is_msvd
from gifdesc.data.names import MEDIA_SUFFIXES

NUMBERED = re.compile(r"(?!\w+://)(.+)#\d+\s*")
"""A file's name with the number of its caption, as in Flickr8k; a URL's fragment is none."""

_NOT_A_ROW = "not `name<TAB>sentence`"
_QUOTED_CELL = re.compile(r'"((?:[^"]|"")*)"')
"""A cell in quotes, those within doubled (RFC 4180, section 2)."""


def is_numbered(line: str) -> bool:
    """Whether a line is of the form `name#0<TAB>caption`."""
    name, tab, _ = line.partition("\t")
    return bool(tab) and NUMBERED.fullmatch(name) is not None


def _recognises(source: CaptionSource) -> bool:
    if not source.sample or parsed(source.sample[0]) is not None:
        return False
    header = header_of(source)
    if header is not None and (header.is_whole or is_msvd(header)):
        return False
    rows = list(_rows(enumerate(source.sample)))
    names = [NUMBERED.fullmatch(row.name) for row in rows]
    if all(name is not None and name[1].lower().endswith(MEDIA_SUFFIXES) for name in names):
        return False
    return all(row.problem is None or row.is_empty for row in rows)


def _read(source: CaptionSource) -> Iterator[CaptionLine]:
    return _rows(source.lines())


def _rows(numbered: Iterable[tuple[int, str]]) -> Iterator[CaptionLine]:
    lines = _Lines(numbered)
    while (first := lines.next()) is not None:
        number, text = first
        name, tab, cells = _whole_row(text, lines).partition("\t")
        name = _cell(name.strip()).strip()
        if not tab or not name:
            yield CaptionLine(number, problem=_NOT_A_ROW)
            continue
        caption = _cell(cells.strip())
        if caption == cells.strip():
            caption = " ".join(map(_cell, caption.split("\t")))
        caption = caption.replace("\t", " ")
        if caption.strip():
            yield CaptionLine(number, name, (caption,))
        else:
            yield CaptionLine(number, name, ("",), problem="no caption", is_empty=True)


class _Lines:
    """Numbered lines, of which the next ones can be read ahead."""

    def __init__(self, numbered: Iterable[tuple[int, str]]) -> None:
        self._rest = iter(numbered)
        self._ahead: deque[tuple[int, str]] = deque()

    def next(self) -> tuple[int, str] | None:
        """The next line; None at the end."""
        return self._ahead.popleft() if self._ahead else next(self._rest, None)

    def peek(self, count: int) -> list[str]:
        """The next lines, which stay the next ones."""
        self._ahead.extend(islice(self._rest, max(0, count - len(self._ahead))))
        return [text for _, text in islice(self._ahead, count)]


def _whole_row(row: str, following: _Lines) -> str:
    """A row with those of the following lines that belong to a quoted cell of it."""
    start = row.partition("\t")[2].lstrip()
    if not start.startswith('"') or start.count('"') % 2 == 0:
        return row
    ahead = following.peek(MOST_CELL_LINES - 1)
    for index, line in enumerate(ahead, start=1):
        if "\t" in line:
            break  # a row of its own, so the quote was meant as it is
        if line.count('"') % 2:
            if _QUOTED_CELL.fullmatch(" ".join([start, *ahead[:index]]).rstrip()):
                for _ in range(index):
                    following.next()
                return " ".join([row, *ahead[:index]])
            break
    return row


def _cell(cell: str) -> str:
    """The text of a spreadsheet's cell: without the quotes around it, with inner quotes single."""
    match = _QUOTED_CELL.fullmatch(cell)
    return match[1].replace('""', '"') if match else cell


TSV = CaptionForm(
    name="tsv", title="lines of name<TAB>sentence", recognises=_recognises, read=_read
)
