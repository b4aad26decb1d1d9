"""Draw the frames of a GIF: its images are composed on a canvas by the rules of browsers.

A canvas pixel is four bytes, R G B 0, read as one 32-bit number. Transparent pixels are white: a
GIF has no half transparency, so composing over white needs no alpha channel. The background colour
of the logical screen is ignored, as in all browsers. Disposal is section 23 of the GIF89a
specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from gifdesc.errors import GifError
from gifdesc.gif.blocks import GifBlocks, ImageBlock, parse_blocks
from gifdesc.gif.limits import MAX_CANVAS_PIXELS, Budget, BudgetSpentError
from gifdesc.gif.lzw import (
    BeyondPaletteError,
    Mask,
    PaletteIndices,
    decode_indices,
    decode_partial_indices,
)

Frames = npt.NDArray[np.uint8]
"""uint8 RGB: (height, width, 3) of a frame, (T, height, width, 3) of several."""
_Pixels = npt.NDArray[np.uint32]

_BAND_PIXELS = 1 << 16
"""Painted at once: numpy looks colours up by 8 bytes a pixel, which need not be there for a whole
image and are in the processor's cache for a few rows."""

_WHITE = np.frombuffer(bytes([255, 255, 255, 0]), np.uint32)[0]


class BrokenFrameError(Exception):
    """A frame cannot be decoded; the frames before it may be good."""


class GifImages:
    """A GIF whose frames can be drawn, in ascending order and only where needed.

    Attributes:
        width, height: the canvas in pixels.
        has_exact_times: whether the durations are meant literally, also those of 10 ms or less.
        damage: why no later frame can be used, or None for a whole file.
        note: anything else that is odd about the file.
        colour_note: None; only videos are HDR.
    """

    has_exact_times = False
    colour_note: str | None = None

    def __init__(self, data: bytes, name: str) -> None:
        """Read the blocks, without pixels.

        Args:
            data: the whole file, beginning with ``GIF87a`` or ``GIF89a``.
            name: the name of the file in error messages.

        Raises:
            GifError: the file has no image, or its canvas is empty or too large.
        """
        self._data = data
        self._name = name
        self._blocks = parse_blocks(data, name)
        self._partial_first: tuple[PaletteIndices, Mask] | None = None
        self._budget: Budget | None = Budget()
        self._num_affordable: int | None = None
        self.width = self._blocks.width
        self.height = self._blocks.height
        self.damage = self._blocks.damage
        ends = self._blocks.has_trailer or self.damage is not None
        self.note = None if ends else "no trailer: more frames may have followed"

    @property
    def durations_ms(self) -> tuple[int, ...]:
        """The duration of each usable frame, as written in the file."""
        return tuple(10 * image.delay for image in self._blocks.images)

    def frames(self, wanted: Sequence[int]) -> Iterator[Frames]:
        """Draw frames.

        Args:
            wanted: ascending frame indices, each once.

        Yields:
            For each, uint8 (height, width, 3): RGB over white.

        Raises:
            BrokenFrameError: A frame that is needed is damaged. Damage in frames that no wanted
                frame depends on is not found.
        """
        for _, canvas in self._canvases(wanted):
            yield _rgb(canvas)

    def count_equal_frames(self) -> int:
        """The number of frames, from the first one, that are equal to it.

        Only changed rectangles are compared, so an image of one pixel is cheap on any canvas.

        Raises:
            BrokenFrameError: as `frames`; the frames before are equal.
        """
        images = self._blocks.images
        first: _Pixels | None = None
        for index, canvas in self._canvases(range(len(images))):
            if first is None:
                first = canvas.copy()
                continue
            before = images[index - 1]
            changed = [images[index]] if before.disposal == "keep" else [before, images[index]]
            for image in changed:
                if not np.array_equal(canvas[_region(image)], first[_region(image)]):
                    return index
        return len(images)

    def _canvases(self, wanted: Sequence[int]) -> Iterator[tuple[int, _Pixels]]:
        """The canvas after each wanted frame: a single array, which is drawn on afterwards."""
        blocks = self._blocks
        canvas = np.full((blocks.height, blocks.width), _WHITE, np.uint32)
        palette, colours = b"", np.zeros(256, np.uint32)
        is_wanted = set(wanted)
        for index, is_drawn in enumerate(plan_drawing(blocks, wanted)):
            image = blocks.images[index]
            region = canvas[_region(image)]
            saved = region.copy() if is_drawn and image.disposal == "restore" else None
            if is_drawn:
                self._spend(index, image)
                if image.palette != palette:
                    palette, colours = image.palette, palette_colours(image.palette)
                self._draw(index, region, colours)
            if index in is_wanted:
                yield index, canvas
            if image.disposal == "clear":
                region[...] = _WHITE
            elif saved is not None:
                region[...] = saved

    def _spend(self, index: int, image: ImageBlock) -> None:
        """Spend the cost of drawing an image.

        Raises:
            BrokenFrameError: the budget is spent; the frames before are usable.
        """
        if self._budget is None or index == 0:
            return
        try:
            num_pixels = image.width * image.height
            self._budget.spend(num_pixels if num_pixels <= MAX_CANVAS_PIXELS else 0)  # not decoded
        except BudgetSpentError as error:
            self._num_affordable = index
            raise BrokenFrameError(f"frame {index}: too much to draw") from error

    def cut(self) -> None:
        """Keep the frames before the first damaged one; of a damaged first frame, its good part.

        Raises:
            GifError: there is no pixel.
        """
        if self._num_affordable is None:
            self._find_damage()
        if self._num_affordable is not None:
            damage = f"drawing more than {self._num_affordable} of its frames takes too long"
            self._cut_at(self._num_affordable, damage)
        self._budget = None  # the cost of the rest was spent already

    def _find_damage(self) -> None:
        """Cut before the first damaged image, or record how many images the budget allows."""
        self._budget = Budget()
        for index, image in enumerate(self._blocks.images):
            try:
                self._spend(index, image)
                decode_indices(self._data, image)
            except BrokenFrameError:
                return
            except BeyondPaletteError as error:
                self._cut_at(index, f"image {index + 1} has a {error}, beyond any palette")
                return
            except ValueError:
                self._cut_at(index, f"image {index + 1} is damaged")
                return

    def _cut_at(self, index: int, damage: str) -> None:
        if index == 0:
            image = self._blocks.images[0]
            indices, is_there = decode_partial_indices(self._data, image)
            if not is_there.any():
                raise GifError(f"{self._name}: a GIF whose first image has no pixels")
            self._partial_first = indices, is_there
        if self._blocks.images[index].is_complete:
            self.damage = damage
        self._blocks = self._blocks.first(max(index, 1))

    def _draw(self, index: int, region: _Pixels, colours: _Pixels) -> None:
        """Draw an image on its region of the canvas, which may be smaller than the image."""
        image = self._blocks.images[index]
        is_there: Mask | None = None
        if index == 0 and self._partial_first is not None:
            indices, is_there = self._partial_first
        else:
            try:
                indices = decode_indices(self._data, image)
            except ValueError as error:
                raise BrokenFrameError(f"frame {index}: {error}") from error
        for rows in _bands(*region.shape):
            width = region.shape[1]
            is_shown = None if is_there is None else is_there[rows, :width]
            _paint(region[rows], indices[rows, :width], colours, image.transparent_index, is_shown)


