"""The network by PyTorch: on a CPU as several streams side by side, on a GPU overlapping."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from gifdesc.config import Precision
from gifdesc.device import cpu_streams, exact_float32
from gifdesc.preprocessing import IMAGENET_MEAN, IMAGENET_STD

Pixels = npt.NDArray[np.uint8]
Vectors = npt.NDArray[np.float32]

CPU_STREAM_FRAMES = 16
"""Frames of a batch on one CPU stream: measured to be as fast as any other from 8 to 32."""


class TorchEncoder:
    """ResNet50 by PyTorch.

    Batch-norm is folded, the layout channels-last. On CUDA the caller's work and the copies overlap
    with the network's, and the arithmetic is autocast's where the precision says so. On a CPU a
    batch is shared out among streams, each with threads of its own: threads that compute one
    layer together wait for each other after each, and longer where something else needs a core.

    Args:
        network: normalised float frames (N, 3, h, w) -> (N, 2048), in evaluation mode.
        device: where to compute.
        precision: `float32`, or what autocast uses.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, precision: Precision = "float32"
    ) -> None:
        self._device = device
        self._dtype: torch.dtype = getattr(torch, precision)
        self._network = fold_batch_norm(with_normalisation(network)).to(device)
        self._network.to(memory_format=torch.channels_last)
        self._num_streams, num_threads = cpu_streams() if device.type == "cpu" else (1, None)

        def start_stream() -> None:
            if num_threads is not None:
                torch.set_num_threads(num_threads)  # of this thread

        self._streams = ThreadPoolExecutor(
            self._num_streams, "gifdesc-stream", initializer=start_stream
        )
        self._begun: list[Future[Vectors]] = []
        if device.type == "cuda":
            # Two: the next batch must not queue behind results that are still computed.
            self._copying_in = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            self._copying_out = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.batch_frames = 256 if device.type == "cuda" else CPU_STREAM_FRAMES * self._num_streams

    def submit(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Start computing; this returns before the result is there."""
        if self._device.type == "cuda":
            return self._submit_cuda(pixels)
        shares = np.array_split(pixels, min(self._num_streams, len(pixels)))
        futures = [self._streams.submit(self._compute, share) for share in shares]
        self._begun = [one for one in self._begun if not one.done()] + futures
        return lambda: np.concatenate([future.result() for future in futures])

    def cancel(self) -> None:
        """Drop what was submitted and has not begun."""
        for future in self._begun:
            future.cancel()
        self._begun.clear()

    @torch.inference_mode()
    def _submit_cuda(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Copy in, compute, copy out: each on a stream of its own, beside other batches'.

        What one stream allocates and another uses is recorded there, so that its memory is not
        given away before (PyTorch's CUDA semantics, on memory and streams).
        """
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copying_in):
            frames = torch.from_numpy(pixels).pin_memory().to(self._device, non_blocking=True)
        computing.wait_stream(self._copying_in)
        frames.record_stream(computing)
        with exact_float32(self._device, if_true=self._dtype is torch.float32):
            device_vectors = self._forward(frames)
        host_vectors = torch.empty(device_vectors.shape, pin_memory=True)
        self._copying_out.wait_stream(computing)
        with torch.cuda.stream(self._copying_out):
            host_vectors.copy_(device_vectors, non_blocking=True)
        device_vectors.record_stream(self._copying_out)
        done = self._copying_out.record_event()

        def wait() -> Vectors:
            done.synchronize()
            return host_vectors.numpy()

        return wait

    @torch.inference_mode()
    def _compute(self, pixels: Pixels) -> Vectors:
        vectors: Vectors = self._forward(torch.from_numpy(pixels).to(self._device)).cpu().numpy()
        return vectors

    def _forward(self, frames: Tensor) -> Tensor:
        frames = frames.contiguous(memory_format=torch.channels_last)
        is_reduced = self._dtype != torch.float32
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=is_reduced):
            vectors: Tensor = self._network(frames)
        return vectors.float()


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
    pairs = list(_convolutions_with_norms(network))
    # What is folded is made anew, so it need not be copied as well: 100 MB.
    folded = [
        network.get_submodule(parent_name).get_submodule(name)
        for parent_name, *names in pairs
        for name in names
    ]
    tensors = [one for module in folded for one in (*module.parameters(), *module.buffers())]
    network = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors}).eval()
    for parent_name, name, norm_name in pairs:
        parent = network.get_submodule(parent_name)
        setattr(parent, name, _fold(getattr(parent, name), getattr(parent, norm_name)))
        setattr(parent, norm_name, nn.Identity())
    return network


def _convolutions_with_norms(network: nn.Module) -> Iterator[tuple[str, str, str]]:
    """The names of a parent module, of a convolution in it, and of the norm that it feeds."""
    for parent_name, parent in network.named_modules():
        children = dict(parent.named_children())
        for name, child in children.items():
            if not isinstance(child, nn.Conv2d):
                continue
            if isinstance(parent, nn.Sequential):
                norm_name = str(int(name) + 1)
            else:
                norm_name = name.replace("conv", "bn")
            if isinstance(children.get(norm_name), nn.BatchNorm2d):
                yield parent_name, name, norm_name


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """A convolution that gives what the two give one after the other."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    folded = copy.copy(convolution)
    folded._parameters = dict(convolution._parameters)
    folded.weight, folded.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    return folded
