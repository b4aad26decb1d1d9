"""A model folder: weights, configuration and tokenizer; all that captioning needs."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from gifdesc.config import DecodingConfig, FeatureRecipe, ModelConfig, TrainingConfig, to_json
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.errors import CheckpointError, UsageError
from gifdesc.model.folder import CONFIG_NAME as CONFIG_NAME
from gifdesc.model.folder import EXAMPLES_NAME, SCORES_NAME, check_model_name, kind_of, read_config
from gifdesc.model.network import CaptionModel
from gifdesc.system.files import describe_placeholder, write_json
from gifdesc.system.json_files import from_json, is_finite
from gifdesc.system.tensor_files import all_finite, empty_weights, read_tensors, save_tensors
from gifdesc.text.tokenizer import TOKENIZER_NAMES, CaptionTokenizer
from gifdesc.version import __version__

FORMAT_VERSION = 3
"""2: attention over frames beside states, its context in the output layer. 3: normalised frames."""
WEIGHTS_NAME = "model.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """What a model folder holds.

    Attributes:
        model: in evaluation mode, on the CPU.
        tokenizer: of the model's vocabulary.
        recipe: of the features that it was trained on, None if unknown.
        training: how it was trained.
        confidence_threshold: the score below which a caption is doubtful (model/confidence.py);
            None if the validation split was too small.
        captions: statistics of the training captions; None in folders of earlier versions.
        folder: the folder that it was read from.
    """

    model: CaptionModel
    tokenizer: CaptionTokenizer
    recipe: FeatureRecipe | None
    training: TrainingConfig
    confidence_threshold: float | None = None
    captions: CaptionStatistics | None = None
    folder: Path | None = None

    def decoding(self, config: DecodingConfig | None = None) -> DecodingConfig:
        """The decoding configuration, with the model's own length limit if `config` has none."""
        config = config or DecodingConfig()
        if config.max_tokens is not None:
            return config
        limit = config.limit if self.captions is None else self.captions.limit
        return replace(config, max_tokens=limit)


def save_checkpoint(
    folder: Path,
    model: CaptionModel,
    tokenizer: CaptionTokenizer,
    recipe: FeatureRecipe | None,
    training: TrainingConfig,
    confidence_threshold: float | None = None,
    captions: CaptionStatistics | None = None,
) -> None:
    """Write a model folder; the weights last, so that a folder with weights is complete.

    Scores of earlier weights (evaluation.json) are removed.

    Raises:
        OSError: the folder cannot be written, or was removed while it was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder)
    config: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "gifdesc_version": __version__,
        "model": to_json(model.config),
        "features": None if recipe is None else to_json(recipe),
        "training": to_json(training),
        "confidence_threshold": confidence_threshold,
        "captions": None if captions is None else to_json(captions),
    }
    write_json(folder / CONFIG_NAME, config)
    for name in (SCORES_NAME, EXAMPLES_NAME):  # of the weights before
        (folder / name).unlink(missing_ok=True)
    save_weights(folder / WEIGHTS_NAME, model)
    if missing := missing_files(folder):
        # Each file creates its folder, so those after a removal would look like a model.
        for path in _paths_of(folder):
            path.unlink(missing_ok=True)
        message = "it was removed while the model was written"
        raise FileNotFoundError(errno.ENOENT, message, str(missing[0]))


def missing_files(folder: Path) -> list[Path]:
    """The files of a model that are not in its folder."""
    return [path for path in _paths_of(folder) if not path.is_file()]


def _paths_of(folder: Path) -> list[Path]:
    """The files without which a folder is no model."""
    return [folder / name for name in (CONFIG_NAME, *TOKENIZER_NAMES, WEIGHTS_NAME)]


def save_confidence_threshold(folder: Path, threshold: float | None) -> None:
    """Change the confidence threshold in a model folder.

    Raises:
        CheckpointError: its configuration is missing or damaged.
        OSError: it cannot be written.
    """
    write_json(folder / CONFIG_NAME, {**read_config(folder), "confidence_threshold": threshold})


def save_weights(path: Path, model: CaptionModel) -> None:
    """Write a model's weights and feature statistics as safetensors."""
    save_tensors(path, model.state_dict(), {"format_version": str(FORMAT_VERSION)})


