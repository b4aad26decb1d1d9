"""Any system's captions, and the references to score them against, as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gifdesc.errors import DescriptionError
from gifdesc.files import reason


def read_predictions(path: Path) -> dict[str, str]:
    """Captions by id from lines `{"id": ..., "caption": ...}`.

    Raises:
        DescriptionError: a line is of another form, or an id stands twice.
    """
    return {name: row["caption"] for name, row in _read_rows(path, "caption", str).items()}


def read_references(path: Path) -> dict[str, list[str]]:
    """References by id from lines `{"id": ..., "captions": [...]}`.

    Raises:
        DescriptionError: a line is of another form, holds no caption, or an id stands twice.
    """
    rows = _read_rows(path, "captions", list)
    for name, row in rows.items():
        captions = row["captions"]
        if not captions or not all(isinstance(caption, str) for caption in captions):
            raise DescriptionError(f"{path}: id {name} has no list of captions")
    return {name: row["captions"] for name, row in rows.items()}


def _read_rows(path: Path, key: str, kind: type) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise DescriptionError(f"{path}: cannot be read: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise DescriptionError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DescriptionError(f"{path}:{number}: not JSON") from error
        if not isinstance(row, dict) or "id" not in row or not isinstance(row.get(key), kind):
            raise DescriptionError(f'{path}:{number}: needs "id" and "{key}"')
        if str(row["id"]) in rows:
            raise DescriptionError(f"{path}:{number}: id {row['id']} stands twice")
        rows[str(row["id"])] = row
    if not rows:
        raise DescriptionError(f"{path}: holds no line")
    return rows
