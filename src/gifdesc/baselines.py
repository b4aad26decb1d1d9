"""Captions that anybody could give: what a trained captioner must be better than."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gifdesc.config import Encoding
from gifdesc.feature_store import FeatureStore
from gifdesc.positional import sinusoidal_encoding

if TYPE_CHECKING:
    from gifdesc.pairing import Example

_BLIND_SEED = 0
_BLOCK_GIFS = 512

Floats = npt.NDArray[np.float32]


def blind_captions(captions: Sequence[str]) -> list[str] | None:
    """For every GIF the caption that another GIF's features give; None for fewer than two GIFs.

    Another GIF's features give that GIF's caption, so the captions are dealt out anew: along one
    cycle through all GIFs in a seeded random order, which leaves none in its place.
    """
    if len(captions) < 2:
        return None
    order = list(range(len(captions)))
    random.Random(_BLIND_SEED).shuffle(order)
    other = dict(zip(order, order[1:] + order[:1], strict=True))
    return [captions[other[index]] for index in range(len(captions))]


def nearest_captions(
    examples: Sequence[Example],
    training: Sequence[Example],
    feature_size: int,
    store: FeatureStore | None = None,
    *,
    encoding: Encoding = "none",
) -> list[str] | None:
    """For every GIF the first caption of the training GIF that looks most like it.

    Likeness is the cosine of the features' means over the frames (the nearest-neighbour baseline
    of Li et al. 2016, "TGIF", section 5), without the positional encoding, whose mean tells the
    number of frames. A GIF of the same name is never its own neighbour.

    Args:
        examples: the GIFs to caption.
        training: the GIFs whose captions are known; of equally near ones the first counts. Those
            whose feature files cannot be used are left out.
        feature_size: D of every feature file.
        store: reads the files, and keeps what is wrong with them; None for one of its own.
        encoding: the positional encoding that the feature files hold, by their recipe.

    Returns:
        None where no other GIF is known.

    Raises:
        FeatureError: the feature file of a GIF to caption cannot be used.
    """
    store = store or FeatureStore(feature_size, cache_bytes=0)
    # Of each file only the mean is kept, D numbers in place of T * D.
    wanted = _directions([_mean(store.read(one.features_path), encoding) for one in examples])
    best = np.full(len(examples), -np.inf, np.float32)
    captions: list[str | None] = [None] * len(examples)
    for first in range(0, len(training), _BLOCK_GIFS):
        read = [
            (one, _mean(features, encoding))
            for one in training[first : first + _BLOCK_GIFS]
            if (features := store.read_or_none(one.features_path)) is not None
        ]
        if not read:
            continue
        block = [one for one, _ in read]
        cosines = wanted @ _directions([mean for _, mean in read]).T  # (N, block)
        place_of = {one.name: place for place, one in enumerate(block)}
        for index, one in enumerate(examples):
            if one.name in place_of:
                cosines[index, place_of[one.name]] = -np.inf
        places = cosines.argmax(axis=1)
        found = cosines[np.arange(len(examples)), places]
        for index in np.flatnonzero(found > best).tolist():
            captions[index] = block[places[index]].captions[0]
        best = np.maximum(best, found)
    kept = [caption for caption in captions if caption is not None]
    return kept if len(kept) == len(examples) else None


def _mean(features: Floats, encoding: Encoding) -> Floats:
    """The mean over the frames (T, D) without their encoding: float32 (D,)."""
    mean: Floats = features.mean(axis=0)
    if encoding == "sinusoidal":
        mean -= sinusoidal_encoding(*features.shape).mean(axis=0)
    return mean


def _directions(means: Sequence[Floats]) -> Floats:
    """The mean vectors of N GIFs, each scaled to length 1: float32 (N, D)."""
    directions = np.array(means, np.float32)
    norms = np.linalg.norm(directions, axis=1, keepdims=True)
    directions /= np.maximum(norms, np.finfo(np.float32).tiny)
    return directions
