"""Captions kept while they come, to be drawn at the end with what they looked at."""

from __future__ import annotations

from pathlib import Path

from gifdesc.caption_inputs import CaptionInput
from gifdesc.caption_result import Caption
from gifdesc.explanation import MAX_ON_PAGE, GivenCaption, write_explanation


class Explained:
    """Collects the captions of a run for `write_explanation`.

    Beyond those that a page shows only their number is kept, so memory stays bounded.

    Args:
        path: the page or picture to write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._captions: list[Caption] = []
        self._pipes: dict[str, bytes] = {}

    def see(self, one: CaptionInput) -> CaptionInput:
        """Keep the bytes of a GIF that came through a pipe: they cannot be read again."""
        if isinstance(one.data, bytes):
            self._pipes[one.name] = one.data
        return one

    def take(self, caption: Caption) -> None:
        """Keep a caption."""
        is_shown = len(self._captions) < MAX_ON_PAGE
        self._captions.append(caption if is_shown else _NOT_SHOWN)

    def write(self) -> None:
        """Write the page or the picture.

        Raises:
            GifdescError: as `explanation.write_explanation`.
        """
        write_explanation(self._captions, self._path, source=self._source)

    def _source(self, caption: GivenCaption) -> Path | bytes:
        return self._pipes.get(caption.path) or Path(caption.path)


_NOT_SHOWN = Caption("")
