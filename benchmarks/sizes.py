"""How batches, the learning rate and the warm-up suit data of several sizes.

    python benchmarks/sizes.py --num-pairs 800 --epochs 20 --vary batch_size=8,16,32
    python benchmarks/sizes.py --num-pairs 5000 --epochs 6 --vary learning_rate=0.001,0.002,0.004

Trains the default captioner on captions of a made-up language (benchmarks/made_up_splits.py) with
each value of a field of the configuration, and captions 700 GIFs that training never saw. Prints a
row for each value: medians over the seeds, the lowest and highest CIDEr, processor seconds of
training, pairs a second of its last epoch.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from made_up_splits import make_split_world
from variants import Variant, add_run_options, compare, configurations

_NUM_HELD_OUT = 700
_VALIDATION_SHARE = 16
"""Training GIFs for each GIF of the validation split."""


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--num-pairs", type=int, default=800)
    parser.add_argument("--feature-size", type=int, default=64)
    parser.add_argument("--vary", default="batch_size=8,16,32", metavar="NAME=VALUE,VALUE")
    add_run_options(parser, epochs=20)
    options = parser.parse_args()
    name, _, values = options.vary.partition("=")
    num_val = max(100, options.num_pairs // _VALIDATION_SHARE)
    sizes = {"train": options.num_pairs, "val": num_val, "test": _NUM_HELD_OUT}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "world"
        words = make_split_world(
            folder, sum(sizes.values()), feature_size=options.feature_size, sizes=sizes
        )
        variants = [
            Variant(f"{name} {value}", *configurations(options, [f"{name}={value}"]))
            for value in values.split(",")
        ]
        compare(folder, words, variants, num_seeds=options.seeds, device=options.device)


if __name__ == "__main__":
    main()
