"""The gallery: a page of captions, each beside its moving GIF."""

from __future__ import annotations

import datetime
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from gifdesc.captions import Caption
from gifdesc.data.arguments import is_stream, is_url
from gifdesc.errors import GifdescError
from gifdesc.gif.sources import CaptionInput
from gifdesc.model.public_models import full_name
from gifdesc.pages.filmstrips import NUM_THREADS, FilmSize, Filmstrip, film_size, read_filmstrip
from gifdesc.pages.html import WrittenPage, check_page_name, check_page_path, link_to, write_page
from gifdesc.pages.waiting_inputs import WaitingInputs
from gifdesc.system.threads import mapped_ahead
from gifdesc.system.wording import counted
from gifdesc.text.english import DEFAULT_CHARACTERS, to_alt_text

MAX_IN_GALLERY = 5000
"""GIFs that a gallery shows at most: the first ones."""

_FEW = 60
_SIZE_OF_FEW = FilmSize(176, 80_000)


@dataclass(frozen=True, kw_only=True)
class GalleryOrigin:
    """How the captions of a gallery were made.

    Attributes:
        model: its folder, or its name as given.
        commit: of the model's repository on the hub; None for a folder.
        warnings: reasons to doubt all captions of the model, a sentence each.
        notes: remarks on the GIFs that the page does not show, a sentence each.
        date: the day of the captions.
    """

    model: str
    commit: str | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    date: datetime.date = field(default_factory=datetime.date.today)

    @property
    def facts(self) -> dict[str, str]:
        """The facts by their names, for the top of the page."""
        name = str(full_name(self.model))
        shown = name if name == self.model else f"{self.model} ({name})"
        facts = {"Model": shown}
        if self.commit is not None:
            facts["Commit"] = self.commit
        return {**facts, "Date": self.date.isoformat()}


@dataclass
class GalleryCounts:
    """The GIFs of a run, shown or not.

    Attributes:
        num_gifs: all of them.
        num_failed: those without a caption.
        num_doubtful: those whose caption has low confidence.
        is_judged: whether low confidence is known of any caption.
    """

    num_gifs: int = 0
    num_failed: int = 0
    num_doubtful: int = 0
    is_judged: bool = False

    def add(self, caption: Caption) -> None:
        """Count a caption or a failure."""
        self.num_gifs += 1
        self.num_failed += caption.error is not None
        self.num_doubtful += bool(caption.low_confidence)
        self.is_judged |= caption.low_confidence is not None

    @property
    def sentence(self) -> str:
        """The counts for readers."""
        num_captioned = self.num_gifs - self.num_failed
        parts = [f"{counted(num_captioned, 'GIF')} captioned"]
        if self.num_doubtful:
            parts.append(f"{self.num_doubtful} with low confidence")
        if self.num_failed:
            parts.append(f"{self.num_failed} failed")
        return f"{', '.join(parts)}."


@dataclass(frozen=True, kw_only=True)
class GalleryCard:
    """A GIF of the page.

    Attributes:
        caption: its caption, or the reason why it has none.
        filmstrip: its sampled frames.
        missing: why there is no filmstrip, if the GIF has a caption.
        alt_text: the caption as alternative text.
        link: the address of the GIF's file; None if it has none.
    """

    caption: Caption
    filmstrip: Filmstrip | None = None
    missing: str | None = None
    alt_text: str = ""
    link: str | None = None

    @property
    def kind(self) -> str:
        """`failed`, `doubtful` or nothing: what the page's filters look for."""
        if self.caption.error is not None:
            return "failed"
        return "doubtful" if self.caption.low_confidence else ""

    @property
    def is_piped(self) -> bool:
        """Whether the GIF came from a pipe."""
        return is_stream(self.caption.path)

    @property
    def confidence(self) -> float | None:
        """The geometric mean of the probabilities of the caption's tokens, in percent."""
        score = self.caption.score
        return None if score is None else 100 * math.exp(min(score, 0.0))

    @property
    def others(self) -> list[tuple[str, float]]:
        """The alternatives that differ from the caption, with their scores."""
        scores: dict[str, float] = {}
        for each in self.caption.alternatives:
            scores.setdefault(each.caption, each.score)
        return [(text, score) for text, score in scores.items() if text != self.caption.caption]


