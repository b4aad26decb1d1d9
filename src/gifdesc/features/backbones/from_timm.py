"""Any image model of timm as a backbone: `timm:NAME`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from torch import nn

from gifdesc.config import UNTRAINED
from gifdesc.errors import HubError, UsageError, WeightsError
from gifdesc.features.backbones.base import (
    RGB,
    Backbone,
    digest_of_tensors,
    fill_colour,
    frozen,
    linear_classifier,
    untrained,
)
from gifdesc.features.backbones.weights_file import read_state_dict
from gifdesc.features.preprocessing import FrameTransform, Interpolation
from gifdesc.system.hub import fetch
from gifdesc.system.model_library import first_line

PREFIX = "timm:"
DEFAULT_WEIGHTS = "pretrained"

_INTERPOLATIONS: dict[str, Interpolation] = {"bilinear": "bilinear", "bicubic": "bicubic"}
_WEIGHTS_NAME = "model.safetensors"


def load_from_timm(name: str, weights: str = DEFAULT_WEIGHTS) -> Backbone:
    """A model of timm without its classifier, with the preprocessing of its own configuration.

    Args:
        name: `timm:NAME`, such as `timm:resnet50.a1_in1k`, as `timm.list_models()` gives it.
        weights: `pretrained` (timm downloads them once) or `random` (a fixed seed, untrained).

    Raises:
        UsageError: timm is not installed, or has no such model.
        WeightsError: the weights are not available here, or the model gives no vector per frame.
    """
    try:
        import timm
    except ImportError as error:
        raise UsageError(f"--backbone {name}: needs timm: pip install 'gifdesc[timm]'") from error
    model_name = name.removeprefix(PREFIX)
    if not timm.is_model(model_name):
        similar = difflib.get_close_matches(model_name, timm.list_models(), n=3)
        hint = (
            f"use {' or '.join(PREFIX + each for each in similar)}"
            if similar
            else ("timm.list_models() gives the names")
        )
        raise UsageError(
            f"--backbone {name}: timm {timm.__version__} has no model of that name; {hint}"
        )
    if weights not in (DEFAULT_WEIGHTS, UNTRAINED):
        raise UsageError(f"--weights {weights}: {name} takes {DEFAULT_WEIGHTS} or {UNTRAINED}")

    overlay = None if weights == UNTRAINED else {"file": str(_weights_path(name, model_name))}

    def build() -> nn.Module:
        network: nn.Module = timm.create_model(
            model_name,
            pretrained=overlay is not None,
            pretrained_cfg_overlay=overlay,
            num_classes=0,
        )
        return network

    try:
        network = untrained(build) if weights == UNTRAINED else build()
    except Exception as error:  # of timm, safetensors, PyTorch
        raise WeightsError(f"--backbone {name}: cannot be loaded ({first_line(error)})") from error
    frozen(network)
    config: dict[str, Any] = timm.data.resolve_model_data_config(network)
    _, height, width = config["input_size"]
    if height != width:
        raise UsageError(f"--backbone {name}: its input is {width} x {height}, not a square")
    mean: RGB = tuple(config["mean"])
    interpolation: Interpolation | None = _INTERPOLATIONS.get(config["interpolation"])
    if interpolation is None:
        raise UsageError(
            f"--backbone {name}: resizes by {config['interpolation']}; choose a model that resizes "
            "bilinearly or bicubically"
        )
    feature_size = getattr(network, "num_features", None)
    if not isinstance(feature_size, int):
        raise UsageError(f"--backbone {name}: gives no vector per frame")
    labels, classifier = (
        ((), None) if overlay is None else _classifier(network, Path(overlay["file"]))
    )
    return Backbone(
        name=name,
        network=network,
        feature_size=int(getattr(network, "head_hidden_size", None) or feature_size),
        transform=FrameTransform(
            resize_size=max(height, round(height / config["crop_pct"])),
            image_size=height,
            interpolation=interpolation,
            fill_colour=fill_colour(mean),
        ),
        mean=mean,
        std=tuple(config["std"]),
        weights=weights,
        weights_sha256=digest_of_tensors(network),
        licence="" if weights == UNTRAINED else _licence_of(network),
        classifier=classifier,
        labels=labels,
    )


def _classifier(network: nn.Module, path: Path) -> tuple[tuple[str, ...], nn.Module | None]:
    """The classes and the classifier of a model's weights, if the classes are ImageNet's."""
    from timm.data import ImageNetInfo, infer_imagenet_subset

    config: Any = network.pretrained_cfg
    subset = infer_imagenet_subset(config)
    prefix = config.get("classifier")
    if subset is None or not isinstance(prefix, str):
        return (), None
    info = ImageNetInfo(subset)
    head = {
        name.removeprefix(f"{prefix}."): tensor
        for name, tensor in read_state_dict(path).items()
        if name.startswith(f"{prefix}.")
    }
    classifier = linear_classifier(head, info.num_classes())
    if classifier is None:
        return (), None
    return tuple(info.index_to_description(n) for n in range(info.num_classes())), classifier


def _weights_path(name: str, model_name: str) -> Path:
    """The file of a model's weights, from the hub's cache or downloaded.

    Raises:
        WeightsError: timm has no weights for the model, or they are not available here.
    """
    import timm

    hub_name = timm.get_pretrained_cfg(model_name).hf_hub_id
    if not hub_name:
        raise WeightsError(f"--backbone {name}: timm has no weights for it; use --weights random")
    try:
        folder = fetch(hub_name, [_WEIGHTS_NAME])
    except HubError as error:
        raise WeightsError(
            f"--backbone {name}: its weights are not available here ({error}); load them once on a "
            "machine with a network and copy its Hugging Face cache, or use --backbone "
            "efficientnet-lite0, which needs no network"
        ) from error
    path = folder / _WEIGHTS_NAME
    if not path.is_file():
        raise WeightsError(f"--backbone {name}: {hub_name} on the hub has no {_WEIGHTS_NAME}")
    return path


def _licence_of(network: nn.Module) -> str:
    config = getattr(network, "pretrained_cfg", None) or {}
    return str(config.get("license") or "")
