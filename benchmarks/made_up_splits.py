"""Made-up worlds with split lists: some GIFs are trained on, others are held out."""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np

from made_up_words import Speaker
from made_up_world import Projector, make_world, write_descriptions

SHARES = {"train": 0.64, "val": 0.06, "test": 0.3}

_COMMON_SHARE = 0.02
"""Words that more of the real captions contain, such as `a` and `in`, leave no pattern."""


def make_split_world(
    folder: Path,
    num_gifs: int,
    *,
    feature_size: int = 96,
    noise: float = 0.5,
    captions_per_gif: int = 1,
    sizes: Mapping[str, int] | None = None,
) -> set[str]:
    """Write features of the made-up language, descriptions and split lists.

    Args:
        folder: made if need be.
        num_gifs: feature files.
        feature_size: D.
        noise: standard deviation of the noise; a pattern at its height has 1.
        captions_per_gif: of which the features show the first.
        sizes: GIFs of each split, instead of `SHARES`.

    Returns:
        the words that have patterns.
    """
    make_world(
        folder,
        num_gifs=num_gifs,
        captions_per_gif=captions_per_gif,
        feature_size=feature_size,
        noise=noise,
        windows="anywhere",
    )
    _write_split_lists(folder, sizes)
    return set(Speaker(Random(0)).content_words)


def make_caption_world(
    folder: Path, captions: Path, *, feature_size: int = 96, noise: float = 0.5
) -> set[str]:
    """Write features that show the words of real captions, descriptions, and split lists.

    Args:
        folder: made if need be.
        captions: a text file with one caption on each line.
        feature_size: D.
        noise: standard deviation of the noise; a pattern at its height has 1.

    Returns:
        the words that have patterns.
    """
    lines = captions.read_text(encoding="utf-8").splitlines()
    cleaned = [" ".join(re.sub(r"[^a-z' ]", " ", line.lower()).split()) for line in lines]
    texts = [text for text in dict.fromkeys(cleaned) if text]
    random = np.random.default_rng(0)
    random.shuffle(texts)
    counts = Counter(word for text in texts for word in set(text.split()))
    rare = sorted(word for word in counts if counts[word] < _COMMON_SHARE * len(texts))
    projector = Projector(
        rare, num_frames=16, feature_size=feature_size, noise=noise, windows="anywhere"
    )
    (folder / "features").mkdir(parents=True)
    (folder / "descriptions").mkdir()
    rows = [(f"gif{number:06}", [text]) for number, text in enumerate(texts)]
    for name, (text,) in rows:
        np.save(folder / "features" / f"{name}.npy", projector.features(text, random))
    write_descriptions(folder / "descriptions", rows, "jsonl")
    _write_split_lists(folder, None)
    return set(rare)


def add_world_options(parser: argparse.ArgumentParser) -> None:
    """Options of the data, for `make_world_by_options`."""
    parser.add_argument("--num-gifs", type=int, help="GIFs of the made-up language (default: 2400)")
    parser.add_argument("--captions-per-gif", type=int, help="captions of each (default: 1)")
    parser.add_argument("--feature-size", type=int, default=96)
    parser.add_argument("--noise", type=float, default=0.5, help="standard deviation of it")
    parser.add_argument("--captions", type=Path, help="text file of real captions, one a line")


def make_world_by_options(
    parser: argparse.ArgumentParser, options: argparse.Namespace, folder: Path
) -> set[str]:
    """The world that the options of `add_world_options` ask for, in `folder`.

    Returns:
        the words that have patterns.
    """
    shape = {"feature_size": options.feature_size, "noise": options.noise}
    if options.captions is None:
        return make_split_world(
            folder,
            2400 if options.num_gifs is None else options.num_gifs,
            captions_per_gif=1 if options.captions_per_gif is None else options.captions_per_gif,
            **shape,
        )
    if options.num_gifs is not None or options.captions_per_gif is not None:
        parser.error("--num-gifs and --captions-per-gif do not go with --captions")
    return make_caption_world(folder, options.captions, **shape)


def _write_split_lists(folder: Path, sizes: Mapping[str, int] | None) -> None:
    lines = (folder / "descriptions" / "captions.jsonl").read_text().splitlines()
    names = [json.loads(line)["id"] for line in lines]
    sizes = sizes or {split: round(share * len(names)) for split, share in SHARES.items()}
    first = 0
    for split, size in sizes.items():
        listed = names[first : first + size]
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in listed))
        first += size
