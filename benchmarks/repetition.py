"""What the repetition bias changes: the score of captions, and how many repeat a content word.

    python benchmarks/repetition.py [--seeds 3] [--epochs 12] [--num-gifs 2400] [--work FOLDER]
    python benchmarks/repetition.py --set label_smoothing=0.2 --set hidden_size=512

Trains the default captioner with and without the bias on captions of a made-up language, whose
features do not show when a word is said (benchmarks/made_up_world.py, `--windows anywhere`), and
captions 30 % of the GIFs that training never saw: as `gifdesc caption` does, and greedily. A model
with the bias is also searched without the share that the search adds to it. `--set` changes fields
of the configuration of the model or the run, in every variant. Prints a row for each
variant: medians over the seeds, with the lowest and highest CIDEr.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import torch

from gifdesc.config import DecodingConfig, ModelConfig, TrainingConfig, to_json
from gifdesc.data.examples import Example
from gifdesc.data.training_data import TrainingData, prepare_data
from gifdesc.metrics import CiderD, DocumentFrequencies, TokenizedCaption, tokenize_all
from gifdesc.model import ranking
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.generation import CaptionGenerator
from gifdesc.system.json_files import from_json
from gifdesc.training.run import train
from made_up_words import Speaker
from made_up_world import make_world

CPU = torch.device("cpu")
SHARES = {"train": 0.64, "val": 0.06, "test": 0.3}


@dataclass(frozen=True)
class Scores:
    """Of the captions of held-out GIFs."""

    cider: float
    repeating: float


def make_split_world(
    folder: Path, num_gifs: int, *, feature_size: int = 96, noise: float = 0.5
) -> None:
    """Features, descriptions and split lists."""
    make_world(
        folder, num_gifs=num_gifs, feature_size=feature_size, noise=noise, windows="anywhere"
    )
    write_split_lists(folder)


def write_split_lists(folder: Path) -> None:
    """A list of names for each split of the GIFs that `folder/descriptions` describes."""
    lines = (folder / "descriptions" / "captions.jsonl").read_text().splitlines()
    names = [json.loads(line)["id"] for line in lines]
    first = 0
    for split, share in SHARES.items():
        last = first + round(share * len(names))
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in names[first:last]))
        first = last


def repeats(caption: str, content_words: set[str]) -> bool:
    """Whether a caption contains a content word twice."""
    words = [word for word in caption.split() if word in content_words]
    return len(set(words)) < len(words)


class Scorer:
    """Captions the held-out GIFs and scores the captions."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._features = [np.load(example.features_path) for example in examples]
        self._references = [
            [TokenizedCaption(text) for text in tokenize_all(example.captions)]
            for example in examples
        ]
        self._cider = CiderD(DocumentFrequencies.of(self._references))
        self.content_words = set(Speaker(Random(0)).content_words)

    def __call__(self, model_dir: Path, num_beams: int) -> Scores:
        """The scores of a model's captions."""
        checkpoint = load_checkpoint(model_dir)
        generate = CaptionGenerator(
            checkpoint.model, checkpoint.tokenizer, CPU, checkpoint.captions
        )
        config = DecodingConfig(num_beams=num_beams)
        captions = [
            best.caption
            for first in range(0, len(self._features), 64)
            for best, *_ in generate(self._features[first : first + 64], config)
        ]
        tokenized = [TokenizedCaption(text) for text in tokenize_all(captions)]
        return Scores(
            cider=statistics.mean(map(self._cider.score, tokenized, self._references)),
            repeating=statistics.mean(repeats(each, self.content_words) for each in captions),
        )


@contextmanager
def without_search_share() -> Iterator[None]:
    """The search adds nothing to the model's own biases."""
    margin = ranking.REPETITION_MARGIN
    ranking.REPETITION_MARGIN = math.inf
    try:
        yield
    finally:
        ranking.REPETITION_MARGIN = margin


def configurations(changes: Sequence[str]) -> tuple[ModelConfig, TrainingConfig]:
    """The default model and run with some fields changed, each change a `name=value`."""
    model, training = to_json(ModelConfig()), to_json(TrainingConfig())
    for change in changes:
        name, _, value = change.partition("=")
        fields = model if name in model else training
        fields[name] = json.loads(value)
    return from_json(ModelConfig, model), from_json(TrainingConfig, training)


def run(
    data: TrainingData, scorer: Scorer, model: ModelConfig, training: TrainingConfig
) -> dict[str, list[Scores]]:
    """The scores of one seed's models: by beam search, and greedy."""
    found = {}
    for has_bias in (False, True):
        with tempfile.TemporaryDirectory() as name:
            train(data, Path(name), replace(model, repetition_bias=has_bias), training, CPU)
            if has_bias:
                with without_search_share():
                    found["with the bias, search without its share"] = [
                        scorer(Path(name), num_beams) for num_beams in (5, 1)
                    ]
            variant = "with the bias (default)" if has_bias else "without the bias"
            found[variant] = [scorer(Path(name), num_beams) for num_beams in (5, 1)]
    return found


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--num-gifs", type=int, default=2400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.work or Path(temporary)) / "world"
        if not (folder / "test.txt").exists():
            make_split_world(folder, options.num_gifs)
        data = prepare_data(folder / "features", folder / "descriptions", TrainingConfig(), folder)
        test = data.splits["test"]
        scorer = Scorer(test)
        model, training = configurations(options.set)
        runs = [
            run(data, scorer, model, replace(training, epochs=options.epochs, seed=seed))
            for seed in range(options.seeds)
        ]
    people = statistics.mean(
        repeats(caption, scorer.content_words) for example in test for caption in example.captions
    )
    print(f"{len(test)} GIFs held out; {people:.3f} of their own captions repeat a content word")
    print("| variant | CIDEr (lowest-highest) | repeat | greedy CIDEr (lowest-highest) | repeat |")
    print("| --- " * 5 + "|")
    for variant in runs[0]:
        cells = [variant]
        for search in (0, 1):
            scores = [each[variant][search] for each in runs]
            ciders = sorted(each.cider for each in scores)
            cells += [
                f"{statistics.median(ciders):.2f} ({ciders[0]:.2f}-{ciders[-1]:.2f})",
                f"{statistics.median(each.repeating for each in scores):.3f}",
            ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
