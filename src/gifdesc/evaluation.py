"""A model and its held-out GIFs, or anybody's captions, to scores."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gifdesc.backbone import UNTRAINED
from gifdesc.batching import iterate_batches, plan_scoring
from gifdesc.checkpoint import Checkpoint
from gifdesc.config import DecodingConfig, Split
from gifdesc.dataset import GIFDataset
from gifdesc.errors import DescriptionError, GifdescError
from gifdesc.features import check_same_recipe, read_features, read_recipe
from gifdesc.generation import generate
from gifdesc.metrics import score, tokenize
from gifdesc.objective import score_tokens
from gifdesc.pairing import Example
from gifdesc.training_data import prepare_data

log = logging.getLogger(__name__)

_BATCH_GIFS = 32
_BLIND_SEED = 0

Metrics = dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The scores of captions against references. Shares and BLEU are in [0, 1].

    Attributes:
        num_examples: GIFs scored.
        metrics: `bleu_1` .. `bleu_4`, `meteor`, `rouge_l`, `cider`; None where not computed.
        blind: the same and `exact_match`, each GIF captioned from another GIF's features.
        loss: cross-entropy per token in nats; None for captions without a model.
        perplexity: its exponential.
        token_accuracy: share of tokens predicted right given the words before.
        exact_match: share of captions that equal a reference, case and punctuation apart.
        distinct_captions: different captions among all.
        notes: why something is None, and what else a reader must know.
        captions: per example its name, caption and references.
    """

    num_examples: int
    metrics: Metrics
    blind: Metrics | None
    loss: float | None
    perplexity: float | None
    token_accuracy: float | None
    exact_match: float
    distinct_captions: int
    notes: dict[str, str] = field(default_factory=dict)
    captions: list[ScoredCaption] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The object of `gifdesc evaluate --json`."""
        return {
            "num_examples": self.num_examples,
            "metrics": self.metrics,
            "blind": self.blind,
            "loss": self.loss,
            "perplexity": self.perplexity,
            "token_accuracy": self.token_accuracy,
            "exact_match": self.exact_match,
            "distinct_captions": self.distinct_captions,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class ScoredCaption:
    """One GIF's caption beside what people said."""

    name: str
    caption: str
    references: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """The caption equals a reference, case and punctuation apart."""
        wanted = tokenize(self.caption)
        return any(tokenize(reference) == wanted for reference in self.references)


def held_out_examples(
    checkpoint: Checkpoint,
    features_dir: Path,
    descriptions_path: Path,
    *,
    split: Split = "test",
    splits_dir: Path | None = None,
) -> tuple[list[Example], list[str]]:
    """The examples that a model was not trained on, and what could not be used.

    Raises:
        FeatureError: the features are of another recipe than the model's.
        GifdescError: the split holds no example.
    """
    recipe = read_recipe(features_dir)
    if recipe is not None and checkpoint.recipe is not None:
        check_same_recipe(checkpoint.recipe, recipe, "the model's features")
    data = prepare_data(features_dir, descriptions_path, checkpoint.training, splits_dir)
    if data.splits_sha256 != checkpoint.training.splits_sha256:
        if splits_dir is None:
            raise GifdescError(
                f"{features_dir}: the model was trained with split lists, so a hash of the names "
                "would hold out GIFs that it has seen; give the lists with --splits"
            )
        log.warning("other lists than in training: the model may have seen some of these GIFs")
    # Read whole, which training does only as it goes: one bad file must not end an evaluation.
    examples = [
        one for one in data.splits[split] if data.store.read_or_none(one.features_path) is not None
    ]
    if not examples:
        raise GifdescError(
            f"{features_dir}: no example is in the {split} split; add GIFs, "
            "or score another with --split"
        )
    if data.feature_size != checkpoint.model.config.feature_size:
        raise GifdescError(
            f"{features_dir}: has {data.feature_size} features a frame, "
            f"the model wants {checkpoint.model.config.feature_size}"
        )
    return examples, data.problems


