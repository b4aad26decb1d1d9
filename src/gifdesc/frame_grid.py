"""Frames made fit for a model that looks at pictures: each to size, or several as one grid."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

Frames = npt.NDArray[np.uint8]

LONGEST_SIDE = 512
"""Pixels of a frame's longer side that a vision-language model is shown at most: SmolVLM2's own
choice for videos (its preprocessor_config.json); others make less of it."""

SHORTEST_SIDE = 56
"""Pixels of its shorter side at least: two of Qwen2-VL's 28-pixel patches each way."""

_MAX_RATIO = 4
"""Of the longer side to the shorter: a thinner frame is widened with white (Qwen2-VL refuses
pictures of 200 to 1, others squeeze them to a square)."""

_TILE_SIDE = 336
"""Pixels of a grid tile's longer side: CLIP ViT-L/14@336, which most image models look through."""

_GAP = 4
"""White pixels between the tiles of a grid."""


def fit_frame(frame: Frames) -> Frames:
    """A frame with its sides within `SHORTEST_SIDE` and `LONGEST_SIDE`, never distorted.

    Args:
        frame: uint8 (height, width, 3), RGB.

    Returns:
        uint8 (h, w, 3). What is too large is made smaller, what is too small larger, and what is
        too thin gets white on both sides.
    """
    height, width = frame.shape[:2]
    longer, shorter = max(height, width), min(height, width)
    scale = min(1.0, LONGEST_SIDE / longer)
    if shorter * scale < SHORTEST_SIDE:
        scale = min(SHORTEST_SIDE / shorter, LONGEST_SIDE / longer)
    if scale != 1.0:
        frame = _resized(frame, max(1, round(height * scale)), max(1, round(width * scale)))
    height, width = frame.shape[:2]
    least = max(SHORTEST_SIDE, math.ceil(max(height, width) / _MAX_RATIO))
    return _centred(frame, max(height, least), max(width, least))


def frame_grid(frames: Frames) -> Frames:
    """Frames as one picture: row by row, white between them, as square as it gets.

    Args:
        frames: uint8 (T, height, width, 3), RGB.

    Returns:
        uint8 (h, w, 3). A single frame is returned as it is.
    """
    num_frames, height, width = frames.shape[:3]
    if num_frames == 1:
        single: Frames = frames[0]
        return single
    scale = min(1.0, _TILE_SIDE / max(height, width))
    height, width = max(1, round(height * scale)), max(1, round(width * scale))
    num_rows, num_columns = grid_shape(num_frames, height, width)
    canvas_height = num_rows * height + (num_rows - 1) * _GAP
    canvas_width = num_columns * width + (num_columns - 1) * _GAP
    canvas = np.full((canvas_height, canvas_width, 3), 255, np.uint8)
    for index, frame in enumerate(frames):
        row, column = divmod(index, num_columns)
        top, left = row * (height + _GAP), column * (width + _GAP)
        canvas[top : top + height, left : left + width] = _resized(frame, height, width)
    return canvas


def grid_shape(num_frames: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns that make the squarest grid without an empty row or column."""
    shapes = [(math.ceil(num_frames / columns), columns) for columns in range(1, num_frames + 1)]
    full = [(rows, columns) for rows, columns in shapes if math.ceil(num_frames / rows) == columns]

    def distortion(shape: tuple[int, int]) -> tuple[float, int]:
        rows, columns = shape
        num_empty = rows * columns - num_frames
        return abs(math.log(columns * width / (rows * height))), num_empty

    return min(full, key=distortion)


def _resized(frame: Frames, height: int, width: int) -> Frames:
    if frame.shape[:2] == (height, width):
        return frame
    picture = Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC)
    pixels: Frames = np.asarray(picture, np.uint8)
    return pixels


def _centred(frame: Frames, height: int, width: int) -> Frames:
    if frame.shape[:2] == (height, width):
        return frame
    canvas = np.full((height, width, 3), 255, np.uint8)
    top, left = (height - frame.shape[0]) // 2, (width - frame.shape[1]) // 2
    canvas[top : top + frame.shape[0], left : left + frame.shape[1]] = frame
    return canvas
