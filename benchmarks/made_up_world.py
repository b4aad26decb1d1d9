"""Captions of a made-up language with made-up features: data of any size, without GIFs.

    python benchmarks/made_up_world.py FOLDER [--num-gifs 2000] [--noise 1] [--windows ordered]

Writes `FOLDER/features` (.npy files without a recipe) and `FOLDER/descriptions` (JSON lines, TSV
or text files), which `gifdesc train` reads.

The captions are those of made_up_words.py. Every content word has a pattern of its own,
`feature_size` numbers drawn from a normal distribution. It is added to the frames of a time
window: where the word stands in the caption (`ordered`), or anywhere (`anywhere`, so that only the
language tells the order). All the rest is noise.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from random import Random

import numpy as np

from made_up_words import Speaker

WINDOW_FRAMES = 4
"""Frames in which a word's pattern is seen, at a share that rises and falls."""


class Projector:
    """Turns captions into features.

    Args:
        content_words: the words that leave a pattern.
        num_frames: T.
        feature_size: D.
        noise: standard deviation of the noise; a pattern at its height has 1.
        windows: `ordered` or `anywhere`.
    """

    def __init__(
        self,
        content_words: list[str],
        *,
        num_frames: int,
        feature_size: int,
        noise: float,
        windows: str,
    ) -> None:
        self._row_of = {word: row for row, word in enumerate(content_words)}
        shape = (len(content_words), feature_size)
        self._patterns = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
        self._num_frames = num_frames
        self._noise = noise
        self._windows = windows

    def features(self, caption: str, random: np.random.Generator) -> np.ndarray:
        """float32 (T, D) of a caption."""
        shape = (self._num_frames, self._patterns.shape[1])
        features = self._noise * random.standard_normal(shape, dtype=np.float32)
        words = caption.split()
        frames = np.arange(self._num_frames) + 0.5
        for position, word in enumerate(words):
            if word not in self._row_of:
                continue
            share = (
                random.random() if self._windows == "anywhere" else (position + 0.5) / len(words)
            )
            distance = np.abs(frames - share * self._num_frames) / (WINDOW_FRAMES / 2)
            height = np.maximum(0.0, 1.0 - distance).astype(np.float32)
            features += height[:, None] * self._patterns[self._row_of[word]]
        return features


def make_world(
    folder: Path,
    *,
    num_gifs: int = 2000,
    captions_per_gif: int = 1,
    num_frames: int = 16,
    feature_size: int = 2048,
    noise: float = 1.0,
    windows: str = "ordered",
    descriptions: str = "jsonl",
    seed: int = 0,
) -> None:
    """Write `folder/features` and `folder/descriptions`.

    Args:
        folder: made if need be.
        num_gifs: feature files.
        captions_per_gif: the first is the one that the features show; the others are said
            briefly or in other words.
        num_frames: T.
        feature_size: D.
        noise: standard deviation of the noise; a pattern at its height has 1.
        windows: `ordered` or `anywhere`.
        descriptions: `jsonl`, `tsv` or `txt` (a file for each GIF).
        seed: of all that is drawn. The language and the patterns are the same for every seed.
    """
    features_dir, descriptions_dir = folder / "features", folder / "descriptions"
    features_dir.mkdir(parents=True)
    descriptions_dir.mkdir()
    speaker = Speaker(Random(seed))
    projector = Projector(
        speaker.content_words,
        num_frames=num_frames,
        feature_size=feature_size,
        noise=noise,
        windows=windows,
    )
    random = np.random.default_rng(seed)
    rows: list[tuple[str, list[str]]] = []
    for index in range(num_gifs):
        name = f"gif{index:06}"
        scene = speaker.scene()
        captions = [speaker.say(scene)]
        captions += [speaker.say(scene, is_brief=i % 2 == 1) for i in range(1, captions_per_gif)]
        np.save(features_dir / f"{name}.npy", projector.features(captions[0], random))
        rows.append((name, captions))
    write_descriptions(descriptions_dir, rows, descriptions)


def write_descriptions(folder: Path, rows: list[tuple[str, list[str]]], form: str) -> None:
    """Write names and captions in one of the forms that gifdesc reads."""
    if form == "txt":
        for name, captions in rows:
            (folder / f"{name}.txt").write_text("".join(f"{one}\n" for one in captions))
    elif form == "tsv":
        lines = (f"{name}.gif\t{one}\n" for name, captions in rows for one in captions)
        (folder / "captions.tsv").write_text("".join(lines))
    else:
        lines = (json.dumps({"id": name, "captions": captions}) + "\n" for name, captions in rows)
        (folder / "captions.jsonl").write_text("".join(lines))


def main() -> None:
    """Write a world."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="new folder to write")
    parser.add_argument("--num-gifs", type=int, default=2000)
    parser.add_argument("--captions-per-gif", type=int, default=1)
    parser.add_argument("--num-frames", type=int, default=16)
    parser.add_argument("--feature-size", type=int, default=2048)
    parser.add_argument("--noise", type=float, default=1.0, help="a pattern at its height has 1")
    parser.add_argument("--windows", choices=("ordered", "anywhere"), default="ordered")
    parser.add_argument("--descriptions", choices=("jsonl", "tsv", "txt"), default="jsonl")
    parser.add_argument("--seed", type=int, default=0)
    make_world(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
