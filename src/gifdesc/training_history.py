"""`history.jsonl` of a model folder: what training wrote of each epoch, for cards and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gifdesc.files import read_json_lines

HISTORY_NAME = "history.jsonl"
"""A line per epoch; docs/files.md lists the keys."""


def read_history(model_dir: Path) -> list[dict[str, Any]]:
    """The rows of a model folder's history, in order; none where there are none to be read.

    A card or a page is complete without them, so a file that is missing or damaged is no error.
    """
    try:
        return read_json_lines(model_dir / HISTORY_NAME)
    except (OSError, ValueError):
        return []
