"""Find the images without alternative text in HTML and Markdown, and write texts in their places.

The document is changed only where a text is inserted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

HTML_SUFFIXES = (".html", ".htm", ".xhtml")
MARKDOWN_SUFFIXES = (".md", ".markdown")

_TAG = "<img"
_INLINE = re.compile(
    r"\\."  # an escape
    r"|(?P<ticks>`+)"  # the start of a code span, perhaps
    r"|(?P<tag><[A-Za-z](?:[^\"'<>]|\"[^\"]*\"|'[^']*')*>)"
    r"|(?P<image>!\[\s*\](?=[(\[]))",
    re.DOTALL,
)
"""What decides in a text of Markdown whether `![]` is an image: the leftmost (CommonMark, 6)."""
_FRONT_MATTER = re.compile(
    r"\A\ufeff?---[ \t]*\r?\n.*?^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE
)
_MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]<>&|])")


@dataclass(frozen=True)
class AltPlace:
    """A place for an alternative text.

    Attributes:
        start: where the text begins, in characters.
        end: where what it replaces ends.
        source: of the image, as the document has it.
        is_markdown: whether the image is written in Markdown, not HTML.
    """

    start: int
    end: int
    source: str
    is_markdown: bool

    def written(self, text: str) -> str:
        """The text as the document needs it."""
        if self.is_markdown:
            return _MARKDOWN_SIGNS.sub(r"\\\1", " ".join(text.split()))
        return f' alt="{escape(text, quote=True)}"'


def html_places(text: str) -> list[AltPlace]:
    """The images of an HTML document that have no `alt`; an empty `alt` means decoration."""
    finder = _HtmlImages(text)
    finder.feed(text)
    finder.close()
    if finder.base is None:
        return finder.places
    base = finder.base
    return [replace(place, source=urljoin(base, place.source)) for place in finder.places]


@dataclass(frozen=True)
class MarkdownImages:
    """The images of a Markdown document without a text.

    Attributes:
        places: where texts can be inserted.
        unplaced: line (from 1) and source of images whose place in the text is not certain.
    """

    places: list[AltPlace]
    unplaced: list[tuple[int, str]]


def markdown_images(text: str) -> MarkdownImages:
    """The images of a Markdown document (CommonMark, tables) without a text, HTML included.

    Images in code do not count.
    """
    from markdown_it import MarkdownIt

    # A block of metadata at the start is not Markdown; the length of the text stays.
    text = _FRONT_MATTER.sub(lambda found: re.sub(r"[^\r\n]", " ", found[0]), text, count=1)
    starts = [0, *(found.end() for found in re.finditer(r"\r\n|\n|\r", text)), len(text)]
    placed: list[AltPlace] = []
    unplaced: list[tuple[int, str]] = []
    blocks: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.map is None:
            continue
        first, last = token.map
        if token.type == "html_block":
            begin, end = (starts[min(line, len(starts) - 1)] for line in token.map)
            placed += _shifted(html_places(text[begin:end]), begin)
        elif token.type == "inline":
            blocks[first, last] += token.children or []  # cells of a table share their line
    for lines, children in blocks.items():
        begin, end = (starts[min(line, len(starts) - 1)] for line in lines)
        wanted = [source for child in children for source in _sources_of(child)]
        found = list(_inline_places(text[begin:end]))
        if len(found) == len(wanted):
            named = [
                replace(place, source=source) for place, source in zip(found, wanted, strict=True)
            ]
            placed += _shifted(named, begin)
        else:
            unplaced += [(lines[0] + 1, source) for source in wanted]
    return MarkdownImages(sorted(placed, key=lambda place: place.start), unplaced)


def insert(text: str, alt_texts: Mapping[AltPlace, str]) -> str:
    """The document with texts in their places."""
    pieces, position = [], 0
    for place in sorted(alt_texts, key=lambda place: place.start):
        pieces += [text[position : place.start], place.written(alt_texts[place])]
        position = place.end
    return "".join([*pieces, text[position:]])


_TEXT_ELEMENTS = ("title", "textarea", "xmp", "iframe", "noembed", "noframes")
"""Elements whose content is text, whatever it looks like, beside `script` and `style`, which the
parser treats so itself (HTML, 13.2.5)."""


class _HtmlImages(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.places: list[AltPlace] = []
        self.base: str | None = None
        self._text_element = ""  # within which everything is text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an image without an alternative text."""
        if self._text_element:
            return
        if tag in _TEXT_ELEMENTS:
            self._text_element = tag
        values = dict(reversed(attrs))  # of equal names, the first counts
        if tag == "base" and self.base is None:
            self.base = values.get("href")
        source = values.get("src")
        if tag == "img" and source and "alt" not in values:
            line, column = self.getpos()
            position = self._starts[line - 1] + column + len(_TAG)
            self.places.append(AltPlace(position, position, source.strip(), is_markdown=False))

    def handle_endtag(self, tag: str) -> None:
        """Note the end of an element whose content is text."""
        if tag == self._text_element:
            self._text_element = ""


def _sources_of(child: Any) -> Iterator[str]:
    """The sources of the images without a text in an inline token, in order."""
    if child.type == "image":
        if not child.content.strip():
            yield str(child.attrs["src"])
    elif child.type == "html_inline":
        yield from (place.source for place in html_places(child.content))
    else:
        for each in child.children or []:
            yield from _sources_of(each)


def _inline_places(block: str) -> Iterator[AltPlace]:
    """What looks like an image without a text in a block, outside of code spans."""
    position = 0
    while found := _INLINE.search(block, position):
        position = found.end()
        if ticks := found["ticks"]:
            # A code span ends with as many backticks; without them, these are only characters.
            closing = re.compile(rf"(?<!`){ticks}(?!`)").search(block, position)
            position = closing.end() if closing else position
        elif found["image"]:
            yield AltPlace(found.start() + 2, found.end() - 1, "", is_markdown=True)
        elif found["tag"]:
            yield from _shifted(html_places(found["tag"]), found.start())


def _shifted(places: Sequence[AltPlace], offset: int) -> list[AltPlace]:
    return [replace(place, start=place.start + offset, end=place.end + offset) for place in places]
