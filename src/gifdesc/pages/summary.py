"""The result of an evaluation at the top of its page: figures, facts, warnings and notes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gifdesc.config import FeatureRecipe, TrainingConfig
from gifdesc.errors import GifdescError
from gifdesc.evaluation.bootstrap import Difference
from gifdesc.evaluation.results import BLIND, NEAREST, Evaluation
from gifdesc.metrics.scoring import main_metric, metric_label, metric_maximum
from gifdesc.model.folder import read_config
from gifdesc.pages.style import baseline_label
from gifdesc.system.json_files import from_json
from gifdesc.system.wording import counted

_ONLY_OF_MODELS = ("loss", "nearest", "most-common", "in_training")
_CHANCE = 0.05  # a p-value below it is called clear


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The system that was evaluated.

    Attributes:
        name: of the model, or of the file of captions.
        split: the GIFs that were scored, for a model.
        model_dir: the model's folder, whose training is shown.
        features_dir: the features that the model captioned.
        data: the name of the references.
        against: name of the other system that it was compared with.
        date: the day of the evaluation.
    """

    name: str
    split: str | None = None
    model_dir: Path | None = None
    features_dir: Path | None = None
    data: str | None = None
    against: str | None = None
    date: datetime.date = field(default_factory=datetime.date.today)

    @property
    def other_name(self) -> str:
        """The name of the system that it was compared with, for readers."""
        return self.against or "the other system"


@dataclass(frozen=True)
class Figure:
    """A large number with its meaning.

    Attributes:
        value: the number as text.
        sentence: its meaning.
        is_good: whether it speaks for the system; None for a plain number.
    """

    value: str
    sentence: str
    is_good: bool | None = None


def figures_of(result: Evaluation, subject: Subject) -> list[Figure]:
    """The main score, what the GIF contributes, and the comparisons: those that are known."""
    metric = main_metric(result.num_examples)
    label, score = metric_label(metric), result.scores.get(metric)
    if score is None:
        return []
    gifs = counted(result.num_examples, "GIF")
    sentence = f"{label} on {gifs}, at best {metric_maximum(metric):g}"
    if metric in (result.intervals or {}):
        low, high = (result.intervals or {})[metric]
        sentence += f"; 95\N{NO-BREAK SPACE}% interval {low:.2f} to {high:.2f}"
    figures = [Figure(f"{score:.2f}", f"{sentence}.")]
    blind = (result.baselines.get(BLIND) or {}).get(metric)
    if blind is not None:
        sentence = f"visual gain: captions of other GIFs (blind) score {blind:.2f}"
        ending = "." if score > blind else "; nothing shows that the GIF matters."
        figures.append(Figure(_signed(score - blind), sentence + ending, score > blind))
    nearest = (result.baselines.get(NEAREST) or {}).get(metric)
    if nearest is not None:
        judged = "worse" if score < nearest else "better" if score > nearest else "no better"
        sentence = (
            f"{judged} than the captions of the most similar training GIFs (nearest), "
            f"which score {nearest:.2f}."
        )
        figures.append(Figure(_signed(score - nearest), sentence, score > nearest))
    found = (result.against or {}).get(metric)
    if found is not None:
        judged = "worse" if found.difference < 0 else "better" if found.difference else "no better"
        chance = "hardly by chance" if found.p_value < _CHANCE else "may be chance"
        sentence = (
            f"{judged} than {subject.other_name}, which scores {found.score:.2f}: "
            f"{chance} (p = {found.p_value:.3f})."
        )
        figures.append(Figure(_signed(found.difference), sentence, found.difference > 0))
    return figures


def _signed(difference: float) -> str:
    return f"{round(difference, 2) + 0.0:+.2f}"  # + 0.0: no -0.00


def title_of(result: Evaluation, subject: Subject) -> str:
    """The page's heading."""
    split = f"{subject.split} " if subject.split else ""
    return f"{subject.name}: {counted(result.num_examples, f'{split}GIF')}"


def origin_of(subject: Subject, recipe: FeatureRecipe | None) -> dict[str, str]:
    """How the scores were made: the references, the model's training, the features, the day.

    Args:
        subject: the system that was evaluated.
        recipe: of its features, if it is known.
    """
    origin = {}
    if subject.data:
        origin["references"] = subject.data
    training = None if subject.model_dir is None else _training_of(subject.model_dir)
    if training is not None:
        epochs = training.epochs + training.scst_epochs
        origin["model"] = f"preset {training.preset}, {counted(epochs, 'epoch')}"
        origin["seed"] = str(training.seed)
    if recipe is not None:
        origin["features"] = (
            f"{recipe.backbone_title} ({recipe.weights}), {counted(recipe.num_frames, 'frame')}, "
            f"sampling {recipe.sampling}, framing {recipe.framing}"
        )
    return {**origin, "evaluated": subject.date.isoformat()}


def _training_of(model_dir: Path) -> TrainingConfig | None:
    """How a model was trained; None if its folder does not state it: a page does without."""
    try:
        return from_json(TrainingConfig, read_config(model_dir).get("training"))
    except (GifdescError, TypeError, ValueError):
        return None


def facts_of(result: Evaluation) -> dict[str, str]:
    """Names and values of what no metric measures."""
    varied = result.diversity
    facts = {
        "distinct captions": f"{varied.distinct_captions} of {result.num_examples}",
        "words in use": str(varied.vocabulary_size),
        "words a caption": f"{varied.mean_length:.1f}",
    }
    if varied.in_training is not None:
        facts["captions in the training set"] = f"{100 * varied.in_training:.0f} %"
    for name in ("loss", "perplexity", "token_accuracy"):
        if (value := getattr(result, name)) is not None:
            facts[metric_label(name)] = f"{value:.3f}"
    return facts


def warnings_of(result: Evaluation) -> list[str]:
    """The reasons why the scores mean less than they seem to, a sentence each."""
    return [f"{_label(name)}: {warning}." for name, warning in result.warnings.items()]


def notes_of(result: Evaluation, subject: Subject) -> list[str]:
    """What else a reader should know, a sentence each, and the comparison."""
    rows = set(result.metrics)
    notes = {name: note for name, note in result.notes.items() if name not in rows}
    if result.loss is None:
        notes = {name: note for name, note in notes.items() if name not in _ONLY_OF_MODELS}
    sentences = [f"{_label(name)}: {note}." for name, note in notes.items()]
    if result.against is not None:
        sentences.append(_comparison(result.against, subject.other_name))
    return sentences


def _comparison(differences: Mapping[str, Difference], other: str) -> str:
    parts = []
    for is_clear, label in ((True, f"hardly by chance (p < {_CHANCE})"), (False, "may be chance")):
        listed = [
            f"{metric_label(name)} {found.difference:+.3f}"
            for name, found in differences.items()
            if (found.p_value < _CHANCE) == is_clear
        ]
        if listed:
            parts.append(f"{', '.join(listed)}: {label}")
    return f"Difference to {other}: {'; '.join(parts)}."


def _label(name: str) -> str:
    label = metric_label(name)
    return baseline_label(name) if label == name else label


def summary_of(
    result: Evaluation, subject: Subject, recipe: FeatureRecipe | None
) -> dict[str, Any]:
    """The values of a template for the top of the page, but for the notes."""
    return {
        "title": title_of(result, subject),
        "figures": figures_of(result, subject),
        "origin": origin_of(subject, recipe),
        "facts": facts_of(result),
        "warnings": warnings_of(result),
    }
