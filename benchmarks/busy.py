"""How fast `gifdesc train` is on a quiet machine and beside another busy program.

    python benchmarks/busy.py [--rounds 3] [--threads 2] [--num-gifs 1000]

Threads of PyTorch's OpenMP library keep their cores while they wait for each other, 300,000 turns
of a loop unless GOMP_SPINCOUNT has another number; gifdesc sets it lower. In turn, round after
round: an epoch with libgomp's own number, with gifdesc's and on one thread, each on the machine as
it is and beside a program that only counts. Prints (GIF, caption) pairs per second of each, and the
medians. Nothing else may run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from made_up_world import make_world

LIBGOMP_SPIN_COUNT = "300000"
"""libgomp's own number (GCC's libgomp manual, GOMP_SPINCOUNT)."""


@contextmanager
def busy_program() -> Iterator[None]:
    """A program that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def pairs_per_second(world: Path, model_dir: Path, environment: dict[str, str]) -> float:
    """Of one epoch, without the start of the program."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    }
    subprocess.run(
        [
            *(sys.executable, "-m", "gifdesc", "train", "--model", model_dir, "--force"),
            *("--features", world / "features", "--descriptions", world / "descriptions"),
            *("--epochs", "1", "--batch-size", "32", "--quiet"),
        ],
        check=True,
        capture_output=True,
        env={**inherited, **environment},
    )
    last = (model_dir / "history.jsonl").read_text().splitlines()[-1]
    return float(json.loads(last)["examples_per_second"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--num-gifs", type=int, default=1000)
    arguments = parser.parse_args()
    threads = {"OMP_NUM_THREADS": str(arguments.threads)}
    environments = {
        "libgomp's": {**threads, "GOMP_SPINCOUNT": LIBGOMP_SPIN_COUNT},
        "gifdesc's": threads,
        "one thread": {"OMP_NUM_THREADS": "1"},
    }
    rates: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        world, model_dir = Path(name) / "world", Path(name) / "model"
        make_world(world, num_gifs=arguments.num_gifs)
        for _ in range(arguments.rounds):
            for kind, environment in environments.items():
                rate = pairs_per_second(world, model_dir, environment)
                rates.setdefault((kind, "quiet"), []).append(rate)
                with busy_program():
                    rate = pairs_per_second(world, model_dir, environment)
                rates.setdefault((kind, "busy"), []).append(rate)
    for (kind, load), each in rates.items():
        every = ", ".join(f"{rate:.0f}" for rate in each)
        print(f"{kind:10} {load:5} {statistics.median(each):6.0f} pairs/s  ({every})")


if __name__ == "__main__":
    main()
