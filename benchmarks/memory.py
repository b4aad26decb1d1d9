"""How much memory extraction takes: one very long GIF, and ten thousand GIFs.

    python benchmarks/memory.py [--num-gifs 10000]

The resident memory above the process before it began, in MB. The network is replaced by one that
computes nothing: its own memory is constant and would hide what is measured. Linux only.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from gifdesc.config import FeatureRecipe
from gifdesc.data.gifs import GifInput
from gifdesc.features.backbones.loading import load_backbone
from gifdesc.features.extraction import extract
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.preprocessing import FrameTransform
from large_shapes import draw_world

MEGABYTE = 1 << 20


class EmptyEncoder:
    """A network that computes nothing."""

    batch_frames = 32

    def submit(self, pixels: np.ndarray) -> Callable[[], np.ndarray]:
        """Zeros for every frame."""
        return lambda: np.zeros((len(pixels), 2048), np.float32)

    def cancel(self) -> None:
        """Nothing is under way."""


def resident_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def make_extractor() -> FeatureExtractor:
    """An extractor without a network."""
    transform = FrameTransform(resize_size=256)
    recipe = FeatureRecipe(weights="none", weights_sha256="0", gifdesc_version="0")
    backbone = replace(load_backbone("resnet18", "random"), transform=transform)
    return FeatureExtractor(backbone, recipe, EmptyEncoder())


def draw_long_gif(path: Path, num_frames: int, size: int) -> None:
    """A GIF of whole-canvas frames, all different: a bar that walks."""

    def frames() -> list[Image.Image]:
        for index in range(num_frames):
            frame = Image.new("P", (size, size), index % 7)
            frame.paste(8 + index % 200, (index % size, 0, min(size, index % size + 20), size))
            frame.putpalette([value for i in range(256) for value in (i, 255 - i, (i * 7) % 256)])
            yield frame

    every = frames()
    next(every).save(path, save_all=True, append_images=every, duration=40, optimize=False)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--num-gifs", type=int, default=10_000)
    parser.add_argument("--num-frames", type=int, default=5_000)
    arguments = parser.parse_args()
    extractor = make_extractor()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_world(folder / "world", num_gifs=72, seed=0)
        drawn = sorted((folder / "world" / "gifs").iterdir())
        extractor.encode([extractor.sample(drawn[0])])  # everything is loaded once
        # In a process of its own: what drawing frees would stay resident here and hide the rest.
        drawing = get_context("spawn").Process(
            target=draw_long_gif, args=(folder / "long.gif", arguments.num_frames, 1000)
        )
        drawing.start()
        drawing.join()
        idle = resident_bytes()
        peak = [idle]
        size = (folder / "long.gif").stat().st_size / MEGABYTE
        reset_peak()
        sampled = extractor.sample(folder / "long.gif")
        peak.append(peak_bytes())
        print(f"{arguments.num_frames} frames of 1000 x 1000 ({size:.0f} MB file), ", end="")
        print(f"{len(sampled.order)} sampled: {(max(peak) - idle) / MEGABYTE:.0f} MB above idle")
        inputs = (GifInput(drawn[i % len(drawn)], f"{i:05}.gif") for i in range(arguments.num_gifs))
        before = resident_bytes()
        for count, _ in enumerate(extract(inputs, folder / "features", extractor), start=1):
            if count % (arguments.num_gifs // 10) == 0:
                print(f"{count:6} GIFs: {(resident_bytes() - before) / MEGABYTE:.0f} MB")


def reset_peak() -> None:
    """Begin the kernel's high-water mark anew."""
    Path("/proc/self/clear_refs").write_text("5")


def peak_bytes() -> int:
    """The most resident memory since `reset_peak`."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
