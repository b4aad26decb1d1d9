"""What is wrong, or odd, about descriptions, and which of them belong to no GIF."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gifdesc.descriptions import (
    Descriptions,
    Row,
    bare_name,
    description_files,
    gif_key,
    json_rows,
    table_rows,
)
from gifdesc.errors import UsageError
from gifdesc.files import reason
from gifdesc.findings import MIN_WORDS, DescriptionKind, Finding
from gifdesc.inputs import GifInput

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
            self._read(file_path, name)
        for caption in self._captions:
            self._known.add(caption.key, [caption.text])

    def add_gif(self, gif: GifInput, *, is_readable: bool) -> None:
        """Remember a GIF that there is; only one that can be read will be trained on."""
        (self._gifs if is_readable else self._broken_gifs).append(gif)

    def findings(self) -> Iterator[Finding]:
        """What is found about the descriptions and those that lack, once every GIF was added."""
        # Whose a bare name is is decided among those that training will see.
        pairs = [*self._match(self._gifs)]
        for gif in self._broken_gifs:
            pairs += self._match([gif])
        yield from (self._missing(gif) for gif, key in pairs if key is None)
        yield from self._findings
        yield from _short(self._captions)
        yield from _duplicates(self._captions)
        bare_names = {bare_name(gif_key(gif.source)) for gif in self._gifs}
        used_keys = {key for _, key in pairs}
        orphans = {(caption.path, caption.key): caption for caption in self._captions}
        for caption in orphans.values():
            if caption.key not in used_keys:
                is_shared = caption.key in bare_names
                detail = "several GIFs have this name" if is_shared else "there is no such GIF"
                yield caption.finding("orphan_description", detail)

    def _match(self, gifs: list[GifInput]) -> Iterator[tuple[GifInput, str | None]]:
        keys = self._known.match([gif_key(gif.source) for gif in gifs])
        return zip(gifs, keys, strict=True)

    def _missing(self, gif: GifInput) -> Finding:
        name = gif_key(gif.source)
        detail = f"no description of {name}"
        if (bare := bare_name(name)) in self._known.captions:
            detail += f"; that of {bare} does not say which of several GIFs it means"
        return Finding(path=gif.path, kind="missing_description", detail=detail)

    def _read(self, path: Path, name: str) -> None:
        """Keep a file's captions, and what is found about its lines."""
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            self._find(path, "bad_description", f"cannot be read: {reason(error)}")
            return
        except UnicodeDecodeError as error:
            detail = f"not UTF-8 text (byte {error.start}); save it as UTF-8"
            self._find(path, "bad_description", detail)
            return
        if not text.strip():
            self._find(path, "empty_description", "no text in this file")
            return
        for number, row in _rows(path, text, name):
            if not isinstance(row, str):
                self._keep(path, number, row)
            elif _lacks_only_text(path, text.split("\n")[number - 1]):
                self._find(path, "empty_description", f"line {number}: no text")
            else:
                self._find(path, "bad_description", f"line {number}: {row}")

    def _keep(self, path: Path, number: int, row: tuple[str, list[str]]) -> None:
        key, texts = gif_key(row[0]), [" ".join(text.split()) for text in row[1]]
        self._captions += [_Caption(path, key, text) for text in texts if text]
        if "" in texts:
            self._find(path, "empty_description", f"line {number}: no text for {key}")

    def _find(self, path: Path, kind: DescriptionKind, detail: str) -> None:
        self._findings.append(Finding(path=path, kind=kind, detail=detail))


def _rows(path: Path, text: str, name: str) -> Iterator[tuple[int, Row]]:
    """The numbered lines of a file: a GIF's name and texts each, or why there are none."""
    suffix = path.suffix.lower()
    if suffix == ".tsv":
        yield from table_rows(text)
    elif suffix == ".jsonl":
        yield from json_rows(text)
    else:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield number, (name, [line])


def _lacks_only_text(path: Path, line: str) -> bool:
    """Whether a line that is refused names a GIF and has an empty place for its text."""
    if path.suffix.lower() == ".tsv":
        name, tab, text = line.partition("\t")
        return bool(name.strip() and tab and not text.strip())
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(row, dict) or not {"caption", "captions"} & set(row):
        return False
    return not (row.get("captions") or row.get("caption"))


def _short(captions: list[_Caption]) -> Iterator[Finding]:
    for caption in captions:
        num_words = len(_WORD.findall(caption.text))
        if num_words < MIN_WORDS:
            words = "1 word" if num_words == 1 else f"{num_words} words"
            yield caption.finding("short_description", f"{_quoted(caption.text)} is {words}")


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
            detail = f"{quoted} is said of {first_key} as well"
            yield caption.finding("duplicate_description", detail)


def _quoted(text: str) -> str:
    cut = text if len(text) <= _MAX_QUOTED else text[: _MAX_QUOTED - 3].rstrip() + "..."
    return f'"{cut}"'
