"""What `gifdesc check` looks for: a closed set of kinds, and a finding of one of them."""

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
# megapixels, 57 frames and 1.8 MB: what is ten times that or more is seldom meant.
HUGE_CANVAS_PIXELS = 4_000_000
"""A larger canvas is `huge`; above `gif.limits.MAX_CANVAS_PIXELS` it is refused as well."""
HUGE_NUM_FRAMES = 1_000
"""More frames are `huge`."""
HUGE_FILE_BYTES = 20_000_000
"""A larger file is `huge`; above `gif.limits.MAX_FILE_BYTES` it is refused as well."""
MIN_WORDS = 3
"""A description of fewer words is `short_description`: "a cat" says who, not what happens."""

KINDS: dict[Kind, str] = {
    "unreadable": "gives no frame: empty, damaged, too large, a web page",
    "not_gif": "a PNG, JPEG, WebP, AVIF or BMP: read as what it is",
    "truncated": "only a beginning can be used",
    "still": "one frame",
    "dead": "several frames, all equal",
    "huge": f"over {HUGE_CANVAS_PIXELS // 10**6} megapixels, {HUGE_NUM_FRAMES} frames "
    f"or {HUGE_FILE_BYTES // 10**6} MB",
    "duplicate": "the same bytes as an earlier file",
    "missing_description": "a GIF without description",
    "orphan_description": "a description without GIF",
    "bad_description": "not UTF-8, or a damaged TSV or JSON line",
    "empty_description": "a file or line without text",
    "short_description": f"fewer than {MIN_WORDS} words",
    "duplicate_description": "one text twice for a GIF, or for several GIFs",
}
"""Every kind and its line of help, in the order in which they are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something about one file that its owner should know before a long run.

    Attributes:
        path: the GIF, or the description file.
        kind: what was found.
        detail: the particulars, without the path.
    """

    path: Path | str
    kind: Kind
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return {"path": str(self.path), "kind": self.kind, "detail": self.detail}
