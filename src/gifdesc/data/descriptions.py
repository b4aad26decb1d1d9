"""Description files of every form to captions per GIF."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gifdesc.config import Split
from gifdesc.data.forms.base import CaptionLine, CaptionSource
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.forms.registry import FORMS_READ, read_captions
from gifdesc.data.names import (
    Matches,
    bare_name,
    comparable_key,
    full_key,
    match_names,
    url_query,
)
from gifdesc.data.paths import check_descriptions_path
from gifdesc.data.text_files import TextFile
from gifdesc.errors import DescriptionError
from gifdesc.system.files import find_files
from gifdesc.system.wording import counted

log = logging.getLogger(__name__)

TEXT_SUFFIX = ".txt"
METADATA_NAME = "metadata.csv"
"""The table of a Hugging Face folder of images or videos."""
ORIGIN_NAME = "origin.json"
"""The file in which `describe` records how a folder of descriptions was made."""
_SUFFIXES = (TEXT_SUFFIX, ".tsv", ".jsonl", ".ndjson")
_DATA_SET_SUFFIXES = (".csv", ".json")
"""Endings of files that a folder often contains for other reasons than descriptions."""

_MOST_PROBLEMS = 100
"""Lines of a file that are each reported."""

_MOST_SPLITS = 5
"""Unknown splits of a file that a warning names."""


@dataclass
class Descriptions:
    """The captions of many GIFs.

    Attributes:
        captions: per key at least one caption, in file order.
        problems: one sentence for each file or line that could not be used; of very many lines of
            a file, one for all but the first 100.
        misnamed: those of `problems` that are of a line whose name can mean no GIF.
        splits: per key the split that the files name, if they name any.
        ids: the data sets' own ids of GIFs, each with the key of its captions. An id of several
            GIFs names none of them.
        left_out: per reason the number of captions that are not used.
        num_unusable: files and lines that could not be used.
    """

    captions: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)
    splits: dict[str, Split] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    num_unusable: int = 0
    _clashing_ids: dict[str, list[str]] = field(default_factory=dict, repr=False)
    _urls: dict[str, str] = field(default_factory=dict, repr=False)
    _several_endings: set[str] = field(default_factory=set, repr=False)
    _clashing: set[str] = field(default_factory=set, repr=False)
    _other_splits: set[tuple[str, Split]] = field(default_factory=set, repr=False)

    def add(self, name: str, captions: Sequence[str]) -> str:
        """Add captions to a GIF's; white space around and inside them is made single spaces.

        Args:
            name: the GIF's, in any form.
            captions: texts; empty ones do not count.

        Returns:
            The key of the GIF.

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
        if other != name and full_key(other) != full_key(name):
            self._several_endings.add(key)
        cleaned = [" ".join(caption.split()) for caption in captions]
        if kept := [caption for caption in cleaned if caption]:
            self.captions.setdefault(key, []).extend(kept)
        return key

    def add_line(self, line: CaptionLine) -> str | None:
        """Add a line's captions to those of its GIF; the problem of the line, or None."""
        if line.left_out is not None:
            self.left_out[line.left_out] += len(line.captions)
            return None
        if line.problem is not None:
            return line.problem
        try:
            key = self.add(line.name, line.captions)
        except DescriptionError as error:
            return str(error)
        if line.gif_id:
            self._add_id(line.gif_id, key)
        if line.split:
            self.splits.setdefault(key, line.split)
        return None

    def split_problem(self, line: CaptionLine) -> str | None:
        """The problem that a used line names a second split of its GIF; the first one counts.

        Returns:
            None if there is no problem, or if it is known.
        """
        for split in (line.split, line.other_split):
            if split is None:
                continue
            key = comparable_key(line.name)
            first = self.splits[key]
            if split != first and (key, split) not in self._other_splits:
                self._other_splits.add((key, split))
                return (
                    f"{line.name} is in the {split} split and in the {first} split, which was "
                    f"named first; it stays in {first}"
                )
        return None

    def _add_id(self, gif_id: str, key: str) -> None:
        """Add the data set's own id of a GIF, unless several GIFs have it."""
        if gif_id in self._clashing_ids:
            if key not in self._clashing_ids[gif_id]:
                self._clashing_ids[gif_id].append(key)
        elif self.ids.setdefault(gif_id, key) != key:
            self._clashing_ids[gif_id] = [self.ids.pop(gif_id), key]

    def add_problem(
        self, problem: str, line: CaptionLine | None = None, *, num_unusable: int = 1
    ) -> None:
        """Add the sentence about a file or a line that cannot be used.

        Args:
            problem: the sentence.
            line: the line; None for a file.
            num_unusable: files or lines that the sentence is about.
        """
        self.problems.append(problem)
        self.num_unusable += num_unusable
        if line is not None and line.is_misnamed:
            self.misnamed.append(problem)

    def match(self, keys: Sequence[str]) -> Matches:
        """For each GIF the key of its captions.

        Args:
            keys: of all the GIFs that there are.
        """
        matches = self._match_names(keys)
        if matches.ambiguous or any(matches.found):
            return matches
        # The GIFs may be in other folders than those that the data set names.
        by_end = self._match_names(keys, across_folders=True)
        if by_end.ambiguous or any(by_end.found):
            return by_end
        # Ids count only where no file of the data set is found by its own name: the id of a file
        # may be the name of another file.
        clashing = {name: tuple(gifs) for name, gifs in self._clashing_ids.items()}
        by_id = match_names(keys, self.ids)
        found = [None if name is None else self.ids[name] for name in by_id.found]
        return Matches(found, {**by_id.ambiguous, **clashing}, "ids") if any(found) else matches

    def _match_names(self, keys: Sequence[str], *, across_folders: bool = False) -> Matches:
        """For each GIF the key of the name that means it, by the endings of the names too."""
        names = {
            key if key in self._several_endings else full_key(self._urls.get(key, key)): key
            for key in self.captions
        }
        matches = match_names(keys, names, across_folders=across_folders)
        found = [None if name is None else names[name] for name in matches.found]
        ambiguous = {names[name]: gifs for name, gifs in matches.ambiguous.items()}
        return Matches(found, ambiguous, matches.by)


