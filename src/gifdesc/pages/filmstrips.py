"""Small pictures of a GIF's frames for a page, and the GIFs of a folder by their names."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gifdesc.data.gifs import GifInput, find_gifs
from gifdesc.data.names import NameIndex, gif_key
from gifdesc.errors import GifdescError, GifError
from gifdesc.gif.reader import Gif, Indices, read_gif
from gifdesc.pages.pictures import Frames, fit_to_height
from gifdesc.sampling import sampler, start_times_ms

NUM_FRAMES = 16
"""Frames of a filmstrip by default."""

NUM_THREADS = 2
"""GIFs to read at once: decoding and shrinking leave Python's lock, and each may be large."""

_NARROWEST_CELL = 24  # pixels
_MARGIN_COLOUR = "#858b94"  # differs from white and from black paper
_QUALITIES = (65, 45, 25)  # of WebP: the next is tried if a picture is too large
_EFFORT = 2  # of WebP, 0 to 6: takes half the time of 4, for pictures that are 5 % larger


@dataclass(frozen=True)
class FilmSize:
    """How large the filmstrips of a page are.

    Attributes:
        frame_height: of a cell, in pixels; a wide frame's is less.
        max_bytes: a larger picture is made coarser, as far as that goes; None for any size.
    """

    frame_height: int = 88
    max_bytes: int | None = 18_000


_SIZES = {200: FilmSize(128, 36_000), 1_000: FilmSize(96, 18_000)}
_SMALLEST = FilmSize(64, 7_000)


def film_size(num_gifs: int) -> FilmSize:
    """The size of filmstrips on a page of that many GIFs: 5,000 make a page of about 80 MB."""
    fitting = (size for most, size in _SIZES.items() if num_gifs <= most)
    return next(fitting, _SMALLEST)


@dataclass(frozen=True, kw_only=True)
class Filmstrip:
    """Frames of a GIF in rows of cells of one size, as one picture.

    Attributes:
        image: a WebP file; places behind the last frame are transparent.
        num_columns: cells in a row; the last row may have fewer.
        cell_width, cell_height: in pixels.
        frames: T indices into the file's frames.
        times_ms: when each of them comes on screen.
        num_frames: frames of the file.
        duration_ms: of one pass through the GIF.
        poster: the position among `frames` of the frame that represents the GIF when it does not
            move: that of the greatest contrast, for the middle of a GIF that blinks is empty.
        note: a remark about the file, such as that it is cut off.
    """

    image: bytes
    num_columns: int
    cell_width: int
    cell_height: int
    frames: tuple[int, ...]
    times_ms: tuple[int, ...]
    num_frames: int
    duration_ms: int
    poster: int = 0
    note: str | None = None

    @property
    def num_rows(self) -> int:
        """Rows of cells."""
        return math.ceil(len(self.frames) / self.num_columns)


def read_filmstrip(
    source: Path | bytes,
    indices: Indices = None,
    *,
    name: str | None = None,
    size: FilmSize = FilmSize(),
    num_columns: int | None = 8,
) -> Filmstrip:
    """A GIF's frames as one picture; each is made small as soon as it is drawn.

    Args:
        source: the file's path, or its bytes.
        indices: which frames, as for `read_gif`; None for `NUM_FRAMES` spread over all.
        name: of the file in error messages.
        size: of a cell, and of the picture.
        num_columns: cells in a row; None for a single row.

    Raises:
        GifError: the file gives no frame.
    """
    gif = read_small(source, _or_spread(indices), size.frame_height, name=name)
    return _filmstrip(gif, slice(None), num_columns, size.max_bytes)


def read_strips(
    source: Path | bytes,
    indices: Indices = None,
    *,
    name: str | None = None,
    size: FilmSize = FilmSize(),
    num_columns: int = 8,
) -> tuple[Filmstrip, ...]:
    """A GIF's frames as `read_filmstrip` reads them, in strips of a single row each.

    Raises:
        GifError: the file gives no frame.
    """
    gif = read_small(source, _or_spread(indices), size.frame_height, name=name)
    parts = [slice(n, n + num_columns) for n in range(0, len(gif.frames), num_columns)]
    most = None if size.max_bytes is None else size.max_bytes // len(parts)
    return tuple(_filmstrip(gif, part, None, most) for part in parts)


