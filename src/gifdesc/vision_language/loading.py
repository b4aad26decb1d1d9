"""Load a vision-language model of transformers from a folder or the hub, with clear errors."""

from __future__ import annotations

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
from gifdesc.system.model_library import first_line, quiet_transformers
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted

_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "model*.safetensors")
_OLD_WEIGHTS = "pytorch_model*.bin"
"""Weights of models from before safetensors; read with `torch.load(weights_only=True)`."""

_OTHER_TASKS = ("QuestionAnswering", "Retrieval", "Classification", "Detection", "Segmentation")
"""Name endings of architectures that share a configuration with a captioner."""

_EXAMPLES = "Salesforce/blip-image-captioning-base or HuggingFaceTB/SmolVLM2-500M-Video-Instruct"


@dataclass(frozen=True)
class VisionLanguageModel:
    """A model that writes text about pictures, with the processor of its inputs.

    Attributes:
        name: as the user named it.
        model: in evaluation mode, on `device`.
        processor: turns pictures and words into the model's inputs; has a `tokenizer`.
        device: the device of the model.
        dtype: of the weights and of the pictures.
        commit: of the repository on the hub; None for a folder.
    """

    name: str
    model: Any
    processor: Any
    device: torch.device
    dtype: torch.dtype
    commit: str | None = None

    @property
    def model_type(self) -> str:
        """The family by its name in transformers, such as `qwen2_vl`."""
        return str(self.model.config.model_type)


def load_vision_language_model(opened: OpenModel, device: torch.device) -> VisionLanguageModel:
    """A model and its processor, through AutoModelForImageTextToText and AutoProcessor.

    Program code of a model is never run. Weights are float32 on a CPU, and bfloat16 on CUDA
    (float16 on an old GPU).

    Args:
        opened: from `open_model`.
        device: where to compute.

    Raises:
        CheckpointError: the model cannot caption, or is damaged.
        HubError: the model cannot be downloaded.
    """
    name = opened.name
    check_can_caption(opened.config, str(name))
    folder = opened.fetch(_FILES)
    if not any(folder.glob("model*.safetensors")):
        try:
            folder = opened.fetch([*_FILES, _OLD_WEIGHTS])
        except HubError as error:
            raise CheckpointError(
                f"{name}: has no weights that gifdesc reads (.safetensors or pytorch_model.bin)"
            ) from error
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
    """Raise an error for a model that does not turn pictures into words.

    Args:
        config: the content of its config.json.
        name: its name in error messages.

    Raises:
        CheckpointError: the model has another task, is unknown, or needs its own code.
    """
    from transformers import __version__
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise CheckpointError(
            f"{name}: its {CONFIG_NAME} has no model_type; use a model folder of gifdesc or of "
            "transformers"
        )
    wanted = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.get(model_type)
    if wanted is None and "auto_map" in config:
        raise CheckpointError(
            f"{name}: needs its own program code (trust_remote_code), which gifdesc does not "
            f"run; choose a model that transformers includes, such as {_EXAMPLES}"
        )
    if wanted is None and model_type not in CONFIG_MAPPING_NAMES:
        raise CheckpointError(
            f"{name}: transformers {__version__} has no model type {model_type}; upgrade "
            "transformers, or choose another model"
        )
    architectures = config.get("architectures")
    others = [
        architecture
        for architecture in (architectures if isinstance(architectures, list) else [])
        if isinstance(architecture, str)
        and architecture != wanted
        and architecture.endswith(_OTHER_TASKS)
    ]
    if wanted is None or others:
        kind = f"{model_type} ({others[0]})" if others else model_type
        raise CheckpointError(
            f"{name}: a model of type {kind} cannot describe pictures; choose another, "
            f"such as {_EXAMPLES}"
        )


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
            "preprocessor_config.json, and a tokenizer); use a complete model"
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
    # Buffers, such as position numbers, are computed and need not be in the file.
    parameters = {parameter_name for parameter_name, _ in model.named_parameters()}
    if missing := sorted(parameters & set(found["missing_keys"])):
        raise CheckpointError(
            f"{name}: lacks {counted(len(missing), 'weight')} that a captioner needs, such as "
            f"{missing[0]}; the model is incomplete or has another task"
        )
    return model.eval()


@contextmanager
def _load_errors(name: str, part: str) -> Iterator[None]:
    """Turn an exception of the library into one sentence."""
    try:
        yield
    except ImportError as error:
        raise CheckpointError(
            f"{name}: its {part} needs a package that is not installed: {first_line(error)}"
        ) from error
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise CheckpointError(f"{name}: does not fit into memory") from error
    except Exception as error:  # of the library, of the tokenizer in Rust, or of safetensors
        raise CheckpointError(
            f"{name}: its {part} cannot be loaded: {first_line(error)}"
        ) from error
