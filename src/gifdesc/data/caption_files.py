"""Files of captions, line by line: plain text, TSV, JSON lines."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from gifdesc.data.names import NameIndex, gif_key, name_problem
from gifdesc.errors import DescriptionError
from gifdesc.system.files import reading

Form = Literal["table", "json_lines"]

FORMS_READ = 'write lines {"id": ..., "caption": ...} (.jsonl) or name<TAB>caption (.tsv)'
"""The advice for a file of another form."""

_OWNER_KEYS = ("image_id", "video_id", "gif_id")
_NAME_KEYS = (
    *_OWNER_KEYS,
    *("id", "path", "gif", "source", "name", "file_name", "filename", "url"),
)
_COCO_KEYS = {"annotations", "images"}
"""Of the COCO caption format, https://cocodataset.org/#format-data, section 4."""

_NEEDS = "needs `id` and `caption` or `captions`"
_NOT_A_ROW = "not `name<TAB>sentence`"
_LINE_END = re.compile(r"\r\n|\r|\n")
_QUOTED_CELL = re.compile(r'"((?:[^"]|"")*)"')
"""A cell in quotes, those within doubled (RFC 4180, section 2)."""

_MOST_CELL_LINES = 50
"""A quoted cell that is not closed after so many lines is no quoted cell."""


@dataclass(frozen=True, slots=True)
class CaptionLine:
    """A line of a file of captions.

    Attributes:
        number: counted from 1.
        name: of the GIF, as the file has it.
        captions: as the file has them; an empty text for each that is null.
        has_text: whether the file has a text for the caption, be it empty.
        is_list: whether these come from a list, even of a single caption.
        problem: why the line cannot be used; None if it can.
        is_empty: whether all that the line lacks is a caption.
        is_misnamed: whether its name can mean no GIF.
    """

    number: int
    name: str = ""
    captions: tuple[str, ...] = ()
    has_text: bool = True
    is_list: bool = False
    problem: str | None = None
    is_empty: bool = False
    is_misnamed: bool = False


def read_caption_lines(path: Path, form: Form) -> list[CaptionLine]:
    """The lines of a table or of JSON lines; empty lines do not count.

    Raises:
        DescriptionError: the file cannot be read, is not UTF-8, or is another kind of JSON.
    """
    text = read_text(path)
    if form == "table":
        return [_checked(line) for line in _table_lines(text)]
    if kind := _other_json(text):
        raise DescriptionError(f"{path}: {kind}, which is not read; {FORMS_READ}")
    return [_checked(_json_line(number, line)) for number, line in _numbered(text)]


def read_text_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        DescriptionError: the file cannot be read or is not UTF-8.
    """
    return [line for _, line in _numbered(read_text(path))]


def form_of(path: Path) -> Form:
    """How a file of captions is to be read: by its ending, failing that by its first line.

    Raises:
        DescriptionError: it is a CSV table, or cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        raise DescriptionError(f"{path}: a CSV table, which is not read; {FORMS_READ}")
    if suffix in (".jsonl", ".ndjson", ".json"):
        return "json_lines"
    if suffix == ".tsv":
        return "table"
    return "json_lines" if read_text(path).lstrip().startswith(("{", "[")) else "table"


