"""From decoded frames to what ResNet50 reads: resized, cropped, normalised."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's R, G, B in [0, 1], as torchvision's weights expect."""

_MAX_RATIO = 16
"""Of a frame's longer side to its shorter: what lies farther out is cut off before resizing. Only
the central square is kept in the end."""


@dataclass(frozen=True, kw_only=True)
class FrameTransform:
    """A weight set's own preprocessing, in pixels.

    The frame is resized so that its shorter side is `resize_size` (bilinear, antialiased), then
    the central `image_size` square is cut out: torchvision's `ImageClassification` preset, which
    is the reference that the tests compare with.
    """

    resize_size: int
    image_size: int = 224

    def __post_init__(self) -> None:
        if self.resize_size < self.image_size:
            raise ValueError("resize_size must be image_size or more")

    def __call__(self, frames: npt.NDArray[np.uint8]) -> Tensor:
        """Resize and cut a GIF's frames as one batch.

        Args:
            frames: uint8 (T, height, width, 3), RGB.

        Returns:
            uint8 (T, 3, image_size, image_size), the channels next to each other in memory.
        """
        batch = torch.from_numpy(frames).permute(0, 3, 1, 2)
        batch = _crop_centre(batch, *_strip_sizes(*batch.shape[2:]))
        resized = _resize(batch, self.resize_size)
        cropped = _crop_centre(resized, self.image_size, self.image_size)
        return cropped.contiguous(memory_format=torch.channels_last)


def _resize(batch: Tensor, shorter_side: int) -> Tensor:
    """Bilinear and antialiased, uint8 (T, 3, height, width), as torchvision's v2 `resize` does it.

    Called directly, because the import of torchvision takes as long as PyTorch's own.
    """
    height, width = batch.shape[2:]
    longer_side = int(shorter_side * max(height, width) / min(height, width))
    size = (shorter_side, longer_side) if height <= width else (longer_side, shorter_side)
    if size == (height, width):
        return batch
    # Without vector instructions for bytes, PyTorch is faster on floats.
    on_bytes = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") or (
        platform.machine() in ("aarch64", "arm64")
    )
    source = batch if on_bytes else batch.float()
    resized = interpolate(source, size, mode="bilinear", align_corners=False, antialias=True)
    return resized if on_bytes else resized.round_().to(torch.uint8)


def _crop_centre(batch: Tensor, height: int, width: int) -> Tensor:
    """The central part (T, 3, height, width), where torchvision's `center_crop` takes it."""
    top, left = (round((batch.shape[2] - height) / 2), round((batch.shape[3] - width) / 2))
    return batch[:, :, top : top + height, left : left + width]


def _strip_sizes(height: int, width: int) -> list[int]:
    """The part of a long, thin frame that is worth resizing: one by 5000 pixels would fill GBs."""
    longest = _MAX_RATIO * min(height, width)
    # An even number of pixels goes, so that the centre stays where it is.
    return [size - max(0, (size - longest) // 2 * 2) for size in (height, width)]
