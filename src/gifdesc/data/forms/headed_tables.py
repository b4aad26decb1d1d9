"""Tables whose first row names the columns: CSV and TSV, and the metadata of Hugging Face folders.

Format of the metadata: https://huggingface.co/docs/datasets/image_dataset, `metadata.csv`.
"""

from __future__ import annotations

import csv
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource
from gifdesc.data.forms.field_names import CAPTIONS, NAMES, OTHER_CAPTIONS, plain_name
from gifdesc.data.forms.rows import line_of_row
from gifdesc.data.names import MEDIA_SUFFIXES
from gifdesc.errors import DescriptionError
from gifdesc.system.wording import counted

log = logging.getLogger(__name__)

_DELIMITERS = ",\t;"
MOST_CELL_LINES = 50
"""A quoted cell of more lines has an opening quote that is not closed."""

_MOST_PARAGRAPHS = 10
"""A caption of more lines is reported: the quote of its cell may be closed too late."""
_FEWEST_SWALLOWED = 3
"""Lines in a quoted cell that could be rows; of fewer lines, such as a caption with commas, none is
reported."""
_MOST_WARNINGS = 5
"""Cells of a file that a warning names."""

_OPEN_QUOTE = (
    "the quote of a cell is not closed where the cell ends; close it, and double quotes within it"
)
_LONG_CELL = f"a quoted cell of more than {MOST_CELL_LINES} lines; close its quotes"


@dataclass(frozen=True)
class Header:
    """The first row of a table.

    Attributes:
        delimiter: between its cells.
        cells: the names of the columns, as the file has them.
        columns: the same in small letters and without other characters.
    """

    delimiter: str
    cells: list[str]
    columns: list[str]

    def index(self, name: str) -> int | None:
        """The place of the first column of a name; None if there is none."""
        return self.columns.index(name) if name in self.columns else None

    @property
    def caption_indices(self) -> list[int]:
        """The places of the columns of captions, first that of the column that is read."""
        return [
            index
            for name in (*CAPTIONS, *OTHER_CAPTIONS)
            for index, column in enumerate(self.columns)
            if column == name
        ]

    @property
    def caption_index(self) -> int | None:
        """The place of the column of captions that is read; None if there is none."""
        return next(iter(self.caption_indices), None)

    @property
    def has_captions(self) -> bool:
        """Whether the name of a column means captions."""
        return self.caption_index is not None

    @property
    def is_whole(self) -> bool:
        """Whether the names of columns mean captions and the names of their GIFs."""
        return self.has_captions and not NAMES.keys().isdisjoint(self.columns)


def header_of(source: CaptionSource) -> Header | None:
    """The first row of a table of two columns or more; None if the file is none."""
    if not source.sample or source.starts_like_json:
        return None
    found = []
    for delimiter in _DELIMITERS:
        cells = next(csv.reader([source.sample[0]], delimiter=delimiter), [])
        columns = [plain_name(cell) for cell in cells]
        if len(columns) > 1:
            found.append(Header(delimiter, cells, columns))
    return max(found, key=lambda header: (header.is_whole, header.has_captions), default=None)


def is_msvd(header: Header) -> bool:
    """Whether a table is of MSVD, whose clips have no name in a column of their own."""
    return {"videoid", "start", "end", "description"} <= set(header.columns)


def warn_of_repeated_columns(source: CaptionSource, header: Header, indices: Iterable[int]) -> None:
    """Warn of columns that are not read because columns that are read have the same names.

    Args:
        source: the table.
        header: its first row.
        indices: of the columns that are read.
    """
    for index in indices:
        for other, column in enumerate(header.columns):
            if column == header.columns[index] and other != index:
                log.warning(
                    "%s:1: did not read column %d (%s), because column %d (%s) has the same name",
                    source.path,
                    other + 1,
                    header.cells[other],
                    index + 1,
                    header.cells[index],
                )


def rows_below(
    source: CaptionSource, header: Header, *, warns: bool = True
) -> Iterator[tuple[int, list[str], str | None]]:
    """The rows below the first row that are not empty.

    After a cell whose quote is not closed, reading goes on in the line below the quote, so that
    only one row is lost. A cell that may contain rows, because its quote is closed too late, is
    reported in a warning.

    Args:
        source: the table.
        header: its first row.
        warns: whether there are warnings.

    Yields:
        The number of the row's first line, its cells, and its problem: it has other cells than the
        first row has, or a quote in the line is not closed; None if there is no problem.
    """
    with source.open(newline="") as file:
        lines = _RowLines(file)
        reader = csv.reader(lines, delimiter=header.delimiter, strict=True)
        is_first, num_warnings = True, 0
        while True:
            lines.begin_row()
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                problem = _LONG_CELL if len(lines.row) == MOST_CELL_LINES else _OPEN_QUOTE
                if not any('"' in line for line in lines.row):
                    problem = f"not a row of a table ({error})"
                yield lines.reject_quote(), [], problem
                is_first = False
                continue
            if not is_first and any(_is_row(line, header) for line in lines.row[1:]):
                yield lines.reject_quote(), [], _OPEN_QUOTE
            elif any(cell.strip() for cell in row):
                if warns and (remark := _remark_on_lines(lines.row, header)):
                    num_warnings += 1
                    if num_warnings <= _MOST_WARNINGS:
                        log.warning("%s:%d: %s", source.path, lines.number, remark)
                if not is_first:
                    yield lines.number, row, _row_problem(row, header)
                is_first = False


