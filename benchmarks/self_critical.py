"""What self-critical training adds to a captioner, and what as many more plain epochs would.

    python benchmarks/self_critical.py [--num-gifs 2000] [--noise 1] [--seeds 3] [--scst-epochs 10]

On made-up captions with made-up features (benchmarks/made_up_world.py), for each seed: `gifdesc
train --epochs 12` (before), the same run taken on with `--scst-epochs` (rewarded), and another one
of 12 + as many epochs of cross-entropy (longer). Each is scored by CIDEr on the held-out split.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from made_up_world import make_world

EPOCHS = 12


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


def cider(folder: Path) -> float:
    """Of the held-out split."""
    return gifdesc(folder, "evaluate", "--no-meteor")["metrics"]["cider"]


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-gifs", type=int, default=2000)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scst-epochs", type=int, default=10)
    options = parser.parse_args()
    found: dict[str, list[float]] = {"before": [], "rewarded": [], "longer": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_world(folder, num_gifs=options.num_gifs, noise=options.noise)
        for seed in range(options.seeds):
            begin = ("train", "--seed", str(seed), "--force", "--epochs")
            gifdesc(folder, *begin, str(EPOCHS))
            found["before"].append(cider(folder))
            gifdesc(folder, "train", "--resume", "--scst-epochs", str(options.scst_epochs))
            found["rewarded"].append(cider(folder))
            shutil.rmtree(folder / "model")
            gifdesc(folder, *begin, str(EPOCHS + options.scst_epochs))
            found["longer"].append(cider(folder))
            row = {key: round(values[-1], 3) for key, values in found.items()}
            print(f"seed {seed}: {row}", flush=True)
    for key, values in found.items():
        print(f"{key}: median CIDEr {statistics.median(values):.3f}")


if __name__ == "__main__":
    main()
