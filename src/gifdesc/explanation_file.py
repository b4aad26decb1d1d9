"""Captions that come one by one, explained in one file: which are kept, what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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


class ExplanationFile:
    """Keeps the captions that a page or a picture has room for, and writes them at the end.

    Args:
        path: where it goes; its ending says what it is.

    Raises:
        UsageError: its ending is neither a page's nor a picture's.
        GifdescError: it cannot be written.

    Attributes:
        num_captions: captions that were offered, those without room among them.
    """

    def __init__(self, path: Path) -> None:
        check_explanation_path(path)
        try:
            check_replaceable(path)
        except OSError as error:
            raise GifdescError(f"--explain {path}: cannot be written ({reason(error)})") from error
        self._path = path
        self._captions: list[GivenCaption] = []
        self._bytes: dict[str, bytes] = {}
        self.num_captions = 0

    @property
    def num_shown(self) -> int:
        """Captions that there was room for."""
        return len(self._captions)

    def watch(self, inputs: Iterable[CaptionInput]) -> Iterator[CaptionInput]:
        """The inputs as they are; the bytes of those that cannot be read again are kept."""
        for one in inputs:
            if isinstance(one.data, bytes):
                self._bytes[one.name] = one.data
            yield one

    def take(self, caption: GivenCaption) -> None:
        """Keep a caption, where there is room; a picture has none for what failed."""
        if not is_page(self._path) and caption.error is not None:
            return
        self.num_captions += 1
        if len(self._captions) < (MAX_ON_PAGE if is_page(self._path) else MAX_IN_PICTURE):
            self._captions.append(caption)

    def write(self, on_gif: Callable[[int, int], None] | None = None) -> list[str]:
        """Write the file.

        Args:
            on_gif: told the number of GIFs read, and of all that are shown, after each.

        Returns:
            What a reader must know of it, a sentence each.

        Raises:
            GifdescError: it cannot be written, or a picture would hold nothing.
        """
        write_explanation(
            self._captions,
            self._path,
            source=lambda one: self._bytes.get(one.path) or Path(one.path),
            num_captions=self.num_captions,
            on_gif=on_gif,
        )
        sentences = []
        if len(self._captions) < self.num_captions:
            kind = "page" if is_page(self._path) else "picture"
            sentences.append(
                f"{self._path}: a {kind} explains {len(self._captions)} GIFs at most, the first "
                f"of {self.num_captions}"
            )
        said = [one for one in self._captions if one.caption]
        if said and all(word.frame_weights is None for one in said for word in one.words):
            sentences.append(
                f"{self._path}: this model does not weigh single frames, so what each word looked "
                "at is not in it"
            )
        return sentences
