"""Find problems of descriptions, and descriptions without a GIF."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gifdesc.checks.findings import MIN_WORDS, DescriptionKind, Finding
from gifdesc.data.descriptions import (
    Descriptions,
    description_files,
    read_description_file,
    why_nothing_is_read,
)
from gifdesc.data.forms.base import CaptionLine
from gifdesc.data.forms.form_names import FormName
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
    """A description: its file, the key of its GIF, and its text."""

    path: Path
    key: str
    text: str

    def finding(self, kind: DescriptionKind, detail: str) -> Finding:
        return Finding(path=self.path, kind=kind, detail=f"{self.key}: {detail}")


class DescriptionInspector:
    """Checks the descriptions that a training run would use against the GIFs."""

    def __init__(self, path: Path, form: FormName | None = None) -> None:
        """Read a folder of description files, or a file, as `read_descriptions` does.

        Args:
            path: the folder or file.
            form: of the file; None recognises it.

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
            self._read(file_path, name, form, is_alone=path.is_file())

    @property
    def num_descriptions(self) -> int:
        """Descriptions with text."""
        return len(self._captions)

    def add_gif(self, gif: GifInput, *, is_readable: bool) -> None:
        """Add a GIF; training uses it only if it is readable."""
        (self._gifs if is_readable else self._broken_gifs).append(gif)

    def findings(self) -> Iterator[Finding]:
        """The findings about descriptions, and missing descriptions, after every GIF was added."""
        captions = [caption for caption in self._captions if caption.key in self._known.captions]
        # Names are matched to the readable GIFs, as in training.
        matches = self._match(self._gifs)
        ambiguous = matches.ambiguous
        keys = dict(zip(self._gifs, matches.found, strict=True))
        keys |= zip(self._broken_gifs, self._match(self._broken_gifs).found, strict=True)
        doubtful = {gif: name for name, gifs in ambiguous.items() for gif in gifs}
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
                yield caption.finding("orphan_description", _why_orphan(caption.key, ambiguous))

    def _match(self, gifs: list[GifInput]) -> Matches:
        return self._known.match([gif_key(gif.source) for gif in gifs])

    def _read(self, path: Path, name: str, form: FormName | None, *, is_alone: bool) -> None:
        """Add the captions of a file, and the findings about its lines."""
        num_lines = 0
        try:
            for line in read_description_file(path, name, form, is_alone=is_alone):
                num_lines += 1
                self._add_line(path, line)
        except DescriptionError as error:
            self._add_finding(path, "bad_description", str(error).removeprefix(f"{path}: "))
        else:
            if not num_lines:
                reason = why_nothing_is_read(path, form)
                detail = "no text in this file" if reason == "empty" else reason
                self._add_finding(path, "empty_description", detail)

    def _add_line(self, path: Path, line: CaptionLine) -> None:
        if problem := self._known.add_line(line):
            kind: DescriptionKind = "empty_description" if line.is_empty else "bad_description"
            self._add_finding(path, kind, f"{line.unit} {line.number}: {problem}")
        elif line.left_out is None:
            self._keep(path, line)
            if problem := self._known.split_problem(line):
                detail = f"{line.unit} {line.number}: {problem}"
                self._add_finding(path, "bad_description", detail)

    def _keep(self, path: Path, line: CaptionLine) -> None:
        key = comparable_key(line.name)
        texts = [" ".join(text.split()) for text in line.captions]
        self._captions += [_Caption(path, key, text) for text in texts if text]
        if "" in texts:
            self._add_finding(
                path, "empty_description", f"{line.unit} {line.number}: no text for {key}"
            )

    def _add_finding(self, path: Path, kind: DescriptionKind, detail: str) -> None:
        self._findings.append(Finding(path=path, kind=kind, detail=detail))


def _missing(gif: GifInput, doubtful_name: str | None) -> Finding:
    detail = f"no description of {gif_key(gif.source)}"
    if doubtful_name is not None:
        detail += f"; {doubtful_name} could mean several GIFs, or several names could mean this GIF"
    path = gif.name if gif.is_spooled else gif.path  # not the temporary copy of a pipe or a URL
    return Finding(path=path, kind="missing_description", detail=detail)


def _why_orphan(name: str, ambiguous: Mapping[str, Sequence[str]]) -> str:
    gifs = ambiguous.get(name, ())
    if not gifs:
        return "there is no GIF of this name"
    if len(gifs) == 1:
        return f"several names could mean {gifs[0]}"
    return f"could mean {' or '.join(gifs)}"


def _short(captions: list[_Caption]) -> Iterator[Finding]:
    for caption in captions:
        num_words = len(_WORD.findall(caption.text))
        if num_words < MIN_WORDS:
            detail = f"{_quoted(caption.text)} is {counted(num_words, 'word')}"
            yield caption.finding("short_description", detail)


def _duplicates(captions: list[_Caption]) -> Iterator[Finding]:
    """Texts that a GIF has more than once, and texts that an earlier GIF has as well.

    Case and a full stop at the end are ignored.
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
