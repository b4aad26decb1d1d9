"""What Ray costs: its steady throughput beside plain processes, its fixed cost, and its memory.

    python benchmarks/engines.py [--gifs 2000] [--rounds 3] [--only throughput|start|memory]

The GIFs of the demo go through a network that only averages colours, so that the cost of the
engine shows. Plain processes take chunks of paths from a pool: once they only write the features of
each GIF, and once they also write the journals and result files of gifdesc, as the actors of Ray
do. Steady throughput leaves out the first chunks. The CPU time is that of all processes, Ray's own
too; other work on the machine delays the throughput, and hardly changes the CPU time. Memory is
that of the process of the command, for lists of paths that no worker opens. About 10 minutes on 2
idle cores.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gifdesc.config import UNTRAINED, FeatureRecipe
from gifdesc.demo.world import draw_world
from gifdesc.engines.chunk_run import run_chunk
from gifdesc.engines.chunks import Chunk, Row, split_into_chunks
from gifdesc.engines.extraction import ExtractionWorker
from gifdesc.engines.ordering import map_in_order
from gifdesc.engines.ray_engine import open_ray
from gifdesc.engines.results import ChunkResults
from gifdesc.engines.work import Record
from gifdesc.features.backbones.base import Backbone
from gifdesc.features.encoder import make_encoder
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.preprocessing import FrameTransform

NUM_WORKERS = 2
CHUNK_SIZE = 64
SKIPPED = 6 * NUM_WORKERS
"""Chunks that are not counted: the second worker may begin later than the first."""
REPEATS = 5
"""How often every GIF is listed, under other names: 2,000 GIFs take Ray six seconds, of which the
end of its start is a part."""
RAY_NICENESS = 15
"""Of Ray's workers; plain processes get the same, so that other work delays both alike."""

LISTED = (10_000, 100_000, 1_000_000)


class Colours(nn.Module):
    """Mean colours of a 4 x 4 grid: 48 numbers for next to no work."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, h, w) -> (N, 48)."""
        return nn.functional.adaptive_avg_pool2d(pixels, 4).flatten(1)


def cheap_extractor() -> FeatureExtractor:
    """An extractor with that network."""
    transform = FrameTransform(resize_size=64, image_size=64)
    backbone = Backbone(
        name="colours",
        network=Colours(),
        feature_size=48,
        transform=transform,
        folds=False,
        has_16_bits=False,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        weights=UNTRAINED,
        weights_sha256="0" * 64,
    )
    cpu = torch.device("cpu")
    encoder = make_encoder(backbone, cpu, precision="float32")
    recipe = FeatureRecipe(
        backbone="colours",
        weights=UNTRAINED,
        weights_sha256="0" * 64,
        image_size=64,
        resize_size=64,
        gifdesc_version="benchmark",
    )
    return FeatureExtractor(backbone, recipe, encoder)


@dataclass(frozen=True)
class ColourWork:
    """Extraction with the cheap network."""

    folder: Path

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing that changes."""
        return {"work": "colours"}

    def is_final(self, record: Record) -> bool:  # noqa: ARG002
        """All are."""
        return True

    def load(self, num_threads: int | None = None) -> ExtractionWorker:
        """The worker."""
        torch.set_num_threads(num_threads or 1)
        return ExtractionWorker(cheap_extractor(), self.folder)


@dataclass(frozen=True)
class ListWork:
    """Work that opens no file."""

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing that changes."""
        return {"work": "list"}

    def is_final(self, record: Record) -> bool:  # noqa: ARG002
        """All are."""
        return True

    def load(self, num_threads: int | None = None) -> ListWork:  # noqa: ARG002
        """Itself: it is its worker."""
        return self

    def process(self, rows: Sequence[Row]) -> Iterator[Record]:
        """The name of each row."""
        yield from ({"name": row["name"]} for row in rows)

    def failure(self, row: Row, reason: str) -> Record:
        """The record of a row that cannot be processed."""
        return {"name": row["name"], "error": reason}


def rows_of(paths: Sequence[Path]) -> Iterator[Row]:
    """The rows of an extraction."""
    for path in paths:
        yield {
            "name": str(path),
            "path": str(path),
            "error": None,
            "source": path.name,
            "spooled": None,
            "known": None,
        }


_worker: ExtractionWorker | None = None


def recorded_chunk(item: tuple[Path, Chunk]) -> int:
    """Process a chunk in a plain process, with its journal and its result file."""
    global _worker
    folder, chunk = item
    _worker = _worker or ColourWork(folder).load(1)
    run_chunk(_worker, chunk, folder)
    return chunk.num_rows


def plain_chunk(item: tuple[Path, Chunk]) -> int:
    """Process a chunk in a plain process."""
    global _worker
    folder, chunk = item
    _worker = _worker or ColourWork(folder).load(1)
    return len(list(_worker.process(chunk.rows)))


