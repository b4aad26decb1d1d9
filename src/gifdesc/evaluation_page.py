"""An evaluation as one page: scores, curves, and every caption beside its GIF, worst first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gifdesc.charts import ScoreRow, describe_history, describe_scores, history_svg, scores_svg
from gifdesc.filmstrips import NUM_THREADS, Filmstrip, GifFolder
from gifdesc.gif import Indices
from gifdesc.looking import SpokenWord
from gifdesc.pages import check_page_path, data_uri, write_page
from gifdesc.read_ahead import mapped_ahead
from gifdesc.style import DARK, LIGHT, Theme

MAX_EXAMPLES = 1000
"""Examples that a page shows at most: the worst ones."""

_SORT_BY = ("cider", "rouge_l", "bleu_4")


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
    words: Sequence[SpokenWord] = ()
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
        history: the rows of `history.jsonl`, see `charts.plot_history`.
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
        title=page.title,
        skip_to="captions",
        page=page,
        examples=examples,
        num_left_out=len(page.examples) - len(examples),
        sort_by=sort_by,
        metrics=list(dict.fromkeys(name for one in page.examples for name in one.scores)),
        any_words=any(one.words for one in examples),
        has_intervals=any(row.interval is not None for row in page.rows),
        baselines=list(dict.fromkeys(name for row in page.rows for name in row.baselines)),
        scores_chart=_pictures(scores_svg, page.rows) if has_numbers else None,
        scores_words=describe_scores(page.rows),
        has_reward=any(row.get("train_reward") is not None for row in page.history),
        has_cider=any(row.get("val_cider") is not None for row in page.history),
        history_chart=_pictures(history_svg, page.history) if page.history else None,
        history_words=describe_history(page.history),
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
    known = dict.fromkeys(name for example in examples for name in example.scores)
    return next((name for name in (*_SORT_BY, *known) if name in known), None)


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
