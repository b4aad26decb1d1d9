"""Which framing of frames captions best: `whole`, `pad` or `crop`.

    python benchmarks/framing.py [--num-gifs 288] [--seeds 3] [--epochs 40] [--threads 2]

Two worlds, each with 288 GIFs. `large`: large shapes in square pictures. `sides`: pictures of
16:9 in which a scene of `large` is drawn small at the left or the right edge ("a red ball grows on
the left"), outside the square that `crop` keeps. Features of the untrained ResNet50 by each
framing; the default recipe on the same lists of GIFs, a tenth for validation and a fifth held out.
Prints a row per world and framing: medians over the seeds on the held-out GIFs, with the lowest and
highest CIDEr.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import get_args

import torch
from PIL import Image

from gifdesc.config import PRESETS, Framing, TrainingConfig
from gifdesc.data.gifs import find_gifs
from gifdesc.data.training_data import prepare_data
from gifdesc.evaluation.held_out import evaluate_model
from gifdesc.features.extraction import extract
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.training.run import train
from large_shapes import draw_frames, draw_world, gif_name, scene_of, take_of

WIDTH, HEIGHT = 320, 180
SCENE_SIZE = 70
"""Of a scene in pixels; the square of 180 that `crop` keeps begins 70 pixels from either side."""

WORLD_SEED = 0


def draw_sides(folder: Path, num_gifs: int) -> None:
    """Write the world `sides`: GIFs and their descriptions."""
    for name in ("gifs", "descriptions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for index in range(num_gifs):
        scene, take = scene_of(index, seed=WORLD_SEED), take_of(index, seed=WORLD_SEED)
        random = Random(f"side {index}")
        side = random.choice(("left", "right"))
        place = (0 if side == "left" else WIDTH - SCENE_SIZE, random.randrange(HEIGHT - SCENE_SIZE))
        frames = []
        for picture in draw_frames(scene, take):
            frame = Image.new("P", (WIDTH, HEIGHT), 0)
            frame.putpalette(picture.getpalette() or [])
            frame.paste(picture.resize((SCENE_SIZE, SCENE_SIZE), Image.Resampling.NEAREST), place)
            frame.putpixel((0, 0), picture.getpixel((0, 0)))  # keeps equal frames apart
            frames.append(frame)
        frames[0].save(
            folder / "gifs" / f"{gif_name(index)}.gif",
            save_all=True,
            append_images=frames[1:],
            duration=take.duration_ms,
            optimize=False,  # an optimised palette would lose its double entry
        )
        text = f"{scene.description} on the {side}\n"
        (folder / "descriptions" / f"{gif_name(index)}.txt").write_text(text)


def write_split_lists(folder: Path, num_gifs: int) -> None:
    """Which GIF is in which split, the same whatever the features are."""
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for index in range(num_gifs):
        draw = Random(f"split {index}").random()
        lists["train" if draw >= 0.3 else "val" if draw < 0.1 else "test"].append(gif_name(index))
    for split, names in lists.items():
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))


def run(folder: Path, framing: Framing, seed: int, epochs: int) -> dict[str, float]:
    """The scores of one model on the held-out GIFs of a world."""
    config = TrainingConfig(epochs=epochs, seed=seed)
    data = prepare_data(folder / f"features-{framing}", folder / "descriptions", config, folder)
    with tempfile.TemporaryDirectory() as name:
        model = PRESETS["attention"].model
        train(data, Path(name), replace(model), config, torch.device("cpu"))
        scores = evaluate_model(
            load_checkpoint(Path(name)), data.splits["test"], torch.device("cpu")
        )
    return {
        "cider": scores.metrics["cider"] or 0.0,
        "exact": scores.exact_match,
        "blind": (scores.blind or {}).get("cider") or 0.0,
        "gifs": len(data.splits["test"]),
    }


def main() -> None:
    """Draw, extract, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-gifs", type=int, default=288)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| world | framing | CIDEr (lowest-highest) | exact match | blind CIDEr | GIFs |")
    print("| --- " * 6 + "|")
    with tempfile.TemporaryDirectory() as name:
        draw_world(Path(name, "large"), num_gifs=options.num_gifs, seed=WORLD_SEED)
        draw_sides(Path(name, "sides"), options.num_gifs)
        for world in ("sides", "large"):
            folder = Path(name, world)
            write_split_lists(folder, options.num_gifs)
            for framing in get_args(Framing):
                extractor = FeatureExtractor.create(
                    precision="float32", weights="random", framing=framing, device="cpu"
                )
                features_dir = folder / f"features-{framing}"
                for _ in extract(find_gifs([folder / "gifs"]), features_dir, extractor):
                    pass
                rows = [run(folder, framing, seed, options.epochs) for seed in range(options.seeds)]
                ciders = [row["cider"] for row in rows]
                medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
                print(
                    f"| {world} | {framing} | {medians['cider']:.2f} ({min(ciders):.2f}-"
                    f"{max(ciders):.2f}) | {medians['exact']:.3f} | {medians['blind']:.2f} | "
                    f"{medians['gifs']:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
