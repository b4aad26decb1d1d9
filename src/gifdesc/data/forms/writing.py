"""Descriptions to files: gifdesc's own forms, and COCO's for other tools."""

from __future__ import annotations

import errno
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from gifdesc.config import Split
from gifdesc.data.forms.form_names import OutputForm
from gifdesc.data.names import bare_name, gif_key
from gifdesc.errors import UsageError
from gifdesc.system.files import find_files, write_json_lines, write_text
from gifdesc.system.replacement import replacing
from gifdesc.system.wording import counted
from gifdesc.version import __version__


@dataclass
class DescribedGif:
    """A GIF with its captions.

    Attributes:
        name: as the file has it that was read.
        captions: with single spaces, at least one.
        split: that a file names; None if it names none.
        url: where the GIF is, if a file names that beside the name.
        gif_id: the data set's own id; empty if it has none beside names.
    """

    name: str
    captions: list[str] = field(default_factory=list)
    split: Split | None = None
    url: str = ""
    gif_id: str = ""


@dataclass
class Written:
    """What a file or folder contains now, and what it has no place for.

    Attributes:
        num_gifs: GIFs with captions in it.
        num_captions: captions in it.
        left_out: what is not in it: how often, by what it is.
    """

    num_gifs: int = 0
    num_captions: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, gif: DescribedGif, *unused: str) -> None:
        """Count a GIF that is in it.

        Args:
            gif: the GIF.
            unused: the fields of the GIF that it has no place for.
        """
        self.num_gifs += 1
        self.num_captions += len(gif.captions)
        for name in unused:
            if getattr(gif, name):
                self.left_out[UNPLACED[name]] += 1

    def leave_out(self, gif: DescribedGif, why: str) -> None:
        """Count the captions of a GIF that is not in it."""
        self.left_out[f"captions of GIFs {why}"] += len(gif.captions)


def write_text_folder(folder: Path, gifs: Sequence[DescribedGif]) -> Written:
    """Write a `.txt` file for each GIF, named by its path or by the file that its URL names.

    Raises:
        UsageError: the folder contains other `.txt` files; readers would mix the captions of both.
    """
    written = Written()
    files: dict[str, DescribedGif] = {}
    for gif, name in zip(gifs, _file_names(gifs), strict=True):
        path = PurePosixPath(gif_key(name).strip("/"))
        if not path.name or ".." in path.parts or "\0" in name:
            written.leave_out(gif, "whose names are no paths in a folder")
        elif f"{path}.txt" in files:
            written.leave_out(gif, "that would share a file with another")
        else:
            files[f"{path}.txt"] = gif
    found = find_files(folder, (".txt",)) if folder.is_dir() else []
    if others := [name for name in found if name not in files]:
        raise UsageError(
            f"{folder}: contains {counted(len(others), '.txt file')} of other GIFs, such as "
            f"{others[0]}; name another folder, or remove them"
        )
    too_long: list[DescribedGif] = []
    for name, gif in files.items():
        try:
            write_text(folder / name, "".join(f"{text}\n" for text in gif.captions))
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            too_long.append(gif)
        else:
            written.add(gif, "split", "url", "gif_id")
    for gif in too_long:
        written.leave_out(gif, f"whose names are too long for a file, such as {too_long[0].name}")
    return written


def write_tsv(path: Path, gifs: Sequence[DescribedGif]) -> Written:
    """Write lines of a name, a tab and a caption."""
    written = Written()
    with replacing(path) as temporary_path, temporary_path.open("w", encoding="utf-8") as file:
        for gif in gifs:
            if any(mark in gif.name for mark in "\t\r\n"):
                written.leave_out(gif, "with a tab or a line end in their names")
                continue
            rows = (f"{_cell(gif.name)}\t{_cell(caption)}\n" for caption in gif.captions)
            file.writelines(rows)
            written.add(gif, "split", "url", "gif_id")
    return written


def write_jsonl(path: Path, gifs: Sequence[DescribedGif]) -> Written:
    """Write a JSON object with all captions of a GIF a line."""
    written = Written()
    for gif in gifs:
        written.add(gif, "url", "gif_id")
    write_json_lines(path, map(_row, gifs))
    return written


def write_coco(path: Path, gifs: Sequence[DescribedGif]) -> Written:
    """Write COCO captions; the images keep their ids if all have a different whole number.

    The name of a GIF is its id where the file has no other, as in COCO results.
    """
    ids = [_whole_number(gif.gif_id or gif.name) for gif in gifs]
    keeps_ids = None not in ids and len({*ids}) == len(ids)
    written = Written()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    numbers = ids if keeps_ids else range(1, len(gifs) + 1)
    for image_id, gif, name in zip(numbers, gifs, _file_names(gifs), strict=True):
        image: dict[str, Any] = {"id": image_id, "file_name": name}
        if url := gif.url or (gif.name if name != gif.name else ""):
            image["coco_url"] = url
        if gif.split is not None:
            image["split"] = gif.split
        images.append(image)
        annotations += [
            {"id": len(annotations) + place, "image_id": image_id, "caption": caption}
            for place, caption in enumerate(gif.captions, start=1)
        ]
        written.add(gif, *(() if keeps_ids else ("gif_id",)))
    info = {"description": f"written by gifdesc {__version__}"}
    document = {"info": info, "licenses": [], "images": images, "annotations": annotations}
    write_text(path, json.dumps(document, ensure_ascii=False) + "\n")
    return written


Writer = Callable[[Path, Sequence[DescribedGif]], Written]
WRITERS: dict[OutputForm, Writer] = {
    "text": write_text_folder,
    "tsv": write_tsv,
    "jsonl": write_jsonl,
    "coco": write_coco,
}

OUTPUT_SUFFIXES: dict[str, OutputForm] = {
    "": "text",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "coco",
}
"""Ending of an output -> its form."""

_MOST_DIGITS = 18
"""Digits of a number that surely fits into 64 bits, with which most readers of JSON store it."""

UNPLACED = {
    "split": "splits that the form has no place for",
    "url": "URLs that the form has no place for",
    "gif_id": "ids that the form has no place for",
}
"""What counts call the fields that some forms have no place for."""


def _file_names(gifs: Sequence[DescribedGif]) -> Iterator[str]:
    """The names of GIFs; of a URL the last part, unless another GIF has it too."""
    times = Counter(bare_name(gif_key(gif.name)) for gif in gifs)
    for gif in gifs:
        is_url = gif_key(gif.name).startswith("//")
        last = PurePosixPath(gif.name.partition("?")[0]).name
        yield last if is_url and times[bare_name(gif_key(gif.name))] == 1 else gif.name


def _whole_number(gif_id: str) -> int | None:
    """The id as a number; None for other texts and for numbers beyond 64 bits."""
    is_number = gif_id.isascii() and gif_id.isdecimal() and len(gif_id) <= _MOST_DIGITS
    return int(gif_id) if is_number else None


def _row(gif: DescribedGif) -> dict[str, Any]:
    row = {"id": gif.name, "captions": gif.captions}
    return row if gif.split is None else {**row, "split": gif.split}


def _cell(text: str) -> str:
    """A cell of a table: in quotes if it begins with a quote, which would be taken for its own."""
    return '"' + text.replace('"', '""') + '"' if text.startswith('"') else text
