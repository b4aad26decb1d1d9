"""The network as something that runs: PyTorch on any device, or OpenVINO on a CPU."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import nn

from gifdesc.config import Precision
from gifdesc.errors import UsageError
from gifdesc.runtime_openvino import OpenVinoEncoder
from gifdesc.runtime_torch import Pixels, TorchEncoder, Vectors

RuntimeName = Literal["auto", "torch", "openvino"]

OPENVINO_MIN_GIFS = 8
"""GIFs from which on OpenVINO is taken: it starts later than PyTorch and then saves a part of the
time of each GIF."""


class FrameEncoder(Protocol):
    """Frames to feature vectors.

    Attributes:
        batch_frames: frames that it computes at once most efficiently.
    """

    batch_frames: int

    def submit(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Start computing uint8 (N, 3, h, w); the call that is returned waits for (N, 2048).

        Pixels whose channels lie next to each other in memory are not copied.
        """
        ...

    def cancel(self) -> None:
        """Drop what was submitted and has not begun; waiting for it gives a `CancelledError`."""
        ...


def has_openvino() -> bool:
    """The extra `gifdesc[openvino]` is installed."""
    return importlib.util.find_spec("openvino") is not None


def make_encoder(
    network: nn.Module,
    device: torch.device,
    *,
    runtime: RuntimeName = "torch",
    precision: Precision = "float32",
    num_gifs: int = 1,
) -> FrameEncoder:
    """The encoder that a user's options ask for.

    Args:
        network: ResNet50 without its head.
        device: where to compute.
        runtime: `auto` takes OpenVINO on the CPU where it is installed and repays its start.
        precision: of the arithmetic.
        num_gifs: GIFs that are to be done.

    Raises:
        UsageError: OpenVINO is asked for and not installed, or on another device than the CPU;
            or less than float32 on the CPU, whose features agree to 1e-4 of their scale.
    """
    if runtime == "openvino" and (device.type != "cpu" or precision != "float32"):
        raise UsageError("--runtime openvino: computes on the CPU in float32 only; use torch")
    if precision != "float32" and device.type == "cpu":
        raise UsageError(f"--precision {precision}: only for GPUs; on a CPU use float32")
    is_worth_it = device.type == "cpu" and precision == "float32" and num_gifs >= OPENVINO_MIN_GIFS
    if runtime == "openvino" or (runtime == "auto" and is_worth_it and has_openvino()):
        if not has_openvino():
            raise UsageError("--runtime openvino: not installed; pip install 'gifdesc[openvino]'")
        return OpenVinoEncoder(network)
    return TorchEncoder(network, device, precision)
