"""Description files (text, TSV, JSON lines) to captions per GIF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gifdesc.data.forms.base import CaptionLine, CaptionSource
from gifdesc.data.forms.registry import FORMS_READ, read_captions
from gifdesc.data.names import Matches, comparable_key, match_names, url_query
from gifdesc.data.paths import check_descriptions_path
from gifdesc.errors import DescriptionError
from gifdesc.system.files import find_files

TEXT_SUFFIX = ".txt"
TABLE_SUFFIXES = (".tsv", ".jsonl", ".ndjson")
_UNREAD_SUFFIXES = (".csv", ".json", ".xlsx", ".parquet")
"""Endings of files that may contain captions, but are not read in a folder."""


@dataclass
class Descriptions:
    """The captions of many GIFs.

    Attributes:
        captions: per key at least one caption, in file order.
        problems: one sentence for each file or line that could not be used.
        misnamed: those of `problems` that are of a line whose name can mean no GIF.
    """

    captions: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)
    _urls: dict[str, str] = field(default_factory=dict, repr=False)
    _clashing: set[str] = field(default_factory=set, repr=False)

    def add(self, name: str, captions: Sequence[str]) -> None:
        """Add captions to a GIF's; white space around and inside them is made single spaces.

        Args:
            name: the GIF's, in any form.
            captions: texts; empty ones do not count.

        Raises:
            DescriptionError: the name is a URL that only its query tells apart from another's,
                whose captions are dropped as well.
        """
        key = comparable_key(name)
        other = self._urls.setdefault(key, name)
        if key in self._clashing or url_query(other) != url_query(name):
            self._clashing.add(key)
            self.captions.pop(key, None)
            raise DescriptionError(
                f"{name} and {other} differ only after the question mark, so neither is "
                "used; name the GIFs by their files"
            )
        cleaned = [" ".join(caption.split()) for caption in captions]
        if kept := [caption for caption in cleaned if caption]:
            self.captions.setdefault(key, []).extend(kept)

    def match(self, keys: Sequence[str]) -> Matches:
        """For each GIF the key of its captions.

        Args:
            keys: of all the GIFs that there are.
        """
        return match_names(keys, self.captions)


def description_files(path: Path) -> list[tuple[Path, str]]:
    """The files of a folder of descriptions, sorted, or the one file that the path is.

    Returns:
        Each file with its path under the folder, without its ending: of a text file, the name of
        the GIF that it describes.
    """
    root, names = path.parent, [path.name]
    if path.is_dir():
        root, names = path, find_files(path, (TEXT_SUFFIX, *TABLE_SUFFIXES))
    return [(root / name, PurePosixPath(name).with_suffix("").as_posix()) for name in names]


def read_description_file(path: Path, name: str, *, is_alone: bool = False) -> list[CaptionLine]:
    """The lines of one description file that are not empty, usable or not.

    Args:
        path: the file.
        name: what `description_files` calls it.
        is_alone: whether this file was given, and not a folder. In a folder, each `.txt` file
            contains the descriptions of the GIF that it is named like.

    Raises:
        DescriptionError: the file cannot be read, is not UTF-8, or is of a form that is not read.
    """
    is_text = not is_alone and path.suffix.lower() == TEXT_SUFFIX
    return list(read_captions(CaptionSource(path, name), "text" if is_text else None))


def read_descriptions(path: Path) -> Descriptions:
    """Read a folder of `.txt`, `.tsv` and `.jsonl` files, or one such file.

    A text file contains one description per line and is named like its GIF. A TSV line is
    `url-or-name<TAB>sentence`. A JSON line has `id` (or `image_id`, `path`, `gif`, `name`, `url`)
    and `caption` or `captions`.

    Raises:
        DescriptionError: there is no such path, or it contains no description at all.
    """
    check_descriptions_path(path)
    descriptions = Descriptions()
    for file_path, name in description_files(path):
        try:
            lines = read_description_file(file_path, name, is_alone=path.is_file())
        except DescriptionError as error:
            descriptions.problems.append(str(error))
            continue
        if not lines:
            descriptions.problems.append(f"{file_path}: empty")
        for line in lines:
            problem = add_line(descriptions, line)
            if problem is not None:
                descriptions.problems.append(f"{file_path}:{line.number}: {problem}")
            if problem is not None and line.is_misnamed:
                descriptions.misnamed.append(descriptions.problems[-1])
    if not descriptions.captions:
        raise DescriptionError(_nothing_read(path, descriptions.problems))
    return descriptions


def add_line(descriptions: Descriptions, line: CaptionLine) -> str | None:
    """Add a line's captions to those of its GIF; the problem of the line, or None."""
    if line.problem is not None:
        return line.problem
    try:
        descriptions.add(line.name, line.captions)
    except DescriptionError as error:
        return str(error)
    return None


def _nothing_read(path: Path, problems: Sequence[str]) -> str:
    """The message about a file or folder without any description."""
    if path.is_file() and problems:
        return problems[0]
    if problems:
        return f"{path}: no descriptions here ({problems[0]})"
    other = find_files(path, _UNREAD_SUFFIXES) if path.is_dir() else []
    if other:
        more = f" and {len(other) - 1} more" if len(other) > 1 else ""
        return (
            f"{path}: no descriptions here; it contains {other[0]}{more}, which is not read in a "
            f"folder; {FORMS_READ}"
        )
    return f"{path}: no descriptions here; {FORMS_READ}, or .txt files named like their GIFs"
