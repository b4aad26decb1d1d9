"""The model card of a model folder, and its publication on the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gifdesc.data.training_record import RECORD_NAME
from gifdesc.metrics.scoring import EXACT_MATCH, metric_label, metric_names
from gifdesc.model.checkpoint import Checkpoint, save_checkpoint
from gifdesc.model.folder import (
    CARD_NAME,
    EXAMPLES_NAME,
    HISTORY_NAME,
    epochs_in_words,
    network_in_words,
    read_history,
)
from gifdesc.model.folder import SCORES_NAME as SCORES_NAME
from gifdesc.system.files import write_text
from gifdesc.system.hub import upload
from gifdesc.system.json_files import read_json
from gifdesc.system.replacement import TemporaryFolder, replacing
from gifdesc.version import __version__

_FRONT_MATTER = """---
library_name: gifdesc
pipeline_tag: image-to-text
tags:
- gifdesc
- gif
- image-captioning
- video-captioning
# license: yours to choose, such as mit; none is stated until a line here names one
{index}
---
"""

_USE = """```sh
pip install gifdesc  # or, in a clone of its repository: pip install .
gifdesc caption funny.gif --model {name}
```

```python
from gifdesc import Captioner

captioner = Captioner.from_pretrained("{name}")
print(captioner.caption("funny.gif").caption)
```
"""


_EXAMPLES = f"""## Examples

