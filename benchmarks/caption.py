"""What `gifdesc caption` costs: cold, warm, and over many GIFs.

    python benchmarks/caption.py --gifs FOLDER [--model DIR] [--rounds 5] [--many 10000]
    python benchmarks/caption.py --gifs FOLDER --only-cold

Cold: processes of their own, side by side round after round: `import torch`,
`gifdesc caption x.gif` with the default weights in PyTorch's cache, `gifdesc --help`. Warm, in one
process: ResNet50 on one GIF's 16 frames and the decoding (beam 5) of its caption. Many: `--many`
drawn GIFs through `caption_many` with the mean colours of a grid in ResNet50's place, so that what
is measured is everything around it.

Without --model a model of the default size with random weights is made, on an untrained ResNet50:
its captions mean nothing and never end by themselves, so that every one has `--max-length` tokens.
Its ResNet50 is a file of random weights under the name of `imagenet1k-v1`'s in a cache of the
benchmark's own, so that nothing is downloaded; reading it takes what reading the true one takes.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.models import resnet50

from gifdesc.captioning.captioner import Captioner
from gifdesc.config import UNTRAINED, DecodingConfig, FeatureRecipe, ModelConfig, TrainingConfig
from gifdesc.data.gifs import find_gifs
from gifdesc.features.backbones.loading import load_backbone
from gifdesc.features.encoder import make_encoder
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from gifdesc.model.network import CaptionModel
from gifdesc.system.files import sha256_of
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.version import __version__

TYPICAL_TOKENS = 12
"""Tokens of a plain sentence: a woman in a red coat walks through the rain."""


def fill_cache(folder: Path) -> str:
    """SHA-256 of random weights in a folder, PyTorch's cache from now on, as `imagenet1k-v1`."""
    os.environ["TORCH_HOME"] = str(folder)
    path = folder / "hub" / "checkpoints" / "resnet50-0676ba61.pth"
    path.parent.mkdir(parents=True)
    torch.manual_seed(0)
    torch.save(resnet50().state_dict(), path)
    return sha256_of(path)


