"""The network by OpenVINO on a CPU.

The graph is built layer by layer: tracing the PyTorch module gives the same graph and takes ten
times as long.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from gifdesc.config import Precision
from gifdesc.features.backbones.base import Backbone
from gifdesc.features.backbones.folding import fold_batch_norm
from gifdesc.features.frames import Pixels, Vectors
from gifdesc.system.device import cpu_streams, num_shares_of

if TYPE_CHECKING:
    from openvino import InferRequest, Model, Node


OPENVINO_BACKBONES = ("resnet50", "resnet101", "resnet152")
"""The backbones whose graph is written down here: torchvision's ResNets of bottleneck blocks."""


_PRECISION_HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}


def import_openvino() -> Any:
    """Import openvino without the telemetry that the import would start.

    `import openvino` sends an event to an analytics host and writes a client number to the home
    folder; where openvino_telemetry cannot be imported, it does neither.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


class OpenVinoEncoder:
    """A ResNet by OpenVINO: in float32 equal to PyTorch to 1e-4 of the features' scale.

    Args:
        backbone: one of `OPENVINO_BACKBONES`.
        precision: `float32` or `bfloat16`.
    """

    def __init__(self, backbone: Backbone, precision: Precision = "float32") -> None:
        openvino = import_openvino()
        self._num_streams, num_threads = cpu_streams()
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": str(self._num_streams),
            "INFERENCE_NUM_THREADS": str(self._num_streams * num_threads),
            "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[precision],
        }
        self._compiled = openvino.Core().compile_model(resnet_graph(backbone), "CPU", settings)
        self._requests: list[InferRequest] = []
        self._core_frames = backbone.core_frames
        self.batch_frames = backbone.core_frames * self._num_streams

    def submit(self, pixels: Pixels) -> Callable[[], Vectors]:
        """Start computing; returns before the result is ready."""
        requests = []
        num_shares = num_shares_of(len(pixels), self._num_streams, self._core_frames)
        for share in np.array_split(pixels, num_shares):
            request = self._compiled.create_infer_request()
            request.start_async([np.ascontiguousarray(share.transpose(0, 2, 3, 1))])
            requests.append(request)
        self._requests += requests

        def wait() -> Vectors:
            rows = []
            for request in requests:
                try:
                    request.wait()
                except RuntimeError as error:
                    if request in self._requests:
                        raise
                    raise CancelledError from error
                if request in self._requests:
                    self._requests.remove(request)
                rows.append(np.array(request.get_output_tensor().data, dtype=np.float32))
            return np.concatenate(rows)

        return wait

    def cancel(self) -> None:
        """Drop submitted frames that are not computed."""
        requests, self._requests = self._requests, []
        for request in requests:
            request.cancel()


def resnet_graph(backbone: Backbone) -> Model:
    """The graph of a ResNet of `OPENVINO_BACKBONES` without its head, for uint8 (N, 224, 224, 3).

    Batch-norm is folded into the convolutions. The layers and their order are those of
    `torchvision.models.resnet.ResNet` and `Bottleneck` (He et al. 2016, arXiv:1512.03385,
    table 1).
    """
    openvino = import_openvino()
    from openvino import opset13 as ops

    folded: Any = fold_batch_norm(backbone.network)

    def convolve(frames: Node, layer: Any) -> Node:
        padding = list(layer.padding)
        weight, bias = _constant(layer.weight), _constant(layer.bias.view(1, -1, 1, 1))
        convolved = ops.convolution(
            frames, weight, list(layer.stride), padding, padding, list(layer.dilation)
        )
        return ops.add(convolved, bias)

    def bottleneck(frames: Node, block: Any) -> Node:
        convolved = ops.relu(convolve(frames, block.conv1))
        convolved = ops.relu(convolve(convolved, block.conv2))
        convolved = convolve(convolved, block.conv3)
        if block.downsample is not None:
            frames = convolve(frames, block.downsample[0])
        return ops.relu(ops.add(convolved, frames))

    pixels = ops.parameter([-1, 224, 224, 3], np.uint8, name="pixels")
    mean, std = (255 * np.array(rgb, np.float32) for rgb in (backbone.mean, backbone.std))
    frames = ops.divide(ops.subtract(ops.convert(pixels, "f32"), mean), std)
    frames = ops.transpose(frames, np.array([0, 3, 1, 2]))
    frames = ops.relu(convolve(frames, folded.conv1))
    frames = ops.max_pool(frames, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
    for stage in (folded.layer1, folded.layer2, folded.layer3, folded.layer4):
        for block in stage:
            frames = bottleneck(frames, block)
    vectors = ops.reduce_mean(frames, np.array([2, 3]), keep_dims=False)
    return openvino.Model([vectors], [pixels], backbone.name)


def _constant(tensor: Tensor) -> Node:
    from openvino import opset13 as ops

    return ops.constant(tensor.detach().numpy())
