"""A vision-language model of transformers, from a folder or the hub, or why it cannot be used."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gifdesc.errors import CheckpointError, HubError
from gifdesc.model.folder import CONFIG_NAME, OpenModel
from gifdesc.system.files import describe_placeholder
from gifdesc.system.hub import commit_of
from gifdesc.system.waits import wait_for

_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "model*.safetensors")
_OLD_WEIGHTS = "pytorch_model*.bin"
"""Of models published before safetensors; read by `torch.load(weights_only=True)`."""

_OTHER_TASKS = ("QuestionAnswering", "Retrieval", "Classification", "Detection", "Segmentation")
"""Ends of the names of architectures that share a configuration with a captioner."""

_EXAMPLES = "Salesforce/blip-image-captioning-base or HuggingFaceTB/SmolVLM2-500M-Video-Instruct"


@dataclass(frozen=True)
class VisionLanguageModel:
    """A model that says something of pictures, with what prepares them.

    Attributes:
        name: what the user called it.
        model: in evaluation mode, on `device`.
        processor: pictures and words to the model's inputs; holds `tokenizer`.
        device: where the model lies.
        dtype: of its weights and of the pictures that it takes.
        commit: of its repository on the hub; None for a folder.
    """

    name: str
    model: Any
    processor: Any
    device: torch.device
    dtype: torch.dtype
    commit: str | None = None

    @property
    def model_type(self) -> str:
        """The family, as transformers calls it, such as `qwen2_vl`."""
        return str(self.model.config.model_type)


def load_vision_language_model(opened: OpenModel, device: torch.device) -> VisionLanguageModel:
    """A model and its processor, through AutoModelForImageTextToText and AutoProcessor.

    Code that a model brings along is never run. Weights are float32 on a CPU, bfloat16 (or, on
    an old GPU, float16) on CUDA.

    Args:
        opened: from `open_model`.
        device: where to compute.

    Raises:
        CheckpointError: not a model that captions, or a damaged one.
        HubError: the hub does not give it.
    """
    name = opened.name
    check_can_caption(opened.config, str(name))
    folder = opened.fetch(_FILES)
    if not any(folder.glob("model*.safetensors")):
        try:
            folder = opened.fetch([*_FILES, _OLD_WEIGHTS])
        except HubError as error:
            raise CheckpointError(f"{name}: holds no weights that gifdesc reads") from error
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        if kind := describe_placeholder(path):
            raise CheckpointError(f"{path}: {kind}, not the weights; fetch the file itself")
    dtype = _dtype_on(device)
    with wait_for(f"loading {name}", is_long=True), quiet_transformers():
        processor = _load_processor(folder, str(name))
        model = _load_model(folder, str(name), dtype).to(device)
    commit = commit_of(folder)
    return VisionLanguageModel(str(name), model, processor, device, dtype, commit)


def check_can_caption(config: Mapping[str, Any], name: str) -> None:
    """Refuse a model that does not turn pictures into words.

    Args:
        config: of its config.json.
        name: what an error message calls it.

    Raises:
        CheckpointError: it is of another kind, unknown, or needs code of its own.
    """
    from transformers import __version__
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise CheckpointError(
            f"{name}: its {CONFIG_NAME} names no model type; neither gifdesc nor transformers "
            "made this folder"
        )
    wanted = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.get(model_type)
    if wanted is None and "auto_map" in config:
        raise CheckpointError(
            f"{name}: needs program code of its own (trust_remote_code), which gifdesc does not "
            f"run; choose a model that transformers knows, such as {_EXAMPLES}"
        )
    if wanted is None and model_type not in CONFIG_MAPPING_NAMES:
        raise CheckpointError(
            f"{name}: a model of type {model_type}, which transformers {__version__} does not "
            "know; upgrade transformers, or choose another model"
        )
    architectures = config.get("architectures")
    others = [
        one
        for one in (architectures if isinstance(architectures, list) else [])
        if isinstance(one, str) and one != wanted and one.endswith(_OTHER_TASKS)
    ]
    if wanted is None or others:
        what = f"{model_type} ({others[0]})" if others else model_type
        raise CheckpointError(
            f"{name}: a model of type {what} cannot describe pictures; choose one that can, "
            f"such as {_EXAMPLES}"
        )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' progress bars and warnings off stderr, unless all is being logged."""
    from transformers.utils import logging as transformers_logging

    if logging.getLogger().isEnabledFor(logging.DEBUG):
        yield
        return
    verbosity = transformers_logging.get_verbosity()
    has_bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if has_bars:
            transformers_logging.enable_progress_bar()


def first_line(error: BaseException) -> str:
    """What an error says first: libraries append advice by the page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def _dtype_on(device: torch.device) -> torch.dtype:
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _load_processor(folder: Path, name: str) -> Any:
    from transformers import AutoProcessor

    with _load_errors(name, "processor"):
        processor = AutoProcessor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    if not all(hasattr(processor, part) for part in ("image_processor", "tokenizer")):
        raise CheckpointError(
            f"{name}: has no processor for pictures and words (processor_config.json or "
            "preprocessor_config.json, and a tokenizer); name a complete model"
        )
    return processor


def _load_model(folder: Path, name: str, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForImageTextToText

    with _load_errors(name, "model"):
        model, found = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    # Buffers, such as the numbers of positions, are computed and not always in the file.
    parameters = {parameter_name for parameter_name, _ in model.named_parameters()}
    if missing := sorted(parameters & set(found["missing_keys"])):
        raise CheckpointError(
            f"{name}: lacks {len(missing)} of the weights that describing pictures takes, "
            f"{missing[0]} for one: it is a model for something else, or not whole"
        )
    return model.eval()


@contextmanager
def _load_errors(name: str, part: str) -> Iterator[None]:
    """Turn what the library raises into one sentence."""
    try:
        yield
    except ImportError as error:
        raise CheckpointError(
            f"{name}: its {part} needs a package that is not installed: {first_line(error)}"
        ) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise CheckpointError(f"{name}: does not fit into the memory here") from error
    except Exception as error:  # the library's, the tokenizer's in Rust, safetensors'
        raise CheckpointError(
            f"{name}: its {part} cannot be loaded: {first_line(error)}"
        ) from error
