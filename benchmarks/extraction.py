"""How close `gifdesc extract` comes to the network's own speed.

    python benchmarks/extraction.py --gifs FOLDER [--drawn 24] [--rounds 3] [--only lite0]

On the same GIFs, a folder of real GIFs and some drawn ones (large shapes), alternating round after
round: (b) gifdesc, and (c) the backbone's forward pass alone on the same distinct frames, already
in memory, by the fastest of several methods. ResNet50 (untrained: the arithmetic is the same) by
PyTorch and by OpenVINO, in float32 and, where the processor has it, bfloat16;
EfficientNet-Lite0 by PyTorch. Each round also runs (a), a naive baseline loop of ResNet50 in
float32, on its share of the GIFs, so that all rounds together run it once on all. Frames per second
count distinct sampled frames. About 6 minutes on 2 idle cores. The load of the machine is printed
beside each time; the ratio of processor times depends on it little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.models import ResNet50_Weights

from gifdesc.config import FeatureRecipe, Precision
from gifdesc.data.gifs import GifInput, find_gifs
from gifdesc.errors import UsageError
from gifdesc.features.backbones.base import Backbone, network_on_pixels
from gifdesc.features.backbones.loading import load_backbone
from gifdesc.features.encoder import FrameEncoder, RuntimeName, has_openvino, make_encoder
from gifdesc.features.extraction import extract
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.sampling import uniform_indices
from gifdesc.system.device import has_fast_bfloat16
from large_shapes import draw_world

CPU = torch.device("cpu")

STREAM_BATCHES = (8, 16, 32, 64)
"""Frames given to gifdesc's own encoders at once, shared out among their streams."""
WHOLE_BATCHES = (4, 8, 16, 32)
"""Frames of a batch that all threads compute together, which is how PyTorch does it by itself."""


@dataclass(frozen=True)
class Setup:
    """A backbone, and how it is computed."""

    label: str
    backbone: Backbone
    runtime: RuntimeName
    precision: Precision


def setups(label: str) -> list[Setup]:
    """Those with this text in their label that this machine can measure."""
    resnet = load_backbone("resnet50", "random")
    found = [Setup("torch float32", resnet, "torch", "float32")]
    if has_fast_bfloat16(CPU):
        found.append(Setup("torch bfloat16", resnet, "torch", "bfloat16"))
    if has_openvino():
        found.append(Setup("openvino float32", resnet, "openvino", "float32"))
        if has_fast_bfloat16(CPU):
            found.append(Setup("openvino bfloat16", resnet, "openvino", "bfloat16"))
    try:
        lite = load_backbone("efficientnet-lite0")
    except UsageError as error:
        print(error, file=sys.stderr)
    else:
        found.append(Setup("lite0 float32", lite, "torch", "float32"))
    return [setup for setup in found if label in setup.label]


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


def gifdesc_extract(inputs: list[GifInput], setup: Setup, encoder: FrameEncoder) -> None:
    """The work of `gifdesc extract`, without the loading of the network."""
    recipe = FeatureRecipe(weights="random", weights_sha256="0", gifdesc_version="0")
    extractor = FeatureExtractor(setup.backbone, recipe, encoder)
    with tempfile.TemporaryDirectory() as folder:
        events = list(extract(inputs, Path(folder), extractor))
    assert all(event.entry.status == "ok" for event in events)


def forward_in_streams(pixels: np.ndarray, encoder: FrameEncoder, batch_size: int) -> None:
    """The network on frames in memory, as gifdesc's encoders do it."""
    waits = [encoder.submit(batch) for batch in batches_of(pixels, batch_size)]
    for wait in waits:
        wait()


def forward_together(
    pixels: np.ndarray, network: torch.nn.Module, batch_size: int, precision: Precision
) -> None:
    """The network on frames in memory, all threads on one batch."""
    is_reduced = precision != "float32"
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=is_reduced):
        for batch in batches_of(pixels, batch_size):
            network(torch.from_numpy(batch)).float().numpy()


