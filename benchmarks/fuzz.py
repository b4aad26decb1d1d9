"""Fuzz the readers of files that strangers make, with the coverage of atheris.

    pip install atheris
    python benchmarks/fuzz.py gif --seconds 600
    python benchmarks/fuzz.py all --seconds 30
    python benchmarks/fuzz.py all --executions 500000

Each reader runs in a process of its own, with at most 1 GB of memory, and 5 s of processor time for
an input. A `GifdescError` is an answer, and of the JSON reader a `ValueError`; anything else is a
finding: its input is written to `crash-*` in the working directory. GIFs are changed by structure:
sizes, delays, disposal, transparency, code sizes, sub-blocks; few have a large canvas, which takes
a hundred times as long as a small canvas. Files are in memory where there is a /dev/shm.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

READERS = ("gif", "npy", "json", "table")
"""The readers that are fuzzed."""

_MEMORY_MB = 1000
_INPUT_SECONDS = 5
_HANG_SECONDS = 120
"""Of wall-clock time, which other programs on the machine prolong."""

_MOST_BYTES = 1 << 16
_ROUND_EXECUTIONS = 100_000

_LARGE_SHARE = 0.01
"""Of changed GIFs whose sides may have more than 255 pixels."""

_IMAGE = rb"\x2c........"
"""The separator of an image, its place and its sides (GIF89a, section 20)."""

_MEMORY_FOLDER = Path("/dev/shm")


def seeds_of(reader: str) -> list[bytes]:
    """A few small whole files, which the fuzzer changes."""
    if reader == "gif":
        return [_gif(frames, size) for frames, size in ((1, 3), (3, 8), (5, 20))]
    if reader == "npy":
        return [_npy(dtype, order) for dtype in ("<f4", ">f8", "<f2") for order in "CF"]
    if reader == "json":
        return [
            b'{"source": "a.gif", "status": "ok", "features": "a.npy", "sampled_frames": [0, 1]}',
            b'{"encoder": "gru", "hidden_size": 16, "dropout": 0.5, "bidirectional": true}',
            b'{"longest": 9, "repeats": 1, "repeated_pairs": 0.5, "ends": ["an"]}',
        ]
    return [
        b'file_name,caption\na.gif,a cat\nb.gif,"a ""dog""\nruns"\n',
        b"a.gif\ta cat\nb.gif\ta dog\n",
        b'{"id": "a", "caption": "a cat"}\n{"id": "b", "captions": ["a dog", "it"]}\n',
        b'{"images": [{"id": 1, "file_name": "a.gif"}],'
        b' "annotations": [{"image_id": 1, "caption": "c"}]}',
        b"a.gif#0\ta cat\na.gif#1\tone cat\n",
        b"VideoID,Start,End,Language,Description\nx,1,2,English,a cat\n",
        b'{"videos": [{"video_id": "v1", "split": "train"}],'
        b' "sentences": [{"video_id": "v1", "caption": "a"}]}',
        b'[{"videoID": "a_1_2", "enCap": ["a cat"]}]',
    ]


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory, if there is any: 500,000 files on a disk would take most of the time."""
    place = _MEMORY_FOLDER if _MEMORY_FOLDER.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="gifdesc-fuzz-", dir=place)