def read_text(path: Path) -> str:
    """A file's text, without a byte order mark.

    Raises:
        DescriptionError: the file cannot be read or is not UTF-8.
    """
    with reading(path, DescriptionError):
        data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4096]:
        raise DescriptionError(f"{path}: not UTF-8 text (UTF-16, or no text); save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DescriptionError(
            f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, each with its number from 1.

    A line ends where a text editor ends it. U+2028, NEL and the like, at which `str.splitlines`
    splits as well, stand within captions.
    """
    for number, line in enumerate(_LINE_END.split(text), start=1):
        if line.strip():
            yield number, line


def _checked(line: CaptionLine) -> CaptionLine:
    """The line, with the problem of its name."""
    if line.name and line.problem is None and (problem := name_problem(line.name)):
        return replace(line, problem=problem, is_misnamed=True)
    return line


def _table_lines(text: str) -> Iterator[CaptionLine]:
    lines = _LINE_END.split(text)
    index = 0
    while index < len(lines):
        number = index + 1
        line, num_lines = _whole_row(lines, index)
        index += num_lines
        if not line.strip():
            continue
        name, tab, cells = line.partition("\t")
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


def _whole_row(lines: list[str], first: int) -> tuple[str, int]:
    """A table's row and the number of its lines: a quoted cell may go over several."""
    row = lines[first]
    start = row.partition("\t")[2].lstrip()
    if not start.startswith('"') or start.count('"') % 2 == 0:
        return row, 1
    last = min(len(lines), first + _MOST_CELL_LINES)
    for index in range(first + 1, last):
        if "\t" in lines[index]:
            break  # a row of its own, so the quote was meant as it is
        if lines[index].count('"') % 2:
            cell = " ".join([start, *lines[first + 1 : index + 1]])
            if _QUOTED_CELL.fullmatch(cell.rstrip()):
                return " ".join([row, *lines[first + 1 : index + 1]]), index + 1 - first
            break
    return row, 1


def _cell(cell: str) -> str:
    """The text of a spreadsheet's cell: without the quotes around it, with inner quotes single."""
    match = _QUOTED_CELL.fullmatch(cell)
    return match[1].replace('""', '"') if match else cell


def _other_json(text: str) -> str | None:
    """A description of a JSON text without an object on each line; None if it has that form."""
    first = next((line for _, line in _numbered(text)), "")
    if not first.lstrip().startswith(("{", "[")):
        return None
    value = _parsed(first)
    if value is None or (isinstance(value, list) and text.strip() != first.strip()):
        value = _parsed(text)
        if isinstance(value, dict) and not _COCO_KEYS & set(value):
            return "one JSON object over several lines"
    if isinstance(value, dict):
        return "COCO annotations (JSON)" if _COCO_KEYS & set(value) else None
    if isinstance(value, list):
        is_coco = any(isinstance(item, dict) and "image_id" in item for item in value)
        return "a COCO results list (JSON)" if is_coco else "a JSON list"
    return None


def _parsed(text: str) -> object:
    """A JSON value; None for invalid JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_line(number: int, text: str) -> CaptionLine:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return CaptionLine(number, problem="not JSON")
    if not isinstance(row, dict):
        return CaptionLine(number, problem=_NEEDS)
    name, problem = _name_of(row)
    if problem is not None:
        return CaptionLine(number, problem=problem)
    if isinstance(row.get("error"), str) and _is_nothing(row.get("caption")):
        problem = f"no caption ({row['error']})"
        return CaptionLine(number, name, has_text=False, problem=problem, is_empty=True)
    value, problem = _captions_of(row)
    if problem is not None:
        return CaptionLine(number, name, problem=problem)
    captions = tuple("" if _is_nothing(text) else text for text in value)
    line = CaptionLine(
        number,
        name,
        captions,
        has_text=any(isinstance(text, str) for text in value),
        is_list=isinstance(row.get("captions", row.get("caption")), list),
    )
    if any(caption.strip() for caption in captions):
        return line
    return replace(line, problem="no caption", is_empty=True)


def _name_of(row: Mapping[str, Any]) -> tuple[str, str | None]:
    """The GIF that an object names, or why it names none."""
    given = {key: row[key] for key in _NAME_KEYS if not _is_nothing(row.get(key))}
    if any(key in given for key in _OWNER_KEYS):
        given.pop("id", None)  # the caption's own number, as in COCO's annotations
    if not given:
        return "", _NEEDS
    names: dict[str, str] = {}
    for key, value in given.items():
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            return "", f"`{key}` is {_kind(value)}; a name is wanted"
        names[key] = str(value)
    # A path identifies a file better than a bare name, and a local path better than a URL.
    key = max(
        names, key=lambda each: (not gif_key(names[each]).startswith("//"), _depth(names[each]))
    )
    for other, name in names.items():
        if name != names[key] and NameIndex([names[key]]).find(name) is None:
            return "", f"`{key}` {names[key]} and `{other}` {name} name two GIFs; leave one out"
    return names[key], None


def _depth(name: str) -> int:
    return gif_key(name).count("/")


def _captions_of(row: Mapping[str, Any]) -> tuple[list[Any], str | None]:
    """The captions of an object, None or NaN among them, or the reason why it has none."""
    if "caption" not in row and "captions" not in row:
        return [], _NEEDS
    key = "caption" if _is_nothing(row.get("captions")) else "captions"
    value = row.get(key)
    values = value if isinstance(value, list) else [value]
    if key == "captions" and not _is_nothing(row.get("caption")) and row["caption"] not in values:
        return [], "`caption` and `captions` differ; leave one out"
    for text in values:
        if not isinstance(text, str) and not _is_nothing(text):
            contains = "contains" if isinstance(value, list) else "is"
            return [], f"`{key}` {contains} {_kind(text)}; a text or a list of texts is needed"
    return values, None


def _is_nothing(value: object) -> bool:
    """Null, or the NaN that pandas writes for it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds: dict[type, str] = {str: "a text", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "an object")
