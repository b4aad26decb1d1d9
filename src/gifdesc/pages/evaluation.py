"""The page of an evaluation: scores, training, and each caption beside its GIF."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gifdesc.captions import Word
from gifdesc.data.feature_files import read_recipe
from gifdesc.errors import UsageError
from gifdesc.evaluation.results import BLIND, NEAREST, Evaluation, ScoredCaption
from gifdesc.metrics.scoring import EXACT_MATCH, example_metric_names, main_metric, metric_label
from gifdesc.model.folder import read_history
from gifdesc.pages.charts import (
    describe_history,
    describe_scores,
    drawable,
    has_numbers,
    history_svg,
    scores_svg,
)
from gifdesc.pages.described_gifs import DescribedGifs, older_captions_note
from gifdesc.pages.filmstrips import NUM_THREADS, Filmstrip, GifFolder, film_size
from gifdesc.pages.html import (
    WrittenPage,
    check_page_name,
    check_page_path,
    data_uri,
    is_own_page,
    link_to,
    write_page,
)
from gifdesc.pages.style import DARK, LIGHT, Theme
from gifdesc.pages.summary import Subject as Subject
from gifdesc.pages.summary import notes_of, summary_of
from gifdesc.pages.word_marks import ClosestReference, closest_reference
from gifdesc.system.files import check_own, writing
from gifdesc.system.threads import mapped_ahead

DEFAULT_GIFS_DIR = Path("gifs")
"""The folder of GIFs if none is given."""

MAX_EXAMPLES = 5000
"""Examples that a page shows at most: the worst ones."""

_SAID = {BLIND: "blind (another GIF)", NEAREST: "nearest training GIF"}
"""The baselines whose captions are shown for each GIF, and their labels."""


@dataclass(frozen=True, kw_only=True)
class ShownCaption:
    """A caption of the page.

    Attributes:
        scored: the caption with its references and scores.
        closest: the reference that its words are compared with.
        path_shown: the GIF's path from the folder of GIFs on, or its name.
        link: the address of the GIF's file; None if it is unknown.
        filmstrip: the frames of its GIF.
        missing: why there is no filmstrip; None if GIFs are not shown at all.
        words: the caption word by word; empty if the frames of its weights are unknown.
        is_changed: whether the GIF has other content than the caption is of.
    """

    scored: ScoredCaption
    closest: ClosestReference | None
    path_shown: str
    link: str | None = None
    filmstrip: Filmstrip | None = None
    missing: str | None = None
    words: tuple[Word, ...] = ()
    is_changed: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether the caption equals no reference; case and punctuation do not count."""
        return self.scored.scores.get(EXACT_MATCH) != 1

    @property
    def reference_order(self) -> list[int]:
        """The indices of the references, that of the closest first."""
        closest = -1 if self.closest is None else self.closest.index
        return sorted(range(len(self.scored.references)), key=lambda index: index != closest)

    def gain(self, metric: str) -> float | None:
        """The score minus that of the other system; None if either is unknown."""
        against = self.scored.against
        own = self.scored.scores.get(metric)
        other = None if against is None else against.scores.get(metric)
        return None if own is None or other is None else own - other

    @property
    def other(self) -> ClosestReference | None:
        """The other system's caption, compared with the same reference."""
        scored = self.scored
        if scored.against is None or self.closest is None:
            return None
        return closest_reference(scored.against.caption, [scored.references[self.closest.index]])


