"""A trained model for others: a folder with a model card, and the same on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gifdesc import __version__
from gifdesc.checkpoint import Checkpoint, save_checkpoint
from gifdesc.files import write_text
from gifdesc.hub import upload
from gifdesc.model_card import CARD_NAME, SCORES_NAME, folder_card
from gifdesc.model_folder import HISTORY_NAME
from gifdesc.training_record import RECORD_NAME

HUB_FILES = ("*.json", "*.jsonl", "*.txt", "model.safetensors", CARD_NAME)
"""What is fetched of a gifdesc model on the hub."""


def save_model(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    origin: Path | None,
    name: str | None = None,
    data: str | None = None,
    scores: Mapping[str, Any] | None = None,
) -> None:
    """Write a model folder with a card (README.md).

    Args:
        checkpoint: the model.
        folder: where to write.
        origin: the folder it was loaded from, whose history, scores and record go along.
        name: what the card calls the model; the folder's name by default.
        data: see `model_card.model_card`.
        scores: likewise.

    Raises:
        OSError: the folder cannot be written.
    """
    name = name or folder.resolve().name
    card = folder_card(checkpoint, origin, name=name, data=data, scores=scores)
    # Read before anything is written: the two folders may be one.
    beside = {
        file_name: _read(origin / file_name)
        for file_name in (HISTORY_NAME, SCORES_NAME, RECORD_NAME)
        if origin is not None
    }
    (folder / RECORD_NAME).unlink(missing_ok=True)  # of another model
    save_checkpoint(
        folder,
        checkpoint.model,
        checkpoint.tokenizer,
        checkpoint.recipe,
        checkpoint.training,
        checkpoint.confidence_threshold,
        checkpoint.captions,
    )
    for file_name, text in beside.items():
        if text:  # an evaluation that failed leaves an empty file behind
            write_text(folder / file_name, text)
    write_text(folder / CARD_NAME, card)


def push_model(
    checkpoint: Checkpoint,
    name: str,
    *,
    origin: Path | None,
    private: bool | None = None,
    data: str | None = None,
    scores: Mapping[str, Any] | None = None,
) -> str:
    """Put a model folder on the hub; see `save_model` and `hub.upload`.

    Returns:
        The model's address.

    Raises:
        HubError: the hub cannot be reached or refuses.
    """
    with TemporaryDirectory() as folder:
        save_model(checkpoint, Path(folder), origin=origin, name=name, data=data, scores=scores)
        message = f"Upload a GIF captioner made with gifdesc {__version__}"
        return upload(Path(folder), name, private=private, message=message)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
