"""How well the demo's captions match, attribute by attribute, for the two backbones it may use.

    python benchmarks/demo_world.py [--num-gifs 600] [--epochs 40] [--seeds 1]

Runs `gifdesc extract`, `train` and `evaluate` on the demo's world (seed 0) as the demo does: with
EfficientNet-Lite0 and its ImageNet weights, and with an untrained ResNet50. Prints a row per
backbone and training seed: on the held-out GIFs, the share of captions that equal the description,
over all GIFs and over the descriptions that are and that are not in the training split; the same
for the blind control; the share of right colours, textures, shapes and events; and the processor
time of extraction and training.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from itertools import zip_longest
from pathlib import Path

from gifdesc.config import TrainingConfig
from gifdesc.data.training_data import prepare_data
from gifdesc.demo.scenes import THINGS
from gifdesc.demo.world import draw_world

BACKBONES = {
    "EfficientNet-Lite0": ("--backbone", "efficientnet-lite0"),
    "ResNet50, untrained": ("--weights", "random"),
}
ATTRIBUTES = ("colour", "texture", "shape", "event")
COLUMNS = ("backbone", "exact match", "seen", "unseen", "blind", *ATTRIBUTES, "processor s")


def gifdesc(*arguments: object) -> float:
    """Run a command; its processor time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "gifdesc", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def attribute_scores(captions: list[tuple[str, str]]) -> dict[str, float]:
    """The share of things whose attribute is right, by attribute.

    Args:
        captions: (caption, description) of each GIF. A clause of a caption that describes no thing
            of the world, or is missing, is wrong in every attribute.
    """
    things = {thing.description: thing for thing in THINGS}
    right, total = Counter[str](), 0
    for caption, description in captions:
        found = [things.get(clause) for clause in caption.split(", then ")]
        for clause, thing in zip_longest(description.split(", then "), found):
            if clause is not None:
                total += 1
                wanted = things[clause]
                right.update(n for n in ATTRIBUTES if getattr(thing, n, None) == getattr(wanted, n))
    return {name: right[name] / total for name in ATTRIBUTES}


def share_equal(captions: list[tuple[str, str]]) -> str:
    """The share of captions that equal the description, and the number of GIFs."""
    equal = sum(caption == description for caption, description in captions)
    return f"{equal / max(len(captions), 1):.3f} of {len(captions)}"


def main() -> None:
    """Draw, extract, train, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-gifs", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n{'| --- ' * len(COLUMNS)}|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_world(folder, num_gifs=options.num_gifs, seed=0)
        for backbone, arguments in BACKBONES.items():
            features = folder / backbone
            extraction = gifdesc("extract", folder / "gifs", "--output", features, *arguments)
            for seed in range(options.seeds):
                row = scores_of_a_model(folder, features, options.epochs, seed, extraction)
                print(f"| {backbone} | {' | '.join(row)} |", flush=True)


def scores_of_a_model(
    folder: Path, features: Path, epochs: int, seed: int, extraction_seconds: float
) -> list[str]:
    """Train and evaluate a model: a row of the table without its name."""
    data = ("--features", features, "--descriptions", folder / "descriptions")
    data += ("--model", folder / "model", "--device", "cpu")
    training = gifdesc("train", *data, "--epochs", epochs, "--seed", seed, "--force")
    results = folder / "captions.jsonl"
    gifdesc("evaluate", *data, "--no-meteor", "--per-example", results)
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    captions = [(line["caption"], line["references"][0]) for line in lines]
    blind = [(line["baselines"]["blind"], line["references"][0]) for line in lines]
    examples = prepare_data(features, folder / "descriptions", TrainingConfig()).splits["train"]
    known = {description for example in examples for description in example.captions}
    seen = [pair for pair in captions if pair[1] in known]
    unseen = [pair for pair in captions if pair[1] not in known]
    attributes = attribute_scores(captions)
    return [
        *map(share_equal, (captions, seen, unseen, blind)),
        *(f"{attributes[name]:.3f}" for name in ATTRIBUTES),
        f"{extraction_seconds + training:.0f}",
    ]


if __name__ == "__main__":
    main()
