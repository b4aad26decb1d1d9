"""Captions as lines of text, JSON, TSV or CSV, and the paths in such lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from gifdesc.captions import Caption
from gifdesc.config import CaptionFormat
from gifdesc.system.json_files import parse_json

CSV_COLUMNS = ("path", "caption", "score", "low_confidence", "num_frames", "duration_ms", "error")

FIELDS = (
    "path",
    "caption",
    "alt_text",
    "score",
    "low_confidence",
    "alternatives",
    "num_frames",
    "duration_ms",
    "sampled_frames",
    "sampled_times_ms",
    "words",
    "note",
    "error",
)
"""What a line may contain."""

Shorten = Callable[[str], str]
"""From a caption to its alternative text."""

_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_INDENT = "  "


@dataclass(frozen=True)
class CaptionLines:
    r"""The form of the lines of a run.

    Attributes:
        name: `text`: path, tab, caption, and alternatives below it, indented. `tsv`: path, tab,
            caption, empty for a failure. In both a backslash, tab or line end within a path is
            written `\\`, `\t`, `\n` or `\r`. `csv`: `CSV_COLUMNS`, quoted as RFC 4180 says.
            `json`: an object.
        fields: what a line of another format than `text` contains, of `FIELDS`, in this order;
            None for the format's own.
        shorten: makes the alternative text, which replaces the caption; JSON has both.
        with_path: whether a line of format `text` has the path; a single caption needs none.
        with_weights: whether JSON has the weights of the frames for each word. With `fields`, it
            has them wherever it has words.
    """

    name: CaptionFormat
    fields: tuple[str, ...] | None = None
    shorten: Shorten | None = None
    with_path: bool = True
    with_weights: bool = False

    @property
    def header(self) -> str:
        """The lines before the first caption: the column names of a CSV, otherwise nothing."""
        return _csv_record(self._columns) if self.name == "csv" else ""

    def line(self, caption: Caption) -> str:
        """A result as a line with its line end; empty for a failure in format `text`."""
        if self.name == "text":
            return self._text(caption)
        if self.name == "json":
            # ASCII, so that any path fits.
            return json.dumps(self._object(caption), ensure_ascii=True, allow_nan=False) + "\n"
        row = self._row(caption)
        if self.name == "csv":
            return _csv_record(["" if value is None else value for value in row])
        return "\t".join("" if value is None else _escaped(str(value)) for value in row) + "\n"

    def paths(self, text: str) -> Iterator[str]:
        """The paths in whole lines that `line` wrote.

        Raises:
            ValueError: a line has another format; the message has its number.
        """
        if self.name == "csv":
            yield from self._csv_paths(text)
            return
        for number, line in enumerate(text.split("\n"), start=1):
            if not line or (self.name == "text" and line.startswith(_INDENT) and "\t" not in line):
                continue  # the latter is an alternative
            path = _json_path(line) if self.name == "json" else self._cell(line)
            if path is None:
                raise ValueError(f"line {number} is not {self.name.upper()} of gifdesc caption")
            yield path

    def whole_length(self, data: bytes) -> int:
        """Length of the whole records in bytes; a killed run may leave half a record after them."""
        end = data.rfind(b"\n") + 1
        if self.name == "csv":
            # A line end within quotes ends no record; a whole record has an even number of quotes.
            while end and data[:end].count(b'"') % 2:
                end = data.rfind(b"\n", 0, end - 1) + 1
        return end

    @property
    def _columns(self) -> tuple[str, ...]:
        return self.fields or (CSV_COLUMNS if self.name == "csv" else ("path", "caption"))

    def _text(self, caption: Caption) -> str:
        if caption.caption is None:
            return ""
        texts = dict.fromkeys([caption.caption, *(each.caption for each in caption.alternatives)])
        first, *others = map(self.shorten, texts) if self.shorten else texts
        if self.with_path:
            first = f"{_escaped(caption.path)}\t{_escaped(first)}"
        return "".join(f"{line}\n" for line in (first, *(_INDENT + _escaped(o) for o in others)))

    def _object(self, caption: Caption) -> dict[str, Any]:
        row = caption.to_json()
        if self.shorten is not None and caption.caption is not None:
            row["alt_text"] = self.shorten(caption.caption)
        if caption.error is not None:
            return row
        if self.fields is not None:
            return {name: row.get(name) for name in self.fields}
        if not self.with_weights:
            for word in row["words"]:
                del word["frame_weights"]
        return row

    def _row(self, caption: Caption) -> list[object]:
        row = caption.to_json()
        if self.shorten is not None and caption.caption is not None:
            row["alt_text"] = self.shorten(caption.caption)
            if self.fields is None:
                row["caption"] = row["alt_text"]
        return [_cell_of(row.get(name)) for name in self._columns]

    def _cell(self, line: str) -> str | None:
        """The path in a line of `text` or `tsv`; None if the line has another form."""
        columns = ("path", "caption") if self.name == "text" else self._columns
        cells = line.split("\t")
        return _unescaped(cells[columns.index("path")]) if len(cells) == len(columns) else None

    def _csv_paths(self, text: str) -> Iterator[str]:
        rows = _csv_rows(io.StringIO(text, newline=""))
        if text and next(rows, (1, []))[1] != list(self._columns):
            raise ValueError("line 1 is not the header of these fields of gifdesc caption")
        for line, row in rows:
            if len(row) != len(self._columns):
                raise ValueError(f"line {line} is not CSV of gifdesc caption")
            yield row[self._columns.index("path")]


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the number of its last line."""
    rows = csv.reader(lines)
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:  # is no ValueError
        raise ValueError(f"not CSV of gifdesc caption ({error})") from error


def _json_path(line: str) -> str | None:
    try:
        path = parse_json(line)["path"]
    except (ValueError, TypeError, LookupError):
        return None
    return path if isinstance(path, str) else None


def _cell_of(value: object) -> object:
    """A value for a table: lists and objects as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def _csv_record(values: Iterable[object]) -> str:
    out = io.StringIO()
    # With this line end, csv quotes line ends within fields; then use the one of other tools.
    csv.writer(out, lineterminator="\r\n").writerow(values)
    return out.getvalue().removesuffix("\r\n") + "\n"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _unescaped(field: str) -> str:
    parts = iter(field)
    plain = {"t": "\t", "n": "\n", "r": "\r"}
    return "".join(
        plain.get(escaped := next(parts, ""), escaped) if character == "\\" else character
        for character in parts
    )
