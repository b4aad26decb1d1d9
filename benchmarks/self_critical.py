"""What self-critical training adds to a captioner, and what as many more plain epochs would.

    python benchmarks/self_critical.py [--num-gifs 6000] [--captions-per-gif 3]
        [--feature-size 128] [--hidden-size 128] [--epochs 5] [--scst-epochs 4] [--seeds 3]

On made-up captions with made-up features (benchmarks/made_up_world.py), for each seed: `gifdesc
train --epochs` (before), the same run taken on with `--scst-epochs` (rewarded), and another one of
epochs + scst-epochs epochs of cross-entropy (longer). Each is scored on the held-out split.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from made_up_world import make_world

METRICS = ("cider", "bleu_4")


def gifdesc(folder: Path, *arguments: str) -> dict:
    """What a command prints with `--json`."""
    done = subprocess.run(
        [sys.executable, "-m", "gifdesc", *arguments, "--json"],
        cwd=folder,
        env=os.environ,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def scores(folder: Path) -> dict[str, float]:
    """Of the held-out split."""
    metrics = gifdesc(folder, "evaluate", "--no-meteor")["metrics"]
    return {name: metrics[name] for name in METRICS}


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-gifs", type=int, default=6000)
    parser.add_argument("--captions-per-gif", type=int, default=3)
    parser.add_argument("--feature-size", type=int, default=128)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--scst-epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {"before": [], "rewarded": [], "longer": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_world(
            folder,
            num_gifs=options.num_gifs,
            captions_per_gif=options.captions_per_gif,
            feature_size=options.feature_size,
        )
        size = ("--hidden-size", str(options.hidden_size))
        for seed in range(options.seeds):
            begin = ("train", *size, "--seed", str(seed), "--force", "--epochs")
            gifdesc(folder, *begin, str(options.epochs))
            found["before"].append(scores(folder))
            gifdesc(folder, "train", "--resume", "--scst-epochs", str(options.scst_epochs))
            found["rewarded"].append(scores(folder))
            gifdesc(folder, *begin, str(options.epochs + options.scst_epochs))
            found["longer"].append(scores(folder))
            print(f"seed {seed}: { ({key: rows[-1] for key, rows in found.items()}) }", flush=True)
    for key, rows in found.items():
        for metric in METRICS:
            values = sorted(row[metric] for row in rows)
            median = statistics.median(values)
            print(f"{key}: {metric} {median:.3f} ({values[0]:.3f}-{values[-1]:.3f})")


if __name__ == "__main__":
    main()
