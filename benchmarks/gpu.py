"""How close `gifdesc extract` and `gifdesc caption` come to a GPU's own speed.

    python benchmarks/gpu.py --gifs FOLDER [--copies 100] [--rounds 3]

On copies of a folder's GIFs whose palettes differ, so that no frame is computed once for several:
the forward pass of ResNet50 (untrained: the arithmetic is the same) alone, on batches that are in
the GPU's memory; reading alone, by as many processes as `extract` starts; extraction; captioning
by a model of the default size with random weights, 12 tokens by beam search. In float32, and in
the 16 bits that `--precision auto` chooses. Rates with and without the start of the processes.
At the end, the cosine of the GPU's features to the CPU's.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import torch

from gifdesc.captioning.captioner import Captioner
from gifdesc.config import DecodingConfig, FeatureRecipe, ModelConfig, Precision, TrainingConfig
from gifdesc.data.gifs import GifInput, find_gifs
from gifdesc.features.backbones.base import Backbone, network_on_pixels
from gifdesc.features.backbones.loading import load_backbone
from gifdesc.features.encoder import choose_precision, make_encoder
from gifdesc.features.extraction import extract
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.loader import Task, default_num_workers, load_gifs
from gifdesc.model.checkpoint import Checkpoint
from gifdesc.model.network import CaptionModel
from gifdesc.system.cores import available_cores
from gifdesc.system.device import exact_float32
from gifdesc.text.tokenizer import CaptionTokenizer

CUDA = torch.device("cuda")
BATCHES = (64, 128, 256, 512)
NUM_WARM = 300
"""GIFs before the steady rate is taken: the processes have started."""


def write_copies(paths: Iterable[Path], folder: Path, num_copies: int) -> None:
    """Copies of GIFs with a global palette, each with other colours."""
    rng = Random(0)
    for path in paths:
        data = bytearray(path.read_bytes())
        if data[:3] != b"GIF" or not data[10] & 0x80:
            continue
        num_bytes = 3 * 2 ** ((data[10] & 7) + 1)
        for number in range(num_copies):
            for place in range(13, 13 + num_bytes):
                data[place] = (data[place] + rng.randint(-6, 6)) % 256
            (folder / f"{number:04}-{path.name}").write_bytes(data)


def forward_rate(backbone: Backbone, precision: Precision, batch_size: int) -> float:
    """Frames per second of the network alone."""
    network = network_on_pixels(backbone).to(CUDA).to(memory_format=torch.channels_last)
    frames = torch.randint(0, 256, (batch_size, 3, 224, 224), dtype=torch.uint8, device=CUDA)
    frames = frames.contiguous(memory_format=torch.channels_last)
    dtype = getattr(torch, precision)
    is_float32 = precision == "float32"
    num_batches = 8192 // batch_size
    with (
        torch.inference_mode(),
        exact_float32(CUDA, if_true=is_float32),
        torch.autocast("cuda", dtype, enabled=not is_float32),
    ):
        for _ in range(5):
            network(frames)
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(num_batches):
            network(frames)
        torch.cuda.synchronize()
    return num_batches * batch_size / (time.perf_counter() - start)


def rates(done: Iterator[int]) -> tuple[float, float]:
    """Frames per second from the start, and after the first `NUM_WARM` GIFs."""
    start = time.perf_counter()
    num_frames = num_warm_frames = 0
    warm = start
    for number, frames in enumerate(done, start=1):
        num_frames += frames
        if number == NUM_WARM:
            num_warm_frames, warm = num_frames, time.perf_counter()
    end = time.perf_counter()
    return num_frames / (end - start), (num_frames - num_warm_frames) / (end - warm)


def extractor_of(
    backbone: Backbone, device: torch.device, precision: Precision
) -> FeatureExtractor:
    """An extractor with gifdesc's usual recipe."""
    recipe = FeatureRecipe(
        weights="random", weights_sha256=backbone.weights_sha256, gifdesc_version="0"
    )
    encoder = make_encoder(backbone, device, precision=precision)
    return FeatureExtractor(backbone, recipe, encoder, device.type)


def reading(inputs: list[GifInput], extractor: FeatureExtractor, num_workers: int) -> Iterator[int]:
    """Distinct frames of each GIF, as the processes read them."""
    tasks = map(Task, inputs)
    for _, loaded in load_gifs(
        tasks, extractor.recipe, extractor.transform, num_workers=num_workers
    ):
        yield len(loaded.pixels)


def extracting(
    inputs: list[GifInput], extractor: FeatureExtractor, distinct: dict[str, int]
) -> Iterator[int]:
    """Distinct frames of each GIF, as they are written."""
    with tempfile.TemporaryDirectory() as folder:
        for event in extract(inputs, Path(folder), extractor, num_workers=None):
            assert event.error is None, event.error
            yield distinct[str(event.path)]