def _or_spread(indices: Indices) -> Indices:
    return sampler("uniform", NUM_FRAMES) if indices is None else indices


def _filmstrip(gif: Gif, part: slice, num_columns: int | None, max_bytes: int | None) -> Filmstrip:
    cells = gif.frames[part]
    num_columns = min(len(cells), num_columns or len(cells))
    return Filmstrip(
        image=_webp(_sheet(cells, num_columns), max_bytes),
        num_columns=num_columns,
        cell_width=cells.shape[2],
        cell_height=cells.shape[1],
        frames=gif.indices[part],
        times_ms=start_times_ms(gif.durations_ms, gif.indices)[part],
        num_frames=gif.num_frames,
        duration_ms=sum(gif.durations_ms),
        poster=int(np.argmax([cell.std() for cell in cells])),
        note=gif.truncated or gif.note,
    )


def read_small(
    source: Path | bytes, indices: Indices, frame_height: int, *, name: str | None = None
) -> Gif:
    """A GIF's frames as `read_gif` reads them, each made small as soon as it is drawn.

    Raises:
        GifError: the file gives no frame, or has fewer than when the indices were made.
    """
    try:
        return read_gif(source, indices, name=name, reduce=Shrinker(frame_height))
    except IndexError as error:
        shown = name or (source if isinstance(source, Path) else "these bytes")
        problem = f"{shown}: has fewer frames than before: the file has changed"
        raise GifError(problem) from error


class Shrinker:
    """Makes frames small, one at a time: `reduce` of `read_gif`."""

    def __init__(self, frame_height: int) -> None:
        self._frame_height = frame_height

    def __call__(self, frame: Frames) -> Frames:
        """uint8 (height, width, 3) -> uint8 (cell height, cell width, 3).

        A cell has the form of the frame, and a margin if that is nearly a line.
        """
        size = fit_to_height(frame.shape[1], frame.shape[0], self._frame_height).size
        cell = (max(size[0], _NARROWEST_CELL), max(size[1], _NARROWEST_CELL))
        picture = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        return np.asarray(ImageOps.pad(picture, cell, color=_MARGIN_COLOUR))


class GifFolder:
    """The GIFs under a folder, found by the names that features, predictions or tables use."""

    def __init__(self, folder: Path) -> None:
        """List the folder.

        Raises:
            GifdescError: there is no such folder.
        """
        if not folder.is_dir():
            raise GifdescError(f"{folder}: no such folder; name the GIFs' folder with --gifs")
        self._folder = folder
        found = [gif for gif in find_gifs([folder]) if gif.error is None]
        self._gifs = {gif_key(gif.source): gif for gif in found}
        self._names = NameIndex(self._gifs)

    def find(self, name: str) -> GifInput | None:
        """A GIF by its path under the folder, its URL or its bare name (see `names`)."""
        key = self._names.find(name)
        return None if key is None else self._gifs[key]

    def shown_path(self, gif: GifInput) -> str:
        """A GIF's path for readers, beginning with the folder's own name."""
        return f"{self._folder.name}/{gif.source}" if self._folder.name else gif.source

    def filmstrip(
        self, name: str, indices: Indices = None, size: FilmSize = FilmSize()
    ) -> tuple[Filmstrip, None] | tuple[None, str]:
        """A GIF's filmstrip, or the reason why there is none; never an error."""
        gif = self.find(name)
        if gif is None:
            return None, f"GIF missing: nothing under {self._folder} has this name"
        try:
            return read_filmstrip(gif.path, indices, size=size), None
        except GifdescError as error:
            return None, f"GIF cannot be shown: {str(error).removeprefix(f'{gif.path}: ')}"


def _sheet(cells: Frames, num_columns: int) -> Image.Image:
    num_cells, height, width = cells.shape[:3]
    num_rows = math.ceil(num_cells / num_columns)
    is_full = num_cells == num_rows * num_columns
    sheet = Image.new("RGB" if is_full else "RGBA", (num_columns * width, num_rows * height))
    for place, cell in enumerate(cells):
        row, column = divmod(place, num_columns)
        sheet.paste(Image.fromarray(cell), (column * width, row * height))
    return sheet


def _webp(image: Image.Image, max_bytes: int | None) -> bytes:
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, format="WEBP", quality=quality, method=_EFFORT)
        if max_bytes is None or buffer.tell() <= max_bytes:
            break
    return buffer.getvalue()
