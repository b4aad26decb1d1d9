"""Parse the blocks of a GIF file: the place of each image and how it is shown.

No pixels are read. The rules are those of browsers (Chromium's decoder), which are laxer than the
specification in some places and stricter in others:

- The canvas is the logical screen, enlarged to hold the first image; it never grows later.
- An image without a graphic control block is a frame like any other.
- Colours that a palette lacks, and palettes that a file lacks, are black.
- Disposal 4 means restore, as 3 does; 5 to 7 mean keep.
- A block that cannot be read ends the file: the blocks before it are used.

Section numbers are those of the GIF89a specification (CompuServe, 1990).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from struct import Struct
from typing import Literal

from gifdesc.errors import GifError
from gifdesc.gif.limits import MAX_FRAMES, check_canvas

_LOGICAL_SCREEN = Struct("<HHBBB")  # section 18: width, height, flags, background, aspect
_IMAGE_DESCRIPTOR = Struct("<HHHHB")  # section 20: left, top, width, height, flags
_GRAPHIC_CONTROL = Struct("<BBHBB")  # section 23: size 4, flags, delay, transparent index, 0
_HEADER_BYTES = 6
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL_LABEL = 0xF9

Disposal = Literal["keep", "clear", "restore"]
"""The treatment of a frame's rectangle before the next frame is drawn (section 23)."""

_DISPOSALS: dict[int, Disposal] = {2: "clear", 3: "restore", 4: "restore"}

