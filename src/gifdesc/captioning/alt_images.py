"""Find the images without alternative text in HTML and Markdown, and write texts in their places.

The document is changed only where a text is inserted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from html.parser import HTMLParser
from typing import Any

HTML_SUFFIXES = (".html", ".htm", ".xhtml")
MARKDOWN_SUFFIXES = (".md", ".markdown")

_TAG = "<img"
_CODE_OR_IMAGE = re.compile(r"\\.|(`+)|!\[\s*\](?=[(\[])", re.DOTALL)
"""What is before, or is, an image without a text in Markdown: an escape, a run of backticks."""
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
    return finder.places


def markdown_places(text: str) -> list[AltPlace]:
    """The images of a Markdown document (CommonMark, tables) without a text, HTML included.

    Images in code do not count. An image whose place in the text is not certain is left out.
    """
    from markdown_it import MarkdownIt

    starts = [0, *(found.end() for found in re.finditer(r"\r\n|\n|\r", text)), len(text)]
    places: list[AltPlace] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.map is None or token.type not in ("inline", "html_block"):
            continue
        first, last = (starts[min(line, len(starts) - 1)] for line in token.map)
        block = text[first:last]
        if token.type == "html_block":
            places += _shifted(html_places(block), first)
        else:
            places += _shifted(_inline_places(block, token.children or []), first)
    return sorted(set(places), key=lambda place: place.start)


def insert(text: str, alt_texts: Mapping[AltPlace, str]) -> str:
    """The document with texts in their places."""
    pieces, position = [], 0
    for place in sorted(alt_texts, key=lambda place: place.start):
        pieces += [text[position : place.start], place.written(alt_texts[place])]
        position = place.end
    return "".join([*pieces, text[position:]])


class _HtmlImages(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.places: list[AltPlace] = []
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an image without an alternative text."""
        values = dict(attrs)
        source = values.get("src")
        if tag == "img" and source and "alt" not in values:
            line, column = self.getpos()
            position = self._starts[line - 1] + column + len(_TAG)
            self.places.append(AltPlace(position, position, source.strip(), is_markdown=False))


def _inline_places(block: str, children: Sequence[Any]) -> Iterator[AltPlace]:
    """The places in a block of text.

    Args:
        block: the source of the block.
        children: its tokens, in order.
    """
    images = [
        child for child in _flat(children) if child.type == "image" and not child.content.strip()
    ]
    found = list(_empty_images(block))
    if len(found) == len(images):  # otherwise a place is not certain
        for (start, end), image in zip(found, images, strict=True):
            yield AltPlace(start, end, str(image.attrs["src"]), is_markdown=True)
    position = 0
    for child in _flat(children):
        if child.type == "html_inline" and (start := block.find(child.content, position)) >= 0:
            yield from _shifted(html_places(child.content), start)
            position = start + len(child.content)


def _flat(children: Sequence[Any]) -> Iterator[Any]:
    for child in children:
        yield child
        if child.type != "image":
            yield from _flat(child.children or [])


def _empty_images(block: str) -> Iterator[tuple[int, int]]:
    """Where `![]` has room for a text, outside of code spans."""
    position = 0
    while found := _CODE_OR_IMAGE.search(block, position):
        position = found.end()
        if ticks := found[1]:
            # A code span ends with as many backticks; without them, these are only characters.
            closing = re.compile(rf"(?<!`){ticks}(?!`)").search(block, position)
            position = closing.end() if closing else position
        elif found[0].startswith("!"):
            yield found.start() + 2, found.end() - 1


def _shifted(places: Iterator[AltPlace] | list[AltPlace], offset: int) -> list[AltPlace]:
    return [replace(place, start=place.start + offset, end=place.end + offset) for place in places]
