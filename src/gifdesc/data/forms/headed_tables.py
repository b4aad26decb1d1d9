"""Tables whose first row names the columns: CSV and TSV, and the metadata of Hugging Face folders.

Format of the metadata: https://huggingface.co/docs/datasets/image_dataset, `metadata.csv`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource
from gifdesc.data.forms.field_names import CAPTIONS, NAMES, OTHER_CAPTIONS, plain_name
from gifdesc.data.forms.rows import line_of_row
from gifdesc.errors import DescriptionError
from gifdesc.system.wording import counted

_DELIMITERS = ",\t;"
MOST_CELL_LINES = 50
"""A quoted cell of more lines has an opening quote that is not closed."""


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
    def caption_index(self) -> int | None:
        """The place of the column of captions."""
        found = (self.index(name) for name in (*CAPTIONS, *OTHER_CAPTIONS))
        return next((index for index in found if index is not None), None)

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


def rows_below(
    source: CaptionSource, header: Header
) -> Iterator[tuple[int, list[str], str | None]]:
    """The rows below the first row that are not empty.

    Yields:
        The number of the row's first line, its cells, and the problem that it has other cells than
        the first row has; None if it has as many.

    Raises:
        DescriptionError: a quoted cell is not closed.
    """
    with source.open(newline="") as file:
        reader = csv.reader(file, delimiter=header.delimiter)
        number, is_first = 1, True
        try:
            for row in reader:
                if any(cell.strip() for cell in row) and not is_first:
                    yield number, row, _row_problem(row, header, reader.line_num - number)
                is_first = is_first and not any(cell.strip() for cell in row)
                number = reader.line_num + 1
        except csv.Error as error:
            raise DescriptionError(
                f"{source.path}:{number}: not a row of a table ({error}); close its quotes"
            ) from error


def _row_problem(row: list[str], header: Header, num_more_lines: int) -> str | None:
    if num_more_lines >= MOST_CELL_LINES:
        return f"a quoted cell of {num_more_lines + 1} lines; close its quotes"
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
