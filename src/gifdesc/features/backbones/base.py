"""What every backbone brings: the network, its preprocessing, and the origin of its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from safetensors.torch import save
from torch import Tensor, nn

from gifdesc.features.backbones.folding import fold_batch_norm
from gifdesc.features.preprocessing import FrameTransform

_RANDOM_SEED = 0

RGB = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A frozen network that turns each frame into a vector.

    Attributes:
        name: the value of `--backbone`.
        network: normalised float frames (N, 3, h, w) -> float (N, D), in evaluation mode.
        feature_size: D.
        transform: the preprocessing that the weights were trained with.
        mean: of R, G and B in [0, 1], subtracted from the pixels.
        std: of R, G and B in [0, 1], which the differences are divided by.
        weights: the value of `--weights`, or the name of the backbone's only weights.
        weights_sha256: of the weights' file, or of the tensors if they come from no single file.
        licence: of the weights, an SPDX identifier; empty if unknown.
        folds: whether `folding.fold_batch_norm` gives the same network.
        core_frames: frames that a processor core computes at once; the fastest number depends on
            how much memory the network's layers touch.
        has_16_bits: whether its vectors in 16 bits and in float32 have a cosine of 0.999 or more.
        classifier: float (N, D) -> logits (N, number of labels); None without a trained classifier.
        labels: the names of the classes, in the order of the logits.
    """

    name: str
    network: nn.Module
    feature_size: int
    transform: FrameTransform
    mean: RGB
    std: RGB
    weights: str
    weights_sha256: str
    licence: str = ""
    folds: bool = False
    core_frames: int = 16
    has_16_bits: bool = False
    classifier: nn.Module | None = None
    labels: tuple[str, ...] = ()


def fill_colour(mean: RGB) -> tuple[int, int, int]:
    """The mean as R, G, B in 0 to 255: normalised it is 0, to half a grey level."""
    red, green, blue = (round(255 * value) for value in mean)
    return red, green, blue


class _Normalisation(nn.Module):
    """uint8 pixels as floats of mean 0 and deviation 1 over the backbone's training images."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: RGB, std: RGB) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, h, w) -> the same shape."""
        return (pixels.float() - self.mean) / self.std


def network_on_pixels(backbone: Backbone) -> nn.Module:
    """The backbone's network for uint8 pixels (N, 3, h, w), batch norms folded if it has any."""
    whole = nn.Sequential(_Normalisation(backbone.mean, backbone.std), backbone.network).eval()
    return fold_batch_norm(whole) if backbone.folds else whole


def imagenet_labels() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, in the order of the challenge (ILSVRC2012)."""
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])


def linear_classifier(head: Mapping[str, Tensor], num_classes: int) -> nn.Module | None:
    """A linear layer of trained weights (num_classes, D); None if they are not of that form.

    Args:
        head: tensors of a weights file; `weight` and `bias` are the layer's.
        num_classes: classes whose names are known.
    """
    weight, bias = head.get("weight"), head.get("bias")
    if weight is None or bias is None or weight.ndim != 2 or weight.shape[0] != num_classes:
        return None
    if bias.shape != (num_classes,):
        return None
    classifier = nn.Linear(weight.shape[1], num_classes)
    with torch.no_grad():
        classifier.weight.copy_(weight)
        classifier.bias.copy_(bias)
    return frozen(classifier)


def untrained(build: Callable[[], nn.Module]) -> nn.Module:
    """A network with the random weights of a fixed seed: the same on every machine."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_RANDOM_SEED)
        return build()


def frozen(network: nn.Module) -> nn.Module:
    """The network in evaluation mode, without gradients."""
    return network.eval().requires_grad_(False)


def sha256_of_tensors(network: nn.Module) -> str:
    """The SHA-256 of a network's state dict, as a safetensors file of it would have."""
    return hashlib.sha256(save(dict(network.state_dict()))).hexdigest()


def digest_of_tensors(network: nn.Module) -> str:
    """A SHA-256 of the names, types, shapes and bytes of a network's tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
