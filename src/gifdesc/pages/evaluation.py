"""The page of an evaluation: scores, training, and each caption beside its GIF."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gifdesc.captions import Word
from gifdesc.data.feature_files import read_recipe
from gifdesc.data.manifest import Manifest
from gifdesc.data.names import gif_key
from gifdesc.errors import UsageError
from gifdesc.evaluation.bootstrap import Difference
from gifdesc.evaluation.results import Evaluation, ScoredCaption
from gifdesc.gif.reader import Indices
from gifdesc.metrics.scoring import example_metric_names, main_metric, metric_label
from gifdesc.model.folder import read_history
from gifdesc.pages.charts import (
    describe_history,
    describe_scores,
    drawable,
    has_numbers,
    history_svg,
    scores_svg,
)
from gifdesc.pages.filmstrips import NUM_THREADS, Filmstrip, GifFolder
from gifdesc.pages.html import check_page_name, check_page_path, data_uri, write_page
from gifdesc.pages.style import DARK, LIGHT, Theme, baseline_label
from gifdesc.sampling import sampler
from gifdesc.system.threads import mapped_ahead
from gifdesc.system.wording import counted

DEFAULT_GIFS_DIR = Path("gifs")
"""The folder of GIFs if none is given."""

MAX_EXAMPLES = 1000
"""Examples that a page shows at most: the worst ones."""

_ONLY_OF_MODELS = ("loss", "nearest", "most-common", "in_training")
_CHANCE = 0.05  # a p-value below it is called clear

FramesOf = Callable[[str], Indices]
"""A GIF's name -> the frames that its features describe; None if they are unknown."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The system that was evaluated.

    Attributes:
        name: of the model, or of the file of captions.
        split: the GIFs that were scored, for a model.
        model_dir: the model's folder, whose training is shown.
        features_dir: the features that the model captioned.
        against: name of the other system that it was compared with.
    """

    name: str
    split: str | None = None
    model_dir: Path | None = None
    features_dir: Path | None = None
    against: str | None = None


@dataclass(frozen=True)
class WrittenPage:
    """The contents of a page in numbers.

    Attributes:
        num_examples: GIFs that it shows.
        num_without_frames: those of them that have no filmstrip.
    """

    num_examples: int
    num_without_frames: int


@dataclass(frozen=True, kw_only=True)
class ShownCaption:
    """A caption of the page.

    Attributes:
        scored: the caption with its references and scores.
        filmstrip: the frames of its GIF.
        missing: why there is no filmstrip; None if GIFs are not shown at all.
        words: the caption word by word; empty if the frames of its weights are unknown.
    """

    scored: ScoredCaption
    filmstrip: Filmstrip | None = None
    missing: str | None = None
    words: tuple[Word, ...] = ()


class EvaluationReport:
    """The page of an evaluation; wrong names are reported before any work is done.

    Args:
        path: of the page.
        gifs_dir: the folder of the GIFs; None for `DEFAULT_GIFS_DIR`, if it exists.

    Raises:
        UsageError: the page's name is a folder's, or no page's.
        GifdescError: there is no such folder of GIFs.

    Attributes:
        shows_gifs: whether the page shows GIFs.
    """

    def __init__(self, path: Path, gifs_dir: Path | None = None) -> None:
        if path.is_dir():
            raise UsageError(f"--html {path}: a folder; give the name of a file in it")
        check_page_name(path)
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
        *,
        max_examples: int = MAX_EXAMPLES,
    ) -> WrittenPage:
        """Read the frames and write the page: one file that opens offline.

        Args:
            result: the evaluation.
            subject: the system that was evaluated.
            on_example: called after each filmstrip, with the number of filmstrips that are done
                and their total.
            max_examples: how many captions are shown at most, the worst ones.

        Raises:
            GifdescError: the page cannot be written; reported before a GIF is read.
        """
        check_page_path(self._path)
        frames_of = known_frames(subject.features_dir)
        metric = main_metric(result.num_examples)
        shown = self._with_frames(
            worst_first(result.captions, metric)[:max_examples], frames_of, on_example
        )
        notes = [*notes_of(result, subject), *self._notes_on_frames(result, frames_of)]
        content = {**page_content(result, subject, metric), "notes": notes, "shown": shown}
        write_page(self._path, "evaluation.html.j2", content)
        return WrittenPage(len(shown), sum(each.filmstrip is None for each in shown))

    def _with_frames(
        self,
        captions: Sequence[ScoredCaption],
        frames_of: FramesOf,
        on_example: Callable[[int, int], None] | None,
    ) -> list[ShownCaption]:
        gifs = self._gifs
        if gifs is None:
            return [ShownCaption(scored=scored) for scored in captions]

        def read(scored: ScoredCaption) -> ShownCaption:
            indices = frames_of(scored.name)
            filmstrip, missing = gifs.filmstrip(scored.name, indices)
            words = () if indices is None else scored.words
            return ShownCaption(scored=scored, filmstrip=filmstrip, missing=missing, words=words)

        shown = []
        for each in mapped_ahead(read, captions, num_threads=NUM_THREADS):
            shown.append(each)
            if on_example is not None:
                on_example(len(shown), len(captions))
        return shown

    def _notes_on_frames(self, result: Evaluation, frames_of: FramesOf) -> list[str]:
        if not self.shows_gifs:
            return ["The GIFs are not shown: their folder was not named (--gifs)."]
        if any(scored.words and frames_of(scored.name) is None for scored in result.captions):
            return [
                "What each word attended to is not shown where the sampled frames of the features "
                "are not recorded."
            ]
        return []


def known_frames(features_dir: Path | None) -> FramesOf:
    """The frames that features describe: those of the manifest, or else of the recipe.

    Raises:
        FeatureError: one of the two files is damaged.
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


