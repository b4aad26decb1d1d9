"""How long large files of descriptions take to be read and matched with GIFs, and their memory.

A million made-up captions of 200,000 GIFs in folders, in one file of each form; then the keys of
all GIFs are matched with the names in the file. Each form has a process of its own, whose peak
memory is that of this work and of Python.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from gifdesc.data.descriptions import read_descriptions

FORMS = ("tsv", "csv", "jsonl", "coco", "msr-vtt", "flickr", "msvd")
_WORDS = ("a", "the", "cat", "dog", "man", "ball", "red", "blue", "runs", "jumps", "over", "near")


def main() -> None:
    """Print the seconds and the peak memory of each form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=int, default=1_000_000)
    parser.add_argument("--captions-per-gif", type=int, default=5)
    parser.add_argument("--only", choices=FORMS)
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    num_gifs = options.captions // options.captions_per_gif
    if options.read is not None:
        _read(options.read, options.only, num_gifs)
        return
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS if options.only is None else (options.only,):
            path = Path(folder) / form
            _write(path, form, num_gifs, options.captions_per_gif)
            arguments = ["--captions", options.captions, "--read", path, "--only", form]
            arguments += ["--captions-per-gif", options.captions_per_gif]
            command = [sys.executable, __file__, *map(str, arguments)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(
                f"{form:<8} {path.stat().st_size / 1e6:4.0f} MB: {done.stdout.strip()}", flush=True
            )
            path.unlink()


def _read(path: Path, form: str, num_gifs: int) -> None:
    names = [_name(number, form) for number in range(num_gifs)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    descriptions = read_descriptions(path)
    read = time.process_time()
    # As the feature files are found: under another folder than the file names.
    found = descriptions.match([f"gifs/{name}" for name in names]).found
    matched = time.process_time()
    assert None not in found
    assert not descriptions.problems
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"read {read - start:.1f} s, match {matched - read:.1f} s CPU, peak {peak / 1e3:.0f} MB "
        f"({before / 1e3:.0f} MB before)"
    )


def _name(number: int, form: str) -> str:
    if form == "msr-vtt":
        return f"video{number}"
    return f"{number:011}_5_15" if form == "msvd" else f"{number % 100}/clip_{number}"


def _write(path: Path, form: str, num_gifs: int, captions_per_gif: int) -> None:
    """Write a file record by record: the memory of this process counts for those that it starts."""
    names = (_name(number, form) for number in range(num_gifs))
    rows = _rows(num_gifs, captions_per_gif)
    with path.open("w", encoding="utf-8") as file:
        if form == "coco":
            images = ({"id": id_, "file_name": f"{name}.jpg"} for id_, name in enumerate(names))
            annotations = ({"image_id": id_, "caption": caption} for id_, _, caption in rows)
            _write_document(file, images=images, annotations=annotations)
        elif form == "msr-vtt":
            videos = ({"video_id": name, "split": "train"} for name in names)
            sentences = (
                {"video_id": _name(number, form), "caption": caption} for number, _, caption in rows
            )
            _write_document(file, videos=videos, sentences=sentences)
        else:
            file.writelines(["file_name,caption\n"] if form == "csv" else [])
            file.writelines(_lines(rows, form))


def _rows(num_gifs: int, captions_per_gif: int) -> Iterator[tuple[int, int, str]]:
    """The number of a GIF, the number of a caption of it, and the caption."""
    generator = random.Random(0)
    for number in range(num_gifs):
        for index in range(captions_per_gif):
            yield number, index, " ".join(generator.choices(_WORDS, k=10))


def _write_document(file: TextIO, **lists: Iterable[dict[str, object]]) -> None:
    file.write("{")
    for place, (key, records) in enumerate(lists.items()):
        file.write(f'{", " if place else ""}"{key}": [')
        for number, record in enumerate(records):
            file.write((", " if number else "") + json.dumps(record))
        file.write("]")
    file.write("}")


def _lines(rows: Iterable[tuple[int, int, str]], form: str) -> Iterator[str]:
    for number, index, caption in rows:
        name = _name(number, form)
        if form == "jsonl":
            yield json.dumps({"id": name, "caption": caption}) + "\n"
        else:
            between = {"csv": ".gif,", "flickr": f".jpg#{index}\t", "msvd": " "}.get(form, ".gif\t")
            yield f"{name}{between}{caption}\n"


if __name__ == "__main__":
    main()