def has_only_text_files(folder: Path) -> bool:
    """Whether a folder of descriptions has only text files, whose form their names decide."""
    others = tuple(each for each in (*_SUFFIXES, *_DATA_SET_SUFFIXES) if each != TEXT_SUFFIX)
    return not [name for name in find_files(folder, others) if bare_name(name) != ORIGIN_NAME]


def description_files(path: Path) -> list[tuple[Path, str]]:
    """The files of a folder of descriptions, sorted, or the one file that the path is.

    Returns:
        Each file with its path under the folder, without its ending: of a text file, the name of
        the GIF that it describes.
    """
    if not path.is_dir():
        return [(path, PurePosixPath(path.name).with_suffix("").as_posix())]
    sure, doubtful = [], []
    for name in find_files(path, (*_SUFFIXES, *_DATA_SET_SUFFIXES)):
        if name.lower().endswith(_SUFFIXES) or bare_name(name).lower() == METADATA_NAME:
            sure.append(name)
        elif bare_name(name) != ORIGIN_NAME:
            doubtful.append(name)
    # Tables and documents of data sets are read where nothing else contains descriptions.
    if sure and doubtful:
        log.warning(
            "%s: did not read %s, such as %s, because the folder has files like %s; to read them, "
            "put them into another folder",
            path,
            counted(len(doubtful), ".csv or .json file"),
            doubtful[0],
            sure[0],
        )
    names = sure or doubtful
    return [(path / name, PurePosixPath(name).with_suffix("").as_posix()) for name in names]


