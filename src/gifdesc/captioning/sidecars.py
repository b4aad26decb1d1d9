"""Sidecar files: the caption of `jump.gif` in `jump.txt` beside it."""

from __future__ import annotations

import errno
from pathlib import Path

from gifdesc.data.gifs import GIF_SUFFIX, SEARCHED_SUFFIXES
from gifdesc.errors import GifdescError
from gifdesc.system.files import reason, write_text

SIDECAR_SUFFIX = ".txt"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def sidecar_path(gif_path: Path) -> Path:
    """The sidecar file of a GIF: `jump.txt` for `jump.gif` and `jump.mp4`.

    If both are in a folder, `jump.mp4.txt` is that of the video: no two GIFs share a file.
    """
    suffix = gif_path.suffix.lower()
    if suffix != GIF_SUFFIX and any(
        gif_path.with_suffix(spelling).exists()
        for other in SEARCHED_SUFFIXES
        if other != suffix
        for spelling in (other, other.upper())
    ):
        return gif_path.with_name(gif_path.name + SIDECAR_SUFFIX)
    return gif_path.with_suffix(SIDECAR_SUFFIX)


class Sidecars:
    """Writes captions beside their GIFs.

    Attributes:
        num_failed: sidecar files that could not be written.

    Args:
        overwrite: replace existing files; otherwise they are kept.
    """

    def __init__(self, *, overwrite: bool) -> None:
        self._overwrite = overwrite
        self._gif_names: dict[Path, str] = {}
        self.num_failed = 0

    def write(self, gif_name: str, text: str) -> str | None:
        """Write a line of text beside a GIF.

        Returns:
            A sentence for the user if a file of other content was kept, or if the sidecar could not
            be written; else None.

        Raises:
            GifdescError: the disk is full.
        """
        gif_path = Path(gif_name)
        path = sidecar_path(gif_path)
        if not gif_path.is_file():
            return f"{gif_name}: not a file, so no .txt file was written beside it"
        first = self._gif_names.setdefault(path, gif_name)
        if first != gif_name:
            return f"{gif_name}: no .txt file was written, because {path} is that of {first}"
        content = text + "\n"
        try:
            if path.exists() and not self._overwrite:
                if path.is_file() and path.read_bytes() == content.encode():
                    return None
                return f"{path}: exists and was kept; overwrite it with --force"
            write_text(path, content)
        except OSError as error:
            message = f"{path}: cannot be written: {reason(error)}"
            if error.errno in _NO_ROOM:
                raise GifdescError(message) from error
            self.num_failed += 1
            return message
        return None