def reader_of(name: str, folder: Path) -> Callable[[bytes], None]:
    """A function that reads the content of a file as gifdesc does.

    Args:
        name: of the reader.
        folder: for the file, if the reader needs one.
    """
    from gifdesc.errors import GifdescError

    path = folder / "input"

    def read_gif_bytes(data: bytes) -> None:
        from gifdesc.gif.reader import read_gif

        # As commands read: all frames of a large canvas together would take more than 1 GB.
        read_gif(data, reduce=lambda frame: frame[:8, :8])

    def read_npy(data: bytes) -> None:
        from gifdesc.data.matrix_files import read_matrix, read_matrix_header

        path.write_bytes(data)
        read_matrix_header(path)
        read_matrix(path)

    def read_records(data: bytes) -> None:
        from gifdesc.config import FeatureRecipe, ModelConfig, TrainingConfig
        from gifdesc.data.caption_statistics import CaptionStatistics
        from gifdesc.data.manifest import ManifestEntry
        from gifdesc.system.json_files import from_json, parse_json

        value = parse_json(data)
        for kind in (ModelConfig, TrainingConfig, FeatureRecipe, CaptionStatistics):
            _answer(lambda kind=kind: from_json(kind, value))
        if isinstance(value, dict):
            ManifestEntry.from_json(value)

    def read_table(data: bytes) -> None:
        from gifdesc.data.forms.base import CaptionSource
        from gifdesc.data.forms.registry import read_captions

        path.write_bytes(data)
        list(read_captions(CaptionSource(path)))

    def _answer(call: Callable[[], object]) -> None:
        try:
            call()
        except (GifdescError, ValueError):
            return

    read = {"gif": read_gif_bytes, "npy": read_npy, "json": read_records, "table": read_table}[name]
    # ValueErrors are documented answers of the JSON reader alone.
    answers = (GifdescError, ValueError) if name == "json" else (GifdescError,)

    def run(data: bytes) -> None:
        start = time.process_time()
        with suppress(*answers):
            read(data)
        if time.process_time() - start > _INPUT_SECONDS:
            raise RuntimeError(f"more than {_INPUT_SECONDS} s of processor time for an input")

    return run


def mutate_gif(data: bytes, chance: random.Random) -> bytes:
    """A GIF with some of its fields changed, found by its blocks (GIF89a, sections 18 to 23)."""
    changed = bytearray(data)
    places = [(10, 1), (11, 1), *((side, 2) for side in _sides(data))]  # flags, background
    for match in re.finditer(rb"\x21\xf9\x04....\x00", data, re.DOTALL):
        start = match.start()
        places += [(start + 3, 1), (start + 4, 2), (start + 6, 1)]  # disposal, delay, transparent
    for match in re.finditer(_IMAGE, data, re.DOTALL):
        start = match.start()
        places += [(start + 9, 1), (start + 10, 1), (start + 11, 1), (start + 12, 2)]  # LZW
    for _ in range(chance.randint(1, 4)):
        position, length = chance.choice(places)
        if position + length > len(changed):
            continue
        edge = chance.choice((0, 1, 2, 3, 7, 8, 11, 12, 13, 127, 128, 255, 256, 4095, 65535))
        value = edge if chance.random() < 0.6 else chance.randrange(1 << (8 * length))
        changed[position : position + length] = (value % (1 << (8 * length))).to_bytes(
            length, "little"
        )
    if chance.random() < 0.2:
        cut = chance.randrange(len(changed))
        changed = changed[:cut] if chance.random() < 0.5 else changed + changed[cut:]
    return bytes(changed)


def with_small_canvas(data: bytes) -> bytes:
    """A GIF whose canvas and images have sides of at most 255 pixels."""
    changed = bytearray(data)
    for side in _sides(data):
        if side + 1 < len(changed):
            changed[side + 1] = 0
    return bytes(changed)


def _sides(data: bytes) -> list[int]:
    """Where the width and height of the screen are, and the place and sides of each image."""
    starts = [match.start() for match in re.finditer(_IMAGE, data, re.DOTALL)]
    return [6, 8, *(start + at for start in starts for at in (1, 3, 5, 7))]


