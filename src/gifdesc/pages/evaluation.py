"""The page of an evaluation: scores, curves, and every caption beside its GIF."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gifdesc.captions import Word
from gifdesc.data.feature_files import Manifest, read_recipe
from gifdesc.data.names import gif_key
from gifdesc.errors import UsageError
from gifdesc.evaluation.bootstrap import Difference
from gifdesc.evaluation.results import Evaluation, ScoredCaption
from gifdesc.gif.reader import Indices
from gifdesc.metrics.scoring import (
    EXACT_MATCH,
    MAIN_METRICS,
    example_metric_names,
    main_metric,
    metric_label,
)
from gifdesc.model.folder import read_history
from gifdesc.pages.charts import (
    ScoreRow,
    describe_history,
    describe_scores,
    drawable,
    history_svg,
    scores_svg,
)
from gifdesc.pages.filmstrips import NUM_THREADS, Filmstrip, GifFolder
from gifdesc.pages.html import check_page_path, data_uri, write_page
from gifdesc.pages.style import DARK, LIGHT, Theme, baseline_label
from gifdesc.sampling import sampler
from gifdesc.system.threads import mapped_ahead
from gifdesc.system.wording import counted

DEFAULT_GIFS_DIR = Path("gifs")
"""Where GIFs are looked for where nothing is said."""

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
    num_gifs = counted(result.num_examples, f"{split}GIF")
    return EvaluationPage(
        title=f"{subject.name}: {num_gifs}",
        rows=score_rows(result, subject),
        examples=examples,
        facts=_facts(result),
        notes=notes,
        history=[] if subject.model_dir is None else drawable(read_history(subject.model_dir)),
        sort_by=main_metric(result.num_examples),
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
    scores = {name: one.scores.get(name) for name in example_metric_names()}
    return PageExample(
        name=one.name,
        caption=one.caption,
        references=one.references,
        scores={name: value for name, value in scores.items() if value is not None},
        words=one.words if is_known else (),
    )


def score_rows(result: Evaluation, subject: Subject) -> list[ScoreRow]:
    """The scores of an evaluation as rows of the page's chart and table."""
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


MAX_EXAMPLES = 1000
"""Examples that a page shows at most: the worst ones."""


@dataclass(frozen=True, kw_only=True)
class PageExample:
    """One GIF of the page.

    Attributes:
        name: the GIF's name, as in its features or its predictions.
        caption: what the model said; it may be empty.
        references: what people said.
        scores: of this caption alone, by metric.
        words: the caption word by word, where the model attends.
        filmstrip: its frames.
        missing: why there is no filmstrip.
    """

    name: str
    caption: str
    references: Sequence[str] = ()
    scores: Mapping[str, float | None] = field(default_factory=dict)
    words: Sequence[Word] = ()
    filmstrip: Filmstrip | None = None
    missing: str | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluationPage:
    """What the page shows.

    Attributes:
        title: its heading.
        rows: the scores, from top to bottom.
        examples: in any order.
        facts: names and values that stand beneath the heading.
        notes: what a reader must know, a sentence each.
        history: the rows of `history.jsonl`, see `pages.charts.plot_history`.
        sort_by: the metric of `PageExample.scores` that tells what is worst; None for CIDEr,
            or whichever there is.
    """

    title: str
    rows: Sequence[ScoreRow]
    examples: Sequence[PageExample]
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    history: Sequence[Mapping[str, Any]] = ()
    sort_by: str | None = None


@dataclass(frozen=True)
class WrittenPage:
    """What is on a page.

    Attributes:
        num_examples: GIFs that it shows.
        num_without_frames: of these, how many have no filmstrip.
    """

    num_examples: int
    num_without_frames: int


