"""Any system's captions, and the references to score them against."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gifdesc.descriptions import gif_key, read_descriptions
from gifdesc.errors import DescriptionError
from gifdesc.files import reason


@dataclass(frozen=True)
class _Row:
    """A line of predictions: a GIF's caption, None where the line states an error."""

    line: int
    name: str
    is_path: bool
    caption: str | None


def read_predictions(path: Path, ids: Collection[str] | None = None) -> dict[str, str]:
    """Captions by id.

    A line is `{"id": ..., "caption": ...}`, or one of `gifdesc caption --json` with `path` in
    place of `id`, or `name<TAB>caption`. A line with `error` and without a caption is left out,
    so that its GIF counts as missing.

    Args:
        path: JSON lines, or a table by its suffix `.tsv` or its first line.
        ids: what GIFs are called in the references. A line's name is looked up among them as it
            stands, then without `.gif`; a path or URL also by its last parts, the longest that
            agree. None leaves the names as they are.

    Raises:
        DescriptionError: a line is of another form, two lines are of the same GIF, there is no
            caption, or a GIF is not among the ids.
    """
    find = None if ids is None else _Finder(ids)
    found: dict[str, str] = {}
    lines: dict[str, _Row] = {}
    unknown: list[str] = []
    for row in _prediction_rows(path):
        name = row.name if find is None else find(row)
        if name is None:
            if row.caption is not None:
                unknown.append(row.name)
            continue
        if (other := lines.setdefault(name, row)) is not row:
            twice = f"id {name} stands twice"
            if other.name != row.name:
                twice = f"{other.name} and {row.name} are both {name}"
            raise DescriptionError(f"{path}:{row.line}: {twice}")
        if row.caption is not None:
            found[name] = row.caption
    if unknown:
        raise unknown_ids(unknown, len(found), f"{path}: ")
    if not found:
        raise DescriptionError(f"{path}: holds no caption")
    return found


def unknown_ids(unknown: Collection[str], num_known: int, start: str = "") -> DescriptionError:
    """What to raise where captions have no references; their names are in it."""
    first = ", ".join(list(unknown)[:3])
    more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
    if num_known:
        return DescriptionError(f"{start}no references for {first}{more}")
    return DescriptionError(
        f"{start}no id in common with the references, which may be of another data set: "
        f"no references for {first}{more}"
    )


def read_references(path: Path) -> dict[str, list[str]]:
    """References by id.

    Args:
        path: JSON lines `{"id": ..., "captions": [...]}`; or a table of `id<TAB>caption`, where an
            id may stand more than once; or a folder of descriptions.

    Raises:
        DescriptionError: a line is of another form, holds no caption, or an id stands twice in
            JSON lines.
    """
    if path.is_dir():
        descriptions = read_descriptions(path)
        if descriptions.problems:
            raise DescriptionError(descriptions.problems[0])
        return descriptions.captions
    lines = _read_lines(path)
    references: dict[str, list[str]] = {}
    if _is_table(path, lines):
        for _, name, caption in _table_rows(path, lines):
            references.setdefault(name, []).append(caption)
        return references
    for number, row in _json_rows(path, lines):
        if "id" not in row or not isinstance(row.get("captions"), list):
            raise DescriptionError(f'{path}:{number}: needs "id" and "captions"')
        name, captions = str(row["id"]), row["captions"]
        if not captions or not all(isinstance(caption, str) for caption in captions):
            raise DescriptionError(f"{path}: id {name} has no list of captions")
        if name in references:
            raise DescriptionError(f"{path}:{number}: id {name} stands twice")
        references[name] = captions
    return references


class _Finder:
    """Finds the id that a line of predictions means."""

    def __init__(self, ids: Collection[str]) -> None:
        self._ids = frozenset(ids)
        self._by_key: dict[str, list[str]] = {}
        self._by_bare: dict[str, list[str]] = {}
        for name in ids:
            key = gif_key(name)
            self._by_key.setdefault(key, []).append(name)
            self._by_bare.setdefault(PurePosixPath(key).name, []).append(name)

    def __call__(self, row: _Row) -> str | None:
        if row.name in self._ids:
            return row.name
        key = gif_key(row.name)
        same = self._by_key.get(key, [])
        if len(same) == 1 or not row.is_path:
            return same[0] if len(same) == 1 else None
        candidates = self._by_bare.get(PurePosixPath(key).name, [])
        shared = {name: _num_shared(gif_key(name), key) for name in candidates}
        most = max(shared.values(), default=0)
        best = [name for name, number in shared.items() if number == most > 0]
        return best[0] if len(best) == 1 else None


def _num_shared(name: str, other: str) -> int:
    """How many last parts two names share, 0 unless one of them is the end of the other."""
    parts, other_parts = PurePosixPath(name).parts, PurePosixPath(other).parts
    number = min(len(parts), len(other_parts))
    return number if parts[-number:] == other_parts[-number:] else 0


def _prediction_rows(path: Path) -> Iterator[_Row]:
    lines = _read_lines(path)
    if _is_table(path, lines):
        for number, key, text in _table_rows(path, lines):
            yield _Row(number, key, True, text)
        return
    for number, row in _json_rows(path, lines):
        name, caption = row.get("id", row.get("path")), row.get("caption")
        has_failed = caption is None and isinstance(row.get("error"), str)
        if name is None or not (isinstance(caption, str) or has_failed):
            raise DescriptionError(f'{path}:{number}: needs "id" and "caption"')
        yield _Row(number, str(name), "id" not in row, caption)


def _read_lines(path: Path) -> list[tuple[int, str]]:
    """The lines that are not empty, each with its number from 1."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise DescriptionError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    lines = [one for one in enumerate(text.split("\n"), start=1) if one[1].strip()]
    if not lines:
        raise DescriptionError(f"{path}: holds no line")
    return lines


def _is_table(path: Path, lines: list[tuple[int, str]]) -> bool:
    if path.suffix.lower() in (".jsonl", ".json"):
        return False
    return path.suffix.lower() == ".tsv" or not lines[0][1].lstrip().startswith(("{", "["))


def _table_rows(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    for number, line in lines:
        name, tab, caption = line.rstrip("\r").partition("\t")
        if not tab or not name.strip():
            raise DescriptionError(f"{path}:{number}: not `name<TAB>caption`")
        yield number, name.strip(), caption.replace("\t", " ")


def _json_rows(path: Path, lines: list[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DescriptionError(f"{path}:{number}: not JSON") from error
        yield number, row if isinstance(row, dict) else {}
