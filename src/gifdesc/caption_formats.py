"""Captions as lines: for people, for spreadsheets, for programs; and whose lines a file holds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator

from gifdesc.caption_result import Caption
from gifdesc.config import CaptionFormat

FormatName = CaptionFormat

CSV_COLUMNS = ("path", "caption", "score", "low_confidence", "num_frames", "duration_ms", "error")

Shorten = Callable[[str], str]
"""From a caption to its alternative text."""

_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def header(format_name: FormatName) -> str:
    """What stands before the first caption: the names of the columns of a CSV."""
    return _csv_record(CSV_COLUMNS) if format_name == "csv" else ""


def to_line(
    caption: Caption,
    format_name: FormatName,
    *,
    shorten: Shorten | None = None,
    with_path: bool = True,
) -> str:
    r"""One result with its line end; for `text` nothing where there is no caption.

    Args:
        caption: the result.
        format_name: `text`: path, tab, caption. `tsv`: the same, the caption empty where it
            failed; in both a backslash, tab or line end within a path is written `\\`, `\t`,
            `\n` or `\r`. `csv`: `CSV_COLUMNS`, quoted as RFC 4180 says. `json`: one object.
        shorten: makes the alternative text, which takes the caption's place; JSON has both.
        with_path: as `text`, whether the path is there; a single caption may stand alone.
    """
    alt_text = None
    if shorten is not None and caption.caption is not None:
        alt_text = shorten(caption.caption)
    if format_name == "json":
        row = caption.to_json()
        if alt_text is not None:
            row["alt_text"] = alt_text
        # In ASCII, which takes any path.
        return json.dumps(row, ensure_ascii=True, allow_nan=False) + "\n"
    said = caption.caption if alt_text is None else alt_text
    if format_name == "csv":
        row = {**caption.to_json(), "caption": said}
        return _csv_record(["" if row.get(name) is None else row[name] for name in CSV_COLUMNS])
    if format_name == "text" and (said is None or not with_path):
        return "" if said is None else said + "\n"
    return f"{caption.path.translate(_ESCAPES)}\t{(said or '').translate(_ESCAPES)}\n"


def done_paths(text: str, format_name: FormatName) -> Iterator[str]:
    """The paths of whole lines that `to_line` wrote.

    Raises:
        ValueError: a line is of another format; it says which line.
    """
    if format_name == "csv":
        yield from _csv_paths(text)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        if format_name == "json":
            try:
                path = json.loads(line)["path"]
            except (ValueError, TypeError, LookupError, RecursionError):
                path = None
        else:
            fields = line.split("\t")
            path = _unescape(fields[0]) if len(fields) == 2 else None
        if not isinstance(path, str):
            raise ValueError(f"line {number} is not {format_name.upper()} of gifdesc caption")
        yield path


def whole_length(data: bytes, format_name: FormatName) -> int:
    """Bytes of the records that are whole; behind them lies what a killed run left half written."""
    end = data.rfind(b"\n") + 1
    if format_name == "csv":
        # A line end within quotes ends no record; quotes come in pairs in a whole one.
        while end and data[:end].count(b'"') % 2:
            end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def _csv_record(values: Iterable[object]) -> str:
    out = io.StringIO()
    # The dialect's own line end, so that any within a field is quoted; then that of other tools.
    csv.writer(out, lineterminator="\r\n").writerow(values)
    return out.getvalue().removesuffix("\r\n") + "\n"


def _csv_paths(text: str) -> Iterator[str]:
    rows = csv.reader(io.StringIO(text, newline=""))
    if text and tuple(next(rows, ())) != CSV_COLUMNS:
        raise ValueError("line 1 is not the header of gifdesc caption")
    for row in rows:
        if len(row) != len(CSV_COLUMNS):
            raise ValueError(f"line {rows.line_num} is not CSV of gifdesc caption")
        yield row[0]


def _unescape(field: str) -> str:
    parts = iter(field)
    plain = {"t": "\t", "n": "\n", "r": "\r"}
    return "".join(
        plain.get(escaped := next(parts, ""), escaped) if one == "\\" else one for one in parts
    )
