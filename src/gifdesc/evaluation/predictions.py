"""Files of captions by any system, and of the references to score them against."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path

from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.forms.base import CaptionLine, CaptionSource
from gifdesc.data.forms.registry import read_captions
from gifdesc.data.names import NameIndex
from gifdesc.errors import DescriptionError
from gifdesc.system.wording import list_some

log = logging.getLogger(__name__)


def read_predictions(path: Path, ids: Collection[str] | None = None) -> dict[str, str]:
    """Captions by id.

    A line is `{"id": ..., "caption": ...}`, or one of `gifdesc caption --json` with `path` in
    place of `id`, or `name<TAB>caption`. A line whose caption is null or that states an `error` is
    left out, so that its GIF counts as missing; a line whose name is a malformed URL is left out
    with a warning.

    Args:
        path: JSON lines, or a table by its suffix `.tsv` or its first line.
        ids: what GIFs are called in the references; `names` says which of them a line's name
            means. None keeps the names as they are.

    Raises:
        DescriptionError: a line is of another form, two lines are of the same GIF, there is no
            caption, or a GIF is not among the ids.
    """
    index = None if ids is None else NameIndex(ids)
    found: dict[str, str] = {}
    lines: dict[str, CaptionLine] = {}
    unknown: list[str] = []
    for line in _read_lines(path):
        caption = _caption_of(path, line)
        name = line.name if index is None else index.find(line.name)
        if name is None:
            if caption is not None:
                unknown.append(_with_candidates(line.name, index))
            continue
        if (other := lines.setdefault(name, line)) is not line:
            twice = f"id {name} occurs twice"
            if other.name != line.name:
                twice = f"{other.name} and {line.name} are both {name}"
            raise DescriptionError(f"{path}:{line.number}: {twice}")
        if caption is not None:
            found[name] = caption
    if unknown:
        raise unknown_ids(unknown, len(found), f"{path}: ", ids or ())
    if not found:
        raise DescriptionError(f"{path}: contains no caption")
    return found


def unknown_ids(
    unknown: Sequence[str], num_known: int, start: str = "", ids: Collection[str] = ()
) -> DescriptionError:
    """The error for captions without references; its message names examples of both."""
    if num_known:
        return DescriptionError(f"{start}no references for {list_some(unknown, 3)}")
    example = f"; the references are of GIFs such as {next(iter(ids))}" if ids else ""
    return DescriptionError(
        f"{start}no id in common with the references, which may be of another data set: "
        f"no references for {list_some(unknown, 3)}{example}"
    )


def read_references(path: Path) -> dict[str, list[str]]:
    """References by id.

    Args:
        path: JSON lines `{"id": ..., "captions": [...]}`; or a table of `id<TAB>caption`, where an
            id may stand more than once; or a folder of descriptions.

    Raises:
        DescriptionError: a line is of another form, contains no caption, or an id occurs twice in
            JSON lines.
    """
    if path.is_dir():
        descriptions = read_descriptions(path)
        for problem in descriptions.problems:
            if problem not in descriptions.misnamed:
                raise DescriptionError(problem)
            log.warning("%s: left out", problem)
        return descriptions.captions
    references: dict[str, list[str]] = {}
    num_empty = 0
    for line in _read_lines(path):
        if line.problem is not None:
            raise DescriptionError(f"{path}:{line.number}: {line.problem}")
        if line.is_list and line.name in references:
            raise DescriptionError(f"{path}:{line.number}: id {line.name} occurs twice")
        kept = [caption for caption in line.captions if caption.strip()]
        num_empty += len(line.captions) - len(kept)
        references.setdefault(line.name, []).extend(kept)
    if num_empty:
        log.warning("%s: %d empty references are left out", path, num_empty)
    return references


def _read_lines(path: Path) -> list[CaptionLine]:
    """The lines of a file; a line whose name is a malformed URL is skipped with a warning."""
    lines = list(read_captions(CaptionSource(path), needs_names=True))
    if not lines:
        raise DescriptionError(f"{path}: contains no line")
    kept = []
    for line in lines:
        if line.is_misnamed:
            log.warning("%s:%d: %s: left out", path, line.number, line.problem)
        else:
            kept.append(line)
    return kept


def _caption_of(path: Path, line: CaptionLine) -> str | None:
    """The caption of a line of predictions; None if the line has no caption."""
    problem = line.problem
    if line.is_list:
        problem = "the caption is a list; a text is wanted"
    elif line.is_empty:
        # An empty text is a caption; null, NaN and an error are not.
        return line.captions[0] if line.has_text else None
    if problem is not None:
        raise DescriptionError(f"{path}:{line.number}: {problem}")
    return line.captions[0]


def _with_candidates(name: str, index: NameIndex | None) -> str:
    candidates = [] if index is None else index.candidates(name)
    return f"{name} ({' or '.join(candidates)})" if candidates else name
