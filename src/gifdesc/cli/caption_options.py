"""What the options of `gifdesc caption` mean together: format, fields and search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gifdesc.cli.given import as_options, refuse
from gifdesc.cli.usage import nearest
from gifdesc.config import CAPTION_FORMAT_BY_SUFFIX, CaptionFormat

if TYPE_CHECKING:
    from gifdesc.captioning.decoding_options import DecodingOptions

_RENAMED = {"num_beams": "beam", "max_tokens": "max_length"}
"""Field of `DecodingOptions` -> the parameter that sets it, where the two names differ."""


def choose_format(
    format_name: CaptionFormat | None, output: Path | None, *, json: bool
) -> CaptionFormat:
    """The format of the captions: by `--json`, `--format`, or else the ending of the file."""
    if json:
        return "json"
    if format_name is None and output is not None:
        return CAPTION_FORMAT_BY_SUFFIX.get(output.suffix.lower(), "text")
    return format_name or "text"


def fields_of(
    context: typer.Context,
    names: str | None,
    format_name: CaptionFormat,
    *,
    skip_done: bool,
    alt_text: bool,
) -> tuple[str, ...] | None:
    """The fields that `--fields` names; None for those of the format.

    Raises:
        typer.BadParameter: there is no such field, or the format or another option does not fit.
    """
    from gifdesc.captioning.lines import FIELDS

    if format_name == "text":
        refuse(context, ("fields",), "--fields is for --format json, csv or tsv")
        return None
    if names is None:
        return None
    fields = tuple(filter(None, (name.strip() for name in names.split(","))))
    for name in fields:
        if name not in FIELDS:
            hint = nearest(name, FIELDS)
            raise typer.BadParameter(f"--fields {name}: not one of {', '.join(FIELDS)}{hint}")
    if not fields or len(set(fields)) < len(fields):
        raise typer.BadParameter(f"--fields {names}: name each field once")
    if skip_done and "path" not in fields:
        raise typer.BadParameter("--skip-done needs the path: add it to --fields")
    if "alt_text" in fields and not alt_text:
        raise typer.BadParameter("--fields alt_text needs --alt-text")
    return fields


def decoding_options(
    context: typer.Context,
    *,
    beam: int | None,
    num_captions: int,
    length_penalty: float,
    max_length: int | None,
    no_repeat_ngram: int,
    sample: bool,
    temperature: float,
    top_p: float,
    seed: int,
) -> DecodingOptions:
    """How captions are searched or drawn; settings of the other way are left out.

    Raises:
        typer.BadParameter: options of the command line do not fit each other, or a value is wrong.
    """
    from gifdesc.captioning.decoding_options import DecodingOptions

    if sample:
        if beam is not None or length_penalty != 1.0:
            sentence = "--beam and --length-penalty are not for --sample"
            refuse(context, ("beam", "length_penalty"), sentence)
        beam, length_penalty = None, 1.0
    else:
        if temperature != 1.0 or top_p != 1.0:
            sentence = "--temperature and --top-p are for --sample"
            refuse(context, ("temperature", "top_p"), sentence)
        temperature = top_p = 1.0
    try:
        return DecodingOptions(
            num_beams=beam,
            num_captions=num_captions,
            length_penalty=length_penalty,
            max_tokens=max_length,
            no_repeat_ngram=no_repeat_ngram,
            sample=sample,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
        )
    except ValueError as error:
        raise typer.BadParameter(as_options(context, str(error), _RENAMED)) from None


def check_alt_text_paths(paths: Sequence[str]) -> None:
    """Refuse a number as a path: `--alt-text 80` was an option with its value once.

    Raises:
        typer.BadParameter: a path is a number, and there is no such file.
    """
    for number in filter(str.isdecimal, paths):
        if not Path(number).exists():
            raise typer.BadParameter(
                f"{number}: no such file or folder; for the length of alternative texts, give "
                f"--alt-text-length {number}"
            )