def load_checkpoint(folder: Path | str, config: dict[str, Any] | None = None) -> Checkpoint:
    """Read a model folder.

    Args:
        folder: a folder as `gifdesc train` writes it.
        config: the content of its config.json, if that is read already.

    Raises:
        CheckpointError: a file is missing, damaged, or of a newer format.
    """
    folder = Path(folder)
    check_model_name(folder)
    if config is None:
        config = read_config(folder)
    _check_format(config, folder)
    try:
        model_config = from_json(ModelConfig, config.get("model"))
        training = from_json(TrainingConfig, config.get("training"))
        features = config.get("features")
        recipe = None if features is None else from_json(FeatureRecipe, features)
        threshold = _threshold_of(config)
        captions = config.get("captions")
        statistics = None if captions is None else from_json(CaptionStatistics, captions)
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG_NAME}: damaged: {error}") from error
    tokenizer = _load_tokenizer(folder)
    if tokenizer.vocab_size != model_config.vocab_size:
        raise CheckpointError(
            f"{folder}: its tokenizer has {tokenizer.vocab_size} tokens, but its model "
            f"{model_config.vocab_size}; the files are from different training runs"
        )
    try:
        with empty_weights():
            model = CaptionModel(model_config)
    except (RuntimeError, MemoryError) as error:
        raise CheckpointError(f"{folder / CONFIG_NAME}: no model of this size fits here") from error
    load_weights(folder / WEIGHTS_NAME, model)
    return Checkpoint(model.eval(), tokenizer, recipe, training, threshold, statistics, folder)


def _check_format(config: dict[str, Any], folder: Path) -> None:
    """Refuse the model of another program, or of another format.

    Raises:
        CheckpointError: this gifdesc cannot read it.
    """
    path = folder / CONFIG_NAME
    if kind_of(config) == "transformers":
        raise CheckpointError(
            f"{folder}: a model of transformers ({config['model_type']}), not one that gifdesc "
            "trained; `gifdesc caption`, `gifdesc describe` and, in Python, load_captioner take it"
        )
    version = config.get("format_version")
    if type(version) is not int:
        raise CheckpointError(f"{path}: damaged: it states no format_version")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: of format {version}, but gifdesc {__version__} reads formats up to "
            f"{FORMAT_VERSION}; upgrade gifdesc"
        )
    if version < FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: of format {version}, whose network differs from that of gifdesc "
            f"{__version__}; train again"
        )


def _threshold_of(config: dict[str, Any]) -> float | None:
    """The threshold in a configuration; None in those of earlier versions.

    Raises:
        ValueError: it is not a finite number.
    """
    threshold = config.get("confidence_threshold")
    if threshold is None:
        return None
    if not is_finite(threshold):
        raise ValueError(f"confidence_threshold cannot be {threshold!r}")
    return float(threshold)


def _load_tokenizer(folder: Path) -> CaptionTokenizer:
    try:
        return CaptionTokenizer.load(folder)
    except UsageError as error:  # pragma: no cover - the folder exists
        raise CheckpointError(str(error)) from error


def load_weights(path: Path, model: torch.nn.Module) -> None:
    """Give a model, which may be without memory (`meta`), the weights of a file.

    Raises:
        CheckpointError: the file is missing, damaged, or of another model.
    """
    try:
        if kind := describe_placeholder(path):
            raise CheckpointError(f"{path}: {kind}, not the weights; fetch the file itself")
        state = read_tensors(path)
        _fill(model, state)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: missing; this is no complete model folder") from None
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error
    except RuntimeError as error:
        raise CheckpointError(f"{path}: does not fit the folder's {CONFIG_NAME}") from error
    if not all(map(all_finite, state.values())):
        raise CheckpointError(f"{path}: holds numbers that are not finite; train again")


def _fill(model: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load a state dict; a model without memory gets the tensors themselves.

    Raises:
        RuntimeError: names or shapes differ.
    """
    expected = model.state_dict()
    if not any(tensor.is_meta for tensor in expected.values()):
        model.load_state_dict(state)
        return
    as_expected = {
        name: tensor.to(expected[name].dtype) if name in expected else tensor
        for name, tensor in state.items()
    }
    model.load_state_dict(as_expected, assign=True)