def cpu_seconds() -> float:
    """CPU time so far of this process and of all that it has started and that run."""
    parents, ticks = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with suppress(OSError):
                words = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(words[1])
                ticks[int(folder.name)] = int(words[11]) + int(words[12])
    ours = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(ticks.get(number, 0) for number in ours) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Steady:
    """Measured from the moment at which all workers process chunks.

    Attributes:
        rate: GIFs a second.
        cpu_ms: CPU time for each GIF, of all processes.
        first_seconds: until the first chunk was finished.
    """

    rate: float
    cpu_ms: float
    first_seconds: float


def steady(finished: Iterator[int]) -> Steady:
    """What a run takes, from the sixth chunk of each worker, about, to the last."""
    start = time.perf_counter()
    points = [(time.perf_counter(), cpu_seconds(), num_rows) for num_rows in finished]
    (begin, begin_cpu, _), (end, end_cpu, _) = points[SKIPPED - 1], points[-1]
    num_gifs = sum(num_rows for _, _, num_rows in points[SKIPPED:])
    return Steady(
        rate=num_gifs / (end - begin),
        cpu_ms=1000 * (end_cpu - begin_cpu) / num_gifs,
        first_seconds=points[0][0] - start,
    )


def by_processes(
    process: Callable[[tuple[Path, Chunk]], int], chunks: list[Chunk], folder: Path
) -> Iterator[int]:
    """Chunks by a pool of plain processes."""
    niceness = RAY_NICENESS - os.nice(0)
    with get_context("spawn").Pool(NUM_WORKERS, os.nice, (niceness,)) as pool:
        yield from pool.imap_unordered(process, [(folder, chunk) for chunk in chunks])


def by_ray(chunks: list[Chunk], folder: Path) -> Iterator[int]:
    """Chunks by Ray."""
    with open_ray(None, num_workers=NUM_WORKERS, device="cpu") as engine:
        for chunk in engine.map(ColourWork(folder), chunks, folder):
            yield chunk.num_rows


def measure_throughput(num_gifs: int, rounds: int) -> None:
    """Print the steady throughput of each."""
    with tempfile.TemporaryDirectory() as name:
        draw_world(Path(name, "world"), num_gifs=num_gifs, seed=0)
        paths = sorted(Path(name, "world", "gifs").glob("*.gif"))
        for number in range(1, REPEATS):  # under other names, so that no chunk is found finished
            for path in paths[:num_gifs]:
                link = path.with_name(f"{number}-{path.name}")
                link.symlink_to(path)
                paths.append(link)
        chunks = list(split_into_chunks(rows_of(paths), CHUNK_SIZE, {}))
        kinds: dict[str, Callable[[list[Chunk], Path], Iterator[int]]] = {
            "plain processes": partial(by_processes, plain_chunk),
            "with journals": partial(by_processes, recorded_chunk),
            "Ray": by_ray,
        }
        for number in range(rounds):
            found = {}
            for label, run in kinds.items():
                with tempfile.TemporaryDirectory(dir=name) as folder:
                    found[label] = one = steady(run(chunks, Path(folder)))
                print(
                    f"round {number + 1}: {label:15} {one.rate:7.1f} GIFs/s, "
                    f"{one.cpu_ms:.2f} ms CPU a GIF, first chunk after {one.first_seconds:4.1f} s "
                    f"(load {os.getloadavg()[0]:.1f})",
                    flush=True,
                )
            for label in ("plain processes", "with journals"):
                rate = found["Ray"].rate / found[label].rate
                cpu = found[label].cpu_ms / found["Ray"].cpu_ms
                print(f"  Ray / {label}: {rate:.2f}, by CPU time {cpu:.2f}", flush=True)


def measure_start(rounds: int) -> None:
    """Print the fixed cost: a single input, from the start of Ray to its end."""
    for number in range(rounds):
        start = time.perf_counter()
        list_paths(1)
        seconds = time.perf_counter() - start
        print(f"round {number + 1}: fixed cost {seconds:.1f} s (load {os.getloadavg()[0]:.1f})")


def list_paths(num_paths: int) -> None:
    """Map a stand-in list of paths."""
    rows: Iterator[Row] = (
        {"name": f"gifs/{number:09d}.gif", "path": f"/data/gifs/{number:09d}.gif", "error": None}
        for number in range(num_paths)
    )
    work = ListWork()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_ray(None, num_workers=NUM_WORKERS, device="cpu") as engine,
    ):
        results = ChunkResults(Path(folder))
        chunks = split_into_chunks(rows, CHUNK_SIZE, work.settings)
        found = sum(len(records) for _, records in map_in_order(engine, work, chunks, results))
    assert found == num_paths


def measure_memory() -> None:
    """Print the peak memory of the driver for lists of several lengths, each in a new process."""
    for num_paths in LISTED:
        start = time.perf_counter()
        command = [sys.executable, __file__, "--list", str(num_paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
        print(f"{num_paths:9,} paths: {done.stdout.strip()}, {seconds:.0f} s", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--gifs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["throughput", "start", "memory"])
    parser.add_argument("--list", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list is not None:
        list_paths(options.list)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{peak:.0f} MB at most")
        return
    if options.only in (None, "throughput"):
        measure_throughput(options.gifs, options.rounds)
    if options.only in (None, "start"):
        measure_start(options.rounds)
    if options.only in (None, "memory"):
        measure_memory()


if __name__ == "__main__":
    main()