def four_letter_words(number: int) -> list[str]:
    """That many different words of four letters."""
    return ["".join(chr(97 + row // 26**place % 26) for place in range(4)) for row in range(number)]


def make_model(folder: Path, num_words: int, weights_sha256: str) -> Path:
    """A model folder with random weights and a vocabulary of that many words."""
    tokenizer = CaptionTokenizer.train([" ".join(four_letter_words(num_words))] * 2)
    recipe = FeatureRecipe(
        weights="imagenet1k-v1", weights_sha256=weights_sha256, gifdesc_version=__version__
    )
    torch.manual_seed(0)
    config = ModelConfig(feature_size=2048, vocab_size=tokenizer.vocab_size)
    model = CaptionModel(config).eval()
    save_checkpoint(folder, model, tokenizer, recipe, TrainingConfig())
    return folder


def process_seconds(*arguments: str) -> tuple[float, float]:
    """Wall-clock and processor time of a Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def side_by_side(
    runs: dict[str, Callable[[], tuple[float, float]]], rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """Wall-clock and processor seconds of each run, round after round; the first does not count."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            took = run()
            if number:
                seconds[name].append(took)
                print(f"{name}: {took[0]:.3f} s, {took[1]:.3f}", file=sys.stderr, flush=True)
    return seconds


def measure_cold(gif: Path, model: Path, rounds: int) -> None:
    """Print what a first caption costs beyond the imports of PyTorch and torchvision.

    Processor time bounds the wall-clock time of an idle machine from above, whatever else runs.
    """
    command = ("-m", "gifdesc")
    options = ("--model", str(model), "--max-length", str(TYPICAL_TOKENS))
    caption = ("caption", str(gif), *options)
    seconds = side_by_side(
        {
            "import torch, torchvision": lambda: process_seconds("-c", "import torch, torchvision"),
            "gifdesc caption x.gif": lambda: process_seconds(*command, *caption),
            "gifdesc --help": lambda: process_seconds(*command, "--help"),
        },
        rounds,
    )
    imports = seconds["import torch, torchvision"]
    seconds["caption beyond the imports"] = [
        (ours[0] - theirs[0], ours[1] - theirs[1])
        for theirs, ours in zip(imports, seconds["gifdesc caption x.gif"], strict=True)
    ]
    for name, times in seconds.items():
        wall, processor = (statistics.median(each) for each in zip(*times, strict=True))
        print(f"{name:28} {wall:7.2f} s wall  {processor:7.2f} s processor")


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and processor time of one call."""
    start, processor_start = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - processor_start


def measure_warm(gif: Path, model: Path, rounds: int) -> None:
    """Print decoding's share of the network's time for one GIF."""
    checkpoint = load_checkpoint(model)
    extractor = FeatureExtractor.for_recipe(checkpoint.recipe, device="cpu")
    captioner = Captioner(checkpoint, extractor, "cpu")
    sampled = extractor.sample(gif)
    features = extractor.encode([sampled])
    lengths = (TYPICAL_TOKENS, 40)
    configs = {length: DecodingConfig(num_beams=5, max_tokens=length) for length in lengths}
    # The encoder itself: the extractor would know the frames again and compute nothing.
    network = make_encoder(load_backbone("resnet50", UNTRAINED), torch.device("cpu"))
    frames = np.stack(sampled.pixels)
    runs = {"ResNet50": lambda: timed(lambda: network.submit(frames)())}
    for length, config in configs.items():
        runs[f"beam 5, {length} tokens"] = lambda config=config: timed(
            lambda: captioner.caption_features(features, config)
        )
    seconds = side_by_side(runs, rounds)
    print(f"{len(sampled.pixels)} distinct frames, {checkpoint.tokenizer.vocab_size} tokens in all")
    for name, times in seconds.items():
        shown = []
        for place, kind in enumerate(("wall", "processor")):
            own = [one[place] for one in times]
            network = [one[place] for one in seconds["ResNet50"]]
            share = statistics.median(a / b for a, b in zip(own, network, strict=True))
            shown.append(f"{1000 * statistics.median(own):7.1f} ms {kind} {share:6.1%}")
        print(f"{name:28} {'  '.join(shown)}")


class ColourGrid(nn.Module):
    """Frames to the mean colours of a 4 x 4 grid."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, h, w) -> (N, 48)."""
        return nn.functional.adaptive_avg_pool2d(pixels, 4).flatten(1)


def draw_gifs(folder: Path, num_gifs: int) -> None:
    """GIFs of three frames, no two alike."""
    for number in range(num_gifs):
        colour = (number % 256, number // 256 % 256, 90)
        frames = [Image.new("RGB", (48, 40), colour) for _ in range(3)]
        for place, frame in enumerate(frames):
            frame.paste((250, 250, 250), (5 * place, 5, 5 * place + 20, 25))
        path = folder / f"{number:05}.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=80)


def resident_mb() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure_many(num_gifs: int, model: Path) -> None:
    """Print memory and order over many GIFs."""
    checkpoint = load_checkpoint(model)
    tokenizer = checkpoint.tokenizer
    config = ModelConfig(
        feature_size=48,
        vocab_size=tokenizer.vocab_size,
        projection_size=16,
        hidden_size=32,
        embedding_size=32,
    )
    backbone = replace(
        load_backbone("resnet18", UNTRAINED),
        network=ColourGrid(),
        transform=FrameTransform(resize_size=32, image_size=32),
        folds=False,
    )
    encoder = make_encoder(backbone, torch.device("cpu"))
    recipe = replace(checkpoint.recipe, image_size=32, resize_size=32)
    tiny = Checkpoint(CaptionModel(config).eval(), tokenizer, recipe, checkpoint.training)
    captioner = Captioner(tiny, FeatureExtractor(backbone, recipe, encoder), "cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_gifs(folder, num_gifs)
        paths = [one.path for one in find_gifs([folder])]
        captions = captioner.caption_many(paths, DecodingConfig(max_tokens=6))
        start = time.perf_counter()
        for number, (path, caption) in enumerate(zip(paths, captions, strict=True), start=1):
            assert caption.path == str(path)
            assert caption.error is None
            if number % max(1, num_gifs // 10) == 0:
                print(f"{number:6} GIFs  {resident_mb():7.1f} MB resident", flush=True)
        seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{num_gifs} in order, {num_gifs / seconds:.0f} GIFs/s, peak {peak_mb:.0f} MB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gifs", type=Path, required=True, help="folder of real GIFs")
    parser.add_argument("--model", type=Path, help="a trained model instead of a random one")
    parser.add_argument("--words", type=int, default=4000, help="vocabulary of the random model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=10_000, help="0 leaves that part out")
    parser.add_argument("--only-cold", action="store_true", help="leave warm and many out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model
        if model is None:
            digest = fill_cache(Path(folder) / "torch")
            model = make_model(Path(folder) / "model", arguments.words, digest)
        extractor = FeatureExtractor.for_recipe(load_checkpoint(model).recipe, device="cpu")
        # A GIF with as many distinct frames as there are: none is computed once for several.
        gif = max(
            (one.path for one in find_gifs([arguments.gifs]) if one.error is None),
            key=lambda path: len(extractor.sample(path).pixels),
        )
        print(f"{gif.name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        measure_cold(gif, model, arguments.rounds)
        if arguments.only_cold:
            return
        measure_warm(gif, model, arguments.rounds)
        if arguments.many:
            measure_many(arguments.many, model)


if __name__ == "__main__":
    main()
