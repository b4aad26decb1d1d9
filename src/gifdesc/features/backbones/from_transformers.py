"""Vision models of transformers as backbones: `hf:NAME`, or a local folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gifdesc.config import UNTRAINED
from gifdesc.errors import HubError, UsageError, WeightsError
from gifdesc.features.backbones.base import (
    RGB,
    Backbone,
    digest_of_tensors,
    fill_colour,
    frozen,
    untrained,
)
from gifdesc.features.preprocessing import FrameTransform, Interpolation
from gifdesc.system.hub import fetch, is_hub_name

PREFIX = "hf:"
DEFAULT_WEIGHTS = "pretrained"

_FILES = ("*.json", "model*.safetensors")
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}

_BICUBIC = 3  # PIL.Image.Resampling.BICUBIC, as processors state it


class _Pooled(nn.Module):
    """A vision model that returns its pooled output alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, h, w) -> (N, D)."""
        output = self.model(pixel_values=pixels)
        pooled: Tensor | None = getattr(output, "pooler_output", None)
        if pooled is None:
            raise AttributeError("no pooled output")
        return pooled.flatten(1)


def load_from_transformers(name: str, weights: str = DEFAULT_WEIGHTS) -> Backbone:
    """A vision model by `AutoModel` and `AutoImageProcessor`: CLIP, SigLIP, DINO, ViT and others.

    Of a model for pictures and texts, such as CLIP, the vision part is used. Program code that
    comes with a model is never run.

    Args:
        name: `hf:user/model` on the hub, or `hf:` and the path of a folder.
        weights: `pretrained`, or `random` (a fixed seed, untrained; the configuration is the
            model's).

    Raises:
        UsageError: the model has no pooled output, reads text or videos, or needs code of its own.
        WeightsError: the model is not available here, or is damaged.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoModel

    if weights not in (DEFAULT_WEIGHTS, UNTRAINED):
        raise UsageError(f"--weights {weights}: {name} takes {DEFAULT_WEIGHTS} or {UNTRAINED}")
    folder = _folder_of(name)
    try:
        config = AutoConfig.from_pretrained(folder, **_LOCAL)
        processor = AutoImageProcessor.from_pretrained(folder, **_LOCAL)
        if weights == UNTRAINED:
            model = untrained(lambda: _vision_part(AutoModel.from_config(config), name))
        else:
            whole = AutoModel.from_pretrained(folder, dtype=torch.float32, **_LOCAL)
            model = _vision_part(whole, name)
    except UsageError:
        raise
    except Exception as error:  # of transformers, safetensors, PyTorch
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(
            f"--backbone {name}: cannot be loaded ({reason[0].rstrip('.')})"
        ) from error
    network = frozen(_Pooled(model))
    image_size = _side(processor.crop_size if _crops(processor) else processor.size)
    mean, std = _statistics(processor)
    return Backbone(
        name=name,
        network=network,
        feature_size=_feature_size(network, image_size, name),
        transform=FrameTransform(
            resize_size=max(image_size, _side(processor.size)),
            image_size=image_size,
            interpolation=_interpolation(processor),
            fill_colour=fill_colour(mean),
        ),
        mean=mean,
        std=std,
        weights=weights,
        weights_sha256=digest_of_tensors(model),
        licence="",
    )


def _folder_of(name: str) -> Path:
    """The folder with a model's files: a folder of the user's, or files fetched from the hub.

    Raises:
        UsageError: neither a folder nor a name on the hub.
        WeightsError: the hub does not give the model here.
    """
    source = name.removeprefix(PREFIX)
    if Path(source).is_dir():
        return Path(source)
    if not is_hub_name(source):
        raise UsageError(f"--backbone {name}: neither a folder nor a name on the hub (user/model)")
    try:
        return fetch(source, _FILES)
    except HubError as error:
        raise WeightsError(
            f"--backbone {name}: not available here ({error}); load it once on a machine with a "
            "network and copy its Hugging Face cache, or use --backbone efficientnet-lite0, which "
            "needs no network"
        ) from error


def _vision_part(model: nn.Module, name: str) -> nn.Module:
    """The part of a model that reads pictures.

    Raises:
        UsageError: it reads videos, or no pictures.
    """
    vision = getattr(model, "vision_model", model)
    wanted = getattr(vision, "main_input_name", "")
    if wanted != "pixel_values":
        raise UsageError(f"--backbone {name}: reads {wanted or 'no pictures'}, not pictures alone")
    assert isinstance(vision, nn.Module)
    return vision


def _feature_size(network: nn.Module, image_size: int, name: str) -> int:
    """D, found by a picture of zeros.

    Raises:
        UsageError: the model gives no vector for a picture.
    """
    try:
        with torch.inference_mode():
            vectors = network(torch.zeros(1, 3, image_size, image_size))
    except Exception as error:  # whatever a model raises that wants other inputs
        raise UsageError(
            f"--backbone {name}: gives no vector per picture (it lacks pooled output, or reads "
            "videos or text as well); choose another model"
        ) from error
    return int(vectors.shape[1])


def _crops(processor: Any) -> bool:
    return bool(getattr(processor, "do_center_crop", False)) and bool(processor.crop_size)


def _side(size: Mapping[str, int] | int) -> int:
    """The side of the square, or the shorter side, that a processor's size states."""
    if isinstance(size, int):
        return size
    found = size.get("height") or size.get("shortest_edge")
    if not found:
        raise ValueError(f"no size of a square: {size}")
    return int(found)


def _statistics(processor: Any) -> tuple[RGB, RGB]:
    if getattr(processor, "do_normalize", True):
        return tuple(processor.image_mean), tuple(processor.image_std)
    return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


def _interpolation(processor: Any) -> Interpolation:
    return "bicubic" if getattr(processor, "resample", None) == _BICUBIC else "bilinear"