![GIFs that the model was not trained on, each with its caption and a description]({EXAMPLES_NAME})
"""

_HUB_METRICS = {**{f"bleu_{n}": "bleu" for n in range(1, 5)}, "rouge_l": "rouge"}
"""A metric -> its type on the hub, where that is another than its name."""

_NO_DATA = (
    "Not stated: say here which GIFs and descriptions it was trained on, who wrote the "
    "descriptions (people or a model), and on what terms they may be used."
)


def model_card(
    checkpoint: Checkpoint,
    *,
    name: str,
    data: str | None = None,
    scores: Mapping[str, Any] | None = None,
    history: list[dict[str, Any]] | None = None,
    has_examples: bool = False,
) -> str:
    """A model card in Markdown, with its metadata block, in which the hub finds the scores.

    The card marks unknown facts as unknown and guesses nothing. The user chooses the licence.

    Args:
        checkpoint: the model.
        name: the argument of `from_pretrained`.
        data: the training data, in the user's words.
        scores: the object of `gifdesc evaluate --json`.
        history: the lines of history.jsonl.
        has_examples: whether a picture of examples is beside the card.
    """
    index = _yaml_block("model-index", _model_index(name, scores))
    sections = [
        _FRONT_MATTER.format(index=index),
        f"# {name}",
        f"Describes animated GIFs in a sentence. Made with gifdesc {__version__}.",
        _block("use", _USE.format(name=name)),
        *([_EXAMPLES] if has_examples else []),
        "## Features\n\n" + _block("features", _features(checkpoint)),
        "## Data\n\n" + _block("data", data or _NO_DATA),
        "## Training\n\n" + _block("training", _training(checkpoint, history or [])),
        "## Scores\n\n" + _block("scores", _scores(checkpoint, scores)),
        "## Licence\n\nNot stated yet: add `license:` to the block at the top of this file.",
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def folder_card(
    checkpoint: Checkpoint,
    folder: Path | None,
    *,
    name: str,
    data: str | None = None,
    scores: Mapping[str, Any] | None = None,
) -> str:
    """The updated card of a model that was loaded from a folder.

    An existing card keeps all changes of its owner (such as the licence); only the blocks between
    gifdesc's own marks are replaced, if there is something new.

    Args:
        checkpoint: the model.
        folder: its folder; the card quotes the history.jsonl and evaluation.json there, and shows
            the examples.png.
        name: as in `model_card`.
        data: likewise.
        scores: likewise; those of evaluation.json by default.
    """
    own = None if folder is None else _read(folder / CARD_NAME)
    has_examples = folder is not None and (folder / EXAMPLES_NAME).is_file()
    if folder is not None and scores is None:
        scores = _read_scores(folder / SCORES_NAME)
    history = [] if folder is None else read_history(folder)
    if own is None:
        return model_card(
            checkpoint,
            name=name,
            data=data,
            scores=scores,
            history=history,
            has_examples=has_examples,
        )
    if has_examples and EXAMPLES_NAME not in own:
        own = own.replace("## Features\n", f"{_EXAMPLES}\n## Features\n", 1)
    own = _refilled(own, "use", _USE.format(name=name))
    own = _refilled(own, "features", _features(checkpoint))
    own = _refilled(own, "training", _training(checkpoint, history))
    if data is not None:
        own = _refilled(own, "data", data)
    if scores is None and _weights_mark(checkpoint) in own:
        return own
    index = _yaml_block("model-index", _model_index(name, scores))
    own = _replaced(own, "# gifdesc:model-index\n.*?# /gifdesc:model-index", index)
    return _refilled(own, "scores", _scores(checkpoint, scores))


def _block(key: str, text: str) -> str:
    """A block that gifdesc may replace later, between marks that readers do not see."""
    return f"<!-- gifdesc:{key} -->\n{text.strip()}\n<!-- /gifdesc:{key} -->"


def _refilled(card: str, key: str, text: str) -> str:
    """A card with the text of a block replaced; the same card if it has no such block."""
    return _replaced(card, _block(key, ".*?"), _block(key, text))


def _replaced(card: str, pattern: str, block: str) -> str:
    return re.sub(pattern, lambda _: block, card, count=1, flags=re.DOTALL)


def _yaml_block(key: str, lines: str) -> str:
    """A block of the metadata, between marks that are comments there."""
    return "\n".join(filter(None, [f"# gifdesc:{key}", lines, f"# /gifdesc:{key}"]))


def _model_index(name: str, scores: Mapping[str, Any] | None) -> str:
    """The scores in the hub's own form; empty if they are unknown.

    See https://huggingface.co/docs/hub/model-cards, "Evaluation Results". A string of JSON is a
    string of YAML too.
    """
    metrics = scores.get("metrics") if scores else None
    if not scores or not isinstance(metrics, Mapping):
        return ""
    found = {**metrics, EXACT_MATCH: scores.get(EXACT_MATCH)}
    known = [
        key for key in (*metric_names(), EXACT_MATCH) if isinstance(found.get(key), (int, float))
    ]
    if not known:
        return ""
    lines = [
        "model-index:",
        f"- name: {json.dumps(name)}",
        "  results:",
        "  - task:",
        "      type: image-to-text",
        "      name: GIF captioning",
        "    dataset:",
        "      type: gif-captions",
        f"      name: {scores.get('num_examples')} held-out GIFs",
        "    metrics:",
    ]
    for key in known:
        lines += [
            f"    - type: {_HUB_METRICS.get(key, key)}",
            f"      name: {json.dumps(metric_label(key))}",
            f"      value: {round(found[key], 4)}",
        ]
    return "\n".join(lines)


def _features(checkpoint: Checkpoint) -> str:
    recipe = checkpoint.recipe
    if recipe is None:
        return "It is not known how the features were made."
    if recipe.is_untrained:
        backbone = (
            f"**The {recipe.backbone_title} is untrained (random weights).** Its features carry no "
            "learned visual information: the model can describe only GIFs very similar to its "
            "training GIFs."
        )
    else:
        backbone = (
            f"The {recipe.backbone_title} has the weights `{recipe.weights}` (SHA-256 "
            f"`{recipe.weights_sha256[:12]}`) and was not trained further."
        )
    return (
        f"{backbone}\n\nUp to {recipe.num_frames} frames of a GIF, sampling `{recipe.sampling}`, "
        f"{recipe.image_size} x {recipe.image_size} pixels, position encoding "
        f"`{recipe.encoding}`. `config.json` has the whole recipe."
    )


def _training(checkpoint: Checkpoint, history: list[dict[str, Any]]) -> str:
    training, config = checkpoint.training, checkpoint.model.config
    num_parameters = sum(parameter.numel() for parameter in checkpoint.model.parameters())
    lines = [
        f"- preset `{training.preset}`, objective `{training.objective}`, seed {training.seed}",
        f"- {network_in_words(config)}; {num_parameters:,} parameters, a vocabulary of "
        f"{checkpoint.tokenizer.vocab_size} tokens",
        f"- {epochs_in_words(training)}, learning rate {training.learning_rate:g}, batches of "
        f"{training.batch_size}",
        f"- held out: {training.val_fraction:.0%} for validation, {training.test_fraction:.0%} "
        "for testing",
    ]
    if best := [row for row in history if row.get("is_best")]:
        loss = best[-1].get("val_loss")
        of = "training" if loss is None else "validation"
        loss = best[-1].get("train_loss") if loss is None else loss
        # Self-critical training has no loss of its own.
        loss = "" if loss is None else f", {of} loss {loss:.4f} nats per token"
        lines.append(f"- best epoch {best[-1].get('epoch')}{loss}")
    if training.objective == "reconstruction":
        lines.append("- trained to repeat its input: **its captions mean nothing**")
    return "\n".join(lines)


def _weights_mark(checkpoint: Checkpoint) -> str:
    """A mark, hidden from readers, of the weights that the scores belong to."""
    digest = hashlib.sha256()
    for name, tensor in sorted(checkpoint.model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return f"<!-- of the weights {digest.hexdigest()[:16]} -->"


def _scores(checkpoint: Checkpoint, scores: Mapping[str, Any] | None) -> str:
    metrics = scores.get("metrics") if scores else None
    if not scores or not isinstance(metrics, Mapping):
        return (
            f"Not known. `gifdesc evaluate --json > {SCORES_NAME}` in the model folder states them."
        )
    blind = scores.get("blind") if isinstance(scores.get("blind"), Mapping) else {}
    found = {**metrics, EXACT_MATCH: scores.get(EXACT_MATCH)}
    rows = ["| metric | the model | blind control |", "| --- | --- | --- |"]
    for key in (*metric_names(), EXACT_MATCH):
        if isinstance(found.get(key), (int, float)):
            rows.append(
                f"| {metric_label(key)} | {found[key]:.3f} | {_number((blind or {}).get(key))} |"
            )
    return (
        f"On {scores.get('num_examples')} held-out GIFs. The blind control captions each GIF from "
        "another GIF's features; the difference is what the GIF contributes.\n\n"
        + "\n".join([*rows, "", _weights_mark(checkpoint)])
    )


def _number(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else "-"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _read_picture(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _read_scores(path: Path) -> dict[str, Any] | None:
    try:
        scores = read_json(path)
    except (OSError, ValueError):
        return None
    return scores if isinstance(scores, dict) else None


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
        origin: the folder of the loaded model; its history, scores, record and picture of examples
            are copied.
        name: of the model in the card; the folder's name by default.
        data: see `model.card.model_card`.
        scores: likewise.

    Raises:
        OSError: the folder cannot be written.
    """
    name = name or folder.resolve().name
    card = folder_card(checkpoint, origin, name=name, data=data, scores=scores)
    # Read before anything is written: both may be the same folder.
    beside = {
        file_name: _read(origin / file_name)
        for file_name in (HISTORY_NAME, SCORES_NAME, RECORD_NAME)
        if origin is not None
    }
    picture = None if origin is None else _read_picture(origin / EXAMPLES_NAME)
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
    if picture is not None:
        with replacing(folder / EXAMPLES_NAME) as aside:
            aside.write_bytes(picture)
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
    with TemporaryFolder() as folder:
        save_model(checkpoint, Path(folder), origin=origin, name=name, data=data, scores=scores)
        message = f"Upload a GIF captioner made with gifdesc {__version__}"
        return upload(Path(folder), name, private=private, message=message)
