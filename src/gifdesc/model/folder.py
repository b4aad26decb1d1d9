"""A model's folder, on this disk or on the hub: which program made it, and its history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from gifdesc.config import ModelConfig, TrainingConfig
from gifdesc.errors import CheckpointError, UsageError
from gifdesc.model.public_models import DEFAULT_NAME, PUBLIC_MODELS, RECOMMENDED, full_name
from gifdesc.system.files import read_json_lines
from gifdesc.system.hub import commit_of, fetch, is_hub_name
from gifdesc.system.json_files import read_json
from gifdesc.system.wording import counted

CONFIG_NAME = "config.json"
HISTORY_NAME = "history.jsonl"
SCORES_NAME = "evaluation.json"
"""Where `gifdesc evaluate --json` may be kept beside a model, to be quoted in its card."""

CARD_NAME = "README.md"

EXAMPLES_NAME = "examples.png"
"""Where `gifdesc evaluate --picture` may write a picture for the card."""

HUB_FILES = ("*.json", "*.jsonl", "*.txt", "model.safetensors", CARD_NAME, EXAMPLES_NAME)
"""The files of a gifdesc model that are fetched from the hub."""

ModelKind = Literal["gifdesc", "transformers"]


def check_model_name(name: Path | str) -> None:
    """Check, without loading anything, that a name is a folder, a short name or may be a hub name.

    Raises:
        CheckpointError: there is no such folder, and it is no such name.
    """
    name = full_name(name)
    if Path(name).is_file():
        raise CheckpointError(f"{name}: a file; name the folder of the model, {Path(name).parent}")
    if not Path(name).is_dir() and (isinstance(name, Path) or not is_hub_name(name)):
        train = "gifdesc extract ./gifs && gifdesc train"
        if isinstance(name, Path):  # only a model of gifdesc will do
            error = CheckpointError(f"{name}: no model folder; train a model first:")
            error.commands = (train,)
            raise error
        names = (DEFAULT_NAME, *(model.short_name for model in PUBLIC_MODELS))
        found = get_close_matches(str(name).lower(), names, n=1)
        hint = f" (did you mean {found[0]}?)" if found else ""
        error = CheckpointError(
            f"{name}: no model folder{hint}; use a public model (downloaded once, "
            f"{RECOMMENDED.download_mb} MB), or train your own:"
        )
        error.commands = (
            f"gifdesc caption funny.gif --model {DEFAULT_NAME}",
            f"{train} && gifdesc caption funny.gif",
        )
        raise error


def locate(name: Path | str, patterns: Sequence[str], revision: str | None = None) -> Path:
    """The folder of a model: a folder as it is, or a hub model's files that match the patterns.

    Args:
        name: a folder, `user/model` on the hub, or a short name (model/public_models.py). A folder
            of that name comes first.
        patterns: the files to fetch from the hub, such as `*.json`.
        revision: a branch, a tag or a commit of a model on the hub.

    Raises:
        UsageError: a revision of a folder is asked for.
        CheckpointError: there is no such folder, and it is no hub name.
        HubError: the hub does not give it.
    """
    check_model_name(name)
    name = full_name(name)
    folder = Path(name)
    if not folder.is_dir():
        return fetch(str(name), patterns, revision)
    if revision is not None:
        raise UsageError(f"--revision: {name} is a folder, which has no revisions; leave it out")
    return folder


@dataclass(frozen=True)
class OpenModel:
    """A model whose config.json is read: all who load from it share that one reading.

    Attributes:
        name: the model as the user named it: a folder, or `user/model` on the hub.
        folder: the folder of config.json.
        config: the content of config.json.
        revision: the commit on the hub; None for a folder.
    """

    name: Path | str
    folder: Path
    config: dict[str, Any]
    revision: str | None = None

    @property
    def kind(self) -> ModelKind | None:
        """Which program's model this is; None if config.json does not state it."""
        return kind_of(self.config)

    def fetch(self, patterns: Sequence[str]) -> Path:
        """The folder with the model's files that match the patterns, all of one commit.

        Raises:
            HubError: the hub does not give them.
        """
        return locate(self.name, patterns, self.revision)


def open_model(name: Path | str, revision: str | None = None) -> OpenModel:
    """Find a model and read its config.json.

    Args:
        name: as in `locate`.
        revision: a branch, a tag or a commit of a model on the hub.

    Raises:
        UsageError: a revision of a folder is asked for.
        CheckpointError: there is no such folder, or its config.json is missing or damaged.
        HubError: the hub does not give the model.
    """
    name = full_name(name)
    folder = locate(name, [CONFIG_NAME], revision)
    if not Path(name).is_dir():
        revision = commit_of(folder) or revision
    return OpenModel(name, folder, read_config(folder), revision)


def read_config(folder: Path) -> dict[str, Any]:
    """The content of a model folder's config.json.

    Raises:
        CheckpointError: it is missing or damaged, or its network has a word detector.
    """
    path = folder / CONFIG_NAME
    try:
        config = read_json(path)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: missing; this is no complete model folder") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path}: damaged: not a JSON object")
    drop_word_detector(config.get("model"), path)
    return config


def drop_word_detector(network: object, path: Path) -> None:
    """Leave out a field that only development versions after 0.2.0 wrote.

    Args:
        network: the JSON of a `ModelConfig`; changed in place.
        path: its file.

    Raises:
        CheckpointError: the network has a word detector, which is no longer a part of networks.
    """
    if isinstance(network, dict) and network.pop("word_detector", False):
        raise CheckpointError(
            f"{path}: its network has a word detector, which this gifdesc no longer has; train "
            "again with --force"
        )


def kind_of(config: dict[str, Any]) -> ModelKind | None:
    """Which program's model a config.json describes; None if it does not state that."""
    if "format_version" in config:
        return "gifdesc"
    return "transformers" if isinstance(config.get("model_type"), str) else None


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The rows of a model folder's history, one per epoch; none if they cannot be read.

    A card or a page is complete without them, so a missing or damaged file is no error.
    """
    try:
        return read_json_lines(folder / HISTORY_NAME)
    except (OSError, ValueError):
        return []


def network_in_words(model: ModelConfig) -> str:
    """The parts of a caption model, for people: `encoder gru, fusion attention, ...`."""
    direction = "bidirectional " if model.bidirectional else ""
    parts = [
        f"encoder {direction}{model.encoder}",
        f"fusion {model.fusion}",
        f"decoder {model.decoder}",
        f"{model.hidden_size} units",
    ]
    if model.repetition_bias:
        parts.append("repetition bias")
    if model.word_evidence:
        parts += ["word evidence", *(["unsaid words"] if model.unsaid_words else [])]
    return ", ".join(parts)


def epochs_in_words(training: TrainingConfig) -> str:
    """The epochs of a run, for people: `9 epochs, 2 epochs of self-critical training`."""
    epochs = counted(training.epochs, "epoch")
    if training.passes > 1:
        epochs += f" of {training.passes} passes"
    if training.scst_epochs:
        epochs += f", {counted(training.scst_epochs, 'epoch')} of self-critical training"
    return epochs
