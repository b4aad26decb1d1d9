"""What the word detector changes: the score of captions of GIFs that training never saw.

    python benchmarks/word_detector.py [--seeds 3] [--epochs 12] [--noise 2] [--feature-size 2048]
    python benchmarks/word_detector.py --captions captions.txt

Trains the default captioner with and without the detector, on made-up features that do not show
when a word is said: of a made-up language (benchmarks/made_up_world.py, `--windows anywhere`), or
of real captions, one on each line of `--captions`. Every word that less than one caption in 50
contains has a pattern in the features. 30 % of the GIFs are held out. Prints a row for
each variant: medians over the seeds, the lowest and highest CIDEr, processor seconds of training.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gifdesc.config import TrainingConfig
from gifdesc.data.training_data import prepare_data
from gifdesc.training.run import train
from made_up_world import Projector, write_descriptions
from repetition import CPU, Scorer, configurations, make_split_world, write_split_lists

_COMMON_SHARE = 0.02
"""Words that more captions contain, such as `a` and `in`, leave no pattern."""


def make_caption_world(folder: Path, captions: Path, *, feature_size: int, noise: float) -> None:
    """Features that show the words of real captions, descriptions, and split lists."""
    lines = captions.read_text(encoding="utf-8").splitlines()
    cleaned = [" ".join(re.sub(r"[^a-z' ]", " ", line.lower()).split()) for line in lines]
    texts = [text for text in dict.fromkeys(cleaned) if text]
    random = np.random.default_rng(0)
    random.shuffle(texts)
    counts = Counter(word for text in texts for word in set(text.split()))
    rare = sorted(word for word in counts if counts[word] < _COMMON_SHARE * len(texts))
    projector = Projector(
        rare, num_frames=16, feature_size=feature_size, noise=noise, windows="anywhere"
    )
    (folder / "features").mkdir(parents=True)
    (folder / "descriptions").mkdir()
    rows = [(f"gif{number:06}", [text]) for number, text in enumerate(texts)]
    for name, (text,) in rows:
        np.save(folder / "features" / f"{name}.npy", projector.features(text, random))
    write_descriptions(folder / "descriptions", rows, "jsonl")
    write_split_lists(folder)


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--num-gifs", type=int, default=2400)
    parser.add_argument("--feature-size", type=int, default=2048)
    parser.add_argument("--noise", type=float, default=2.0)
    parser.add_argument("--captions", type=Path, help="text file of real captions, one a line")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shape = {"feature_size": options.feature_size, "noise": options.noise}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "world"
        if options.captions:
            make_caption_world(folder, options.captions, **shape)
        else:
            make_split_world(folder, options.num_gifs, **shape)
        data = prepare_data(folder / "features", folder / "descriptions", TrainingConfig(), folder)
        scorer = Scorer(data.splits["test"])
        model, training = configurations(options.set)
        print(f"{data.num_pairs} pairs, {len(data.splits['test'])} GIFs held out")
        print("| variant | CIDEr (lowest-highest) | greedy CIDEr (lowest-highest) | processor s |")
        print("| --- " * 4 + "|")
        for variant, has_detector in (("without a detector", False), ("with it", True)):
            found, seconds = [], []
            for seed in range(options.seeds):
                network = replace(model, word_detector=has_detector)
                config = replace(training, epochs=options.epochs, seed=seed)
                model_dir = Path(temporary) / f"{has_detector}-{seed}"
                begin = time.process_time()
                train(data, model_dir, network, config, CPU)
                seconds.append(time.process_time() - begin)
                found.append([scorer(model_dir, num_beams).cider for num_beams in (5, 1)])
            cells = [variant]
            for scores in zip(*found, strict=True):
                middle = statistics.median(scores)
                cells.append(f"{middle:.2f} ({min(scores):.2f}-{max(scores):.2f})")
            print("| " + " | ".join([*cells, f"{statistics.median(seconds):.0f}"]) + " |")


if __name__ == "__main__":
    main()
