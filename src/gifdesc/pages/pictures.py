"""Contact sheets: the frames of GIFs, each row with its caption and references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from gifdesc.pages.style import LIGHT
from gifdesc.sampling import uniform_indices
from gifdesc.system.files import check_replaceable, writing
from gifdesc.system.replacement import replacing
from gifdesc.version import __version__

Frames = np.ndarray[Any, np.dtype[np.uint8]]

_MARGIN, _GAP = 14, 4  # pixels
_FONT_SIZE, _LINE_HEIGHT = 16, 22  # pixels
_BOX = "#eef1f4"  # behind a frame that does not fill its place
_NARROWEST_TEXT = 300  # pixels: beneath a single small frame, a caption still has room


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One GIF of a contact sheet.

    Attributes:
        frames: uint8 (T, height, width, 3), T at least 1.
        caption: the model's.
        references: captions by people.
        is_right: whether the caption counts as right; None leaves the mark out.
    """

    frames: Frames
    caption: str
    references: Sequence[str] = ()
    is_right: bool | None = None


@dataclass(frozen=True)
class Fit:
    """The place of a frame in its box, in pixels.

    Attributes:
        box: width and height of the place for a frame.
        size: width and height of the frame in it.
        corner: left and top of the frame in it.
    """

    box: tuple[int, int]
    size: tuple[int, int]
    corner: tuple[int, int]

    def place(self, picture: Image.Image) -> Image.Image:
        """The picture in its place: RGB of the size `box`."""
        shown = picture.resize(self.size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        if self.size == self.box:
            return shown
        placed = Image.new("RGB", self.box, _BOX)
        placed.paste(shown, self.corner)
        return placed


def fit_to_height(width: int, height: int, frame_height: int) -> Fit:
    """The place for frames of a size: of their own form, unless very wide or very high.

    Args:
        width: of the frames, in pixels.
        height: of the frames, in pixels.
        frame_height: of the place. A frame that is more than twice as wide as high, or more
            than twice as high as wide, is fitted into a box of that form.
    """
    box = (max(1, round(frame_height * min(max(width / height, 0.5), 2.0))), frame_height)
    scale = min(box[0] / width, box[1] / height)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return Fit(box, size, ((box[0] - size[0]) // 2, (box[1] - size[1]) // 2))


def contact_sheet(
    rows: Sequence[SheetRow], *, heading: str = "", max_frames: int = 8, frame_height: int = 80
) -> Image.Image:
    """GIFs one below the other, each with its caption and its references.

    Right and wrong differ by a word and a sign as well as by colour.

    Args:
        rows: at least one GIF.
        heading: what the picture says of all of them, above the first.
        max_frames: how many frames of a GIF are shown at most, spread over all.
        frame_height: height of a shown frame, in pixels. A frame that is more than twice as wide
            as high, or more than twice as high as wide, is fitted into a box of that form.

    Returns:
        An RGB image on a white ground.

    Raises:
        ValueError: there is no row, the frames of a row have another shape or dtype, or a size is
            below 1.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row")
    strips = [_frame_row(row.frames, max_frames, frame_height) for row in rows]
    width = max(_NARROWEST_TEXT, *(strip.width for strip in strips))
    cells = [_text_cell(heading, width)] if heading else []
    cells += [_sheet_cell(row, strip, width) for row, strip in zip(rows, strips, strict=True)]
    height = sum(cell.height for cell in cells) + (2 * len(cells)) * _MARGIN
    image = Image.new("RGB", (width + 2 * _MARGIN, height), LIGHT.paper)
    pen = ImageDraw.Draw(image)
    top = 0
    for cell in cells:
        if top:
            pen.line((_MARGIN, top, _MARGIN + width - 1, top), fill=LIGHT.rule)
        image.paste(cell, (_MARGIN, top + _MARGIN))
        top += cell.height + 2 * _MARGIN
    return image


def is_own_picture(start: bytes) -> bool:
    """Whether a file that begins so is a PNG of gifdesc."""
    return b"tEXtSoftware\0gifdesc" in start


def check_picture_path(path: Path) -> None:
    """Check, before long work, that a picture can be written there; its folder is made.

    Args:
        path: of the picture; a PNG of gifdesc is replaced, another file is not.

    Raises:
        GifdescError: it cannot be written, or another file is there.
    """
    with writing(path):
        check_replaceable(path, is_own_picture)


def save_picture(image: Image.Image, path: Path) -> None:
    """Write an image in the format that the path's ending names, such as `.png`.

    Raises:
        GifdescError: the file cannot be written.
        ValueError: the ending names no format that Pillow can write.
    """
    # By name, for the temporary file has no ending.
    name = Image.registered_extensions().get(path.suffix.lower())
    if name is None:
        raise ValueError(f"{path}: no picture format has this ending")
    made_by = PngInfo()
    made_by.add_text("Software", f"gifdesc {__version__}")
    with writing(path), replacing(path) as aside:
        image.save(aside, format=name, pnginfo=made_by)


def _frame_row(frames: Frames, max_frames: int, frame_height: int) -> Image.Image:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        found = f"{frames.dtype} {frames.shape}"
        raise ValueError(f"frames must be uint8 (T, height, width, 3), got {found}")
    if frame_height < 1:
        raise ValueError(f"frame_height must be at least 1, got {frame_height}")
    fit = fit_to_height(frames.shape[2], frames.shape[1], frame_height)
    shown = uniform_indices(len(frames), max_frames)
    strip = Image.new("RGB", (len(shown) * (fit.box[0] + _GAP) - _GAP, fit.box[1]), LIGHT.paper)
    for place, index in enumerate(shown):
        strip.paste(fit.place(Image.fromarray(frames[index])), (place * (fit.box[0] + _GAP), 0))
    return strip


def _text_cell(text: str, width: int) -> Image.Image:
    lines = wrapped(text, width)
    cell = Image.new("RGB", (width, len(lines) * _LINE_HEIGHT), LIGHT.paper)
    write_lines(ImageDraw.Draw(cell), lines, 0, 0, LIGHT.ink)
    return cell


def _sheet_cell(row: SheetRow, strip: Image.Image, width: int) -> Image.Image:
    verdicts = {
        True: ("\u2713 right", LIGHT.right),
        False: ("\u2717 wrong", LIGHT.wrong),
        None: ("", LIGHT.ink),
    }
    verdict, colour = verdicts[row.is_right]
    indent = round(max(font().getlength(label) for label in ("caption:", "reference:"))) + 10
    aside = round(font().getlength(verdict)) + 10 if verdict else 0
    texts = {"caption:": wrapped(row.caption, width - indent - aside) or ["(nothing)"]}
    if row.references:
        texts["reference:"] = wrapped(" / ".join(row.references), width - indent - aside)
    num_lines = sum(map(len, texts.values()))
    cell = Image.new("RGB", (width, strip.height + 8 + num_lines * _LINE_HEIGHT), LIGHT.paper)
    cell.paste(strip, (0, 0))
    pen = ImageDraw.Draw(cell)
    top = strip.height + 8
    pen.text((width - aside + 10, top), verdict, fill=colour, font=font())
    for label, lines in texts.items():
        write_lines(pen, [label], 0, top, LIGHT.pale_ink)
        top = write_lines(pen, lines, indent, top, LIGHT.ink)
    return cell


def write_lines(
    pen: ImageDraw.ImageDraw, lines: Sequence[str], left: int, top: int, colour: str
) -> int:
    """Draw lines of text; the height, in pixels, of the next line."""
    for line in lines:
        pen.text((left, top), line, fill=colour, font=font())
        top += _LINE_HEIGHT
    return top


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` pixels in `font()`; a word too long for a line is cut."""
    lines: list[str] = []
    # A file name's undecodable bytes may reach a caption; no font can draw them.
    for word in text.encode("utf-8", "replace").decode("utf-8").split():
        if lines and font().getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for character in word:
            if lines[-1] and font().getlength(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines


@cache
def font(size: int = _FONT_SIZE) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: it has more scripts than Pillow's own font.

    Args:
        size: in pixels.
    """
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(path, size)
