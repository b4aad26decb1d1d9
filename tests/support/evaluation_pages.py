"""Evaluation pages of made-up captions, for tests of what the pages do in a browser."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gifdesc.captions import Word
from gifdesc.config import to_json
from gifdesc.evaluation.results import Diversity, Evaluation, ScoredCaption
from gifdesc.pages.evaluation import EvaluationReport, Subject
from gifdesc.system.files import write_json, write_json_lines
from worlds import tiny_recipe

if TYPE_CHECKING:
    from playwright.sync_api import Page


def words_of(caption: str, num_frames: int) -> tuple[Word, ...]:
    """Words of which the n-th attended to the n-th frame."""
    words = caption.split()
    rest = 0.2 / max(1, num_frames - 1)
    return tuple(
        Word(word, -0.1, tuple(0.8 if f == n % num_frames else rest for f in range(num_frames)))
        for n, word in enumerate(words)
    )


HISTORY = [{"epoch": n, "train_loss": 3 / n, "val_loss": None} for n in (1, 2, 3)]


def example(name: str, caption: str, rouge_l: float | None, **more: Any) -> ScoredCaption:
    """The caption of a GIF with its score."""
    return ScoredCaption(
        name=name,
        caption=caption,
        **{"references": ("somebody said",), "scores": {"rouge_l": rouge_l}, **more},
    )


EXAMPLES = [
    example("cats/one", "a red ball grows", 0.9),
    example("cats/two", "a blue cross blinks", 0.25),
    example("dogs/three", "the grid fades", None),
    example("dogs/ten", "Una ni\u00f1a baila", 0.5),
]


def evaluation_of(examples: Sequence[ScoredCaption] = EXAMPLES, **changes: Any) -> Evaluation:
    """The scores of these captions, made up."""
    scores: dict[str, Any] = {
        "num_examples": len(examples),
        "metrics": {"bleu_4": 0.4, "meteor": None, "rouge_l": 0.9},
        "intervals": {"bleu_4": (0.3, 0.5)},
        "baselines": {
            "blind": {"bleu_4": 0.1, "rouge_l": 0.2},
            "nearest": {"rouge_l": None},
            "most-common": None,
        },
        "exact_match": 0.0,
        "diversity": Diversity(3, 9, None, 4.2),
        "notes": {"meteor": "needs <Java>"},
        "captions": list(examples),
    }
    return Evaluation(**{**scores, **changes})


def write(
    tmp_path: Path,
    examples: Sequence[ScoredCaption] = EXAMPLES,
    *,
    history: Sequence[dict[str, Any]] = (),
    gifs: Path | None = None,
    title: str = "Test",
    against: str | None = None,
    **changes: Any,
) -> Path:
    """The page of an evaluation whose features have 6 frames a GIF."""
    path = tmp_path / "report.html"
    model_dir, features_dir = tmp_path / "model", tmp_path / "features"
    for folder in (model_dir, features_dir):
        folder.mkdir(exist_ok=True)
    write_json_lines(model_dir / "history.jsonl", history)
    write_json(features_dir / "recipe.json", to_json(tiny_recipe(num_frames=6)))
    options = {name: changes.pop(name) for name in ("max_examples",) if name in changes}
    subject = Subject(
        name=title,
        model_dir=model_dir,
        features_dir=features_dir,
        against=against,
        date=datetime.date(2026, 1, 2),
    )
    report = EvaluationReport(path, gifs)
    report.write(evaluation_of(examples, **changes), subject, **options)
    return path


def shown_names(page: Page) -> list[str]:
    """The names of the examples that are shown, in their order."""
    return page.eval_on_selector_all(
        "#examples > li:not([hidden]) .name", "all => all.map(one => one.textContent)"
    )
