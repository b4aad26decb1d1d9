"""All forms of files of captions, and which of them a file is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.forms.json_lines import DATA_SET_KEYS, JSON_LINES
from gifdesc.data.forms.plain import TEXT
from gifdesc.data.forms.tables import TSV
from gifdesc.data.names import name_problem
from gifdesc.errors import DescriptionError

FORMS: dict[FormName, CaptionForm] = {form.name: form for form in (TEXT, TSV, JSON_LINES)}
"""Every form by its name. A file is of the form that alone recognises its content."""

_BY_SUFFIX: dict[str, FormName] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
"""The form of a file whose content no form recognises, such as one with damaged lines."""

FORMS_READ = 'write lines {"id": ..., "caption": ...} (.jsonl) or name<TAB>caption (.tsv)'
"""The advice for a file of another form."""


def read_captions(
    source: CaptionSource,
    form: FormName | None = None,
    *,
    option: str = "--descriptions-format",
    needs_names: bool = False,
) -> Iterator[CaptionLine]:
    """The lines of a file that are not empty, usable or not.

    Args:
        source: the file.
        form: of the file; None recognises it.
        option: of the command that names the form, for messages.
        needs_names: the file itself must name its GIFs, so it is no plain text.

    Raises:
        DescriptionError: the file could be of several forms, or is of a form that is not read.
    """
    chosen = FORMS[form] if form else recognise(source, option=option, needs_names=needs_names)
    return map(_checked, chosen.read(source))


def recognise(
    source: CaptionSource, *, option: str = "--descriptions-format", needs_names: bool = False
) -> CaptionForm:
    """The form of a file by its content; where no form recognises that, by its ending.

    Raises:
        DescriptionError: as `read_captions`.
    """
    found = [form for form in FORMS.values() if form.recognises(source)]
    if len(found) == 1:
        return found[0]
    if found:
        could_be = " or ".join(f"{form.title} ({form.name})" for form in found)
        raise DescriptionError(
            f"{source.path}: could be {could_be}; choose with {option} {found[0].name}"
        )
    if source.starts_like_json and (kind := _other_json(source.document)):
        raise DescriptionError(f"{source.path}: {kind}, which is not read; {FORMS_READ}")
    if source.suffix == ".csv":
        raise DescriptionError(f"{source.path}: a CSV table, which is not read; {FORMS_READ}")
    name = _BY_SUFFIX.get(source.suffix, "tsv")
    return FORMS["tsv" if name == "text" and needs_names else name]


def _other_json(document: object) -> str | None:
    """What a JSON document is that no form recognises; None if it is none."""
    if isinstance(document, dict):
        if DATA_SET_KEYS & document.keys():
            return "COCO annotations (JSON)"
        return "one JSON object over several lines"
    if isinstance(document, list):
        is_coco = any(isinstance(item, dict) and "image_id" in item for item in document)
        return "a COCO results list (JSON)" if is_coco else "a JSON list"
    return None


def _checked(line: CaptionLine) -> CaptionLine:
    """The line, with the problem of its name."""
    if line.name and line.problem is None and (problem := name_problem(line.name)):
        return replace(line, problem=problem, is_misnamed=True)
    return line