def worst_first(captions: Sequence[ScoredCaption], metric: str) -> list[ScoredCaption]:
    """Captions by their score, lowest first; captions without a score last, and ties by name."""

    def key(scored: ScoredCaption) -> tuple[float, str]:
        score = scored.scores.get(metric)
        return math.inf if score is None or math.isnan(score) else score, scored.name

    return sorted(captions, key=key)


def page_content(result: Evaluation, subject: Subject, sort_by: str) -> dict[str, Any]:
    """The values of the page's template, but for the captions and the notes.

    Args:
        result: the evaluation.
        subject: the system that was evaluated.
        sort_by: the metric that captions are ordered by.
    """
    history = [] if subject.model_dir is None else drawable(read_history(subject.model_dir))
    others = result.others(_other_name(subject))
    chart = (result.scores, result.intervals or {}, others)
    metrics = [
        name
        for name in example_metric_names()
        if any(scored.scores.get(name) is not None for scored in result.captions)
    ]
    return {
        "title": title_of(result, subject),
        "skip_to": "captions",
        "result": result,
        "facts": facts_of(result),
        "others": others,
        "scores_chart": _pictures(partial(scores_svg, *chart)) if has_numbers(*chart) else None,
        "scores_words": describe_scores(*chart),
        "sort_by": sort_by if sort_by in metrics else None,
        "metrics": metrics,
        "history": history,
        "has_cider": any(row.get("val_cider") is not None for row in history),
        "has_reward": any(row.get("train_reward") is not None for row in history),
        "history_chart": _pictures(partial(history_svg, history)) if history else None,
        "history_words": describe_history(history),
    }


def title_of(result: Evaluation, subject: Subject) -> str:
    """The page's heading."""
    split = f"{subject.split} " if subject.split else ""
    return f"{subject.name}: {counted(result.num_examples, f'{split}GIF')}"


def facts_of(result: Evaluation) -> dict[str, str]:
    """Names and values beneath the heading: what no metric measures."""
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


def notes_of(result: Evaluation, subject: Subject) -> list[str]:
    """The warnings and notes of an evaluation, a sentence each, and the comparison."""
    rows = set(result.metrics)
    notes = {**result.warnings, **{k: v for k, v in result.notes.items() if k not in rows}}
    if result.loss is None:
        notes = {name: note for name, note in notes.items() if name not in _ONLY_OF_MODELS}
    sentences = [f"{_label(name)}: {note}." for name, note in notes.items()]
    if result.against is not None:
        sentences.append(_comparison(result.against, _other_name(subject)))
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


def _other_name(subject: Subject) -> str:
    return subject.against or "the other system"


def _label(name: str) -> str:
    label = metric_label(name)
    return baseline_label(name) if label == name else label


def _pictures(draw: Callable[..., str]) -> dict[str, str]:
    """A chart in both themes, for a wide and for a narrow screen."""

    def picture(theme: Theme, is_narrow: bool) -> str:
        return data_uri(draw(theme=theme, is_narrow=is_narrow), "image/svg+xml")

    return {
        "wide_light": picture(LIGHT, False),
        "wide_dark": picture(DARK, False),
        "narrow_light": picture(LIGHT, True),
        "narrow_dark": picture(DARK, True),
    }
