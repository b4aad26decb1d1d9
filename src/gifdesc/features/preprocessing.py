"""Turn decoded frames into the square pictures that a backbone reads."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from gifdesc.config import Framing

Interpolation = Literal["bilinear", "bicubic"]

_MAX_RATIO = 16
"""The largest ratio of a frame's longer side to its shorter before a crop: pixels farther out are
cut off before resizing, because only the central square is kept."""


@dataclass(frozen=True, kw_only=True)
class FrameTransform:
    """How frames become squares of `image_size` pixels.

    - `whole`: the whole frame is resized to the square; its aspect ratio changes.
    - `pad`: the whole frame is resized so that its longer side is `image_size`, and centred on
      `fill_colour` (letterbox).
    - `crop`: the frame is resized so that its shorter side is `resize_size`, then the central
      square is cut out: the preprocessing that weights are usually trained with (torchvision's
      `ImageClassification` preset).

    Resizing is antialiased.
    """

    framing: Framing = "crop"
    resize_size: int
    image_size: int = 224
    interpolation: Interpolation = "bilinear"
    fill_colour: tuple[int, int, int] = (0, 0, 0)
    """R, G, B of the margins of `pad`: the backbone's mean, which normalisation turns into 0."""

    def __post_init__(self) -> None:
        if self.resize_size < self.image_size:
            raise ValueError("resize_size must be image_size or more")

    def framed(self, framing: Framing) -> FrameTransform:
        """The transform of the same weights with another framing."""
        resize_size = self.resize_size if framing == "crop" else self.image_size
        return replace(self, framing=framing, resize_size=resize_size)

    def __call__(self, frames: npt.NDArray[np.uint8]) -> Tensor:
        """Resize and frame a GIF's frames as one batch.

        Args:
            frames: uint8 (T, height, width, 3), RGB.

        Returns:
            uint8 (T, 3, image_size, image_size), channels last in memory.
        """
        batch = torch.from_numpy(frames).permute(0, 3, 1, 2)
        square = (self.image_size, self.image_size)
        if self.framing == "whole":
            framed = self._resize(batch, square)
        elif self.framing == "pad":
            framed = self._centred(self._resize(batch, self._inner_size(batch)), square)
        else:
            batch = _crop_centre(batch, *_strip_sizes(*batch.shape[2:]))
            framed = _crop_centre(self._resize(batch, self._outer_size(batch)), *square)
        return framed.contiguous(memory_format=torch.channels_last)

    def _inner_size(self, batch: Tensor) -> tuple[int, int]:
        """Height and width in which a frame fits the square, with its aspect ratio."""
        longer_side = max(batch.shape[2:])
        height, width = (max(1, round(self.image_size * n / longer_side)) for n in batch.shape[2:])
        return height, width

    def _outer_size(self, batch: Tensor) -> tuple[int, int]:
        """Height and width whose shorter side is `resize_size`, as torchvision's `resize`."""
        height, width = batch.shape[2:]
        longer_side = int(self.resize_size * max(height, width) / min(height, width))
        if height <= width:
            return self.resize_size, longer_side
        return longer_side, self.resize_size

    def _resize(self, batch: Tensor, size: tuple[int, int]) -> Tensor:
        """Antialiased, uint8 (T, 3, height, width), as torchvision's v2 `resize` does it.

        Called directly: worker processes that preprocess need not import torchvision.
        """
        if size == tuple(batch.shape[2:]):
            return batch
        # Without vector instructions for bytes, PyTorch is faster on floats.
        on_bytes = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") or (
            platform.machine() in ("aarch64", "arm64")
        )
        source = batch if on_bytes else batch.float()
        resized = interpolate(
            source, size, mode=self.interpolation, align_corners=False, antialias=True
        )
        return resized if on_bytes else resized.round_().clamp_(0, 255).to(torch.uint8)

    def _centred(self, batch: Tensor, size: tuple[int, int]) -> Tensor:
        """The pictures in the middle of larger ones of the fill colour, (T, 3, *size)."""
        top, left = (
            (outer - inner) // 2 for outer, inner in zip(size, batch.shape[2:], strict=True)
        )
        colour = torch.tensor(self.fill_colour, dtype=torch.uint8).view(3, 1, 1)
        canvas = colour.expand(len(batch), 3, *size).clone()
        canvas[:, :, top : top + batch.shape[2], left : left + batch.shape[3]] = batch
        return canvas


def _crop_centre(batch: Tensor, height: int, width: int) -> Tensor:
    """The central part (T, 3, height, width), cut as by torchvision's `center_crop`."""
    top, left = (round((batch.shape[2] - height) / 2), round((batch.shape[3] - width) / 2))
    return batch[:, :, top : top + height, left : left + width]


def _strip_sizes(height: int, width: int) -> list[int]:
    """The size of the central part of a long, thin frame: a frame of 1 x 5000 would fill GBs."""
    longest = _MAX_RATIO * min(height, width)
    # An even number of pixels is removed, so that the centre is unchanged.
    return [size - max(0, (size - longest) // 2 * 2) for size in (height, width)]
