"""Files of captions by any system, and of the references to score them against."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.forms.base import CaptionLine, CaptionSource
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.forms.registry import read_captions
from gifdesc.data.names import NameIndex
from gifdesc.errors import DescriptionError
from gifdesc.system.wording import counted, list_some

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class References:
    """The references of GIFs.

    Attributes:
        captions: by name, as the file has the names.
        gif_ids: the data set's own ids of the GIFs, each with the name; empty if the file has none
            beside names. An id of several GIFs names none of them.
    """

    captions: dict[str, list[str]]
    gif_ids: dict[str, str] = field(default_factory=dict)


def read_predictions(
    path: Path,
    names: Collection[str] | None = None,
    form: FormName | None = None,
    *,
    gif_ids: Mapping[str, str] | None = None,
    option: str | None = "--predictions-format",
) -> dict[str, str]:
    """Captions by name.

    A line whose caption is null or that states an `error` is left out, so that its GIF counts as
    missing; a line whose name is a malformed URL is left out with a warning. A list counts as its
    caption if it contains exactly one.

    Args:
        path: a file of any form that names its GIFs.
        names: what GIFs are called in the references; `data/names` decides which of them a line's
            name means. None keeps the names as they are.
        form: of the file; None recognises it by its content.
        gif_ids: the references' own ids of GIFs, each with the name there. They decide what the
            `image_id` of a COCO result means.
        option: of the command that names the form, for messages; None if there is none.

    Raises:
        DescriptionError: a line cannot be used, two lines are of the same GIF, there is no
            caption, or a GIF is not among the names.
    """
    index = None if names is None else NameIndex(names)
    found: dict[str, str] = {}
    lines: dict[str, CaptionLine] = {}
    unknown: list[str] = []
    for line in _read_lines(path, form, option):
        caption = _caption_of(path, line)
        name = _name_of(line, index, gif_ids or {})
        if name is None:
            if caption is not None:
                unknown.append(_with_candidates(line.name, index))
            continue
        if (other := lines.setdefault(name, line)) is not line:
            twice = f"id {name} occurs twice"
            if other.name != line.name:
                twice = f"{other.name} and {line.name} are both {name}"
            raise DescriptionError(f"{line.place(path)}: {twice}")
        if caption is not None:
            found[name] = caption
    if unknown:
        raise unknown_ids(unknown, len(found), f"{path}: ", names or ())
    if not found:
        raise DescriptionError(f"{path}: contains no caption")
    return found


def unknown_ids(
    unknown: Sequence[str], num_known: int, start: str = "", ids: Collection[str] = ()
) -> DescriptionError:
    """The error for captions without references; its message names examples of both."""
    if num_known:
        them = "it" if len(unknown) == 1 else "them"
        return DescriptionError(
            f"{start}no references for {list_some(unknown, 3)}; add references, or leave {them} out"
        )
    example = f"; the references are of GIFs such as {next(iter(ids))}" if ids else ""
    return DescriptionError(
        f"{start}no id in common with the references, which may be of another data set: "
        f"no references for {list_some(unknown, 3)}{example}"
    )


def read_references(path: Path, form: FormName | None = None) -> References:
    """Lists of captions by name.

    Args:
        path: a file of any form that names its GIFs, or a folder of descriptions.
        form: of the file; None recognises it by its content.

    Raises:
        DescriptionError: a line cannot be used or contains no caption, or a name occurs twice with
            a list of captions.
    """
    if path.is_dir():
        descriptions = read_descriptions(path, form)
        for problem in descriptions.problems:
            if problem not in descriptions.misnamed:
                raise DescriptionError(problem)
            log.warning("%s: left out", problem)
        _report_left_out(path, descriptions.left_out)
        return References(descriptions.captions, descriptions.ids)
    references = References({})
    shared_ids: set[str] = set()
    num_empty = 0
    for line in _read_lines(path, form, "--references-format"):
        if line.problem is not None:
            raise DescriptionError(f"{line.place(path)}: {line.problem}")
        if line.is_list and line.name in references.captions:
            raise DescriptionError(f"{line.place(path)}: id {line.name} occurs twice")
        kept = [caption for caption in line.captions if caption.strip()]
        num_empty += len(line.captions) - len(kept)
        references.captions.setdefault(line.name, []).extend(kept)
        if line.gif_id and references.gif_ids.setdefault(line.gif_id, line.name) != line.name:
            shared_ids.add(line.gif_id)
    for gif_id in shared_ids:
        del references.gif_ids[gif_id]
    if num_empty:
        log.warning("%s: %s left out", path, counted(num_empty, "empty reference"))
    return references


def _read_lines(path: Path, form: FormName | None, option: str | None) -> Iterator[CaptionLine]:
    """The lines of a file that are used; warnings report the others.

    A line whose name is a malformed URL is skipped, and so are captions in other languages.
    """
    if path.is_dir():
        raise DescriptionError(
            f"{path}: a folder; make a file of its descriptions with `gifdesc convert "
            f"{shlex.quote(str(path))} captions.jsonl`"
        )
    num_lines = 0
    left_out: Counter[str] = Counter()
    for line in read_captions(CaptionSource(path), form, option=option, needs_names=True):
        num_lines += 1
        if line.is_misnamed:
            log.warning("%s: %s: left out", line.place(path), line.problem)
        elif line.left_out is not None:
            left_out[line.left_out] += len(line.captions)
        else:
            yield line
    if not num_lines:
        raise DescriptionError(f"{path}: contains no caption")
    _report_left_out(path, left_out)


def _report_left_out(path: Path, left_out: Mapping[str, int]) -> None:
    for reason, number in left_out.items():
        log.warning("%s: %s %s, so left out", path, counted(number, "caption"), reason)


def _name_of(line: CaptionLine, index: NameIndex | None, gif_ids: Mapping[str, str]) -> str | None:
    """What the references call the GIF of a line; None if they lack it."""
    if line.gif_id in gif_ids:
        return gif_ids[line.gif_id]
    if index is None:
        return line.name
    return index.find(line.name) or gif_ids.get(line.name)


def _caption_of(path: Path, line: CaptionLine) -> str | None:
    """The caption of a line of predictions; None if the line has no caption."""
    problem = line.problem
    if (num_captions := len(line.captions)) > 1:
        # Lists of one caption are read: `convert` writes them.
        problem = f"has {num_captions} captions; a prediction is a single caption for each GIF"
    elif line.is_empty:
        # An empty text is a caption; null, NaN, an empty list and an error are not.
        return line.captions[0] if line.has_text else None
    if problem is not None:
        raise DescriptionError(f"{line.place(path)}: {problem}")
    return line.captions[0]


def _with_candidates(name: str, index: NameIndex | None) -> str:
    candidates = [] if index is None else index.candidates(name)
    return f"{name} ({' or '.join(candidates)})" if candidates else name
