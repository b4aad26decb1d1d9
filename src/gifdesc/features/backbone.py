"""ResNet50 without its head, where its weights come from, and its batch norms folded away."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.request import Request, urlopen

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.models import ResNet50_Weights, resnet50

from gifdesc.config import UNTRAINED
from gifdesc.errors import WeightsError
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.features.weights_file import read_state_dict, without_prefix
from gifdesc.system.files import replacing, sha256_of
from gifdesc.system.waits import wait_for

_RANDOM_SEED = 0

_WEIGHT_SETS = {
    "imagenet1k-v1": ResNet50_Weights.IMAGENET1K_V1,
    "imagenet1k-v2": ResNet50_Weights.IMAGENET1K_V2,
}

WEIGHT_NAMES = (*_WEIGHT_SETS, UNTRAINED)

_NETWORK_SECONDS = 30.0
_CHUNK_BYTES = 1 << 20

_BLOCK_NAME = re.compile(r"layer[1-4]\.[0-9]+\.(conv[1-3]|bn[1-3])\.")
"""Names of a bottleneck's tensors; those of blocks that ResNet50 lacks are a deeper network's."""


@dataclass(frozen=True)
class Backbone:
    """A frozen ResNet50 that gives one vector per frame.

    Attributes:
        network: (N, 3, h, w) normalised floats -> (N, 2048).
        transform: the preprocessing that these weights were trained with.
        weights: the value of `--weights`.
        weights_sha256: of the weights' file, or of the random weights' bytes.
    """

    network: nn.Module
    transform: FrameTransform
    weights: str
    weights_sha256: str


def load_backbone(weights: str) -> Backbone:
    """ResNet50 without its final layer.

    Args:
        weights: `imagenet1k-v1`, `imagenet1k-v2`, `random` (one fixed seed, untrained), or the
            path of a .safetensors or .pth state dict.

    Raises:
        WeightsError: the weights cannot be downloaded here, or the file does not fit.
    """
    if weights == UNTRAINED:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_RANDOM_SEED)
            network = resnet50()
        digest = hashlib.sha256(save(dict(network.state_dict()))).hexdigest()
    else:
        path = _weights_path(weights)
        with torch.device("meta"):  # random weights that are overwritten cost time
            network = resnet50()
        _fill(network, path)
        digest = sha256_of(path)
    network.fc = nn.Identity()
    transform = _transform_of(weights, digest)
    return Backbone(network.eval().requires_grad_(False), transform, weights, digest)


def _weights_path(weights: str) -> Path:
    """The file of a weight set by name (downloaded if need be), or the file of that path."""
    if weights in _WEIGHT_SETS:
        return _download(weights)
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(
            f"--weights {weights}: neither a file nor one of {', '.join(WEIGHT_NAMES)}"
        )
    return path


def _transform_of(weights: str, sha256: str) -> FrameTransform:
    """The preprocessing of a weight set; torchvision's V2 file is recognised by its digest too."""
    v2 = _WEIGHT_SETS["imagenet1k-v2"]
    is_v2 = weights == "imagenet1k-v2" or sha256.startswith(_digest_prefix(v2.url))
    weight_set = v2 if is_v2 else _WEIGHT_SETS["imagenet1k-v1"]
    [resize_size] = weight_set.transforms().resize_size
    return FrameTransform(resize_size=resize_size)


def _digest_prefix(url: str) -> str:
    """How the SHA-256 of a file on PyTorch's server begins: its name ends with it."""
    return PurePosixPath(url).stem.rsplit("-", 1)[-1]


def _download(weights: str) -> Path:
    """The file of torchvision for a weight set, from PyTorch's cache or from the network."""
    url = _WEIGHT_SETS[weights].url
    path = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(url).name
    if path.is_file():
        return path
    try:
        _fetch(url, path, digest_prefix=_digest_prefix(url))
    except (OSError, HTTPException, ValueError) as error:  # OSError: URLError and time-outs too
        raise WeightsError(
            f"--weights {weights}: cannot be downloaded here; get {url} on another machine and "
            f"put it at {path}, or use --weights FILE, or --weights random (untrained)"
        ) from error
    return path