class EvaluationReport:
    """The page of an evaluation; wrong names are reported before any work is done.

    Args:
        path: of the page.
        gifs_dir: the folder of the GIFs; None for `DEFAULT_GIFS_DIR`, if it exists.

    Raises:
        UsageError: the page's name is a folder's, or no page's.
        GifdescError: there is no such folder of GIFs, or another file has this name.

    Attributes:
        shows_gifs: whether the page shows GIFs.
    """

    def __init__(self, path: Path, gifs_dir: Path | None = None) -> None:
        if path.is_dir():
            raise UsageError(f"--html {path}: a folder; give the name of a file in it")
        check_page_name(path)
        with writing(f"--html {path}"):
            check_own(path, is_own_page)
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
        described = DescribedGifs(subject.features_dir)
        metric = main_metric(result.num_examples)
        shown = self._with_frames(
            worst_first(result.captions, metric)[:max_examples], described, on_example
        )
        notes = [*notes_of(result, subject), *self._notes_on_frames(result, described)]
        changed = tuple(each.scored.name for each in shown if each.is_changed)
        if note := older_captions_note(changed):
            notes.append(f"{note}.")
        recipe = None if subject.features_dir is None else read_recipe(subject.features_dir)
        content = {
            **page_content(result, subject, metric),
            **summary_of(result, subject, recipe),
            "notes": notes,
            "shown": shown,
        }
        write_page(self._path, "evaluation.html.j2", content)
        num_without_frames = sum(each.filmstrip is None for each in shown)
        return WrittenPage(len(shown), num_without_frames, changed)

    def _with_frames(
        self,
        captions: Sequence[ScoredCaption],
        described: DescribedGifs,
        on_example: Callable[[int, int], None] | None,
    ) -> list[ShownCaption]:
        gifs, size = self._gifs, film_size(len(captions))
        if gifs is None:
            return [_without_gif(scored) for scored in captions]

        def read(scored: ScoredCaption) -> ShownCaption:
            indices = described.frames(scored.name)
            filmstrip, missing = gifs.filmstrip(scored.name, indices, size)
            gif = gifs.find(scored.name)
            return replace(
                _without_gif(scored),
                path_shown=scored.name if gif is None else gifs.shown_path(gif),
                link=None if gif is None else link_to(gif.path, self._path),
                filmstrip=filmstrip,
                missing=missing,
                words=() if indices is None else scored.words,
                is_changed=gif is not None and described.is_changed(scored.name, gif.path),
            )

        shown = []
        for each in mapped_ahead(read, captions, num_threads=NUM_THREADS):
            shown.append(each)
            if on_example is not None:
                on_example(len(shown), len(captions))
        return shown

    def _notes_on_frames(self, result: Evaluation, described: DescribedGifs) -> list[str]:
        if not self.shows_gifs:
            return ["The GIFs are not shown: their folder was not named (--gifs)."]
        if any(
            scored.words and described.frames(scored.name) is None for scored in result.captions
        ):
            return [
                "What each word attended to is not shown where the sampled frames of the features "
                "are not recorded."
            ]
        return []


def _without_gif(scored: ScoredCaption) -> ShownCaption:
    closest = closest_reference(scored.caption, scored.references)
    return ShownCaption(scored=scored, closest=closest, path_shown=scored.name)


def worst_first(captions: Sequence[ScoredCaption], metric: str) -> list[ScoredCaption]:
    """Captions by their score, lowest first; captions without a score last, and ties by name."""

    def key(scored: ScoredCaption) -> tuple[float, str]:
        score = scored.scores.get(metric)
        return math.inf if score is None or math.isnan(score) else score, scored.name

    return sorted(captions, key=key)


def page_content(result: Evaluation, subject: Subject, sort_by: str) -> dict[str, Any]:
    """The values of the page's template, but for its top and the captions.

    Args:
        result: the evaluation.
        subject: the system that was evaluated.
        sort_by: the metric that captions are ordered by.
    """
    history = [] if subject.model_dir is None else drawable(read_history(subject.model_dir))
    others = result.others(subject.other_name)
    chart = (result.scores, result.intervals or {}, others)
    metrics = [
        name
        for name in example_metric_names()
        if any(scored.scores.get(name) is not None for scored in result.captions)
    ]
    return {
        "skip_to": "captions",
        "result": result,
        "other_name": subject.other_name,
        "said": _SAID,
        "others": others,
        "scores_chart": _pictures(partial(scores_svg, *chart)) if has_numbers(*chart) else None,
        "scores_words": describe_scores(*chart),
        **_tools_content(result, subject, metrics, sort_by),
        "history": history,
        "has_cider": any(row.get("val_cider") is not None for row in history),
        "has_reward": any(row.get("train_reward") is not None for row in history),
        "history_chart": _pictures(partial(history_svg, history)) if history else None,
        "history_words": describe_history(history),
    }


def _tools_content(
    result: Evaluation, subject: Subject, metrics: Sequence[str], sort_by: str
) -> dict[str, Any]:
    """The values of the page's search, filters and order."""
    sorts = sort_by in metrics
    has_gain = sorts and any(scored.against is not None for scored in result.captions)
    labels = [metric_label(metric) for metric in metrics]
    filters = {"wrong": "Wrong only"}
    if any(scored.doubts for scored in result.captions):
        filters["doubtful"] = "Low confidence"
    gain_label = f"{metric_label(sort_by)} minus that of {subject.other_name}"
    return {
        "name": subject.name,
        "sort_by": sort_by if sorts else None,
        "metrics": metrics,
        "orders": [*metrics, "gain"] if has_gain else metrics,
        "order_labels": [*labels, gain_label] if has_gain else labels,
        "has_gain": has_gain,
        "filters": filters,
    }


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
