"""What is wrong, or odd, about descriptions, and which of them belong to no GIF."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gifdesc.checks.findings import MIN_WORDS, DescriptionKind, Finding
from gifdesc.data.caption_files import CaptionLine
from gifdesc.data.descriptions import (
    Descriptions,
    add_line,
    description_files,
    read_description_file,
)
from gifdesc.data.gifs import GifInput
from gifdesc.data.names import Matches, comparable_key, gif_key
from gifdesc.errors import DescriptionError, UsageError
from gifdesc.system.wording import counted

_MAX_QUOTED = 60
"""Characters of a description that a finding quotes."""

# Chinese and Japanese are written without spaces: each kana or Han character counts as a word.
_UNSPACED = r"\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


@dataclass(frozen=True, slots=True)
class _Caption:
    """One description: where it stands, whose it is, and its text."""

    path: Path
    key: str
    text: str

    def finding(self, kind: DescriptionKind, detail: str) -> Finding:
        return Finding(path=self.path, kind=kind, detail=f"{self.key}: {detail}")


class DescriptionInspector:
    """The descriptions that a run would use, and the GIFs that there are."""

    def __init__(self, path: Path) -> None:
        """Read a folder of description files, or one file, as `read_descriptions` does.

        Raises:
            UsageError: there is no such file or folder.
        """
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder; name it with --descriptions")
        self._captions: list[_Caption] = []
        self._findings: list[Finding] = []
        self._gifs: list[GifInput] = []
        self._broken_gifs: list[GifInput] = []
        self._known = Descriptions()
        for file_path, name in description_files(path):
            self._read(file_path, name, is_alone=path.is_file())

    def add_gif(self, gif: GifInput, *, is_readable: bool) -> None:
        """Remember a GIF that there is; only one that can be read will be trained on."""
        (self._gifs if is_readable else self._broken_gifs).append(gif)

    def findings(self) -> Iterator[Finding]:
        """What is found about the descriptions and those that lack, once every GIF was added."""
        captions = [one for one in self._captions if one.key in self._known.captions]
        # Whose a name is is decided among those that training will see.
        matches = self._match(self._gifs)
        could_mean = matches.ambiguous
        keys = dict(zip(self._gifs, matches.found, strict=True))
        keys |= zip(self._broken_gifs, self._match(self._broken_gifs).found, strict=True)
        doubtful = {gif: name for name, gifs in could_mean.items() for gif in gifs}
        yield from (
            _missing(gif, doubtful.get(gif_key(gif.source)))
            for gif, key in keys.items()
            if key is None
        )
        yield from self._findings
        yield from _short(captions)
        yield from _duplicates(captions)
        used_keys = set(keys.values())
        orphans = {(caption.path, caption.key): caption for caption in captions}
        for caption in orphans.values():
            if caption.key not in used_keys:
                yield caption.finding("orphan_description", _why_orphan(caption.key, could_mean))

    def _match(self, gifs: list[GifInput]) -> Matches:
        return self._known.match([gif_key(gif.source) for gif in gifs])

    def _read(self, path: Path, name: str, *, is_alone: bool) -> None:
        """Keep a file's captions, and what is found about its lines."""
        try:
            lines = read_description_file(path, name, is_alone=is_alone)
        except DescriptionError as error:
            self._find(path, "bad_description", str(error).removeprefix(f"{path}: "))
            return
        if not lines:
            self._find(path, "empty_description", "no text in this file")
        for line in lines:
            if problem := add_line(self._known, line):
                kind: DescriptionKind
                kind = "empty_description" if line.is_empty else "bad_description"
                self._find(path, kind, f"line {line.number}: {problem}")
            else:
                self._keep(path, line)

    def _keep(self, path: Path, line: CaptionLine) -> None:
        key = comparable_key(line.name)
        texts = [" ".join(text.split()) for text in line.captions]
        self._captions += [_Caption(path, key, text) for text in texts if text]
        if "" in texts:
            self._find(path, "empty_description", f"line {line.number}: no text for {key}")

    def _find(self, path: Path, kind: DescriptionKind, detail: str) -> None:
        self._findings.append(Finding(path=path, kind=kind, detail=detail))


def _missing(gif: GifInput, doubtful_name: str | None) -> Finding:
    detail = f"no description of {gif_key(gif.source)}"
    if doubtful_name is not None:
        detail += f"; {doubtful_name} could mean several GIFs, or several names could mean this GIF"
    return Finding(path=gif.path, kind="missing_description", detail=detail)


def _why_orphan(name: str, could_mean: Mapping[str, Sequence[str]]) -> str:
    gifs = could_mean.get(name, ())
    if not gifs:
        return "there is no such GIF"
    if len(gifs) == 1:
        return f"{gifs[0]} could be meant by several names"
    return f"could mean {' or '.join(gifs)}"


def _short(captions: list[_Caption]) -> Iterator[Finding]:
    for caption in captions:
        num_words = len(_WORD.findall(caption.text))
        if num_words < MIN_WORDS:
            detail = f"{_quoted(caption.text)} is {counted(num_words, 'word')}"
            yield caption.finding("short_description", detail)


def _duplicates(captions: list[_Caption]) -> Iterator[Finding]:
    """Each text that a GIF has more than once, and each that an earlier GIF has as well.

    Case and the full stop at the end make no difference.
    """
    times: Counter[tuple[str, str]] = Counter()
    first_keys: dict[str, str] = {}
    for caption in captions:
        text = caption.text.casefold().rstrip(" .")
        first_key = first_keys.setdefault(text, caption.key)
        times[text, caption.key] += 1
        quoted = _quoted(caption.text)
        if times[text, caption.key] == 2:
            yield caption.finding("duplicate_description", f"{quoted} more than once")
        elif times[text, caption.key] == 1 and first_key != caption.key:
            detail = f"{quoted} describes {first_key} as well"
            yield caption.finding("duplicate_description", detail)


def _quoted(text: str) -> str:
    cut = text if len(text) <= _MAX_QUOTED else text[: _MAX_QUOTED - 3].rstrip() + "..."
    return f'"{cut}"'
