"""Turn decoded video frames into pictures: RGB over white, the right way up."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av import VideoFrame
from av.sidedata.sidedata import SideData
from av.video.reformatter import ColorRange, ColorTrc, Interpolation, VideoReformatter

from gifdesc.gif.canvas import Frames

_CONVERSION = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
"""Chroma is interpolated, and RGB is right to 1.2 grey levels; ffmpeg's quick conversion, which is
the default, is off by up to 3."""

_MATRIX_BYTES = 36

_MAX_PIXEL_SHAPE = Fraction(4)
"""Twice the widest pixels of known formats (anamorphic 2:1)."""


_HDR: dict[int, str] = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
"""Transfer characteristics of HDR (ITU-R BT.2100)."""


@dataclass(frozen=True)
class Turn:
    """How frames are turned: first rows and columns are exchanged, then mirrored.

    Attributes:
        is_sideways: whether rows and columns are exchanged.
        mirrors_x, mirrors_y: whether the result is mirrored left to right, top to bottom.
    """

    is_sideways: bool = False
    mirrors_x: bool = False
    mirrors_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Turn:
        """The display matrix of a frame, rounded to quarter turns.

        The matrix (a, b, u, c, d, v, x, y, w) moves (p, q) to (a p + c q + x, b p + d q + y), in
        pixels from the top left (ISO/IEC 14496-12, section 6.2.2).
        """
        matrix = frame.side_data.get("DISPLAYMATRIX")
        if not isinstance(matrix, SideData) or matrix.buffer_size < _MATRIX_BYTES:
            return cls()
        a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32, 9).tolist()
        if abs(b) > abs(a):
            return cls(is_sideways=True, mirrors_x=c < 0, mirrors_y=b < 0)
        return cls(mirrors_x=a < 0, mirrors_y=d < 0)

    def __call__(self, picture: Frames) -> Frames:
        """The turned picture, (height, width, 3)."""
        if self.is_sideways:
            picture = picture.transpose(1, 0, 2)
        if self.mirrors_x:
            picture = picture[:, ::-1]
        if self.mirrors_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


class Pictures:
    """Converts the frames of a video, all to the size and rotation of its first frame.

    Attributes:
        width, height: of the pictures, whose pixels are square.
        colour_note: the remark that the colours are HDR; None for others.
    """

    def __init__(self, first: VideoFrame, pixel_shape: Fraction) -> None:
        """Prepare for a video.

        Args:
            first: its first frame.
            pixel_shape: width by height of a pixel; a shape that is no camera's is ignored.
        """
        self._turn = Turn.of(first)
        width, height = first.width, first.height
        if 1 < pixel_shape <= _MAX_PIXEL_SHAPE:
            width = round(width * pixel_shape)
        elif 1 / _MAX_PIXEL_SHAPE <= pixel_shape < 1:
            height = round(height / pixel_shape)
        self._size = (width, height)
        self._reformatter = VideoReformatter()
        transfer = _HDR.get(first.color_trc)
        self.colour_note = None if transfer is None else f"HDR ({transfer}), not mapped to SDR"
        self.width, self.height = (height, width) if self._turn.is_sideways else (width, height)

    def to_rgb(self, frame: VideoFrame) -> Frames:
        """RGB over white: uint8 (height, width, 3).

        The frame's own matrix (BT.601, BT.709, BT.2020) and range are used; as in ffmpeg, BT.601
        and limited range if the file names none. HDR is not mapped to SDR.

        Raises:
            FFmpegError: no conversion exists.
        """
        has_alpha = any(component.is_alpha for component in frame.format.components)
        width, height = self._size
        converted = self._reformatter.reformat(
            frame,
            width,
            height,
            format="rgba" if has_alpha else "rgb24",
            interpolation=_CONVERSION,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        pixels: Frames = converted.to_ndarray().astype(np.uint8, copy=False)
        return self._turn(_over_white(pixels) if has_alpha else pixels)


def _over_white(pixels: Frames) -> Frames:
    """RGBA composed with white: uint8 (height, width, 4) -> (height, width, 3)."""
    alpha = pixels[..., 3:].astype(np.uint16)
    colour = pixels[..., :3] * alpha + 255 * (255 - alpha)
    return ((colour + 127) // 255).astype(np.uint8)