class _RowLines:
    """The lines of a table for a `csv.reader`, which can give lines of a damaged row back.

    Attributes:
        number: of the first line of the row, from 1.
        row: the lines of the row so far.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._rest = iter(lines)
        self._again: deque[str] = deque()
        self.number = 1
        self.row: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.row) == MOST_CELL_LINES:
            raise csv.Error("too many lines")
        line = self._again.popleft() if self._again else next(self._rest)
        self.row.append(line)
        return line

    def begin_row(self) -> None:
        """Begin a row with the next line."""
        self.number += len(self.row)
        self.row = []

    def reject_quote(self) -> int:
        """Give back the lines below the row's last open quote; the number of the quote's line."""
        opened, is_open = 0, False
        # The last line may have the quote that shows that one before was not closed.
        for index, line in enumerate(self.row[:-1] or self.row):
            num_quotes = line.replace('""', "").count('"')
            if not is_open or num_quotes > 1:
                opened = index
            is_open ^= num_quotes % 2 == 1
        self._again.extendleft(reversed(self.row[opened + 1 :]))
        self.row = self.row[: opened + 1]
        return self.number + opened


def _is_row(line: str, header: Header) -> bool:
    """Whether a line within a quoted cell is a row of its own, with the file of a GIF."""
    cells = next(csv.reader([line.rstrip("\r\n")], delimiter=header.delimiter), [])
    return len(cells) == len(header.columns) and any(
        column in NAMES and cell.strip().lower().endswith(MEDIA_SUFFIXES)
        for column, cell in zip(header.columns, cells, strict=True)
    )


def _remark_on_lines(lines: list[str], header: Header) -> str | None:
    """The remark that a row of several lines may contain other rows; None if that is unlikely."""
    if len(lines) <= _FEWEST_SWALLOWED:
        return None
    cells = [next(csv.reader([line], delimiter=header.delimiter), []) for line in lines[1:]]
    num_rows = sum(len(row) == len(header.columns) for row in cells)
    if num_rows < _FEWEST_SWALLOWED and len(lines) <= _MOST_PARAGRAPHS:
        return None
    like_rows = f", of which {num_rows} look like rows" if num_rows else ""
    return f"a quoted cell of {len(lines)} lines{like_rows}; check where its quote is closed"


def _row_problem(row: list[str], header: Header) -> str | None:
    if len(row) != len(header.columns):
        return f"{counted(len(row), 'cell')} where the first row has {len(header.columns)}"
    return None


def _recognises(source: CaptionSource) -> bool:
    header = header_of(source)
    if header is None or is_msvd(header):
        return False
    # A column of captions alone makes a table of a file that is called a table.
    return header.is_whole or (header.has_captions and source.suffix in (".csv", ".tsv"))


def _read(source: CaptionSource) -> Iterator[CaptionLine]:
    header = header_of(source)
    caption_index = None if header is None else header.caption_index
    if header is None or caption_index is None or not header.is_whole:
        lacks = "captions" if caption_index is None else "GIFs"
        columns = "no columns" if header is None else ", ".join(header.cells)
        raise DescriptionError(
            f"{source.path}: its first row names no column of {lacks} ({columns}); call the "
            "columns file_name and caption"
        )
    for index in header.caption_indices[1:]:
        log.warning(
            "%s: did not read column %d (%s), because the captions are in column %d (%s)",
            source.path,
            index + 1,
            header.cells[index],
            caption_index + 1,
            header.cells[caption_index],
        )
    once = dict.fromkeys(c for c in header.columns if c in NAMES or c in ("split", "error"))
    warn_of_repeated_columns(source, header, map(header.columns.index, once))
    keys = {
        index: NAMES[column]
        for index, column in reversed([*enumerate(header.columns)])
        if column in NAMES
    }
    has_files = not {"id", "image_id"}.issuperset(keys.values())
    split_index, error_index = header.index("split"), header.index("error")
    for number, row, problem in rows_below(source, header):
        if problem is not None:
            yield CaptionLine(number, problem=problem)
            continue
        record: dict[str, str | None] = {
            key: row[index] for index, key in keys.items() if row[index].strip()
        }
        if (record.get("id") or "").strip().isdecimal() and (has_files or "image_id" in record):
            del record["id"]  # the number of the row, as in COCO's annotations
        record["caption"] = row[caption_index]
        if error_index is not None and row[error_index] and not row[caption_index]:
            record |= {"caption": None, "error": row[error_index]}
        if split_index is not None:
            record["split"] = row[split_index]
        yield line_of_row(number, record)


CSV = CaptionForm(
    name="csv",
    title="a table whose first row names its columns",
    recognises=_recognises,
    read=_read,
)
