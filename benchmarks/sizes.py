"""How batches, the learning rate and the warm-up suit data of several sizes.

    python benchmarks/sizes.py --num-pairs 800 --epochs 20 --vary batch_size=8,16,32
    python benchmarks/sizes.py --num-pairs 5000 --epochs 6 --vary learning_rate=0.001,0.002,0.004

Trains the default captioner on captions of a made-up language (benchmarks/made_up_world.py,
`--windows anywhere`) with each value of a field of the configuration, and captions 700 GIFs that
training never saw. Prints a row for each value: medians over the seeds, the lowest and highest
CIDEr, processor seconds of training.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from gifdesc.config import TrainingConfig
from gifdesc.data.training_data import prepare_data
from gifdesc.training.run import train
from made_up_world import make_world
from repetition import CPU, Scorer, configurations

_NUM_HELD_OUT = 700
_VALIDATION_SHARE = 16
"""Training GIFs for each GIF of the validation split."""


def make_sized_world(folder: Path, num_pairs: int, *, feature_size: int) -> None:
    """Features, descriptions of one caption each, and split lists."""
    num_val = max(100, num_pairs // _VALIDATION_SHARE)
    sizes = {"train": num_pairs, "val": num_val, "test": _NUM_HELD_OUT}
    make_world(
        folder,
        num_gifs=sum(sizes.values()),
        feature_size=feature_size,
        noise=0.5,
        windows="anywhere",
    )
    lines = (folder / "descriptions" / "captions.jsonl").read_text().splitlines()
    names = iter([json.loads(line)["id"] for line in lines])
    for split, size in sizes.items():
        (folder / f"{split}.txt").write_text("".join(f"{next(names)}\n" for _ in range(size)))


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--num-pairs", type=int, default=800)
    parser.add_argument("--feature-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--vary", default="batch_size=8,16,32", metavar="NAME=VALUE,VALUE")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    name, _, values = options.vary.partition("=")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "world"
        make_sized_world(folder, options.num_pairs, feature_size=options.feature_size)
        data = prepare_data(folder / "features", folder / "descriptions", TrainingConfig(), folder)
        scorer = Scorer(data.splits["test"])
        print(f"{data.num_pairs} pairs, {options.epochs} epochs")
        print(f"| {name} | CIDEr (lowest-highest) | greedy CIDEr (lowest-highest) | processor s |")
        print("| --- " * 4 + "|", flush=True)
        for value in values.split(","):
            model, training = configurations([*options.set, f"{name}={value}"])
            found, seconds = [], []
            for seed in range(options.seeds):
                model_dir = Path(temporary) / f"{value}-{seed}"
                begin = time.process_time()
                config = replace(training, epochs=options.epochs, seed=seed)
                train(data, model_dir, model, config, CPU)
                seconds.append(time.process_time() - begin)
                found.append([scorer(model_dir, num_beams).cider for num_beams in (5, 1)])
            cells = [value]
            for scores in zip(*found, strict=True):
                middle = statistics.median(scores)
                cells.append(f"{middle:.2f} ({min(scores):.2f}-{max(scores):.2f})")
            row = [*cells, f"{statistics.median(seconds):.0f}"]
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