def _fetch(url: str, path: Path, *, digest_prefix: str) -> None:
    """Download a file.

    Args:
        url: where it is.
        path: where it goes, whole or not at all.
        digest_prefix: how its SHA-256 begins, in hexadecimal.

    Raises:
        OSError, HTTPException: the network or the disk fails.
        ValueError: what came has another SHA-256.
    """
    digest = hashlib.sha256()
    num_bytes = 0
    request = Request(url, headers={"User-Agent": "gifdesc"})
    with (
        wait_for("downloading weights", unit="MB", is_long=True) as advance,
        urlopen(request, timeout=_NETWORK_SECONDS) as response,
        replacing(path) as temporary_path,
    ):
        length = response.headers.get("Content-Length")
        total = round(int(length) / 1e6) if length else None
        with temporary_path.open("wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                num_bytes += len(chunk)
                advance(round(num_bytes / 1e6), total)
        if not digest.hexdigest().startswith(digest_prefix):
            raise ValueError(f"{url}: its SHA-256 is {digest.hexdigest()}")


def _fill(network: nn.Module, path: Path) -> None:
    """Load a state dict, as float32, into a network that may be without memory (`meta`).

    The head is left as it is.
    """
    expected = network.state_dict()
    needed = {name for name in expected if not _is_unused(name)}
    state = without_prefix(read_state_dict(path), needed, path)
    _check_names(state, needed, path)
    for name in sorted(needed):
        tensor = state[name]
        if tensor.shape != expected[name].shape:
            raise WeightsError(
                f"{path}: not ResNet50: {name} has shape {tuple(tensor.shape)} "
                f"instead of {tuple(expected[name].shape)}"
            )
        if not tensor.is_floating_point():
            raise WeightsError(
                f"{path}: {name} holds {str(tensor.dtype).removeprefix('torch.')}, not floating-"
                "point numbers; use weights that are not quantised"
            )
        if not tensor.to(torch.float32).isfinite().all():
            raise WeightsError(f"{path}: {name} holds numbers that are not finite (NaN, infinity)")
    # Copied to PyTorch's own memory: the alignment of numbers in a file must not affect kernels.
    filled = {
        name: state[name].to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for name in needed
    }
    network.load_state_dict(filled, strict=False, assign=True)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = torch.tensor(0)


def _is_unused(name: str) -> bool:
    """Whether a tensor may be there or not: it belongs to the head, or counts batches."""
    return name.startswith("fc.") or name.endswith("num_batches_tracked")


def _check_names(state: Mapping[str, Tensor], needed: set[str], path: Path) -> None:
    """Refuse a state dict that lacks tensors, or has tensors that ResNet50 has no place for."""
    if missing := sorted(needed - set(state)):
        raise WeightsError(f"{path}: not ResNet50: it lacks {_some(missing)}")
    if left_over := sorted(name for name in state if name not in needed and not _is_unused(name)):
        is_deeper = all(_BLOCK_NAME.match(name) for name in left_over)
        kind = "a deeper ResNet than ResNet50" if is_deeper else "not ResNet50"
        raise WeightsError(f"{path}: {kind}: ResNet50 has no place for {_some(left_over)}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode with batch-norm folded into its convolutions.

    In torchvision's ResNets a convolution named `convN` feeds `bnN`, and one in a `Sequential`
    feeds its neighbour. Source: Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1: at inference
    the normalisation is a linear transform.
    """
    pairs = list(_convolutions_with_norms(network))
    # Folded layers get new tensors, so their old ones (100 MB) are not copied.
    folded = [
        network.get_submodule(parent_name).get_submodule(name)
        for parent_name, *names in pairs
        for name in names
    ]
    tensors = [t for module in folded for t in (*module.parameters(), *module.buffers())]
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
