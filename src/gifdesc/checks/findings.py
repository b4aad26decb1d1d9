"""The kinds of problems that `gifdesc check` finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

GifKind = Literal["unreadable", "not_gif", "truncated", "still", "dead", "huge", "duplicate"]
DescriptionKind = Literal[
    "missing_description",
    "orphan_description",
    "bad_description",
    "empty_description",
    "short_description",
    "duplicate_description",
]
Kind = Literal[GifKind, DescriptionKind]

GIF_KINDS: tuple[GifKind, ...] = get_args(GifKind)
DESCRIPTION_KINDS: tuple[DescriptionKind, ...] = get_args(DescriptionKind)

# Of 21 GIFs as people post them (the project's decoding test data) the largest has 0.18
# megapixels, 57 frames and 1.8 MB: files of ten times that size are seldom intended.
HUGE_CANVAS_PIXELS = 4_000_000
"""A larger canvas is `huge`; above `gif.limits.MAX_CANVAS_PIXELS` it is an error as well."""
HUGE_NUM_FRAMES = 1_000
"""A file with more frames is `huge`."""
HUGE_FILE_BYTES = 20_000_000
"""A larger file is `huge`; above `gif.limits.MAX_FILE_BYTES` it is an error as well."""
MIN_WORDS = 3
"""A description of fewer words is `short_description`: "a cat" does not describe an action."""

KINDS: dict[Kind, str] = {
    "unreadable": "no frame: empty, damaged, too large, a web page",
    "not_gif": "a format other than its name's; a still picture",
    "truncated": "cut off or damaged: only the beginning is usable",
    "still": "one frame",
    "dead": "several frames, but all equal",
    "huge": f"over {HUGE_CANVAS_PIXELS // 10**6} megapixels, {HUGE_NUM_FRAMES} frames "
    f"or {HUGE_FILE_BYTES // 10**6} MB",
    "duplicate": "the same bytes as an earlier file",
    "missing_description": "a GIF without description",
    "orphan_description": "a description without GIF",
    "bad_description": "not UTF-8, or a damaged TSV or JSON line",
    "empty_description": "a file or line without text",
    "short_description": f"fewer than {MIN_WORDS} words",
    "duplicate_description": "the same text twice for a GIF, or for two GIFs",
}
"""Every kind with its explanation, in the order of the output."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A problem of a file.

    Attributes:
        path: the GIF, or the description file.
        kind: the kind of problem.
        detail: the details, without the path.
    """

    path: Path | str
    kind: Kind
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return {"path": str(self.path), "kind": self.kind, "detail": self.detail}
