"""All forms of files of captions, and which of them a file is of."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource, parsed, split_named
from gifdesc.data.forms.coco import COCO, COCO_RESULTS
from gifdesc.data.forms.flickr import FLICKR, FLICKR_CSV
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.forms.headed_tables import CSV
from gifdesc.data.forms.json_lines import DATA_SET_KEYS, JSON_LINES
from gifdesc.data.forms.msr_vtt import MSR_VTT
from gifdesc.data.forms.msvd import MSVD, MSVD_CSV
from gifdesc.data.forms.plain import TEXT
from gifdesc.data.forms.tables import TSV
from gifdesc.data.forms.vatex import VATEX, VATEX_CHINESE
from gifdesc.data.names import bare_name, name_problem
from gifdesc.errors import DescriptionError
from gifdesc.system.json_files import parse_json

log = logging.getLogger(__name__)

FORMS: dict[FormName, CaptionForm] = {
    form.name: form
    for form in (
        *(TEXT, TSV, CSV, JSON_LINES),
        *(COCO, COCO_RESULTS, MSR_VTT, VATEX, VATEX_CHINESE),
        *(MSVD, MSVD_CSV, FLICKR, FLICKR_CSV),
    )
}
"""Every form by its name. A file is of the form that alone recognises its content."""

_BY_SUFFIX: dict[str, FormName] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
}
"""The form of a file whose content no form recognises, such as one with damaged lines."""

_ROW_OF_TABLE = re.compile(r"[\w./-]+\.\w{3,4}[,;]")
"""The name of a file as the first cell of a row; a table of such rows lacks its first row."""

_TEXT_SUFFIXES = (".txt", ".tsv", ".csv")
"""Endings of files that are no JSON, even if they begin with a bracket."""

LONGEST_CAPTION = 5000
"""Characters of the longest caption that is read: several pages of text."""

FORMS_READ = 'write lines {"id": ..., "caption": ...} (.jsonl) or name<TAB>caption (.tsv)'
"""The advice for a file of another form."""


def read_captions(
    source: CaptionSource,
    form: FormName | None = None,
    *,
    option: str | None = "--descriptions-format",
    needs_names: bool = False,
) -> Iterator[CaptionLine]:
    """The lines of a file that are not empty, usable or not.

    Args:
        source: the file.
        form: of the file; None recognises it.
        option: of the command that names the form, for messages; None if there is none.
        needs_names: the file itself must name its GIFs, so it is no plain text.

    Raises:
        DescriptionError: the file could be of several forms, or is of a form that is not read.
    """
    chosen = FORMS[form] if form else recognise(source, option=option, needs_names=needs_names)
    lines = chosen.read(source)
    if chosen is TEXT:
        lines = map(_limited, lines)
        if form is None:  # a file that was given, for in a folder the name decides
            log.warning(
                "%s: read as the captions of a single GIF, %s; if its lines name GIFs, choose its "
                "form with %s (such as msvd for lines of `id sentence`)",
                *(source.path, source.name, option),
            )
        return lines
    if chosen is not JSON_LINES:
        for remark in source.repeated_keys:
            log.warning("%s", remark)
    if bare_name(source.name) == "metadata":
        lines = (_placed(line, source) for line in lines)
    return map(_checked, lines)


def recognise(
    source: CaptionSource,
    *,
    option: str | None = "--descriptions-format",
    needs_names: bool = False,
) -> CaptionForm:
    """The form of a file by its content; where no form recognises that, by its ending.

    Raises:
        DescriptionError: as `read_captions`.
    """
    forms = [form for form in FORMS.values() if not (needs_names and form is TEXT)]
    found = [form for form in forms if form.recognises(source)]
    if len(found) == 1:
        return found[0]
    if found:
        could_be = " or ".join(f"{form.title} ({form.name})" for form in found)
        choice = f"choose with {option} {'|'.join(form.name for form in found)}"
        remedy = choice if option is not None else "choose by converting it with gifdesc convert"
        raise DescriptionError(f"{source.path}: could be {could_be}; {remedy}")
    if source.starts_like_json and (kind := _other_json(source.document)):
        raise DescriptionError(f"{source.path}: {kind}, which is not read; {FORMS_READ}")
    if source.suffix not in _TEXT_SUFFIXES and (damage := _damage(source)):
        raise DescriptionError(f"{source.path}: damaged JSON ({damage}); save it again")
    name = _BY_SUFFIX.get(source.suffix, "tsv")
    if name == "text" and source.sample and all(map(_ROW_OF_TABLE.match, source.sample)):
        name = "csv"
    return FORMS["tsv" if name == "text" and needs_names else name]


def _damage(source: CaptionSource) -> str | None:
    """What is wrong with a file that begins like a JSON document; None if it is JSON lines."""
    if not source.starts_like_json or any(parsed(line) is not None for line in source.sample):
        return None
    with source.open() as file:
        try:
            parse_json(file.read())
        except ValueError as error:
            return str(error)
    return None


def _other_json(document: object) -> str | None:
    """What a JSON document is that no form recognises; None if it is none."""
    if isinstance(document, dict):
        if keys := sorted(DATA_SET_KEYS & document.keys()):
            return f"JSON with `{'` and `'.join(keys)}` but no captions"
        return "one JSON object over several lines"
    return "a JSON list" if isinstance(document, list) else None


def _placed(line: CaptionLine, source: CaptionSource) -> CaptionLine:
    """A line of the metadata of a folder, whose names are paths under this folder.

    The folders `train`, `validation` and `test` are splits, as in Hugging Face's data sets.
    """
    folder = source.name.rpartition("/")[0]
    if not folder or not line.name or "://" in line.name:
        return line
    split = line.split or split_named(folder.partition("/")[0])
    unknown = "" if split else line.unknown_split
    return replace(line, name=f"{folder}/{line.name}", split=split, unknown_split=unknown)


def _limited(line: CaptionLine) -> CaptionLine:
    """The line, with the problem that a caption is too long.

    The time for the tokens of a word, and for ROUGE-L, grows with the square of the length.
    """
    num_characters = max(map(len, line.captions), default=0)
    if line.problem is not None or num_characters <= LONGEST_CAPTION:
        return line
    problem = f"a caption of {num_characters:,} characters; at most {LONGEST_CAPTION:,} are read"
    return replace(line, problem=problem)


def _checked(line: CaptionLine) -> CaptionLine:
    """The line, with the problem of its name or of its captions."""
    if line.problem is not None or (line := _limited(line)).problem is not None:
        return line
    if line.name and (problem := name_problem(line.name)):
        return replace(line, problem=problem, is_misnamed=True)
    if all(map(is_unicode, line.captions)):
        return line
    return replace(line, problem="half a character in a caption (a lone surrogate)")


def is_unicode(text: str) -> bool:
    """Whether a text consists of whole characters: a JSON escape may be half of one.

    Names of files that are not UTF-8 contain such halves as well (PEP 383).
    """
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
