"""How soon `gifdesc extract` writes its first feature file, however many GIFs there are.

    python benchmarks/first_file.py --gifs FOLDER [--num-gifs 100000] [--rounds 1]

Links the GIFs of a folder, over and over, into a folder of so many names, and one into another
folder. Prints, for each folder and runtime, the seconds from the start of the command (imports and
the untrained network included) to its first feature file; then the run is ended.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from gifdesc.data.gifs import find_gifs
from gifdesc.features.encoder import has_openvino


def link_gifs(gifs: list[Path], folder: Path, num_gifs: int) -> None:
    """Names of the same few files: listing costs as much as with as many files."""
    folder.mkdir()
    for number, gif in enumerate(islice(cycle(gifs), num_gifs)):
        (folder / f"{number:06}.gif").symlink_to(gif.resolve())


def seconds_to_first_file(gifs: Path, runtime: str) -> float:
    """Run `gifdesc extract` in a folder of its own until it has written a feature file."""
    with tempfile.TemporaryDirectory() as output:
        options = ("--output", output, "--weights", "random", "--runtime", runtime)
        start = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "gifdesc", "extract", gifs, *options],
            stderr=subprocess.DEVNULL,
        ) as process:
            while not any(Path(output).glob("*.npy")):
                if process.poll() is not None:
                    raise SystemExit(f"gifdesc extract ended with exit code {process.returncode}")
                time.sleep(0.01)
            seconds = time.perf_counter() - start
            process.kill()
        return seconds


def main() -> None:
    """Link, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gifs", type=Path, required=True, help="folder of real GIFs")
    parser.add_argument("--num-gifs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    gifs = [one.path for one in find_gifs([arguments.gifs])]
    with tempfile.TemporaryDirectory() as name:
        for number in (1, arguments.num_gifs):
            folder = Path(name) / str(number)
            link_gifs(gifs, folder, number)
            for runtime in ("torch", "openvino") if has_openvino() else ("torch",):
                times = [seconds_to_first_file(folder, runtime) for _ in range(arguments.rounds)]
                print(f"{number:7} GIFs, {runtime:8} {statistics.median(times):5.2f} s", flush=True)


if __name__ == "__main__":
    main()