MAX_MIN_CODE_SIZE = 11
"""Codes have at most 12 bits (appendix F), and the clear code has a bit more than a pixel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageBlock:
    """An image of a GIF: its place on the canvas, and the place of its bytes.

    Attributes:
        left, top, width, height: the rectangle in pixels; it may extend beyond the canvas.
        interlaced: whether the rows are stored in four passes (appendix E).
        palette: RGB triples, at most 768 bytes; colours beyond its end are black.
        transparent_index: the palette index that keeps the canvas, or None.
        disposal: the treatment of the rectangle afterwards.
        delay: the delay in hundredths of a second, as written in the file.
        min_code_size: the LZW minimum code size in bits (section 22).
        data_start, data_end: the place of its data sub-blocks, without the terminator.
        is_complete: whether the terminator exists; only the first image is kept without it.
    """

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    palette: bytes
    transparent_index: int | None
    disposal: Disposal
    delay: int
    min_code_size: int
    data_start: int
    data_end: int
    is_complete: bool

    def fills(self, canvas_width: int, canvas_height: int) -> bool:
        """Whether the rectangle covers the whole canvas."""
        is_large = self.width >= canvas_width and self.height >= canvas_height
        return is_large and self.left == self.top == 0


@dataclass(frozen=True, kw_only=True, slots=True)
class GifBlocks:
    """The content of a GIF file, without its pixels.

    Attributes:
        width, height: the canvas in pixels.
        images: the images that can be used, in file order; at least one.
        damage: why nothing after them is used, or None for a whole file.
        has_trailer: whether the file has a trailer (section 27).
    """

    width: int
    height: int
    images: tuple[ImageBlock, ...]
    damage: str | None
    has_trailer: bool

    def first(self, num_images: int) -> GifBlocks:
        """The same blocks with only the first images."""
        return replace(self, images=self.images[:num_images])


class _DamageError(Exception):
    """The file cannot be read any further."""


@dataclass(kw_only=True, slots=True)
class _Parser:
    """A position in the file, and the graphic control for the next image."""

    data: bytes
    position: int = 0
    global_palette: bytes = b""
    transparent_index: int | None = None
    disposal: Disposal = "keep"
    delay: int = 0
    images: list[ImageBlock] = field(default_factory=list)

    def read_bytes(self, num_bytes: int, what: str) -> bytes:
        """The next bytes."""
        start, self.position = self.position, self.position + num_bytes
        if self.position > len(self.data):
            raise _DamageError(f"it ends inside {what}")
        return self.data[start : self.position]

    def skip_sub_blocks(self) -> bool:
        """Move past the terminator of a chain of data sub-blocks (sections 15 and 16).

        Returns:
            Whether there is a terminator; if not, the position is the end of the file.
        """
        data, position = self.data, self.position
        try:
            while size := data[position]:
                position += size + 1
        except IndexError:
            self.position = len(data)
            return False
        self.position = position + 1
        return True

    def read_screen(self) -> tuple[int, int]:
        """Return the width and height of the logical screen; keep the global palette."""
        self.position = _HEADER_BYTES
        screen = self.read_bytes(_LOGICAL_SCREEN.size, "its header")
        width, height, flags, _, _ = _LOGICAL_SCREEN.unpack(screen)
        if flags & 0x80:
            self.global_palette = self.read_bytes(3 << ((flags & 7) + 1), "its palette")
        return width, height

    def read_extension(self) -> None:
        """Skip an extension; keep the values of a graphic control block."""
        label = self.read_bytes(1, "an extension")[0]
        if label == _GRAPHIC_CONTROL_LABEL:
            block = self.data[self.position : self.position + _GRAPHIC_CONTROL.size]
            if len(block) == _GRAPHIC_CONTROL.size:
                size, flags, delay, index, terminator = _GRAPHIC_CONTROL.unpack(block)
                is_sound = size == 4 and terminator == 0
                if self.images and not is_sound:  # before the first image, only Chromium gives up
                    raise _DamageError("it has a damaged graphic control block")
                self.transparent_index = index if flags & 1 else None
                self.disposal = _DISPOSALS.get(flags >> 2 & 7, "keep")
                self.delay = delay
        if not self.skip_sub_blocks():
            raise _DamageError("it ends inside an extension")

    def read_image(self) -> None:
        """Add an image with the graphic control before it."""
        if len(self.images) == MAX_FRAMES:
            raise _DamageError(f"it has more than {MAX_FRAMES} images")
        where = f"image {len(self.images) + 1}"
        descriptor = self.read_bytes(_IMAGE_DESCRIPTOR.size, where)
        left, top, width, height, flags = _IMAGE_DESCRIPTOR.unpack(descriptor)
        palette = self.global_palette
        if flags & 0x80:
            palette = self.read_bytes(3 << ((flags & 7) + 1), where)
        min_code_size = self.read_bytes(1, where)[0]
        if min_code_size > MAX_MIN_CODE_SIZE:
            raise _DamageError(f"{where} has an impossible code size")
        data_start = self.position
        is_complete = self.skip_sub_blocks()
        if self.images and not is_complete:
            raise _DamageError(f"it ends inside {where}")
        self.images.append(
            ImageBlock(
                left=left,
                top=top,
                width=width,
                height=height,
                interlaced=bool(flags & 0x40),
                palette=palette,
                transparent_index=self.transparent_index,
                disposal=self.disposal,
                delay=self.delay,
                min_code_size=min_code_size,
                data_start=data_start,
                data_end=self.position - 1 if is_complete else self.position,
                is_complete=is_complete,
            )
        )
        self.transparent_index, self.disposal, self.delay = None, "keep", 0
        if not is_complete:
            raise _DamageError(f"it ends inside {where}")

    def read_blocks(self) -> bool:
        """Read extensions and images up to the trailer or the end of the file.

        Returns:
            Whether there was a trailer.
        """
        while self.position < len(self.data):
            kind = self.read_bytes(1, "a block")[0]
            if kind == _EXTENSION:
                self.read_extension()
            elif kind == _IMAGE:
                self.read_image()
            elif kind == _TRAILER:
                return True
            else:
                raise _DamageError(f"the data after image {len(self.images)} is no GIF block")
        return False


def parse_blocks(data: bytes, name: str) -> GifBlocks:
    """Read the blocks of a GIF file.

    Args:
        data: the whole file, beginning with ``GIF87a`` or ``GIF89a``.
        name: the name of the file in error messages.

    Raises:
        GifError: the file has no image, or its canvas is empty or larger than
            `gif.limits.MAX_CANVAS_PIXELS`.
    """
    parser = _Parser(data=data)
    damage: str | None = None
    has_trailer = False
    width = height = 0
    try:
        width, height = parser.read_screen()
        has_trailer = parser.read_blocks()
    except _DamageError as error:
        damage = str(error)
    if not parser.images:
        raise GifError(f"{name}: a GIF without a usable image ({damage or 'it has none'})")
    first = parser.images[0]
    width = max(width, first.left + first.width)
    height = max(height, first.top + first.height)
    if width == 0 or height == 0:
        raise GifError(f"{name}: a GIF without pixels ({width} x {height})")
    check_canvas(width, height, name)
    return GifBlocks(
        width=width,
        height=height,
        images=tuple(parser.images),
        damage=damage,
        has_trailer=has_trailer,
    )