def _bands(height: int, width: int) -> Iterator[slice]:
    """Rows of a picture in pieces of some `_BAND_PIXELS`."""
    num_rows = max(1, _BAND_PIXELS // max(1, width))
    for top in range(0, height, num_rows):
        yield slice(top, min(height, top + num_rows))


def _paint(
    pixels: _Pixels,
    indices: PaletteIndices,
    colours: _Pixels,
    transparent_index: int | None,
    is_shown: Mask | None,
) -> None:
    """Paint part of an image onto part of the canvas, both (rows, width).

    Args:
        pixels: the part of the canvas.
        indices: palette indices.
        colours: of the palette.
        transparent_index: keeps the canvas.
        is_shown: the pixels to paint; None for all.
    """
    if transparent_index is not None:
        is_opaque = np.not_equal(indices, transparent_index)
        is_shown = is_opaque if is_shown is None else is_shown & is_opaque
    if is_shown is None:
        np.take(colours, indices, out=pixels, mode="clip")
    else:
        np.copyto(pixels, np.take(colours, indices, mode="clip"), where=is_shown)


def _region(image: ImageBlock) -> tuple[slice, slice]:
    """The rows and columns of an image on its canvas."""
    rows = slice(image.top, image.top + image.height)
    return rows, slice(image.left, image.left + image.width)


def palette_colours(palette: bytes) -> _Pixels:
    """A palette as canvas pixels, padded with black: uint32 (256,)."""
    colours = np.zeros((256, 4), np.uint8)
    stated = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    colours[: len(stated), :3] = stated
    return colours.view(np.uint32).reshape(256)


def plan_drawing(blocks: GifBlocks, wanted: Sequence[int]) -> list[bool]:
    """The images that must be drawn to get the wanted frames.

    The plan goes backward. A wanted frame needs the canvas before it, unless it paints every pixel
    itself. The canvas before a frame needs the previous image only if its rectangle is kept: a
    cleared or restored rectangle leaves nothing.

    Args:
        blocks: the file.
        wanted: ascending frame indices.

    Returns:
        A boolean per image, up to the last wanted frame.
    """
    is_wanted = set(wanted)
    plan = [False] * (max(wanted) + 1 if wanted else 0)
    is_needed = False  # whether a later frame needs the canvas after this frame
    for index in reversed(range(len(plan))):
        image = blocks.images[index]
        fills = image.fills(blocks.width, blocks.height)
        is_opaque = fills and image.transparent_index is None
        plan[index] = index in is_wanted or (is_needed and image.disposal == "keep")
        shows_through = plan[index] and not is_opaque
        outlives = is_needed and (
            image.disposal == "restore" or (image.disposal == "clear" and not fills)
        )
        is_needed = shows_through or outlives
    return plan


def _rgb(canvas: _Pixels) -> Frames:
    """A copy of the canvas: uint8 (height, width, 3)."""
    height, width = canvas.shape
    frame = np.empty((height, width, 3), np.uint8)
    channels = canvas.view(np.uint8).reshape(height, width, 4)
    for channel in range(3):  # seven times as fast as one assignment of [..., :3]
        frame[..., channel] = channels[..., channel]
    return frame
