"""Lists of URLs: a URL per line, or any form of descriptions that names GIFs by URLs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gifdesc.config import Split
from gifdesc.data.forms.base import CaptionSource
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.forms.registry import read_captions
from gifdesc.data.names import comparable_key
from gifdesc.data.splits import read_split_lists
from gifdesc.errors import DescriptionError
from gifdesc.system.wording import counted

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_HEADER = re.compile(r"\w+")
"""The name of the only column of a list."""


@dataclass
class ListedUrl:
    """A URL of a list.

    Attributes:
        url: without a fragment, which servers do not get.
        captions: with single spaces; empty if the list has none.
        split: that the list or split lists name; None if they name none.
    """

    url: str
    captions: list[str] = field(default_factory=list)
    split: Split | None = None


@dataclass
class UrlList:
    """The URLs of a file, each once, in the order of the file.

    Attributes:
        urls: by their text.
        problems: one sentence for each line without a usable URL.
        notes: one sentence for anything else that is not used.
    """

    urls: dict[str, ListedUrl] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, url: str) -> ListedUrl:
        """The entry of a URL, a new one if the list does not contain it."""
        url = url.strip().partition("#")[0]
        return self.urls.setdefault(url, ListedUrl(url))


def read_url_list(
    path: Path, form: FormName | None = None, *, splits_dir: Path | None = None
) -> UrlList:
    """Read a list of URLs with the captions and splits that it has.

    Args:
        path: text with a URL per line, or descriptions of any form.
        form: of the descriptions; None recognises a list or a form by the content.
        splits_dir: a folder with `train.txt`, `val.txt` and `test.txt`, whose splits replace those
            of the file; None for none.

    Raises:
        DescriptionError: the file cannot be read, or has no URL at all.
    """
    source = CaptionSource(path)
    found = UrlList()
    if form is None and _is_plain(source):
        _read_plain(source, found)
    else:
        _read_descriptions(source, form, found)
    if not found.urls:
        raise DescriptionError(
            found.problems[0] if found.problems else f"{path}: contains no URL; write a URL a line"
        )
    if splits_dir is not None:
        splits = read_split_lists(splits_dir)
        for listed in found.urls.values():
            listed.split = splits.get(comparable_key(listed.url))
        unused = splits.keys() - {comparable_key(url) for url in found.urls}
        if unused:
            names = counted(len(unused), "name")
            found.notes.append(
                f"{splits_dir}: {names} in the lists of splits, such as {min(unused)}: not among "
                "the URLs of the list"
            )
    return found


def _is_url(text: str) -> bool:
    if not _URL.match(text):
        return False
    try:
        urlsplit(text)
    except ValueError:  # such as half an IPv6 address
        return False
    return True


def _is_plain(source: CaptionSource) -> bool:
    """Whether the lines are URLs alone, under a heading or none."""
    lines = [line.strip() for line in source.sample if not line.startswith("#")]
    if len(lines) > 1 and _HEADER.fullmatch(lines[0]):
        lines = lines[1:]
    return bool(lines) and _URL.fullmatch(lines[0]) is not None


def _read_plain(source: CaptionSource, found: UrlList) -> None:
    for number, line in source.lines():
        line = line.strip()
        if _URL.fullmatch(line) and _is_url(line):
            found.add(line)
        elif not line.startswith("#") and not (number == 1 and _HEADER.fullmatch(line)):
            found.problems.append(f"{source.path}:{number}: not a URL: {line}")


def _read_descriptions(source: CaptionSource, form: FormName | None, found: UrlList) -> None:
    lines = read_captions(source, form, option="--list-format", needs_names=True)
    names: dict[str, str] = {}
    for line in lines:
        url = line.url or line.name
        if not _is_url(url):
            problem = line.problem or f"no URL: {url}"
            found.problems.append(f"{line.place(source.path)}: {problem}")
            continue
        listed = found.add(url)
        first = names.setdefault(listed.url, line.name)
        if line.name != first:
            found.problems.append(
                f"{line.place(source.path)}: {line.name} is another part of {listed.url} than "
                f"{first}; fetch does not cut videos, so its captions are left out"
            )
            continue
        listed.split = listed.split or line.split
        # A line without a usable caption names a GIF to fetch all the same.
        if line.problem is None and line.left_out is None:
            cleaned = (" ".join(caption.split()) for caption in line.captions)
            listed.captions += [caption for caption in cleaned if caption]