def read_description_file(
    path: Path, name: str, form: FormName | None = None, *, is_alone: bool = False
) -> Iterator[CaptionLine]:
    """The lines of one description file that are not empty, usable or not.

    Args:
        path: the file.
        name: what `description_files` calls it.
        form: of the file; None recognises it by its content.
        is_alone: whether this file was given, and not a folder. In a folder, each `.txt` file
            contains the descriptions of the GIF that it is named like.

    Raises:
        DescriptionError: the file cannot be read, is not UTF-8, or is of no form or of several.
    """
    if not is_alone and path.suffix.lower() == TEXT_SUFFIX:
        form = "text"
    return read_captions(CaptionSource(path, name), form)


def why_nothing_is_read(path: Path, form: FormName | None = None) -> str:
    """What is wrong with a file of descriptions in which no line was found.

    Args:
        path: the file.
        form: that was chosen for it; None if its content decided.

    Raises:
        DescriptionError: the file cannot be read any more.
    """
    if next(TextFile(path).lines(), None) is None:
        return "empty"
    return "contains no captions" + (f" in the form {form}" if form else "")


def read_descriptions(
    path: Path,
    form: FormName | None = None,
    *,
    on_line: Callable[[CaptionLine], None] = lambda _line: None,
) -> Descriptions:
    """Read the files of descriptions in a folder, or one such file.

    Args:
        path: a folder or a file.
        form: of the file, or of those files of the folder that are no `.txt` files; None
            recognises each by its content.
        on_line: called with each line whose captions are used.

    Raises:
        DescriptionError: there is no such path, or it contains no description at all.
    """
    check_descriptions_path(path)
    descriptions = Descriptions()
    is_alone = path.is_file()
    for file_path, name in description_files(path):
        num_lines = num_problems = num_split_problems = 0
        unknown_splits = Counter[str]()
        try:
            for line in read_description_file(file_path, name, form, is_alone=is_alone):
                num_lines += 1
                problem = descriptions.add_line(line)
                if problem is None and line.left_out is None:
                    on_line(line)
                    unknown_splits[line.unknown_split] += 1
                    if split_problem := descriptions.split_problem(line):
                        num_split_problems += 1
                        if num_split_problems <= _MOST_PROBLEMS:
                            sentence = f"{line.place(file_path)}: {split_problem}"
                            descriptions.add_problem(sentence, num_unusable=0)
                elif problem is not None:
                    num_problems += 1
                    if num_problems <= _MOST_PROBLEMS:
                        descriptions.add_problem(f"{line.place(file_path)}: {problem}", line)
            if not num_lines:
                descriptions.add_problem(f"{file_path}: {why_nothing_is_read(file_path, form)}")
        except DescriptionError as error:
            descriptions.add_problem(str(error))
        if num_more := max(0, num_problems - _MOST_PROBLEMS):
            more = f"{file_path}: {counted(num_more, 'more record')} that cannot be used"
            descriptions.add_problem(more, num_unusable=num_more)
        if num_more := max(0, num_split_problems - _MOST_PROBLEMS):
            more = f"{file_path}: {counted(num_more, 'more GIF')} in several splits"
            descriptions.add_problem(more, num_unusable=0)
        _warn_of_splits(file_path, unknown_splits)
    if not descriptions.captions:
        raise DescriptionError(_nothing_read(path, descriptions.problems))
    return descriptions


def _warn_of_splits(path: Path, records: Counter[str]) -> None:
    """Warn once of the splits of a file that are none of gifdesc's.

    Args:
        path: the file.
        records: how many it has of each such split; those under an empty name do not count.
    """
    if names := [name for name in records if name]:
        log.warning(
            "%s: %s in a split that is none of train, val and test (%s), which does not count",
            path,
            counted(sum(records[name] for name in names), "record"),
            ", ".join(names[:_MOST_SPLITS]),
        )


def _nothing_read(path: Path, problems: Sequence[str]) -> str:
    """The message about a file or folder without any description."""
    if path.is_file() and problems:
        return problems[0]
    if problems:
        return f"{path}: no descriptions here ({problems[0]})"
    return f"{path}: no descriptions here; {FORMS_READ}, or .txt files named like their GIFs"