def run_plain(name: str, num_inputs: int, seed: int) -> int:
    """Without atheris: changed seeds, by structure for GIFs and by bytes; the number of inputs."""
    chance, seeds = random.Random(seed), seeds_of(name)
    with temporary_folder() as folder:
        read = reader_of(name, Path(folder))
        for _ in range(num_inputs):
            data = chance.choice(seeds)
            if name == "gif" and chance.random() < 0.8:
                read(mutate_gif(data, chance))
                continue
            changed = bytearray(data)
            for _ in range(chance.randint(1, 6)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            read(bytes(changed))
    return num_inputs


def _fuzz(name: str, folder: Path, limits: list[str]) -> None:
    """Fuzz in this process, which libFuzzer ends.

    Args:
        name: of the reader.
        folder: for files.
        limits: options of libFuzzer.
    """
    import atheris

    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    with atheris.instrument_imports(include=["gifdesc"]):
        read = reader_of(name, folder)
        for index, data in enumerate(seeds_of(name)):
            (corpus / str(index)).write_bytes(data)
            read(data)  # imports the reader

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        chance = random.Random(seed)
        if name != "gif":
            return atheris.Mutate(data, max_size)
        is_by_structure = len(data) > 13 and chance.random() < 0.5
        changed = mutate_gif(data, chance) if is_by_structure else atheris.Mutate(data, max_size)
        if chance.random() >= _LARGE_SHARE:
            changed = with_small_canvas(changed)
        return changed[:max_size]

    options = [
        f"-rss_limit_mb={_MEMORY_MB}", f"-timeout={_HANG_SECONDS}", f"-max_len={_MOST_BYTES}",
        "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], str(corpus), *limits, *options], read, custom_mutator=change)
    atheris.Fuzz()


def _gif(num_frames: int, size: int) -> bytes:
    from PIL import Image

    frames = [Image.new("P", (size, size), index) for index in range(num_frames)]
    for index, frame in enumerate(frames):
        frame.putpalette([(7 * value * (index + 1)) % 256 for value in range(48)])
        frame.putpixel((0, 0), 3 + index)
    out = io.BytesIO()
    frames[0].save(
        out, "GIF", save_all=True, append_images=frames[1:], duration=50, disposal=2, transparency=1
    )
    return out.getvalue()


def _npy(dtype: str, order: str) -> bytes:
    import numpy as np

    out = io.BytesIO()
    np.save(out, np.ones((2, 3), dtype, order))
    return out.getvalue()


def _rounds_of(seconds: int, executions: int | None) -> list[list[str]]:
    """The options of the processes that fuzz a reader, one after the other.

    atheris 3.0 never frees the arrays that `==` of instrumented code gives, so no process is long.
    """
    if executions is None:
        return [["--seconds", str(seconds)]]
    firsts = range(0, executions, _ROUND_EXECUTIONS)
    sizes = [min(_ROUND_EXECUTIONS, executions - first) for first in firsts]
    return [["--executions", str(size)] for size in sizes]


def _environment() -> dict[str, str]:
    """That of a fuzzing process: freed canvases go back to the system at once.

    Otherwise the heap of the C library keeps gaps between smaller objects.
    """
    return {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}


def main() -> None:
    """Fuzz one reader, or all of them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("reader", choices=(*READERS, "all"))
    parser.add_argument("--seconds", type=int, default=30, help="for each reader")
    parser.add_argument("--executions", type=int, help="for each reader, instead of --seconds")
    parser.add_argument("--seed", type=int, default=0, help="0: another in every process")
    parser.add_argument("--inner", metavar="DIR", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inner is not None:
        limit = f"-max_total_time={options.seconds}"
        if options.executions is not None:
            limit = f"-runs={options.executions}"
        _fuzz(options.reader, options.inner, [limit, f"-seed={options.seed}"])
        return
    failed = []
    for name in READERS if options.reader == "all" else (options.reader,):
        start = time.monotonic()
        rounds = []
        # This process removes the folder: libFuzzer ends its own at once.
        with temporary_folder() as folder:
            for arguments in _rounds_of(options.seconds, options.executions):
                common = ["--inner", folder, "--seed", str(options.seed)]
                command = [sys.executable, __file__, name, *common, *arguments]
                done = subprocess.run(
                    command, stderr=subprocess.PIPE, text=True, check=False, env=_environment()
                )
                rounds.append(dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stderr)))
                if done.returncode:
                    break
        print(
            f"{name}: {sum(int(each.get('number_of_executed_units', 0)) for each in rounds)} "
            f"inputs in {time.monotonic() - start:.0f} s, "
            f"{max(int(each.get('peak_rss_mb', 0)) for each in rounds)} MB, slowest input "
            f"{max(int(each.get('slowest_unit_time_sec', 0)) for each in rounds)} s, "
            f"exit code {done.returncode}",
            flush=True,
        )
        if done.returncode:
            failed.append(name)
            print(done.stderr[-3000:], flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
