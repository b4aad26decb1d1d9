"""Trains variants of the captioner on the same data, and compares the captions of held-out GIFs."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from gifdesc.config import DecodingConfig, ModelConfig, TrainingConfig, to_json
from gifdesc.data.examples import Example
from gifdesc.data.training_data import TrainingData, prepare_data
from gifdesc.metrics import CiderD, DocumentFrequencies, TokenizedCaption, tokenize_all
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.generation import CaptionGenerator
from gifdesc.system.device import resolve_device
from gifdesc.system.json_files import from_json
from gifdesc.training.run import train

_BEAMS = (5, 1)


@dataclass(frozen=True)
class Variant:
    """A captioner to train.

    Attributes:
        name: of its row in the table.
        model: the network.
        training: the run; each seed takes the place of its own.
        searches: further rows of the same trained models: the name of the row, and what is
            changed while captions are searched.
    """

    name: str
    model: ModelConfig
    training: TrainingConfig
    searches: Mapping[str, Callable[[], AbstractContextManager[None]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """Of the captions of held-out GIFs."""

    cider: float
    repeating: float


class Scorer:
    """Captions the held-out GIFs and scores the captions.

    Args:
        examples: the held-out GIFs.
        content_words: words whose repetitions are counted.
        device: where captions are searched.
    """

    def __init__(
        self, examples: Sequence[Example], content_words: set[str], device: torch.device
    ) -> None:
        self._features = [np.load(example.features_path) for example in examples]
        self._references = [
            [TokenizedCaption(text) for text in tokenize_all(example.captions)]
            for example in examples
        ]
        self._cider = CiderD(DocumentFrequencies.of(self._references))
        self._content_words = content_words
        self._device = device
        self.people_repeating = statistics.mean(
            self._repeats(caption) for example in examples for caption in example.captions
        )

    def __call__(self, model_dir: Path) -> list[Scores]:
        """The scores of a model's captions: by beam search, and greedy."""
        checkpoint = load_checkpoint(model_dir)
        generate = CaptionGenerator(
            checkpoint.model.to(self._device),
            checkpoint.tokenizer,
            self._device,
            checkpoint.captions,
        )
        found = []
        for num_beams in _BEAMS:
            config = DecodingConfig(num_beams=num_beams)
            captions = [
                best.caption
                for first in range(0, len(self._features), 64)
                for best, *_ in generate(self._features[first : first + 64], config)
            ]
            tokenized = [TokenizedCaption(text) for text in tokenize_all(captions)]
            cider = statistics.mean(map(self._cider.score, tokenized, self._references))
            repeating = statistics.mean(map(self._repeats, captions))
            found.append(Scores(cider=cider, repeating=repeating))
        return found

    def _repeats(self, caption: str) -> bool:
        """Whether a caption contains a content word twice."""
        words = [word for word in caption.split() if word in self._content_words]
        return len(set(words)) < len(words)


def add_run_options(parser: argparse.ArgumentParser, *, epochs: int) -> None:
    """Options that all comparisons have."""
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="where to train and caption")
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a field of every variant's configuration",
    )


def configurations(
    options: argparse.Namespace, changes: Sequence[str] = ()
) -> tuple[ModelConfig, TrainingConfig]:
    """The default model and run with some fields changed, each change a `name=value`."""
    model, training = to_json(ModelConfig()), to_json(TrainingConfig())
    for change in (*options.set, *changes):
        name, _, value = change.partition("=")
        fields = model if name in model else training
        fields[name] = json.loads(value)
    training["epochs"] = options.epochs
    return from_json(ModelConfig, model), from_json(TrainingConfig, training)


def compare(
    folder: Path,
    content_words: set[str],
    variants: Sequence[Variant],
    *,
    num_seeds: int,
    device: str,
) -> None:
    """Train every variant with every seed and print a row for each, as it is finished.

    Args:
        folder: features, descriptions and split lists (made_up_splits.py).
        content_words: words whose repetitions are counted.
        variants: captioners to train.
        num_seeds: seeds 0, 1, 2, ... of each.
        device: where to train and caption, as `--device` of the command names it.
    """
    torch.set_num_threads(1)
    resolved = resolve_device(device)
    data = prepare_data(folder / "features", folder / "descriptions", TrainingConfig(), folder)
    held_out = data.splits["test"]
    scorer = Scorer(held_out, content_words, resolved)
    print(f"{data.num_pairs} pairs, {len(held_out)} GIFs held out; ", end="")
    print(f"{scorer.people_repeating:.3f} of their own captions repeat a content word")
    print("| variant | CIDEr (lowest-highest) | repeat ", end="")
    print("| greedy CIDEr (lowest-highest) | repeat | processor s | pairs/s |")
    print("| --- " * 7 + "|", flush=True)
    for variant in variants:
        rows, costs = _scores(data, scorer, variant, num_seeds, resolved)
        cost_cells = [f"{statistics.median(column):.0f}" for column in zip(*costs, strict=True)]
        for name, scores in rows.items():
            cells = [name, *_cells(scores), *cost_cells]
            print("| " + " | ".join(cells) + " |", flush=True)


def _scores(
    data: TrainingData, scorer: Scorer, variant: Variant, num_seeds: int, device: torch.device
) -> tuple[dict[str, list[list[Scores]]], list[tuple[float, float]]]:
    """Scores of each row, seed and search; the cost of each seed's training.

    The cost is in processor seconds, and in pairs a second of the last epoch's steps.
    """
    searches = {**variant.searches, variant.name: nullcontext}
    rows: dict[str, list[list[Scores]]] = {name: [] for name in searches}
    costs = []
    for seed in range(num_seeds):
        with tempfile.TemporaryDirectory() as model_dir:
            begin = time.process_time()
            training = replace(variant.training, seed=seed)
            summary = train(data, Path(model_dir), variant.model, training, device)
            seconds = time.process_time() - begin
            costs.append((seconds, summary.history[-1].examples_per_second))
            for name, changed in searches.items():
                with changed():
                    rows[name].append(scorer(Path(model_dir)))
    return rows, costs


def _cells(scores: Sequence[Sequence[Scores]]) -> list[str]:
    cells = []
    for of_search in zip(*scores, strict=True):
        ciders = [each.cider for each in of_search]
        cells.append(f"{statistics.median(ciders):.2f} ({min(ciders):.2f}-{max(ciders):.2f})")
        cells.append(f"{statistics.median(each.repeating for each in of_search):.3f}")
    return cells
