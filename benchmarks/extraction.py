"""How close `gifdesc extract` comes to the network's own speed.

    python benchmarks/extraction.py --gifs FOLDER [--drawn 24] [--rounds 3]

Side by side, round after round, on the same GIFs (a folder of real ones and some of the demo's
drawn world): (a) the plain loop that everybody writes, (b) gifdesc, (c) ResNet50's forward pass
alone on the same distinct frames, already in memory, best of several batch sizes. Untrained
weights: the arithmetic is the same. Frames per second count distinct sampled frames.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.models import ResNet50_Weights

from gifdesc.backbone import load_backbone
from gifdesc.demo import draw_world
from gifdesc.extraction import extract
from gifdesc.extractor import FeatureExtractor
from gifdesc.inputs import GifInput, find_gifs
from gifdesc.runtime import has_openvino, make_encoder
from gifdesc.sampling import uniform_indices

BATCH_SIZES = (8, 16, 32, 64)


def plain_loop(inputs: list[GifInput], network: torch.nn.Module) -> None:
    """Seek with Pillow, transform and compute one frame at a time."""
    transform = ResNet50_Weights.IMAGENET1K_V1.transforms()
    for one in inputs:
        with Image.open(one.path) as picture, torch.no_grad():
            vectors = []
            for index in uniform_indices(getattr(picture, "n_frames", 1), 16):
                picture.seek(index)
                vectors.append(network(transform(picture.convert("RGB"))[None])[0].numpy())
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            np.save(file, np.stack(vectors))


def gifdesc_extract(inputs: list[GifInput], runtime: str) -> Callable[[], None]:
    """The work of `gifdesc extract`, without the loading of the network."""
    extractor = FeatureExtractor.create(weights="random", device="cpu", runtime=runtime)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            events = list(extract(inputs, Path(folder), extractor))
        assert all(event.entry.status == "ok" for event in events)

    return run


def forward_alone(
    pixels: np.ndarray, network: torch.nn.Module, runtime: str, batch_size: int
) -> Callable[[], None]:
    """The network on frames in memory."""
    encoder = make_encoder(network, torch.device("cpu"), runtime=runtime)

    def run() -> None:
        for first in range(0, len(pixels), batch_size):
            encoder.submit(pixels[first : first + batch_size])()

    return run


def seconds_of(run: Callable[[], None]) -> float:
    """Wall-clock time of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def best_batch_size(pixels: np.ndarray, network: torch.nn.Module, runtime: str) -> int:
    """The batch size with the fastest forward pass, each tried twice on 64 frames."""
    timed = {}
    for batch_size in BATCH_SIZES:
        run = forward_alone(pixels[:64], network, runtime, batch_size)
        run()
        timed[batch_size] = min(seconds_of(run) for _ in range(2))
    return min(timed, key=timed.__getitem__)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gifs", type=Path, required=True, help="folder of real GIFs")
    parser.add_argument("--drawn", type=int, default=24, help="GIFs of the demo's world to add")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    backbone = load_backbone("random")
    runtimes = ["torch", "openvino"] if has_openvino() else ["torch"]
    with tempfile.TemporaryDirectory() as folder:
        draw_world(Path(folder), num_gifs=arguments.drawn, seed=0)
        inputs = list(find_gifs([arguments.gifs])) + list(find_gifs([Path(folder) / "gifs"]))
        extractor = FeatureExtractor.create(weights="random", device="cpu")
        sampled = [extractor.sample(one.path) for one in inputs]
        distinct = {d: p for gif in sampled for d, p in zip(gif.digests, gif.pixels, strict=True)}
        pixels = np.stack(list(distinct.values()))
        num_sampled = sum(len(gif.order) for gif in sampled)
        print(f"{len(inputs)} GIFs, {num_sampled} sampled frames, {len(pixels)} distinct")
        runs = {"plain loop": lambda: plain_loop(inputs, backbone.network)}
        for runtime in runtimes:
            batch_size = best_batch_size(pixels, backbone.network, runtime)
            name = f"forward alone, {runtime}, batch {batch_size}"
            runs[name] = forward_alone(pixels, backbone.network, runtime, batch_size)
            runs[f"gifdesc, {runtime}"] = gifdesc_extract(inputs, runtime)
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(arguments.rounds):
            for name, run in runs.items():
                seconds[name].append(seconds_of(run))
                print(f"{name}: {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:32} {median:7.2f} s  {len(pixels) / median:6.1f} frames/s")
    for runtime in runtimes:
        ours = seconds[f"gifdesc, {runtime}"]
        alone = next(
            t for name, t in seconds.items() if name.startswith(f"forward alone, {runtime}")
        )
        to_ceiling = statistics.median(c / b for b, c in zip(ours, alone, strict=True))
        to_plain = statistics.median(
            a / b for a, b in zip(seconds["plain loop"], ours, strict=True)
        )
        print(f"{runtime}: {to_ceiling:.3f} of the forward pass alone, {to_plain:.2f} x the loop")


if __name__ == "__main__":
    main()