def evaluate_model(
    checkpoint: Checkpoint,
    examples: Sequence[Example],
    device: torch.device,
    config: DecodingConfig | None = None,
) -> Evaluation:
    """Caption held-out GIFs and score the captions, next to the blind control.

    Args:
        checkpoint: the model; it is moved to `device`.
        examples: from `held_out_examples`.
        device: where to compute.
        config: how captions are searched for.
    """
    model, tokenizer = checkpoint.model.to(device), checkpoint.tokenizer
    training = checkpoint.training
    captions: list[str] = []
    for first in range(0, len(examples), _BATCH_GIFS):
        features = [_load(one, model.config.feature_size) for one in examples[first:][:_BATCH_GIFS]]
        found = generate(model, tokenizer, features, config or DecodingConfig(), device)
        captions += [best.caption for best, *_ in found]
    dataset = GIFDataset(examples, tokenizer, max_tokens=training.max_tokens)
    pad_to = training.max_tokens if training.objective == "reconstruction" else None
    plan = plan_scoring(dataset.token_lengths, training.batch_size)
    batches = iterate_batches(dataset, plan, pad_id=tokenizer.pad_id, pad_to=pad_to)
    tokens = score_tokens(model, batches, training.objective, device)
    notes = _notes_on(checkpoint)
    scored = [
        ScoredCaption(one.name, caption, one.captions)
        for one, caption in zip(examples, captions, strict=True)
    ]
    return _evaluation(
        scored,
        blind=_blind(scored),
        loss=tokens.mean_loss,
        token_accuracy=tokens.accuracy,
        notes=notes,
    )


def evaluate_predictions(
    predictions: dict[str, str], references: dict[str, list[str]]
) -> Evaluation:
    """Score any system's captions.

    Args:
        predictions: id -> caption; one that is missing counts as empty.
        references: id -> one or more captions by people.

    Raises:
        DescriptionError: a prediction's id has no references.
    """
    if unknown := sorted(set(predictions) - set(references)):
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise DescriptionError(f"no references for {', '.join(unknown[:3])}{more}")
    scored = [
        ScoredCaption(name, predictions.get(name, ""), tuple(captions))
        for name, captions in references.items()
    ]
    notes = {"blind": "needs a model", "loss": "needs a model"}
    if missing := len(references) - len(predictions):
        notes["predictions"] = f"{missing} of {len(references)} missing, counted as empty"
    return _evaluation(scored, blind=None, loss=None, token_accuracy=None, notes=notes)


def _evaluation(
    scored: list[ScoredCaption],
    *,
    blind: Metrics | None,
    loss: float | None,
    token_accuracy: float | None,
    notes: dict[str, str],
) -> Evaluation:
    metrics = _score(scored)
    notes = {**dict.fromkeys(_absent(metrics), "not computed by this version"), **notes}
    if blind is None and "blind" not in notes:
        notes["blind"] = "needs two GIFs or more"
    return Evaluation(
        num_examples=len(scored),
        metrics=metrics,
        blind=blind,
        loss=loss,
        perplexity=None if loss is None else _perplexity(loss),
        token_accuracy=token_accuracy,
        exact_match=_exact_match(scored),
        distinct_captions=len({one.caption for one in scored}),
        notes=notes,
        captions=scored,
    )


def _blind(scored: Sequence[ScoredCaption]) -> Metrics | None:
    """The scores when every GIF is captioned from another GIF's features; None for one GIF.

    Another GIF's features give that GIF's caption, so the captions are dealt out anew: along one
    cycle through all examples in random order, which leaves none in its place.
    """
    if len(scored) < 2:
        return None
    order = list(range(len(scored)))
    random.Random(_BLIND_SEED).shuffle(order)
    other = dict(zip(order, order[1:] + order[:1], strict=True))
    dealt = [
        ScoredCaption(one.name, scored[other[index]].caption, one.references)
        for index, one in enumerate(scored)
    ]
    return {**_score(dealt), "exact_match": _exact_match(dealt)}


def _score(scored: Sequence[ScoredCaption]) -> Metrics:
    return score([one.caption for one in scored], [list(one.references) for one in scored])


def _exact_match(scored: Sequence[ScoredCaption]) -> float:
    return sum(one.is_exact for one in scored) / len(scored)


def _absent(metrics: Metrics) -> list[str]:
    return [name for name, value in metrics.items() if value is None]


def _perplexity(loss: float) -> float | None:
    """Exponential of the loss, None where that is beyond any float."""
    try:
        return math.exp(loss)
    except OverflowError:
        return None


def _notes_on(checkpoint: Checkpoint) -> dict[str, str]:
    notes = {}
    if checkpoint.recipe is not None and checkpoint.recipe.weights == UNTRAINED:
        notes["weights"] = "the features are of an untrained ResNet50 (random weights)"
    if checkpoint.training.objective == "reconstruction":
        notes["loss"] = (
            "the model is shown the token it must predict, and padding counts: "
            "not comparable with a captioner's loss"
        )
    return notes


def _load(example: Example, feature_size: int) -> npt.NDArray[np.float32]:
    return read_features(example.features_path, feature_size)
