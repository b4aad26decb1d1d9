"""Captions that anybody could give: what a trained captioner must be better than."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gifdesc.features import read_features

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
    examples: Sequence[Example], training: Sequence[Example], feature_size: int
) -> list[str] | None:
    """For every GIF the first caption of the training GIF that looks most like it.

    Likeness is the cosine of the features' means over the frames (the nearest-neighbour baseline
    of Li et al. 2016, "TGIF", section 5). A GIF of the same name is never its own neighbour.

    Args:
        examples: the GIFs to caption.
        training: the GIFs whose captions are known; of equally near ones the first counts.
        feature_size: D of every feature file.

    Returns:
        None where no other GIF is known.

    Raises:
        FeatureError: a feature file cannot be used.
    """
    wanted = _directions(examples, feature_size)
    best = np.full(len(examples), -np.inf, np.float32)
    captions: list[str | None] = [None] * len(examples)
    for first in range(0, len(training), _BLOCK_GIFS):
        block = training[first : first + _BLOCK_GIFS]
        cosines = wanted @ _directions(block, feature_size).T  # (N, block)
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


def _directions(examples: Sequence[Example], feature_size: int) -> Floats:
    """The mean feature vector of each GIF, scaled to length 1: float32 (N, D)."""
    means = np.empty((len(examples), feature_size), np.float32)
    for row, example in zip(means, examples, strict=True):
        row[:] = read_features(example.features_path, feature_size).mean(axis=0)
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    means /= np.maximum(norms, np.finfo(np.float32).tiny)
    return means
