"""The backbone that `--backbone` and `--weights` name."""

from __future__ import annotations

from gifdesc.config import UNTRAINED
from gifdesc.errors import UsageError
from gifdesc.features.backbones import efficientnet_lite, from_timm, from_transformers, resnet
from gifdesc.features.backbones.base import Backbone
from gifdesc.system.hub import is_hub_name

DEFAULT_BACKBONE = "resnet50"

NAMES = (*resnet.RESNETS, efficientnet_lite.EFFICIENTNET_LITE0, "timm:NAME", "hf:NAME", "FOLDER")


def load_backbone(name: str = DEFAULT_BACKBONE, weights: str | None = None) -> Backbone:
    """A backbone by name.

    Args:
        name: one of `NAMES`: a ResNet of torchvision, EfficientNet-Lite0, a model of timm, or a
            vision model of transformers (a hub name or a folder).
        weights: a weight set of the backbone, `random` (untrained), or for torchvision's networks
            a file; None for the backbone's default.

    Raises:
        UsageError: there is no such backbone, or it needs an extra that is not installed.
        WeightsError: the weights are not available here, or do not fit.
    """
    if name in resnet.RESNETS:
        return resnet.load_resnet(name, _or(weights, resnet.DEFAULT_WEIGHTS))
    if name == efficientnet_lite.EFFICIENTNET_LITE0:
        weights = _or(weights, efficientnet_lite.DEFAULT_WEIGHTS)
        return efficientnet_lite.load_efficientnet_lite0(weights)
    if name.startswith(from_timm.PREFIX):
        return from_timm.load_from_timm(name, _or(weights, from_timm.DEFAULT_WEIGHTS))
    if name.startswith(from_transformers.PREFIX) or from_transformers.is_folder(name):
        weights = _or(weights, from_transformers.DEFAULT_WEIGHTS)
        return from_transformers.load_from_transformers(name, weights)
    raise UsageError(f"--backbone {name}: no backbone of that name; use {', '.join(NAMES)}")


def _or(weights: str | None, default: str) -> str:
    return default if weights is None else weights


def is_weight_name(backbone: str, weights: str) -> bool:
    """Whether a recipe's weights are found by their name, without a file of the user's."""
    if backbone in resnet.RESNETS:
        return weights in resnet.weight_names(backbone)
    if backbone == efficientnet_lite.EFFICIENTNET_LITE0:
        return weights in (efficientnet_lite.DEFAULT_WEIGHTS, UNTRAINED)
    return True


def is_gone_folder(backbone: str) -> bool:
    """Whether a recipe's backbone was a folder that is not here."""
    name = backbone.removeprefix(from_transformers.PREFIX)
    is_name = (
        backbone in NAMES
        or backbone.startswith(from_timm.PREFIX)
        or (name != backbone and is_hub_name(name))
    )
    return not is_name and not from_transformers.is_folder(name)
