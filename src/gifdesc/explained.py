"""Captions kept while they come, to be drawn at the end with what they looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gifdesc.caption_inputs import CaptionInput
from gifdesc.errors import GifdescError
from gifdesc.explanation import (
    MAX_IN_PICTURE,
    MAX_ON_PAGE,
    GivenCaption,
    check_explanation_path,
    is_page,
    write_explanation,
)
from gifdesc.files import check_replaceable, reason


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
        try:
            check_replaceable(path)
        except OSError as error:
            raise GifdescError(f"--explain {path}: cannot be written ({reason(error)})") from error
        self._path = path
        self._max_shown = MAX_ON_PAGE if is_page(path) else MAX_IN_PICTURE
        self._captions: list[GivenCaption] = []
        self._pipes: dict[str, bytes] = {}
        self.num_captions = 0

    @property
    def num_shown(self) -> int:
        """Captions that there was room for."""
        return len(self._captions)

    def see(self, one: CaptionInput) -> CaptionInput:
        """Keep the bytes of a GIF that came through a pipe: they cannot be read again."""
        if isinstance(one.data, bytes):
            self._pipes[one.name] = one.data
        return one

    def take(self, caption: GivenCaption) -> None:
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