def batches_of(pixels: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Parts of so many frames."""
    return (pixels[first : first + batch_size] for first in range(0, len(pixels), batch_size))


def ways_forward(setup: Setup, encoder: FrameEncoder) -> dict[str, Callable[[np.ndarray], None]]:
    """The methods of the forward pass that are tried."""
    ways: dict[str, Callable[[np.ndarray], None]] = {
        f"streams, batch {size}": partial(forward_in_streams, encoder=encoder, batch_size=size)
        for size in STREAM_BATCHES
    }
    if setup.runtime == "torch":
        fused = network_on_pixels(setup.backbone)
        fused.to(memory_format=torch.channels_last)
        for size in WHOLE_BATCHES:
            ways[f"together, batch {size}"] = partial(
                forward_together, network=fused, batch_size=size, precision=setup.precision
            )
    return ways


def seconds_of(run: Callable[[], None]) -> tuple[float, float]:
    """Wall-clock and processor time of one run."""
    start, start_cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - start_cpu


def fastest(
    ways: dict[str, Callable[[np.ndarray], None]], pixels: np.ndarray
) -> tuple[str, Callable[[np.ndarray], None]]:
    """The way that takes the least time, each tried twice in turn after a first go."""
    timed = {name: float("inf") for name in ways}
    for way in ways.values():
        way(pixels[:8])
    for _ in range(2):
        for name, way in ways.items():
            timed[name] = min(timed[name], seconds_of(partial(way, pixels))[0])
    name = min(timed, key=timed.__getitem__)
    return name, ways[name]


def measure(inputs: list[GifInput], pixels: np.ndarray, rounds: int, only: str) -> None:
    """Run everything in turn and print a table."""
    runs: dict[str, Callable[[], None]] = {}
    measured = setups(only)
    resnet = load_backbone("resnet50", "random")
    for setup in measured:
        encoder = make_encoder(
            setup.backbone, CPU, runtime=setup.runtime, precision=setup.precision
        )
        name, way = fastest(ways_forward(setup, encoder), pixels[:32])
        print(f"{setup.label}: forward alone in {name}", flush=True)
        runs[f"(b) gifdesc, {setup.label}"] = partial(gifdesc_extract, inputs, setup, encoder)
        runs[f"(c) forward, {setup.label}"] = partial(way, pixels)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in runs}
    plain_seconds = 0.0
    for number in range(rounds):
        share = inputs[number::rounds]
        plain_seconds += seconds_of(partial(plain_loop, share, resnet.network))[0]
        for name, run in runs.items():
            wall, cpu = seconds_of(run)
            seconds[name].append(wall)
            cpu_seconds[name].append(cpu)
            load = os.getloadavg()[0]
            print(f"{name}: {wall:.1f} s, processor {cpu:.1f} s, load {load:.1f}", file=sys.stderr)
    medians = {"(a) plain loop": plain_seconds}
    medians |= {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name:30} {median:7.2f} s  {len(pixels) / median:6.1f} frames/s")
    for setup in measured:
        ours, alone = f"(b) gifdesc, {setup.label}", f"(c) forward, {setup.label}"
        ratios, cpu_ratios = (
            [c / b for b, c in zip(times[ours], times[alone], strict=True)]
            for times in (seconds, cpu_seconds)
        )
        shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        print(
            f"{setup.label}: {statistics.median(ratios):.3f} of the forward pass ({shown}), by "
            f"processor time {statistics.median(cpu_ratios):.3f}; "
            f"{plain_seconds / medians[ours]:.2f} x the loop"
        )


def main() -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gifs", type=Path, required=True, help="folder of real GIFs")
    parser.add_argument("--drawn", type=int, default=24, help="drawn GIFs to add")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="rows with this text, such as lite0")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw_world(Path(folder), num_gifs=arguments.drawn, seed=0)
        inputs = list(find_gifs([arguments.gifs])) + list(find_gifs([Path(folder) / "gifs"]))
        sampler = FeatureExtractor.create(weights="random", device="cpu")
        sampled = [sampler.sample(one.path) for one in inputs]
        distinct = {d: p for gif in sampled for d, p in zip(gif.digests, gif.pixels, strict=True)}
        # As the encoders like them best: channels last in memory.
        stacked = np.stack([frame.transpose(1, 2, 0) for frame in distinct.values()])
        num_sampled = sum(len(gif.order) for gif in sampled)
        print(f"{len(inputs)} GIFs, {num_sampled} sampled frames, {len(distinct)} distinct")
        measure(inputs, stacked.transpose(0, 3, 1, 2), arguments.rounds, arguments.only)


if __name__ == "__main__":
    main()
