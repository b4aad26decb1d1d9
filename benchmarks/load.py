"""Many small GIFs through `extract` and `caption`: their processor time, memory and open files.

    python benchmarks/load.py [--num-gifs 100000] [--num-captions 10000] [--folder DIR]

The commands run as users run them, but for the network of the backbone, which gives zeros at no
cost. GIFs have 16 x 16 pixels and 4 to 8 frames, and no two have an equal frame. The processor time
is that of the command and its child processes, less that of the same command with a single GIF: so
PyTorch's import does not count. Memory and open files are those after a tenth of the time and the
most afterwards. 100,000 GIFs take 7 GB of disk. Linux only.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image

from memory import MEGABYTE, make_extractor

_SIDE = 16
_FOLDER_GIFS = 1000
_COLOURS_START = 13
"""Where the global palette begins, after the header and the screen (GIF89a, sections 17 to 19)."""

_NUM_COLOURS = 4
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        processor_seconds: of the process and its children.
        early_bytes, late_bytes: resident memory after a tenth of the time, and the most afterwards.
        early_files, late_files: the same of open files.
    """

    processor_seconds: float
    early_bytes: int
    late_bytes: int
    early_files: int
    late_files: int


def drawn_gifs(num_gifs: int, chance: Random) -> list[bytes]:
    """GIFs of a square that moves over noise."""
    gifs = []
    for _ in range(num_gifs):
        frames = []
        for index in range(chance.randint(4, 8)):
            noise = bytes(chance.randrange(_NUM_COLOURS) for _ in range(_SIDE * _SIDE))
            frame = Image.frombytes("P", (_SIDE, _SIDE), noise)
            frame.paste(index % _NUM_COLOURS, (index, index, index + 6, index + 6))
            frame.putpalette([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
            frames.append(frame)
        stream = io.BytesIO()
        frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=50)
        gifs.append(stream.getvalue())
    return gifs


def write_gifs(folder: Path, num_gifs: int) -> None:
    """Write GIFs in folders of a thousand; each has other colours, and so no frame of another."""
    chance = Random(0)
    drawn = drawn_gifs(min(num_gifs, 300), chance)
    colours = slice(_COLOURS_START, _COLOURS_START + 3 * _NUM_COLOURS)
    for index in range(num_gifs):
        path = folder / f"{index // _FOLDER_GIFS:03}" / f"{index:06}.gif"
        path.parent.mkdir(parents=True, exist_ok=True)
        data = bytearray(drawn[index % len(drawn)])
        data[colours] = chance.randbytes(3 * _NUM_COLOURS)
        path.write_bytes(data)


def measure(arguments: Sequence[str | Path]) -> Cost:
    """Run a command of gifdesc with the empty network."""
    command = [sys.executable, __file__, "--run", *map(str, arguments)]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        samples: list[tuple[float, int, int]] = []
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        while not done:
            samples.append((time.monotonic(), *_state_of(process.pid)))
            time.sleep(_POLL_SECONDS)
            done, status, usage = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(errors.read()[-2000:].decode())
    early_seconds = samples[0][0] + (samples[-1][0] - samples[0][0]) / 10
    _, early_bytes, early_files = next(one for one in samples if one[0] >= early_seconds)
    late = [one for one in samples if one[0] >= early_seconds]
    return Cost(
        usage.ru_utime + usage.ru_stime,
        early_bytes,
        max(num_bytes for _, num_bytes, _ in late),
        early_files,
        max(num_files for *_, num_files in late),
    )


def _state_of(process_id: int) -> tuple[int, int]:
    """The resident memory of a process, and its open files; zeros when it ends."""
    proc = Path("/proc", str(process_id))
    try:
        pages = int((proc / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(proc / "fd"))  # noqa: PTH208
    except (OSError, IndexError):
        return 0, 0


def report(name: str, num_gifs: int, cost: Cost, start: Cost) -> None:
    """Print a row."""
    seconds = cost.processor_seconds - start.processor_seconds
    print(
        f"{name:24} {num_gifs / seconds:7.0f} GIFs a processor second, {seconds:6.1f} s, "
        f"{cost.early_bytes / MEGABYTE:.0f} -> {cost.late_bytes / MEGABYTE:.0f} MB, "
        f"{cost.early_files} -> {cost.late_files} open files",
        flush=True,
    )


def run_command(arguments: list[str]) -> None:
    """Run a command of gifdesc in this process, with an extractor whose network gives zeros."""
    from gifdesc.__main__ import main as gifdesc
    from gifdesc.features.extractor import FeatureExtractor

    FeatureExtractor.create = FeatureExtractor.for_recipe = lambda *_, **__: make_extractor()
    sys.argv = ["gifdesc", *arguments]
    sys.exit(gifdesc())


def main() -> None:
    """Draw, run and print."""
    if sys.argv[1:2] == ["--run"]:
        run_command(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--num-gifs", type=int, default=100_000)
    parser.add_argument("--num-captions", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="for the files; by default a temporary folder")
    arguments = parser.parse_args()
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        write_gifs(folder / "one", 1)
        if arguments.num_gifs:
            write_gifs(folder / "gifs", arguments.num_gifs)
            extract = ["extract", folder / "gifs", "--output", folder / "features"]
            extract_one = ["extract", folder / "one", "--output", folder / "one-features"]
            for label in ("extract", "extract, all skipped"):
                start = measure(extract_one)
                report(label, arguments.num_gifs, measure(extract), start)
        if arguments.num_captions:
            model = train_model(folder / "small")
            write_gifs(folder / "more", arguments.num_captions)
            start = measure(["caption", folder / "one", "--model", model, "--json"])
            cost = measure(["caption", folder / "more", "--model", model, "--json"])
            report("caption", arguments.num_captions, cost, start)


def train_model(folder: Path) -> Path:
    """A small model that has learned a few captions by heart."""
    write_gifs(folder / "gifs", 32)
    things = ("cat", "dog", "ball", "car")
    for index, path in enumerate(sorted((folder / "gifs").rglob("*.gif"))):
        description = (
            folder / "descriptions" / path.relative_to(folder / "gifs").with_suffix(".txt")
        )
        description.parent.mkdir(parents=True, exist_ok=True)
        description.write_text(f"a {things[index % 4]} jumps over a {things[index // 4 % 4]}\n")
    measure(["extract", folder / "gifs", "--output", folder / "features"])
    model = folder / "model"
    options = ["--epochs", "30", "--hidden-size", "64", "--lr", "0.01"]
    inputs = ["--features", folder / "features", "--descriptions", folder / "descriptions"]
    measure(["train", *inputs, "--model", model, *options])
    return model


if __name__ == "__main__":
    main()
