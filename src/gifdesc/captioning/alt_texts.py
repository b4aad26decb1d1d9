"""Fill the missing alternative texts of the GIFs in HTML and Markdown documents."""

from __future__ import annotations

import base64
import difflib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from gifdesc.captioning.alt_images import (
    HTML_SUFFIXES,
    MARKDOWN_SUFFIXES,
    AltPlace,
    MarkdownImages,
    html_places,
    insert,
    markdown_images,
)
from gifdesc.captions import Caption
from gifdesc.data.arguments import is_url, read_url
from gifdesc.data.gifs import OFTEN_STILL, SEARCHED_SUFFIXES, may_move
from gifdesc.errors import GifdescError, UsageError
from gifdesc.gif.sources import CaptionInput
from gifdesc.system.files import reading, writing
from gifdesc.system.replacement import replacing

if TYPE_CHECKING:
    from gifdesc.captioning.loading import GifCaptioner

_GIF_DATA = "data:image/gif"
_NOT_CERTAIN = "its place in the text is not certain; write the alternative text by hand"


@dataclass(frozen=True)
class Filled:
    """A GIF of a document with its new text, or why it has none.

    Attributes:
        line: of the document, from 1.
        source: as the document has it; the beginning of a `data:` URL.
        alt: the text; None if there is an `error`.
        error: why there is none.
        doubts: the reasons to doubt the text.
    """

    line: int
    source: str
    alt: str | None
    error: str | None = None
    doubts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The GIF in the JSON of `gifdesc alt`."""
        row = {"line": self.line, "source": self.source, "alt": self.alt}
        return row if self.error is None else {**row, "error": self.error}


@dataclass
class Document:
    """A document and its GIFs without alternative texts.

    Attributes:
        path: of the document.
        text: its content.
        places: of the GIFs.
        unplaced: line and source of GIFs whose place in the text is not certain.
        filled: after `fill`: what became of each.
        new_text: the content with the texts of `fill`.
    """

    path: Path
    text: str
    places: list[AltPlace]
    unplaced: list[tuple[int, str]] = field(default_factory=list)
    filled: list[Filled] = field(default_factory=list)
    new_text: str = field(init=False)

    def __post_init__(self) -> None:
        self.new_text = self.text

    @property
    def diff(self) -> str:
        """The change as a unified diff; empty if there is none."""
        lines = difflib.unified_diff(
            self.text.splitlines(keepends=True),
            self.new_text.splitlines(keepends=True),
            str(self.path),
            str(self.path),
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)

    def write(self) -> None:
        """Write the new text into the file, which keeps its permissions; a link stays a link.

        Raises:
            GifdescError: it changed since it was read, or cannot be written.
        """
        if self.new_text == self.text:
            return
        path = self.path.resolve()
        with writing(self.path):
            if path.read_bytes() != self.text.encode("utf-8"):
                raise GifdescError(f"{self.path}: changed while its GIFs were captioned; run again")
            with replacing(path) as temporary_path:
                temporary_path.write_bytes(self.new_text.encode("utf-8"))
                shutil.copymode(path, temporary_path)


def read_document(path: Path, root: Path | None = None) -> Document:
    """A document with the GIFs in it that have no alternative text.

    Args:
        path: of the document.
        root: the folder of paths that begin with `/`; None for the document's own folder.

    Raises:
        UsageError: it is neither HTML nor Markdown by its ending, or not UTF-8.
        GifdescError: it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in (*HTML_SUFFIXES, *MARKDOWN_SUFFIXES):
        endings = ", ".join((*HTML_SUFFIXES, *MARKDOWN_SUFFIXES))
        raise UsageError(f"{path}: neither HTML nor Markdown: its ending is none of {endings}")
    with reading(path):
        data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8") from error
    if suffix in HTML_SUFFIXES:
        found = MarkdownImages(html_places(text), [])
    else:
        found = markdown_images(text)
    return Document(
        path,
        text,
        [place for place in found.places if _may_be_gif(place.source, path, root)],
        [(line, source) for line, source in found.unplaced if _may_be_gif(source, path, root)],
    )


