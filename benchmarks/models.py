"""Which model and fusion captions best, on GIFs and combinations that it never saw.

    python benchmarks/models.py [--num-gifs 500] [--seeds 3] [--epochs 20] [--work FOLDER]
    python benchmarks/models.py --only attention,mean

Draws GIFs that each show two scenes of large shapes, one after the other ("a red ball grows,
then a blue grid fades to white"), samples 32 frames of each and extracts their features with the
untrained ResNet50. Of the 72 scenes (4 colours x 3 shapes x 6 events) an eighth is kept out of
training altogether: GIFs that show one of these are scored apart, as `unseen`. Of the other GIFs a
fifth is held out, as `seen`. Every model is trained by its preset's own recipe, for the same number
of epochs; `report` for next-token prediction, for otherwise it cannot caption. A rerun with
`--work` draws and extracts nothing anew.

Prints a row per model: medians over the seeds, with the lowest and highest CIDEr.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random

import torch

from gifdesc.config import PRESETS, ModelConfig, TrainingConfig
from gifdesc.data.examples import Example
from gifdesc.data.gifs import find_gifs
from gifdesc.data.splits import listed_splits, read_split_lists, split_examples
from gifdesc.data.training_data import TrainingData, prepare_data
from gifdesc.evaluation.held_out import evaluate_model
from gifdesc.features.extraction import extract
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.training.run import train
from large_shapes import (
    COLOURS,
    EVENTS,
    SCENES,
    SHAPES,
    Scene,
    draw_frames,
    gif_name,
    scene_of,
    take_of,
)

WORLD_SEED = 1

Variant = tuple[ModelConfig, TrainingConfig]


def variants() -> dict[str, Variant]:
    """What is compared: the presets, and the default with other fusions."""
    default = PRESETS["attention"]
    report = PRESETS["report"]
    next_token = replace(
        report.training, objective="next_token", best_by="cider", tokenizer="corpus"
    )
    mean = PRESETS["mean"]
    return {
        "attention": (default.model, default.training),
        "gate": (replace(default.model, fusion="gate"), default.training),
        "concat": (replace(default.model, fusion="concat"), default.training),
        "add": (replace(default.model, fusion="add"), default.training),
        "mean": (mean.model, mean.training),
        "report": (report.model, next_token),
    }


def unseen_scenes() -> set[Scene]:
    """9 of the 72 scenes; every colour, shape and event stays in the rest."""
    order = list(SCENES)
    Random("unseen").shuffle(order)
    num_unseen = len(SCENES) // 8
    rest = order[num_unseen:]
    assert {scene.colour for scene in rest} == set(COLOURS)
    assert {scene.shape for scene in rest} == set(SHAPES)
    assert {scene.event for scene in rest} == set(EVENTS)
    return set(order[:num_unseen])


def scenes_of(index: int) -> tuple[Scene, Scene]:
    """What GIF `index` shows, in order."""
    first, second = (scene_of(2 * index + i, seed=WORLD_SEED) for i in range(2))
    return first, second


def draw_gif(index: int, folder: Path) -> None:
    """Write a GIF and its description."""
    first, second = scenes_of(index)
    frames = draw_frames(first, take_of(2 * index, seed=WORLD_SEED))
    frames += draw_frames(second, take_of(2 * index + 1, seed=WORLD_SEED))
    # Not optimised: Pillow would merge the frames in which nothing moves.
    frames[0].save(
        folder / "gifs" / f"{gif_name(index)}.gif",
        save_all=True,
        append_images=frames[1:],
        duration=80,
        optimize=False,
    )
    text = f"{first.description}, then {second.description}\n"
    (folder / "descriptions" / f"{gif_name(index)}.txt").write_text(text)


def make_world(folder: Path, num_gifs: int) -> None:
    """GIFs, descriptions, features and split lists."""
    for name in ("gifs", "descriptions", "unseen"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(num_gifs):
        draw_gif(index, folder)
    extractor = FeatureExtractor.create(
        precision="float32", weights="random", num_frames=32, device="cpu"
    )
    for _ in extract(list(find_gifs([folder / "gifs"])), folder / "features", extractor):
        pass
    unseen = unseen_scenes()
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": [], "unseen/test": []}
    for index in range(num_gifs):
        draw = Random(f"split {index}").random()
        split = "train" if draw >= 0.3 else "val" if draw < 0.1 else "test"
        if unseen & set(scenes_of(index)):
            split = "unseen/test"
        lists[split].append(gif_name(index))
    for split, names in lists.items():
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    (folder / "unseen" / "train.txt").write_text("")


def run(
    data: TrainingData, unseen: list[Example], variant: Variant, seed: int, epochs: int
) -> dict[str, float]:
    """One model's scores on GIFs of seen and of unseen combinations."""
    model_config, config = variant
    with tempfile.TemporaryDirectory() as name:
        summary = train(
            data,
            Path(name),
            model_config,
            replace(config, epochs=epochs, seed=seed),
            torch.device("cpu"),
        )
        checkpoint = load_checkpoint(Path(name))
        found = {}
        for kind, examples in (("seen", data.splits["test"]), ("unseen", unseen)):
            scores = evaluate_model(checkpoint, examples, torch.device("cpu"))
            found[f"{kind} CIDEr"] = scores.metrics["cider"] or 0.0
            found[f"{kind} BLEU-4"] = scores.metrics["bleu_4"] or 0.0
            found[f"{kind} exact"] = scores.exact_match
            found[f"{kind} blind"] = (scores.blind or {}).get("cider") or 0.0
    found["parameters"] = summary.num_parameters
    found["seconds"] = statistics.median(one.seconds for one in summary.history)
    return found


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-gifs", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", default=",".join(variants()))
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        if not (folder / "unseen" / "train.txt").exists():
            make_world(folder, options.num_gifs)
        config = TrainingConfig()
        data = prepare_data(folder / "features", folder / "descriptions", config, folder)
        every = [*data.pairing.examples]
        lists = read_split_lists(folder / "unseen")
        unseen = split_examples(every, listed_splits(every, lists).splits)["test"]
        sizes = {name: len(examples) for name, examples in data.splits.items()}
        print(f"{sizes}, unseen {len(unseen)}; {options.epochs} epochs, {options.seeds} seeds")
        print(
            "| model | CIDEr seen (lowest-highest) | CIDEr unseen (lowest-highest) | "
            "BLEU-4 seen / unseen | exact match seen / unseen | blind CIDEr | parameters | "
            "seconds an epoch |"
        )
        print("| --- " * 8 + "|")
        for name in options.only.split(","):
            rows = [
                run(data, unseen, variants()[name], seed, options.epochs)
                for seed in range(options.seeds)
            ]
            print_row(name, rows)


def print_row(name: str, rows: list[dict[str, float]]) -> None:
    """Medians over the seeds."""

    def median(key: str) -> float:
        return statistics.median(row[key] for row in rows)

    def spread(key: str) -> str:
        values = [row[key] for row in rows]
        return f"{median(key):.2f} ({min(values):.2f}-{max(values):.2f})"

    cells = [
        name,
        spread("seen CIDEr"),
        spread("unseen CIDEr"),
        f"{median('seen BLEU-4'):.3f} / {median('unseen BLEU-4'):.3f}",
        f"{median('seen exact'):.3f} / {median('unseen exact'):.3f}",
        f"{median('seen blind'):.2f}",
        f"{median('parameters') / 1e6:.2f} M",
        f"{median('seconds'):.1f}",
    ]
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
