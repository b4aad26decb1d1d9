"""The network as something that runs: PyTorch on any device, or OpenVINO on a CPU."""

from __future__ import annotations

import copy
import importlib.util
import warnings
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gifdesc.config import Precision
from gifdesc.errors import UsageError
from gifdesc.preprocessing import IMAGENET_MEAN, IMAGENET_STD

RuntimeName = Literal["auto", "torch", "openvino"]

Pixels = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]

OPENVINO_MIN_GIFS = 64
"""GIFs from which on OpenVINO is taken to repay its start of some seconds: a rule of thumb."""


class FrameEncoder(Protocol):
    """Frames to feature vectors.

    Attributes:
        batch_frames: frames that it computes at once most efficiently.
    """

    batch_frames: int

    def submit(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Start computing uint8 (N, 3, h, w); the call that is returned waits for (N, 2048)."""
        ...


class TorchEncoder:
    """ResNet50 by PyTorch.

    Batch-norm is folded, the layout channels-last. On CUDA the caller's work overlaps with the
    network's, and the arithmetic is autocast's where the precision says so.

    Args:
        network: normalised float frames (N, 3, h, w) -> (N, 2048), in evaluation mode.
        device: where to compute.
        precision: `float32`, or what autocast uses.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, precision: Precision = "float32"
    ) -> None:
        self.batch_frames = 256 if device.type == "cuda" else 32
        self._device = device
        self._dtype: torch.dtype = getattr(torch, precision)
        self._network = fold_batch_norm(with_normalisation(network)).to(device)
        self._network.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def submit(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Start computing; on CUDA this returns before the result is there."""
        frames = torch.from_numpy(pixels)
        if self._device.type != "cuda":
            vectors = self._forward(frames.to(self._device)).cpu().numpy()
            return lambda: vectors
        device_frames = frames.pin_memory().to(self._device, non_blocking=True)
        device_vectors = self._forward(device_frames)
        host_vectors = torch.empty(device_vectors.shape, pin_memory=True)
        host_vectors.copy_(device_vectors, non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record()

        def wait() -> Vectors:
            done.synchronize()
            return host_vectors.numpy()

        return wait

    def _forward(self, frames: Tensor) -> Tensor:
        frames = frames.contiguous(memory_format=torch.channels_last)
        is_reduced = self._dtype != torch.float32
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=is_reduced):
            vectors: Tensor = self._network(frames)
        return vectors.float()


class OpenVinoEncoder:
    """ResNet50 by OpenVINO in float32 on the CPU; equal to PyTorch to 1e-4 of the features' scale.

    Raises:
        UsageError: the package is not installed.
    """

    def __init__(self, network: nn.Module) -> None:
        self.batch_frames = 32
        if not has_openvino():
            raise UsageError("--runtime openvino: not installed; pip install 'gifdesc[openvino]'")
        import openvino

        folded = fold_batch_norm(with_normalisation(network))
        example = torch.zeros(2, 3, 224, 224, dtype=torch.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's remarks on its own workings
            converted = openvino.convert_model(folded, example_input=example)
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = openvino.Core().compile_model(converted, "CPU", settings)

    def submit(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Start computing; this returns before the result is there."""
        request = self._compiled.create_infer_request()
        request.start_async([pixels])

        def wait() -> Vectors:
            request.wait()
            return np.array(request.get_output_tensor().data, dtype=np.float32)

        return wait


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
            or less than float32 on the CPU, which was not measured to be worth it.
    """
    if runtime == "openvino" and (device.type != "cpu" or precision != "float32"):
        raise UsageError("--runtime openvino: computes on the CPU in float32 only; use torch")
    if precision != "float32" and device.type == "cpu":
        raise UsageError(f"--precision {precision}: only for GPUs; on a CPU use float32")
    is_worth_it = device.type == "cpu" and precision == "float32" and num_gifs >= OPENVINO_MIN_GIFS
    if runtime == "openvino" or (runtime == "auto" and is_worth_it and has_openvino()):
        return OpenVinoEncoder(network)
    return TorchEncoder(network, device, precision)


class _Normalisation(nn.Module):
    """uint8 pixels as floats of ImageNet's mean 0 and deviation 1."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, h, w) -> the same shape."""
        return (pixels.float() - self.mean) / self.std


def with_normalisation(network: nn.Module) -> nn.Module:
    """A network that takes uint8 pixels."""
    return nn.Sequential(_Normalisation(), network).eval()


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode with batch-norm folded into its convolutions.

    In torchvision's ResNets a convolution named `convN` feeds `bnN`, and one in a `Sequential`
    feeds its neighbour. Source: Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1: at inference
    the normalisation is a linear transform.
    """
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        children = list(module.named_children())
        for name, convolution in children:
            if not isinstance(convolution, nn.Conv2d):
                continue
            if isinstance(module, nn.Sequential):
                norm_name = str(int(name) + 1)
            else:
                norm_name = name.replace("conv", "bn")
            norm = dict(children).get(norm_name)
            if isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, norm_name, nn.Identity())
    return network