class GalleryCollector:
    """Collects the captions of a run for a gallery.

    Frames are read when the page is written, and each picture goes into the page at once. A GIF
    from a pipe or a URL is the exception: nothing can read it again, so its small picture is made
    as soon as it has a caption, and its bytes are dropped. Of GIFs beyond those that the page
    shows, only the number is kept, so memory stays bounded.

    Args:
        path: of the page.
        alt_text_length: the most characters of an alternative text.

    Raises:
        UsageError: the path has another ending than a page.
        GifdescError: it cannot be written.

    Attributes:
        counts: the GIFs that were added, shown or not.
    """

    def __init__(self, path: Path, *, alt_text_length: int = DEFAULT_CHARACTERS) -> None:
        check_page_name(path)
        check_page_path(path, "--html")
        self._path = path
        self._shorten = partial(to_alt_text, max_characters=alt_text_length)
        self._inputs = WaitingInputs()
        self._cards: list[GalleryCard] = []
        self.counts = GalleryCounts()

    @property
    def num_shown(self) -> int:
        """GIFs that are shown."""
        return len(self._cards)

    def remember_input(self, source: CaptionInput) -> CaptionInput:
        """Keep an input until `add` gets its caption: captions have the order of the inputs.

        Raises:
            GifdescError: there is no room on the disk for the bytes of the inputs that wait.
        """
        self._inputs.add(source)
        return source

    def add(self, caption: Caption) -> None:
        """Keep a caption while there is room."""
        self.counts.add(caption)
        with self._inputs.take() as given:
            if self.num_shown < MAX_IN_GALLERY:
                self._cards.append(self._card(caption, given or CaptionInput(caption.path)))

    def _card(self, caption: Caption, given: CaptionInput) -> GalleryCard:
        card = GalleryCard(
            caption=_without_words(caption),
            alt_text=self._shorten(caption.caption or ""),
            link=_link(given, self._path),
        )
        if isinstance(given.data, (bytes, Path)) and caption.error is None:
            # The total is unknown yet: as if this GIF were the last.
            card = _with_frames(card, given.data, _film_size(self.num_shown + 1))
        return card

    def write(
        self, origin: GalleryOrigin, on_gif: Callable[[int, int], None] | None = None
    ) -> list[str]:
        """Read the frames and write the page: one file that opens offline.

        Args:
            origin: how the captions were made.
            on_gif: called after each GIF, with the number of GIFs read and their total.

        Returns:
            Notes for the user, a sentence each.

        Raises:
            GifdescError: the page cannot be written.
        """
        num_without_frames = 0

        def shown() -> Iterator[GalleryCard]:
            nonlocal num_without_frames
            for num_done, card in enumerate(self._framed(), start=1):
                num_without_frames += card.missing is not None
                yield card
                if on_gif is not None:
                    on_gif(num_done, self.num_shown)

        notes = self._notes()
        write_page(
            self._path,
            "gallery.html.j2",
            {
                "title": f"Captions of {counted(self.counts.num_gifs, 'GIF')}",
                "skip_to": "captions",
                "counts": self.counts,
                "origin": origin.facts,
                "warnings": origin.warnings,
                "notes": [*notes, *origin.notes],
                "filters": self._filters(),
                "is_many": self.num_shown > _FEW,
                "shown": shown(),
            },
        )
        sentences = [f"{self._path}: {note[0].lower()}{note[1:].rstrip('.')}" for note in notes]
        if warning := WrittenPage(self.num_shown, num_without_frames).warning:
            sentences.append(warning)
        return sentences

    def _framed(self) -> Iterator[GalleryCard]:
        size = _film_size(self.num_shown)

        def read(card: GalleryCard) -> GalleryCard:
            is_done = card.filmstrip is not None or card.missing is not None
            if is_done or card.caption.error is not None:
                return card
            return _with_frames(card, Path(card.caption.path), size)

        return mapped_ahead(read, self._cards, num_threads=NUM_THREADS)

    def _notes(self) -> list[str]:
        if self.num_shown == self.counts.num_gifs:
            return []
        return [
            f"The page shows the first {self.num_shown:,} of {self.counts.num_gifs:,} GIFs; "
            "it has room for no more."
        ]

    def _filters(self) -> dict[str, str]:
        filters = {}
        if self.counts.num_doubtful:
            filters["doubtful"] = "Low confidence"
        if self.counts.num_failed:
            filters["failed"] = "Failed"
        return filters


def write_gallery(
    captions: Sequence[Caption],
    path: Path,
    origin: GalleryOrigin,
    *,
    alt_text_length: int = DEFAULT_CHARACTERS,
) -> None:
    """Write a page of captions, each beside the frames of its file.

    Args:
        captions: in the order in which they are shown.
        path: of the page.
        origin: how the captions were made.
        alt_text_length: the most characters of an alternative text.

    Raises:
        UsageError: the path has another ending than a page.
        GifdescError: the page cannot be written.
    """
    collector = GalleryCollector(path, alt_text_length=alt_text_length)
    for caption in captions:
        collector.add(caption)
    collector.write(origin)


def _film_size(num_gifs: int) -> FilmSize:
    """As `film_size`, but larger for a page of few GIFs, whose cards are wide."""
    return _SIZE_OF_FEW if num_gifs <= _FEW else film_size(num_gifs)


def _without_words(caption: Caption) -> Caption:
    """A caption without the weights of its words, most of its memory."""
    alternatives = tuple(replace(each, words=(), tokens=()) for each in caption.alternatives)
    return replace(caption, words=(), alternatives=alternatives)


def _with_frames(card: GalleryCard, source: Path | bytes, size: FilmSize) -> GalleryCard:
    """A card with its filmstrip, or with the reason why there is none."""
    caption = card.caption
    indices = tuple(caption.sampled_frames) or None
    try:
        film = read_filmstrip(source, indices, name=caption.path, size=size)
    except GifdescError as error:
        problem = CaptionInput(caption.path, source).reason(error)
        return replace(card, missing=f"GIF cannot be shown: {problem}")
    return replace(card, filmstrip=film)


def _link(given: CaptionInput, page_path: Path) -> str | None:
    """The address of a GIF; None for a stream, and for a file that does not exist."""
    if is_url(given.name):
        return given.name if given.name.startswith(("http://", "https://")) else None
    is_file = not is_stream(given.name) and os.path.exists(given.name)  # noqa: PTH110 - takes any name
    return link_to(Path(given.name), page_path) if is_file else None
