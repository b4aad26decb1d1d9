"""An evaluation to its page: what stands on it, and the frames that the model looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gifdesc.charts import ScoreRow
from gifdesc.curves import drawable
from gifdesc.errors import UsageError
from gifdesc.evaluation_page import (
    EvaluationPage,
    PageExample,
    WrittenPage,
    write_evaluation_page,
)
from gifdesc.features import Manifest, read_recipe
from gifdesc.filmstrips import GifFolder
from gifdesc.gif import Indices
from gifdesc.model_folder import read_history
from gifdesc.names import gif_key
from gifdesc.resampling import Difference
from gifdesc.sampling import sampler
from gifdesc.scored import Evaluation, ScoredCaption
from gifdesc.scorer import EXACT_MATCH
from gifdesc.style import baseline_label, metric_label

DEFAULT_GIFS_DIR = Path("gifs")
"""Where GIFs are looked for where nothing is said."""

_OF_EXAMPLES = ("cider", "meteor", "rouge_l", "bleu_4", "bleu_1")
_ONLY_OF_MODELS = ("loss", "nearest", "most-common", "in_training")
_CHANCE = 0.05  # a p-value below it is called clear

FramesOf = Callable[[str], Indices]
"""A GIF's name to the frames that its features describe, None where nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was evaluated.

    Attributes:
        name: of the model, or of the file of captions.
        split: the GIFs that were scored, for a model.
        model_dir: the model's folder, whose training is shown.
        features_dir: what the model looked at.
        against: name of the other system that it was compared with.
    """

    name: str
    split: str | None = None
    model_dir: Path | None = None
    features_dir: Path | None = None
    against: str | None = None


class EvaluationReport:
    """The page that an evaluation is to become; a wrong name is said before anything is done.

    Args:
        path: where the page goes.
        gifs_dir: where the GIFs lie; None for `DEFAULT_GIFS_DIR`, if there is such a folder.

    Raises:
        UsageError: the page's name is a folder's.
        GifdescError: there is no such folder of GIFs.

    Attributes:
        shows_gifs: there is a folder to look for GIFs in.
    """

    def __init__(self, path: Path, gifs_dir: Path | None = None) -> None:
        if path.is_dir():
            raise UsageError(f"--html {path}: a folder; give the name of a file in it")
        if gifs_dir is None and DEFAULT_GIFS_DIR.is_dir():
            gifs_dir = DEFAULT_GIFS_DIR
        self._path = path
        self._gifs = None if gifs_dir is None else GifFolder(gifs_dir)
        self.shows_gifs = self._gifs is not None

    def write(
        self,
        result: Evaluation,
        subject: Subject,
        on_example: Callable[[int, int], None] | None = None,
    ) -> WrittenPage:
        """Read the frames and write the page.

        Args:
            result: what it shows.
            subject: what that is of.
            on_example: told the number of filmstrips made, and of all, after each.

        Raises:
            GifdescError: the page cannot be written.
        """
        frames_of = known_frames(subject.features_dir)
        page = evaluation_page(result, subject, frames_of, shows_gifs=self.shows_gifs)
        return write_evaluation_page(
            page, self._path, gifs=self._gifs, indices_of=frames_of, on_example=on_example
        )


def evaluation_page(
    result: Evaluation, subject: Subject, frames_of: FramesOf, *, shows_gifs: bool
) -> EvaluationPage:
    """What stands on the page of an evaluation.

    Words keep what they looked at only where it is known which frames these were.
    """
    examples = [_example(one, is_known=frames_of(one.name) is not None) for one in result.captions]
    notes = _notes(result, subject)
    if not shows_gifs:
        notes.append("The GIFs are not shown: their folder was not named (--gifs).")
    elif any(
        one.words and not example.words
        for one, example in zip(result.captions, examples, strict=True)
    ):
        notes.append(
            "What each word attended to is not shown where the sampled frames of the features are "
            "not recorded."
        )
    split = f"{subject.split} " if subject.split else ""
    num_gifs = f"{result.num_examples} {split}{'GIF' if result.num_examples == 1 else 'GIFs'}"
    return EvaluationPage(
        title=f"{subject.name}: {num_gifs}",
        rows=_rows(result, subject),
        examples=examples,
        facts=_facts(result),
        notes=notes,
        history=[] if subject.model_dir is None else drawable(read_history(subject.model_dir)),
        # Among few GIFs CIDEr hardly weighs words; of one GIF it is always 0.
        sort_by="rouge_l" if "cider" in result.warnings else "cider",
    )


def known_frames(features_dir: Path | None) -> FramesOf:
    """Which frames features describe: what the manifest says, failing that the recipe.

    Raises:
        FeatureError: one of the two is damaged.
    """
    if features_dir is None:
        return lambda _: None
    recipe = read_recipe(features_dir)
    by_recipe = None if recipe is None else sampler(recipe.sampling, recipe.num_frames)
    sampled = {
        gif_key(entry.source): entry.sampled_frames
        for entry in Manifest(features_dir).entries.values()
        if entry.sampled_frames
    }
    return lambda name: sampled.get(gif_key(name), by_recipe)


def _example(one: ScoredCaption, *, is_known: bool) -> PageExample:
    scores = {name: one.scores.get(name) for name in _OF_EXAMPLES}
    return PageExample(
        name=one.name,
        caption=one.caption,
        references=one.references,
        scores={name: value for name, value in scores.items() if value is not None},
        words=one.words if is_known else (),
    )


def _rows(result: Evaluation, subject: Subject) -> list[ScoreRow]:
    baselines = {name: scores for name, scores in result.baselines.items() if scores}
    if result.against is not None:
        baselines[_other_name(subject)] = {n: one.score for n, one in result.against.items()}
    return [
        ScoreRow(
            metric=name,
            value=value,
            interval=(result.intervals or {}).get(name),
            baselines={other: scores.get(name) for other, scores in baselines.items()},
            note=result.notes.get(name) if value is None else None,
        )
        for name, value in {**result.metrics, EXACT_MATCH: result.exact_match}.items()
    ]


def _facts(result: Evaluation) -> dict[str, str]:
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


def _notes(result: Evaluation, subject: Subject) -> list[str]:
    rows = set(result.metrics)
    told = {**result.warnings, **{k: v for k, v in result.notes.items() if k not in rows}}
    if result.loss is None:
        told = {name: note for name, note in told.items() if name not in _ONLY_OF_MODELS}
    notes = [f"{_label(name)}: {note}." for name, note in told.items()]
    if result.against is not None:
        notes.append(_comparison(result.against, _other_name(subject)))
    return notes


def _comparison(differences: Mapping[str, Difference], other: str) -> str:
    parts = []
    for is_clear, label in ((True, f"hardly by chance (p < {_CHANCE})"), (False, "may be chance")):
        listed = [
            f"{metric_label(name)} {one.difference:+.3f}"
            for name, one in differences.items()
            if (one.p_value < _CHANCE) == is_clear
        ]
        if listed:
            parts.append(f"{', '.join(listed)}: {label}")
    return f"Difference to {other}: {'; '.join(parts)}."


def _other_name(subject: Subject) -> str:
    return subject.against or "the other system"


def _label(name: str) -> str:
    label = metric_label(name)
    return baseline_label(name) if label == name else label
