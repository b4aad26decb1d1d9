"""Captions explained: each GIF's frames, and the frames that every word attended to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

from gifdesc.captions import Caption
from gifdesc.errors import GifdescError, UsageError
from gifdesc.gif.sources import CaptionInput
from gifdesc.pages.attention import (
    FRAMES_IN_A_ROW,
    LEAST_WEIGHT,
    attention_picture,
    greatest_weight,
    stacked,
)
from gifdesc.pages.filmstrips import NUM_THREADS, FilmSize, Filmstrip, read_small, read_strips
from gifdesc.pages.html import PAGE_SUFFIXES, is_own_page, write_page
from gifdesc.pages.pictures import is_own_picture, save_picture
from gifdesc.sampling import start_times_ms
from gifdesc.system.files import check_replaceable, writing
from gifdesc.system.threads import mapped_ahead

MAX_ON_PAGE = 500
"""GIFs that a page explains at most."""

MAX_IN_PICTURE = 20
"""GIFs that a picture explains at most."""


_SIZE = FilmSize(144, 80_000)
_PICTURE_FRAME_HEIGHT = 240  # pixels, more than it shows


_Item = TypeVar("_Item")

Source = Callable[[Caption], Path | bytes]
"""A caption -> the path or the bytes of its GIF."""


@dataclass(frozen=True)
class ExplainedCaption:
    """A caption with its frames, or the reason why there are none."""

    caption: Caption
    strips: tuple[Filmstrip, ...] = ()
    missing: str | None = None

    @property
    def num_frames(self) -> int:
        """Frames that are shown."""
        return sum(len(strip.frames) for strip in self.strips)

    @property
    def longest_word(self) -> int:
        """Characters of the longest word, for the width of its column."""
        return max((len(word.word) for word in self.caption.words), default=0)


def check_explanation_path(path: Path) -> None:
    """Check, before any GIF is captioned, that an explanation can have this name.

    Raises:
        UsageError: its ending is neither a page's nor a picture's.
    """
    if not is_page(path) and path.suffix.lower() != ".png":
        raise UsageError(f"{path}: an explanation is a .html page or a .png picture")


def write_explanation(
    captions: Sequence[Caption],
    path: Path,
    *,
    source: Source = lambda caption: Path(caption.path),
    num_captions: int | None = None,
    on_gif: Callable[[int, int], None] | None = None,
) -> None:
    """Write a page (`.html`) or a picture (`.png`) of the frames that each word attended to.

    A page names a GIF that is missing or broken by now; a picture leaves it out.

    Args:
        captions: in the order in which they are shown.
        path: of the file to write.
        source: the path or bytes of a caption's GIF: its `path` by default.
        num_captions: their total number, if these are only the first.
        on_gif: called after each GIF, with the number of GIFs read and their total.

    Raises:
        UsageError: the path has another ending.
        GifdescError: the file cannot be written, there are too many GIFs for a picture, or a
            picture would contain none.
    """
    check_explanation_path(path)
    if is_page(path):
        shown = captions[:MAX_ON_PAGE]
        write_page(
            path,
            "explanation.html.j2",
            {
                "title": "Frames that each word attended to",
                "skip_to": "captions",
                "noun": "caption",
                "missing_caption": "(no caption)",
                "explained": counted_off(with_strips(shown, source), len(shown), on_gif),
                "num_shown": len(shown),
                "greatest": greatest_weight(caption.words for caption in shown),
                "least": LEAST_WEIGHT,
                "num_captions": num_captions or len(captions),
            },
        )
    else:
        save_picture(_picture(captions, path, source, on_gif), path)


def is_page(path: Path) -> bool:
    """Whether the name is that of a page, and not of a picture."""
    return path.suffix.lower() in PAGE_SUFFIXES


def counted_off(
    items: Iterable[_Item], num_items: int, on_item: Callable[[int, int], None] | None
) -> Iterator[_Item]:
    """The items; after each, `on_item` is called with the number done and the total."""
    for num_done, item in enumerate(items, start=1):
        if on_item is not None:
            on_item(num_done, num_items)
        yield item


def with_strips(captions: Sequence[Caption], source: Source) -> Iterator[ExplainedCaption]:
    """Captions with the strips of their frames; those of unknown frames are spread evenly."""

    def read(caption: Caption) -> ExplainedCaption:
        if caption.error is not None:
            return ExplainedCaption(caption, missing=caption.error)
        try:
            strips = read_strips(
                source(caption),
                tuple(caption.sampled_frames) or None,
                name=caption.path,
                size=_SIZE,
                num_columns=FRAMES_IN_A_ROW,
            )
        except GifdescError as error:
            problem = str(error).removeprefix(f"{caption.path}: ")
            return ExplainedCaption(caption, missing=problem)
        return ExplainedCaption(caption, strips)

    return mapped_ahead(read, captions, num_threads=NUM_THREADS)


def _picture(
    captions: Sequence[Caption],
    path: Path,
    source: Source,
    on_gif: Callable[[int, int], None] | None,
) -> Image.Image:
    usable = [caption for caption in captions if caption.error is None]
    if len(usable) > MAX_IN_PICTURE:
        raise GifdescError(
            f"{path}: {len(usable)} GIFs are too many for a picture (at most {MAX_IN_PICTURE}); "
            "give it a name that ends in .html"
        )
    pictures = []
    greatest = greatest_weight(caption.words for caption in usable)
    problem = "no GIF has a caption"
    for caption in counted_off(usable, len(usable), on_gif):
        try:
            gif = read_small(
                source(caption),
                tuple(caption.sampled_frames),
                _PICTURE_FRAME_HEIGHT,
                name=caption.path,
            )
        except GifdescError as error:
            problem = str(error)
            continue
        times_ms = start_times_ms(gif.durations_ms, gif.indices)
        pictures.append(
            attention_picture(
                gif.frames, caption.caption or "", caption.words, times_ms, greatest=greatest
            )
        )
    if not pictures:
        raise GifdescError(f"{path}: nothing to explain: {problem}")
    return stacked(pictures)


class ExplanationCollector:
    """Collects the captions of a run for `write_explanation`.

    Of captions beyond those that a page or a picture shows, only the number is kept, so memory
    stays bounded. Wrong names are reported before any GIF is captioned.

    Args:
        path: the page or picture to write.

    Raises:
        UsageError: the path has another ending.
        GifdescError: it cannot be written.

    Attributes:
        num_captions: captions that were added, shown or not.
    """

    def __init__(self, path: Path) -> None:
        check_explanation_path(path)
        with writing(f"--explain {path}"):
            check_replaceable(path, is_own_page if is_page(path) else is_own_picture)
        self._path = path
        self._max_shown = MAX_ON_PAGE if is_page(path) else MAX_IN_PICTURE
        self._captions: list[Caption] = []
        self._pipes: dict[str, bytes | Path] = {}
        self.num_captions = 0

    @property
    def num_shown(self) -> int:
        """Captions that are shown."""
        return len(self._captions)

    def remember_input(self, source: CaptionInput) -> CaptionInput:
        """Keep the bytes of a GIF from a pipe or a URL, which cannot be read again."""
        if isinstance(source.data, (bytes, Path)):
            self._pipes[source.name] = source.data
        return source

    def add(self, caption: Caption) -> None:
        """Keep a caption while there is room; a picture leaves out GIFs that failed."""
        if caption.error is not None and not is_page(self._path):
            return
        self.num_captions += 1
        if len(self._captions) < self._max_shown:
            self._captions.append(caption)

    def write(self, on_gif: Callable[[int, int], None] | None = None) -> list[str]:
        """Write the page or the picture.

        Args:
            on_gif: called after each GIF, with the number of GIFs read and their total.

        Returns:
            Notes for the user, a sentence each.

        Raises:
            GifdescError: as `explanation.write_explanation`.
        """
        write_explanation(
            self._captions,
            self._path,
            source=lambda caption: self._pipes.get(caption.path) or Path(caption.path),
            num_captions=self.num_captions,
            on_gif=on_gif,
        )
        sentences = []
        if self.num_shown < self.num_captions:
            kind = "page" if is_page(self._path) else "picture"
            sentences.append(
                f"{self._path}: contains the first {self.num_shown} of {self.num_captions} GIFs; "
                f"a {kind} has room for no more"
            )
        words = [word for caption in self._captions if caption.caption for word in caption.words]
        has_captions = any(caption.caption for caption in self._captions)
        if has_captions and all(word.frame_weights is None for word in words):
            sentences.append(
                f"{self._path}: this model does not weigh single frames, so the file cannot show "
                "which frames each word attended to"
            )
        return sentences