def fill(
    documents: Sequence[Document],
    captioner: GifCaptioner,
    shorten: Callable[[str], str],
    *,
    root: Path | None = None,
    advance: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Caption the GIFs of documents and fill in the texts; each GIF is captioned once.

    Args:
        documents: from `read_document`; their `filled` and `new_text` are set.
        captioner: writes the captions.
        shorten: makes an alternative text of a caption.
        root: the folder of paths that begin with `/`; None for the document's own folder.
        advance: is called with the number of captioned GIFs and that of all.
    """
    names = [
        [_name_of(place.source, document.path, root) for place in document.places]
        for document in documents
    ]
    distinct = list(dict.fromkeys(chain.from_iterable(names)))
    captions: dict[str, Caption] = {}
    for name, caption in zip(distinct, captioner.caption_many(_inputs(distinct)), strict=True):
        captions[name] = caption
        advance(len(captions), len(distinct))
    for document, of_document in zip(documents, names, strict=True):
        texts = {}
        document.filled = [
            Filled(line, _shown(source), None, _NOT_CERTAIN) for line, source in document.unplaced
        ]
        for place, name in zip(document.places, of_document, strict=True):
            caption = captions[name]
            alt = None if caption.caption is None else shorten(caption.caption)
            if alt:
                texts[place] = alt
            line = document.text.count("\n", 0, place.start) + 1
            error = caption.error if alt or caption.error else "the caption is empty"
            document.filled.append(Filled(line, _shown(place.source), alt, error, caption.doubts))
        document.new_text = insert(document.text, texts)


def _shown(source: str) -> str:
    """A source in a message: the beginning of a `data:` URL is enough."""
    return source if len(source) <= 80 else f"{source[:77]}..."


def _may_be_gif(source: str, document: Path, root: Path | None = None) -> bool:
    """Whether a source in a document may be a GIF: by its name, and a local file by its content.

    PNG, WebP and AVIF pictures are often still, so those that are not in a file here do not count.
    """
    if source.startswith("data:"):
        return source.lower().startswith(_GIF_DATA)
    path = urlsplit(source).path if is_url(source) else source.partition("?")[0].partition("#")[0]
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in SEARCHED_SUFFIXES:
        return False
    if suffix not in OFTEN_STILL:
        return True
    return not is_url(source) and may_move(Path(_name_of(source, document, root)))


def _name_of(source: str, document: Path, root: Path | None) -> str:
    """The GIF of a source in a document: a path, a URL, or a `data:` URL."""
    if source.startswith("data:"):
        return source
    if source.startswith("//"):
        return f"https:{source}"
    if is_url(source):
        return source
    path = unquote(source.partition("?")[0].partition("#")[0])
    folder = (root or document.parent) if path.startswith("/") else document.parent
    return str(folder / path.lstrip("/"))


def _inputs(names: Sequence[str]) -> Iterator[CaptionInput]:
    """The GIFs of names; those of URLs are downloaded when they are consumed.

    A document may be a stranger's, so its URLs may not lead to private addresses.
    """
    for name in names:
        if name.startswith("data:"):
            data = _data_of(name)
            yield CaptionInput(
                "a data URL", data, None if data is not None else "its data URL is damaged"
            )
        elif is_url(name):
            file = read_url(name, is_typed=False)
            yield CaptionInput(name, file.spooled_path or file.data, file.error)
        else:
            yield CaptionInput(name)


def _data_of(url: str) -> bytes | None:
    """The bytes of a `data:` URL (RFC 2397); None if it is damaged."""
    head, comma, data = url.partition(",")
    if not comma:
        return None
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(data)
    try:
        # Browsers accept white space.
        return base64.b64decode("".join(unquote(data).split()), validate=True)
    except ValueError:  # of the base64 itself, or a character that is not ASCII
        return None
