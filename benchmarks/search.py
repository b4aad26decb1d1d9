"""How fast GIFs are found by words, and how often the shortlist contains the exact top 10.

    python benchmarks/made_up_world.py WORLD --num-gifs 10000 --noise 0.5
    gifdesc train --features WORLD/features --descriptions WORLD/descriptions --model MODEL \
        --epochs 3
    python benchmarks/search.py WORLD/features MODEL --descriptions WORLD/descriptions

Takes the descriptions of some GIFs, and their first four words, as queries. For each, all GIFs are
scored exactly; prints the share of the exact top 10 that shortlists of several sizes contain, and
how often all 10. Then runs `gifdesc search` as a user does, several times, and prints the median
time beside that of `python -c 'import torch'`, and the times of a search without a start. With
`--words`, the times of a model with random weights and a vocabulary of that many words follow: they
do not depend on what a model has learnt.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from caption import four_letter_words, make_model
from gifdesc.data.descriptions import read_descriptions
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.search.by_words import SHORTLIST_SIZE, WordSearch, search_by_words
from gifdesc.search.gifs import FeaturesFolder, ranked
from gifdesc.search.query import read_query

SIZES = (100, SHORTLIST_SIZE, 1000)
TOP = 10


def measure_shortlist(
    features_dir: Path, model_dir: Path, descriptions: Path, num_queries: int
) -> str:
    """Print the quality of shortlists; a query for the timing."""
    checkpoint = load_checkpoint(model_dir)
    gifs = FeaturesFolder.read(features_dir)
    start = time.monotonic()
    search = WordSearch(checkpoint, gifs, torch.device("cpu"))
    print(f"index of {len(gifs.names)} GIFs: {time.monotonic() - start:.1f} s", flush=True)
    found = read_descriptions(descriptions).captions
    names = sorted(found)
    described = [found[name][0] for name in names[:: len(names) // num_queries][:num_queries]]
    for kind, texts in (
        ("whole descriptions", described),
        ("first 4 words", [" ".join(text.split()[:4]) for text in described]),
    ):
        within = {size: list[float]() for size in SIZES}
        for text in texts:
            query = read_query(text, checkpoint.tokenizer, checkpoint.training.max_tokens)
            everything = list(range(len(gifs.names)))
            scores = search.scores(query, everything)
            best = set(ranked(scores, gifs.names, TOP))
            for size in SIZES:
                within[size].append(len(best & set(search.shortlist(query, size))) / TOP)
        for size, shares in within.items():
            whole = sum(share == 1 for share in shares)
            print(
                f"{kind}, shortlist of {size}: {statistics.mean(shares):.1%} of the exact top "
                f"{TOP}; all {TOP} for {whole} of {len(shares)} queries",
                flush=True,
            )
    return described[0]


def measure_time(features_dir: Path, model_dir: Path, text: str, repeats: int) -> None:
    """Print the time of the command, and of its start alone."""
    arguments = ["search", text, str(features_dir), "--model", str(model_dir), "--quiet"]
    commands = {
        "import torch": ["-c", "import torch"],
        "gifdesc search": ["-m", "gifdesc", *arguments],
    }
    for name, command in commands.items():
        seconds = []
        for _ in range(repeats):
            start = time.monotonic()
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            seconds.append(time.monotonic() - start)
        print(f"{name}: median {statistics.median(seconds):.2f} s, best {min(seconds):.2f} s")


def measure_running(features_dir: Path, model_dir: Path, text: str, repeats: int) -> None:
    """Print the times of searches in this process, which has loaded PyTorch already."""
    processor, wall = [], []
    for _ in range(repeats):
        start, started = time.process_time(), time.monotonic()
        search_by_words(text, features_dir, model_dir, device="cpu")
        processor.append(time.process_time() - start)
        wall.append(time.monotonic() - started)
    print(
        f"in a running Python: median {statistics.median(wall):.2f} s, best {min(wall):.2f} s, "
        f"{statistics.median(processor):.2f} s of processor time"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--descriptions", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--words", type=int, help="also time a random model of so many words")
    given = parser.parse_args()
    text = measure_shortlist(given.features, given.model, given.descriptions, given.queries)
    measure_time(given.features, given.model, text, given.repeats)
    measure_running(given.features, given.model, text, given.repeats)
    if given.words is not None:
        with tempfile.TemporaryDirectory() as folder:
            model_dir = make_model(Path(folder), given.words, "")
            text = " ".join(four_letter_words(given.words)[: len(text.split())])
            search_by_words(text, given.features, model_dir, device="cpu")
            print(f"{given.words} words:")
            measure_time(given.features, model_dir, text, given.repeats)
            measure_running(given.features, model_dir, text, given.repeats)


if __name__ == "__main__":
    main()
