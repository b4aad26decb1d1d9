"""Captions explained: each GIF's frames, and the frames that every word attended to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from PIL import Image

from gifdesc.captions import Caption
from gifdesc.errors import GifdescError, UsageError
from gifdesc.gif.sources import CaptionInput
from gifdesc.pages.attention import attention_picture, stacked
from gifdesc.pages.filmstrips import NUM_THREADS, Filmstrip, read_filmstrip, read_small
from gifdesc.pages.html import write_page
from gifdesc.pages.pictures import save_picture
from gifdesc.sampling import start_times_ms
from gifdesc.system.files import check_replaceable, writing
from gifdesc.system.threads import mapped_ahead

MAX_ON_PAGE = 500
"""GIFs that a page explains at most."""

MAX_IN_PICTURE = 20
"""GIFs that a picture explains at most."""

_PAGES = (".html", ".htm")
_FRAME_HEIGHT = 110  # pixels
_PICTURE_FRAME_HEIGHT = 240  # pixels, more than it shows
_MAX_BYTES = 80_000  # of one GIF's frames on a page


_Item = TypeVar("_Item")

Source = Callable[[Caption], Path | bytes]
"""Where the bytes of a caption's GIF are."""


@dataclass(frozen=True)
class _Explained:
    """A caption with its frames, or why there are none."""

    given: Caption
    filmstrip: Filmstrip | None
    missing: str | None

    @property
    def greatest(self) -> float:
        """The greatest weight of all its words."""
        weights = [weight for word in self.given.words for weight in word.frame_weights or ()]
        return max((weight for weight in weights if math.isfinite(weight)), default=0.0) or 1.0


def check_explanation_path(path: Path) -> None:
    """Make sure, before anything is captioned, that an explanation can have this name.

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
    """Write a page (`.html`) or a picture (`.png`) of what each word looked at.

    A GIF that is gone or broken by now is said in its place on a page, and left out of a
    picture.

    Args:
        captions: in the order in which they are shown.
        path: where it goes.
        source: the path or bytes of a caption's GIF: its `path` by default.
        num_captions: how many there were in all, where these are the first of more.
        on_gif: told the number of GIFs read, and of all that are shown, after each.

    Raises:
        UsageError: the path has another ending.
        GifdescError: the file cannot be written, there are too many GIFs for a picture, or a
            picture would hold none.
    """
    check_explanation_path(path)
    if is_page(path):
        shown = captions[:MAX_ON_PAGE]
        write_page(
            path,
            "explanation.html.j2",
            {
                "title": f"What the caption{'' if len(captions) == 1 else 's'} looked at",
                "skip_to": "captions",
                "explained": _counted(_explained(shown, source), len(shown), on_gif),
                "num_shown": len(shown),
                "num_captions": num_captions or len(captions),
            },
        )
    else:
        save_picture(_picture(captions, path, source, on_gif), path)


def is_page(path: Path) -> bool:
    """The name is a page's, and not a picture's."""
    return path.suffix.lower() in _PAGES


def _counted(
    items: Iterable[_Item], num_items: int, on_item: Callable[[int, int], None] | None
) -> Iterator[_Item]:
    for num_done, item in enumerate(items, start=1):
        if on_item is not None:
            on_item(num_done, num_items)
        yield item


def _explained(captions: Sequence[Caption], source: Source) -> Iterator[_Explained]:
    def read(one: Caption) -> _Explained:
        if one.error is not None:
            return _Explained(one, None, one.error)
        try:
            film = read_filmstrip(
                source(one),
                tuple(one.sampled_frames),
                name=one.path,
                frame_height=_FRAME_HEIGHT,
                num_columns=None,
                max_bytes=_MAX_BYTES,
            )
        except GifdescError as error:
            return _Explained(one, None, str(error).removeprefix(f"{one.path}: "))
        return _Explained(one, film, None)

    return mapped_ahead(read, captions, num_threads=NUM_THREADS)


def _picture(
    captions: Sequence[Caption],
    path: Path,
    source: Source,
    on_gif: Callable[[int, int], None] | None,
) -> Image.Image:
    usable = [one for one in captions if one.error is None]
    if len(usable) > MAX_IN_PICTURE:
        raise GifdescError(
            f"{path}: {len(usable)} GIFs are too many for a picture (at most {MAX_IN_PICTURE}); "
            "give it a name that ends in .html"
        )
    pictures = []
    problem = "no GIF has a caption"
    for one in _counted(usable, len(usable), on_gif):
        try:
            gif = read_small(
                source(one), tuple(one.sampled_frames), _PICTURE_FRAME_HEIGHT, name=one.path
            )
        except GifdescError as error:
            problem = str(error)
            continue
        times_ms = start_times_ms(gif.durations_ms, gif.indices)
        pictures.append(attention_picture(gif.frames, one.caption or "", one.words, times_ms))
    if not pictures:
        raise GifdescError(f"{path}: nothing to explain: {problem}")
    return stacked(pictures)


class Explained:
    """Collects the captions of a run for `write_explanation`.

    Beyond those that a page or a picture shows only their number is kept, so memory stays
    bounded. Wrong names are said before anything is captioned.

    Args:
        path: the page or picture to write.

    Raises:
        UsageError: the path has another ending.
        GifdescError: it cannot be written.

    Attributes:
        num_captions: captions that were taken, shown or not.
    """

    def __init__(self, path: Path) -> None:
        check_explanation_path(path)
        with writing(f"--explain {path}"):
            check_replaceable(path)
        self._path = path
        self._max_shown = MAX_ON_PAGE if is_page(path) else MAX_IN_PICTURE
        self._captions: list[Caption] = []
        self._pipes: dict[str, bytes] = {}
        self.num_captions = 0

    @property
    def num_shown(self) -> int:
        """Captions that there was room for."""
        return len(self._captions)

    def remember_input(self, caption_input: CaptionInput) -> CaptionInput:
        """Keep the bytes of a GIF that came through a pipe: they cannot be read again."""
        if isinstance(caption_input.data, bytes):
            self._pipes[caption_input.name] = caption_input.data
        return caption_input

    def add(self, caption: Caption) -> None:
        """Keep a caption while there is room; a picture has none for what failed."""
        if caption.error is not None and not is_page(self._path):
            return
        self.num_captions += 1
        if len(self._captions) < self._max_shown:
            self._captions.append(caption)

    def write(self, on_gif: Callable[[int, int], None] | None = None) -> list[str]:
        """Write the page or the picture.

        Args:
            on_gif: told the number of GIFs read, and of all that are shown, after each.

        Returns:
            What a reader must know of it, a sentence each.

        Raises:
            GifdescError: as `explanation.write_explanation`.
        """
        write_explanation(
            self._captions,
            self._path,
            source=lambda one: self._pipes.get(one.path) or Path(one.path),
            num_captions=self.num_captions,
            on_gif=on_gif,
        )
        sentences = []
        if self.num_shown < self.num_captions:
            kind = "page" if is_page(self._path) else "picture"
            sentences.append(
                f"{self._path}: holds the first {self.num_shown} of {self.num_captions} GIFs; "
                f"a {kind} has room for no more"
            )
        said = [one for one in self._captions if one.caption]
        if said and all(word.frame_weights is None for one in said for word in one.words):
            sentences.append(
                f"{self._path}: this model does not weigh single frames, so what each word looked "
                "at is not in it"
            )
        return sentences
