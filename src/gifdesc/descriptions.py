"""Description files (text, TSV, JSON lines) to captions per GIF.

A GIF's key is its path without the suffix: `cats/jump.gif` and `cats/jump.txt` meet as
`cats/jump`. The report's names meet too: `gif_7_features_with_pe.npy` and `description_7.txt`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlparse

from gifdesc.errors import DescriptionError
from gifdesc.files import find_files, reason

TEXT_SUFFIX = ".txt"
TABLE_SUFFIXES = (".tsv", ".jsonl")
_ID_KEYS = ("id", "path", "gif", "source", "name", "url")
_ODD_PATH = re.compile(r"\\|//|/$|^$|(^|/)\.(/|$)")
"""What a path may be written without: most are, and need no parsing."""

_REPORT_NAME = re.compile(r"gif_(\d+)_features_with_pe|description_(\d+)")


@dataclass
class Descriptions:
    """The captions of many GIFs.

    Attributes:
        captions: per key one or more captions, in file order.
        problems: one sentence for each file or line that could not be used.
    """

    captions: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, key: str, captions: list[str]) -> None:
        """Add captions to a GIF's; white space around and inside them is made single spaces."""
        cleaned = [" ".join(caption.split()) for caption in captions]
        if kept := [caption for caption in cleaned if caption]:
            self.captions.setdefault(key, []).extend(kept)

    def match(self, keys: Sequence[str]) -> list[str | None]:
        """For each GIF the key under which its captions stand: its path, else its bare name.

        TGIF's tables name a GIF by URL, so they know only its bare name. A bare name that several
        GIFs have describes none of them.

        Args:
            keys: of all the GIFs that there are.
        """
        num_bare = Counter(map(bare_name, keys))
        return [self._find(key, is_unique=num_bare[bare_name(key)] == 1) for key in keys]

    def _find(self, key: str, *, is_unique: bool) -> str | None:
        if key in self.captions or not is_unique:
            return key if key in self.captions else None
        bare = bare_name(key)
        return bare if bare in self.captions else None


def gif_key(name: str) -> str:
    """The key of a GIF, a feature file or a URL."""
    if "://" in name:
        name = PurePosixPath(unquote(urlparse(name).path)).name
    if _ODD_PATH.search(name):
        name = PurePosixPath(name.replace("\\", "/")).as_posix()
    for suffix in (".npy", ".gif"):
        if name[-len(suffix) :].lower() == suffix:
            name = name[: -len(suffix)]
    folder, slash, stem = name.rpartition("/")
    if match := _REPORT_NAME.fullmatch(stem):
        stem = f"gif_{match[1] or match[2]}"
    return folder + slash + stem


def bare_name(key: str) -> str:
    """A key without its folders."""
    return key.rpartition("/")[2]


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


def read_descriptions(path: Path) -> Descriptions:
    """Read a folder of `.txt`, `.tsv` and `.jsonl` files, or one such file.

    A text file holds one description a line and is named like its GIF. A TSV line is
    `url-or-name<TAB>sentence`. A JSON line has `id` (or `path`, `gif`, `name`, `url`) and
    `caption` or `captions`.

    Raises:
        DescriptionError: there is no such path, or it holds no description at all.
    """
    if not path.is_dir() and not path.is_file():
        raise DescriptionError(f"{path}: no such file or folder; name it with --descriptions")
    descriptions = Descriptions()
    for one, name in description_files(path):
        try:
            _read_file(one, name, descriptions)
        except OSError as error:
            descriptions.problems.append(f"{one}: cannot be read: {reason(error)}")
        except UnicodeDecodeError as error:
            descriptions.problems.append(
                f"{one}: not UTF-8 text (byte {error.start}); save it as UTF-8"
            )
    if not descriptions.captions:
        first = f" ({descriptions.problems[0]})" if descriptions.problems else ""
        raise DescriptionError(f"{path}: no descriptions here{first}")
    return descriptions


def _read_file(path: Path, name: str, descriptions: Descriptions) -> None:
    """Read a file; `name` is what `description_files` says of it."""
    text = path.read_bytes().decode("utf-8-sig")
    suffix = path.suffix.lower()
    if suffix == ".tsv":
        rows = table_rows(text)
    elif suffix == ".jsonl":
        rows = json_rows(text)
    else:
        key = gif_key(name)
        if not text.strip():
            descriptions.problems.append(f"{path}: empty")
        descriptions.add(key, text.splitlines())
        return
    for number, row in rows:
        if isinstance(row, str):
            descriptions.problems.append(f"{path}:{number}: {row}")
        else:
            descriptions.add(gif_key(row[0]), row[1])


Row = tuple[str, list[str]] | str
"""A GIF's name and captions, or why the line holds none."""


def table_rows(text: str) -> Iterator[tuple[int, Row]]:
    """The rows of a TSV text, each with its line number from 1; empty lines do not count."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        name, tab, caption = line.rstrip("\r").partition("\t")
        if tab and name.strip() and caption.strip():
            yield number, (name.strip(), [caption.replace("\t", " ")])
        else:
            yield number, "not `name<TAB>sentence`"


def json_rows(text: str) -> Iterator[tuple[int, Row]]:
    """The rows of a JSON-lines text, each with its line number from 1."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield number, "not JSON"
            continue
        if not isinstance(row, dict):
            row = {}
        name = next((row[key] for key in _ID_KEYS if key in row), None)
        captions = row.get("captions") or row.get("caption")
        if isinstance(captions, str):
            captions = [captions]
        is_list = isinstance(captions, list) and all(isinstance(c, str) for c in captions)
        if isinstance(name, (str, int)) and captions and is_list:
            yield number, (str(name), captions)
        else:
            yield number, "needs `id` and `caption` or `captions`"