def write_evaluation_page(
    page: EvaluationPage,
    path: Path,
    *,
    gifs: GifFolder | None = None,
    indices_of: Callable[[str], Indices] = lambda _: None,
    max_examples: int = MAX_EXAMPLES,
    on_example: Callable[[int, int], None] | None = None,
) -> WrittenPage:
    """Write the page: one file that opens offline.

    Args:
        page: what it shows.
        path: where it goes.
        gifs: where the GIFs lie, for the examples that have no filmstrip yet; a GIF that is
            missing or broken is said in its place. None leaves the pictures out.
        indices_of: the frames of a GIF, by its name, that the model looked at, as for
            `read_gif`: those that `PageExample.words` weigh. None: some spread over all.
        max_examples: how many are shown at most.
        on_example: told the number of filmstrips made, and of all, after each.

    Returns:
        What is on it.

    Raises:
        GifdescError: the file cannot be written; said before a GIF is read.
    """
    check_page_path(path)
    sort_by = page.sort_by or _default_order(page.examples)
    examples = worst_first(page.examples, sort_by)[:max_examples]
    if gifs is not None:
        examples = _with_filmstrips(examples, gifs, indices_of, on_example)
    has_numbers = any(row.value is not None and math.isfinite(row.value) for row in page.rows)
    write_page(
        path,
        "evaluation.html.j2",
        {
            "title": page.title,
            "skip_to": "captions",
            "page": page,
            "examples": examples,
            "num_left_out": len(page.examples) - len(examples),
            "sort_by": sort_by,
            "metrics": list(dict.fromkeys(name for one in page.examples for name in one.scores)),
            "any_words": any(one.words for one in examples),
            "has_intervals": any(row.interval is not None for row in page.rows),
            "baselines": list(dict.fromkeys(name for row in page.rows for name in row.baselines)),
            "scores_chart": _pictures(scores_svg, page.rows) if has_numbers else None,
            "scores_words": describe_scores(page.rows),
            "has_cider": any(row.get("val_cider") is not None for row in page.history),
            "has_reward": any(row.get("train_reward") is not None for row in page.history),
            "history_chart": _pictures(history_svg, page.history) if page.history else None,
            "history_words": describe_history(page.history),
        },
    )
    return WrittenPage(len(examples), sum(one.filmstrip is None for one in examples))


def _with_filmstrips(
    examples: Sequence[PageExample],
    gifs: GifFolder,
    indices_of: Callable[[str], Indices],
    on_example: Callable[[int, int], None] | None,
) -> list[PageExample]:
    def read(example: PageExample) -> PageExample:
        if example.filmstrip is not None or example.missing is not None:
            return example
        film, missing = gifs.filmstrip(example.name, indices_of(example.name))
        return replace(example, filmstrip=film, missing=missing)

    found = []
    for example in mapped_ahead(read, examples, num_threads=NUM_THREADS):
        found.append(example)
        if on_example is not None:
            on_example(len(found), len(examples))
    return found


def worst_first(examples: Sequence[PageExample], metric: str | None) -> list[PageExample]:
    """Examples by their score, lowest first; those without one come last, and ties by name."""

    def key(example: PageExample) -> tuple[float, str]:
        score = None if metric is None else example.scores.get(metric)
        return math.inf if score is None or math.isnan(score) else score, example.name

    return sorted(examples, key=key)


def _default_order(examples: Sequence[PageExample]) -> str | None:
    preferred = [name for metric in MAIN_METRICS for name in metric.names]
    known = dict.fromkeys(name for example in examples for name in example.scores)
    return next((name for name in (*preferred, *known) if name in known), None)


def _pictures(draw: Callable[..., str], data: Any) -> dict[str, str]:
    """A chart by day and by night, for a desk and for a telephone."""

    def picture(theme: Theme, is_narrow: bool) -> str:
        return data_uri(draw(data, theme, is_narrow=is_narrow), "image/svg+xml")

    return {
        "wide_light": picture(LIGHT, False),
        "wide_dark": picture(DARK, False),
        "narrow_light": picture(LIGHT, True),
        "narrow_dark": picture(DARK, True),
    }
