"""Descriptions of any form to another form."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.forms.base import CaptionLine
from gifdesc.data.forms.form_names import FormName, OutputForm
from gifdesc.data.forms.registry import is_unicode
from gifdesc.data.forms.writing import UNPLACED, WRITERS, DescribedGif
from gifdesc.data.names import comparable_key
from gifdesc.data.splits import SPLITS, write_split_lists
from gifdesc.errors import DescriptionError, UsageError
from gifdesc.system.files import writing
from gifdesc.system.wording import counted

log = logging.getLogger(__name__)

_SINGULARS = {
    "captions": "caption",
    "files or records": "file or record",
    "ids": "id",
    "splits": "split",
    "URLs": "URL",
}
"""Nouns with which the counts of what is left out begin, and their singulars."""


@dataclass
class Conversion:
    """The result of a conversion.

    Attributes:
        output: the file or folder.
        form: of the output.
        num_gifs: GIFs in the output.
        num_captions: captions in the output.
        left_out: what is not in the output: how often, by what it is.
        problems: one sentence for each file or record that cannot be used.
    """

    output: Path
    form: OutputForm
    num_gifs: int = 0
    num_captions: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def left_out_counts(self) -> Iterator[str]:
        """What is not in the output, such as `1 URL that the form has no place for`."""
        for what, number in self.left_out.items():
            plural = next(noun for noun in _SINGULARS if what.startswith(noun))
            yield counted(number, _SINGULARS[plural], plural) + what.removeprefix(plural)

    def to_json(self) -> dict[str, Any]:
        """The result as `convert --json` prints it."""
        return {
            "output": str(self.output),
            "format": self.form,
            "num_gifs": self.num_gifs,
            "num_captions": self.num_captions,
            "left_out": dict(self.left_out),
            "problems": self.problems,
        }


def convert(
    path: Path,
    output: Path,
    output_form: OutputForm,
    *,
    form: FormName | None = None,
    splits_dir: Path | None = None,
    force: bool = False,
) -> Conversion:
    """Read descriptions of any form and write them in another.

    Args:
        path: a folder or file of descriptions.
        output: a file; for `text`, a folder.
        output_form: of the output.
        form: of the file; None recognises it by its content.
        splits_dir: the folder for lists of the splits that the descriptions name; None for none.
        force: write over files that exist.

    Raises:
        UsageError: the output or a list exists, and `force` is not set; or the output is a folder
            with `.txt` files of other GIFs.
        DescriptionError: there is no such path, or it contains no description at all.
        GifdescError: the output cannot be written.
    """
    if not path.exists():
        raise DescriptionError(f"{path}: no such file or folder")
    lists = [] if splits_dir is None else [splits_dir / f"{split}.txt" for split in SPLITS]
    if not force and (existing := next(filter(_has_content, (output, *lists)), None)):
        raise UsageError(f"{existing}: exists; name another output, or overwrite it with --force")
    result = Conversion(output, output_form)
    gifs = _read(path, form, result)
    with writing(output):
        written = WRITERS[output_form](output, gifs)
    result.num_gifs, result.num_captions = written.num_gifs, written.num_captions
    result.left_out += written.left_out
    if splits_dir is not None and not any(gif.split for gif in gifs):
        log.warning("%s names no splits; no lists written", path)
    elif splits_dir is not None:
        with writing(splits_dir):
            write_split_lists(splits_dir, ((gif.name, gif.split) for gif in gifs))
        del result.left_out[UNPLACED["split"]]  # the lists contain them
    return result


def _read(path: Path, form: FormName | None, result: Conversion) -> list[DescribedGif]:
    """The GIFs of a folder or file, in the order of their first captions."""
    gifs: dict[str, DescribedGif] = {}
    descriptions = read_descriptions(path, form, on_line=lambda line: _note(gifs, line))
    result.problems = descriptions.problems
    if descriptions.num_unusable:
        result.left_out["files or records that cannot be used"] = descriptions.num_unusable
    for reason, number in descriptions.left_out.items():
        result.left_out[f"captions {reason}"] += number
    for key, gif in gifs.items():
        captions = descriptions.captions.get(key, [])
        if is_unicode(gif.name):
            gif.captions = captions
        elif captions:
            result.left_out["captions of GIFs whose names are not Unicode"] += len(captions)
        gif.split = descriptions.splits.get(key)
    return [gif for gif in gifs.values() if gif.captions]


def _note(gifs: dict[str, DescribedGif], line: CaptionLine) -> None:
    """Add the GIF of a line, or what the line adds to it."""
    gif = gifs.setdefault(comparable_key(line.name), DescribedGif(line.name))
    gif.url = gif.url or (line.url if is_unicode(line.url) else "")
    gif.gif_id = gif.gif_id or (line.gif_id if line.gif_id != line.name else "")


def _has_content(output: Path) -> bool:
    return any(output.iterdir()) if output.is_dir() else output.exists()
