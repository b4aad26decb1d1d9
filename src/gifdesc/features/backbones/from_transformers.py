"""Vision models of transformers as backbones: `hf:NAME`, or a local folder."""

from __future__ import annotations

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
from gifdesc.system.model_library import first_line, quiet_transformers

PREFIX = "hf:"
DEFAULT_WEIGHTS = "pretrained"

_FILES = ("*.json", "model*.safetensors")
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}

_BILINEAR, _BICUBIC = 2, 3  # of PIL.Image.Resampling, as processors state them
_INTERPOLATIONS: dict[int, Interpolation] = {_BILINEAR: "bilinear", _BICUBIC: "bicubic"}


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
    from transformers import AutoImageProcessor

    if weights not in (DEFAULT_WEIGHTS, UNTRAINED):
        raise UsageError(f"--weights {weights}: {name} takes {DEFAULT_WEIGHTS} or {UNTRAINED}")
    folder = _folder_of(name)
    try:
        with quiet_transformers():
            model = _load_model(folder, name, is_untrained=weights == UNTRAINED)
            processor = AutoImageProcessor.from_pretrained(folder, **_LOCAL)
    except UsageError:
        raise
    except Exception as error:  # of transformers, safetensors, PyTorch
        raise WeightsError(
            f"--backbone {name}: cannot be loaded ({first_line(error)}); give a complete folder or "
            "another model"
        ) from error
    network = frozen(_Pooled(model))
    try:
        preprocessing = _preprocessing_of(processor)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"--backbone {name}: its preprocessor_config.json cannot be used ({error}); choose "
            "another model"
        ) from error
    transform, mean, std = preprocessing
    return Backbone(
        name=name,
        network=network,
        feature_size=_feature_size(network, transform.image_size, name),
        transform=transform,
        mean=mean,
        std=std,
        weights=weights,
        weights_sha256=digest_of_tensors(model),
    )


def _load_model(folder: Path, name: str, *, is_untrained: bool) -> nn.Module:
    """The part of a model that reads pictures.

    Raises:
        UsageError: it reads something else, or its file lacks some of the weights.
    """
    from transformers import AutoConfig, AutoModel

    if is_untrained:
        config = AutoConfig.from_pretrained(folder, **_LOCAL)
        return untrained(lambda: _vision_part(AutoModel.from_config(config), name))
    whole, found = AutoModel.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, **_LOCAL
    )
    vision = _vision_part(whole, name)
    # transformers fills missing weights with random numbers, such as those of a pooler.
    own = {id(parameter) for parameter in vision.parameters()}
    names = {key for key, parameter in whole.named_parameters() if id(parameter) in own}
    if missing := sorted(names & set(found["missing_keys"])):
        raise UsageError(
            f"--backbone {name}: lacks the weights of {missing[0]}: it was saved without pooled "
            "output; choose another model"
        )
    return vision


def _folder_of(name: str) -> Path:
    """The folder with a model's files: a folder of the user's, or files fetched from the hub.

    Raises:
        UsageError: neither a folder nor a name on the hub.
        WeightsError: the hub does not give the model here.
    """
    source = name.removeprefix(PREFIX)
    if is_folder(source):
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


def is_folder(name: str) -> bool:
    """Whether a name is that of a folder."""
    try:
        return bool(name) and Path(name).is_dir()
    except OSError:  # such as a name that is too long
        return False


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
            f"--backbone {name}: gives no vector for a picture of {image_size} x {image_size} "
            f"pixels ({first_line(error)}); choose a model with pooled output that reads single "
            "pictures"
        ) from error
    return int(vectors.shape[1])


def _preprocessing_of(processor: Any) -> tuple[FrameTransform, RGB, RGB]:
    """The transform, the mean and the deviation that a processor states.

    Raises:
        TypeError, ValueError: they are missing, or gifdesc does not have them.
    """
    factor = float(getattr(processor, "rescale_factor", 1 / 255))
    if not getattr(processor, "do_rescale", True) or abs(255 * factor - 1) > 1e-3:
        raise ValueError("pixels are not scaled to [0, 1]")
    mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if getattr(processor, "do_normalize", True):
        mean = _rgb(processor.image_mean, "image_mean")
        std = _rgb(processor.image_std, "image_std")
    if min(std) <= 0:
        raise ValueError("image_std is not above 0")
    resample = getattr(processor, "resample", None)
    interpolation = _INTERPOLATIONS.get(_BILINEAR if resample is None else int(resample))
    if interpolation is None:
        raise ValueError("resample is neither bilinear nor bicubic")
    has_crop = bool(getattr(processor, "do_center_crop", False)) and bool(processor.crop_size)
    resize_size = _side(processor.size, "size")
    image_size = _side(processor.crop_size, "crop_size") if has_crop else resize_size
    transform = FrameTransform(
        resize_size=max(image_size, resize_size),
        image_size=image_size,
        interpolation=interpolation,
        fill_colour=fill_colour(mean),
    )
    return transform, mean, std


def _rgb(numbers: Any, name: str) -> RGB:
    """Three numbers of a processor's configuration."""
    if not isinstance(numbers, (list, tuple)) or len(numbers) != len("RGB"):
        raise ValueError(f"{name} is not three numbers")
    red, green, blue = map(float, numbers)
    return red, green, blue


def _side(size: Any, name: str) -> int:
    """The side of the square, or the shorter side, that a processor's size states."""
    if isinstance(size, int):
        return size
    found = size.get("height") or size.get("shortest_edge")
    if not isinstance(found, int) or found < 1:
        raise ValueError(f"{name} states no square")
    return found
