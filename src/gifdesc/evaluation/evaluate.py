"""Score captions against references, with intervals, baselines and warnings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gifdesc.config import Split
from gifdesc.data.forms.form_names import FormName
from gifdesc.errors import DescriptionError, MeteorError
from gifdesc.evaluation.baselines import blind_captions
from gifdesc.evaluation.bootstrap import differences, intervals, resampled_scores
from gifdesc.evaluation.predictions import read_predictions, read_references, unknown_ids
from gifdesc.evaluation.results import (
    BASELINES,
    BLIND,
    MOST_COMMON,
    NEAREST,
    Captioned,
    Evaluation,
    OtherCaption,
    ScoredCaption,
    diversity,
    plain,
)
from gifdesc.metrics import (
    Metric,
    Scores,
    ScoreTable,
    TokenizedCaption,
    TokenizedExample,
    tokenize,
    tokenize_all,
)
from gifdesc.metrics.base import mean
from gifdesc.metrics.meteor import running_meteor
from gifdesc.metrics.scoring import EXACT_MATCH, main_metric, metric_label, warnings_of_metrics
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import list_some

_NEEDS_MODEL = dict.fromkeys(("loss", NEAREST, MOST_COMMON, "in_training"), "needs a model")
_NEEDS_TWO = {
    BLIND: "needs two GIFs or more: there is no other GIF to caption this one from",
    "intervals": "needs two GIFs or more",
}


@dataclass(frozen=True, kw_only=True)
class ModelSide:
    """The data of a model beside its captions.

    Attributes:
        loss: cross-entropy per token in nats.
        token_accuracy: share of tokens predicted right given the words before.
        baselines: the captions of `nearest` and `most-common`, in the order of the GIFs.
        training_captions: captions of the training split.
        notes: why a value is None, and other notes for the reader.
        warnings: why the model's scores mean less than they seem to.
        split: the split that was captioned.
    """

    loss: float
    token_accuracy: float
    baselines: Mapping[str, list[str]] = field(default_factory=dict)
    training_captions: Collection[str] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, str] = field(default_factory=dict)
    split: Split | None = None


def evaluate_predictions(
    predictions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    against: Mapping[str, str] | None = None,
    meteor: bool = False,
) -> Evaluation:
    """Score any system's captions.

    Args:
        predictions: id -> caption; a missing caption counts as empty.
        references: id -> one or more captions by people.
        against: captions of another system, to compare with.
        meteor: compute METEOR too, if its program and Java are installed.

    Raises:
        DescriptionError: a prediction's id has no references, or no reference contains a word.
    """
    captioned = [
        Captioned(name=name, caption=predictions.get(name, ""), references=tuple(captions))
        for name, captions in references.items()
    ]
    missing = _missing(predictions, list(references))
    warnings = {"predictions": missing} if missing else {}
    return evaluate_captions(captioned, against=against, meteor=meteor, warnings=warnings)


def evaluate_prediction_files(
    predictions_path: Path,
    references_path: Path,
    *,
    predictions_format: FormName | None = None,
    references_format: FormName | None = None,
    against_path: Path | None = None,
    meteor: bool = False,
) -> Evaluation:
    """Score the captions in a file.

    Args:
        predictions_path: as in `read_predictions`.
        references_path: as in `read_references`.
        predictions_format: of the predictions; None recognises it by the file's content.
        references_format: the same of the references.
        against_path: captions of another system to compare with, as in `read_predictions`.
        meteor: compute METEOR too, if its program and Java are installed.

    Raises:
        DescriptionError: a file cannot be used, or as `evaluate_predictions`.
    """
    references = read_references(references_path, references_format)
    predictions = read_predictions(
        predictions_path, references.captions, predictions_format, gif_ids=references.gif_ids
    )
    against = None
    if against_path is not None:
        against = read_predictions(
            against_path, references.captions, gif_ids=references.gif_ids, option=None
        )
    return evaluate_predictions(predictions, references.captions, against=against, meteor=meteor)


def evaluate_captions(
    captioned: Sequence[Captioned],
    *,
    model: ModelSide | None = None,
    against: Mapping[str, str] | None = None,
    meteor: bool = False,
    warnings: Mapping[str, str] | None = None,
) -> Evaluation:
    """Score captions, with intervals, baselines and warnings.

    Args:
        captioned: captions of different names, at least one.
        model: the model that wrote them; None if it is unknown.
        against: another system's captions by name; a missing caption counts as empty.
        meteor: compute METEOR too, if its program and Java are installed.
        warnings: reasons that are known already why the scores mean less.

    Raises:
        DescriptionError: `against` names other GIFs, or no reference contains a word.
    """
    names = [example.name for example in captioned]
    references = [example.references for example in captioned]
    own = [example.caption for example in captioned]
    notes = dict(_NEEDS_MODEL if model is None else model.notes)
    of_model = {} if model is None else model.warnings
    warnings = {**of_model, **(warnings or {}), **warnings_of(names, references)}
    if model is not None and model.split == "train":
        warnings["split"] = (
            "the model was trained on these GIFs: the scores show what it memorised, not how it "
            "captions new GIFs"
        )
    if against is not None and (missing := _missing(against, names)):
        warnings["against"] = missing
    found = {BLIND: blind_captions(own), **(model.baselines if model else {})}
    captions_of = {name: captions for name, captions in found.items() if captions is not None}
    with wait_for("scoring"), open_scorer(references, meteor=meteor) as scorer:
        table = scorer.table(own)
        tables = {name: scorer.table(captions) for name, captions in captions_of.items()}
        other_captions = None if against is None else [against.get(name, "") for name in names]
        other = None if other_captions is None else scorer.table(other_captions)
    if scorer.empty_references:
        gifs = list_some([names[index] for index in scorer.empty_references], 3)
        warnings["wordless_references"] = f"no reference of {gifs} contains a word"
    scores = table.corpus()
    baselines = {name: tables[name].corpus() if name in tables else None for name in BASELINES}
    warnings |= _shortcomings(scores, baselines, len(names), is_model=model is not None)
    if scorer.meteor_unavailable:
        notes["meteor"] = scorer.meteor_unavailable
    if len(names) < 2:
        notes |= _NEEDS_TWO
    with wait_for("computing intervals"):
        own_draws, *other_draws = resampled_scores([table] if other is None else [table, other])
    return Evaluation(
        num_examples=len(names),
        metrics=plain(scores),
        intervals=None if len(names) < 2 else intervals(own_draws),
        baselines=baselines,
        exact_match=scores[EXACT_MATCH] or 0.0,
        diversity=diversity(own, model.training_captions if model else ()),
        loss=model.loss if model else None,
        token_accuracy=model.token_accuracy if model else None,
        against=None if other is None else differences(table, other, own_draws, other_draws[0]),
        split=model.split if model else None,
        notes=notes,
        warnings=warnings,
        captions=_scored(captioned, table, captions_of, _other(other_captions, other)),
    )


def _shortcomings(
    scores: Scores, baselines: Mapping[str, Scores | None], num_gifs: int, *, is_model: bool
) -> dict[str, str]:
    """A sentence for each baseline that the captions do not beat, by the main metric."""
    metric = main_metric(num_gifs)
    label = metric_label(metric)
    subject = "the model" if is_model else "these captions"
    own, found = scores[metric], {}
    blind, nearest = ((baselines[name] or {}).get(metric) for name in (BLIND, NEAREST))
    if own is not None and nearest is not None and own < nearest:
        found[NEAREST] = (
            f"{subject} scored below the captions of the most similar training GIFs ({label} "
            f"{own:.3f} against {nearest:.3f}): looking those up is better"
        )
    if own is not None and blind is not None and own <= blind:
        found["visual_gain"] = (
            f"{subject} scored no better than captions of other GIFs ({label} {own:.3f} against "
            f"{blind:.3f}): nothing shows that the model uses the GIF"
        )
    return found


def _other(captions: Sequence[str] | None, table: ScoreTable | None) -> list[OtherCaption] | None:
    if captions is None or table is None:
        return None
    return list(map(OtherCaption, captions, table.examples()))


def _scored(
    captioned: Sequence[Captioned],
    table: ScoreTable,
    captions_of: Mapping[str, list[str]],
    others: Sequence[OtherCaption] | None,
) -> list[ScoredCaption]:
    return [
        ScoredCaption(
            name=example.name,
            caption=example.caption,
            references=example.references,
            words=example.words,
            doubts=example.doubts,
            scores=scores,
            baselines={name: captions[index] for name, captions in captions_of.items()},
            against=None if others is None else others[index],
        )
        for index, (example, scores) in enumerate(zip(captioned, table.examples(), strict=True))
    ]


def _missing(predictions: Mapping[str, str], names: Sequence[str]) -> str:
    """The warning about GIFs without a prediction; empty if there are none.

    Raises:
        DescriptionError: a prediction is of another GIF.
    """
    known = set(names)
    if unknown := sorted(set(predictions) - known):
        raise unknown_ids(unknown, len(predictions) - len(unknown), ids=names)
    missing = [name for name in names if name not in predictions]
    if not missing:
        return ""
    return f"{len(missing)} of {len(names)} missing, counted as empty: {list_some(missing, 3)}"


MIN_INTERVAL_EXAMPLES = 30
"""On fewer GIFs the bootstrap intervals are too narrow."""

_EXACT = Metric(
    names=(EXACT_MATCH,), labels=(metric_label(EXACT_MATCH),), statistics=None, summarize=mean
)
"""Computed from captions as written, which `Metric.statistics` does not see."""


class Scorer:
    """Makes the score tables of any captions of the same GIFs.

    Args:
        references: for each GIF one or more captions, as written.
        meteor: METEOR, if it can be computed.
        unavailable: why METEOR cannot be computed.

    Attributes:
        meteor_unavailable: why METEOR is missing from tables; empty if it is not.
    """

    def __init__(
        self,
        references: Sequence[Sequence[str]],
        meteor: Metric | None = None,
        unavailable: str = "",
    ) -> None:
        texts = iter(tokenize_all([caption for group in references for caption in group]))
        self._references = [
            tuple(TokenizedCaption(next(texts)) for _ in group) for group in references
        ]
        # One by one: tokenized together, a caption may depend on the next.
        self._exact = [frozenset(map(tokenize, group)) for group in references]
        self._meteor = meteor
        self.meteor_unavailable = unavailable

    @property
    def empty_references(self) -> list[int]:
        """The indices of the GIFs whose references contain no word."""
        return [index for index, group in enumerate(self._exact) if group == {""}]

    def table(self, captions: Sequence[str]) -> ScoreTable:
        """The scores of one caption per GIF: every metric, and `exact_match`.

        After METEOR has failed once, it is left out.
        """
        examples = [
            TokenizedExample(TokenizedCaption(text), group)
            for text, group in zip(tokenize_all(captions), self._references, strict=True)
        ]
        table = ScoreTable.of(examples)
        columns = list(table.columns)
        if self._meteor is not None:
            try:
                columns += ScoreTable.of(examples, [self._meteor]).columns
            except MeteorError as error:
                self._meteor, self.meteor_unavailable = None, str(error)
        pairs = zip(map(tokenize, captions), self._exact, strict=True)
        columns.append((_EXACT, [(float(text != "" and text in group),) for text, group in pairs]))
        return ScoreTable(table.num_examples, tuple(columns))


@contextmanager
def open_scorer(references: Sequence[Sequence[str]], *, meteor: bool) -> Iterator[Scorer]:
    """A scorer, with METEOR if it is asked for and available.

    Raises:
        DescriptionError: no reference contains a word.
    """
    with ExitStack() as stack:
        metric, unavailable = None, "" if meteor else "not asked for"
        if meteor:
            try:
                metric = stack.enter_context(running_meteor())
            except MeteorError as error:
                unavailable = str(error)
        scorer = Scorer(references, metric, unavailable)
        if len(scorer.empty_references) == len(references):
            raise DescriptionError(
                "no reference contains a word, so there is nothing to score against"
            )
        yield scorer


def warnings_of(names: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, str]:
    """The reasons why scores mean less than they seem to, a sentence each."""
    warnings = warnings_of_metrics(len(names))
    if 2 <= len(names) < MIN_INTERVAL_EXAMPLES:
        warnings["intervals"] = (
            f"too narrow on fewer than {MIN_INTERVAL_EXAMPLES} GIFs: those of 95 % contain the "
            "true score in about 90 % of cases on 10 GIFs"
        )
    if all(len(group) == 1 for group in references):
        warnings["references"] = (
            "one per GIF: right captions in other words count as wrong, "
            "and scores cannot be compared with those on several references"
        )
    return warnings