def make_captioner(extractor: FeatureExtractor, num_words: int = 4000) -> Captioner:
    """A model of the default size with random weights."""
    words = ["".join(chr(97 + n // 26**k % 26) for k in range(4)) for n in range(num_words)]
    tokenizer = CaptionTokenizer.train([" ".join(words)] * 2)
    torch.manual_seed(0)
    config = ModelConfig(feature_size=2048, vocab_size=tokenizer.vocab_size)
    model = CaptionModel(config).eval()
    checkpoint = Checkpoint(model, tokenizer, extractor.recipe, TrainingConfig())
    return Captioner(checkpoint, extractor, CUDA, num_workers=None)


def captioning(
    inputs: list[GifInput], captioner: Captioner, distinct: dict[str, int]
) -> Iterator[int]:
    """Distinct frames of each GIF, as its caption comes."""
    config = DecodingConfig(num_beams=5, max_tokens=12)
    for caption in captioner.caption_many([one.path for one in inputs], config):
        assert caption.error is None, caption.error
        yield distinct[caption.path]


def show(name: str, found: list[tuple[float, float]], alone: float) -> None:
    """Print medians, and their share of the forward pass."""
    whole, steady = (statistics.median(each) for each in zip(*found, strict=True))
    print(
        f"{name:28} {whole:8.0f} frames/s, {steady:8.0f} after {NUM_WARM} GIFs: "
        f"{whole / alone:.3f}, {steady / alone:.3f} of the forward pass",
        flush=True,
    )


def main() -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gifs", type=Path, required=True, help="folder of real GIFs")
    parser.add_argument("--copies", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    num_workers = default_num_workers("cuda")
    print(f"{torch.cuda.get_device_name()}, {available_cores()} cores, {num_workers} processes")
    backbone = load_backbone("resnet50", "random")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_copies([one.path for one in find_gifs([arguments.gifs])], folder, arguments.copies)
        inputs = list(find_gifs([folder]))
        sixteen_bits = choose_precision(backbone, CUDA)
        extractors = {
            precision: extractor_of(backbone, CUDA, precision)
            for precision in (sixteen_bits, "float32")
        }
        start = time.perf_counter()
        extractor = extractors[sixteen_bits]
        tasks = list(map(Task, inputs))
        loaded = load_gifs(tasks, extractor.recipe, extractor.transform, num_workers=num_workers)
        distinct = {str(task.gif.path): len(gif.pixels) for task, gif in loaded}
        print(
            f"{len(inputs)} GIFs, {sum(distinct.values())} distinct sampled frames, read in "
            f"{time.perf_counter() - start:.1f} s",
            flush=True,
        )
        found = [rates(reading(inputs, extractor, num_workers)) for _ in range(arguments.rounds)]
        alone = forward_rate(backbone, sixteen_bits, BATCHES[-1])
        show("reading alone", found, alone)
        for precision, extractor in extractors.items():
            by_size = {size: forward_rate(backbone, precision, size) for size in BATCHES}
            alone = max(by_size.values())
            print(f"forward alone, {precision}: {by_size}")
            captioner = make_captioner(extractor)
            runs: dict[str, Callable[[], Iterator[int]]] = {
                f"extract, {precision}": partial(extracting, inputs, extractor, distinct),
                f"caption, {precision}": partial(captioning, inputs, captioner, distinct),
            }
            measured: dict[str, list[tuple[float, float]]] = {label: [] for label in runs}
            for _ in range(arguments.rounds):
                for label, run in runs.items():
                    measured[label].append(rates(run()))
            for label, each in measured.items():
                show(label, each, alone)
        compare_with_cpu(backbone, inputs[:8], extractors)


def compare_with_cpu(
    backbone: Backbone, inputs: list[GifInput], extractors: dict[Precision, FeatureExtractor]
) -> None:
    """Print the lowest cosine of the GPU's features to the CPU's in float32."""
    cpu = extractor_of(backbone, torch.device("cpu"), "float32")
    sampled = [cpu.sample(one.path) for one in inputs]
    wanted = [torch.from_numpy(each) for each in cpu.encode(sampled)]
    for precision, extractor in extractors.items():
        found = [torch.from_numpy(each) for each in extractor.encode(sampled)]
        cosines = [torch.cosine_similarity(a, b).min() for a, b in zip(found, wanted, strict=True)]
        scale = max(float(each.abs().max()) for each in wanted)
        differences = [float((a - b).abs().max()) for a, b in zip(found, wanted, strict=True)]
        print(
            f"{precision} on the GPU against float32 on the CPU: lowest cosine "
            f"{float(min(cosines)):.7f}, largest difference {max(differences) / scale:.1e} of scale"
        )


if __name__ == "__main__":
    main()
