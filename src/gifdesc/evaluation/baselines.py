"""The baselines of a captioner: the nearest training GIF, the blind control, one caption for all.

CIDEr-D of a caption is a mean over references of a product of two sums of weights (see
`metrics.cider`). Given to every GIF, a caption meets every reference, so what the references
contribute can be added up once, for each n-gram, and each candidate looks its own n-grams up:
the exact mean of every candidate, in time proportional to the n-grams of all captions (and to the
number of different lengths, for the length penalty) instead of candidates times references.
"""

from __future__ import annotations

import math
import random
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from gifdesc.config import Encoding
from gifdesc.data.examples import Example
from gifdesc.data.feature_store import FeatureStore
from gifdesc.metrics import TokenizedCaption, tokenize_all
from gifdesc.metrics.base import MAX_ORDER, Ngram
from gifdesc.metrics.cider import SCALE, SIGMA
from gifdesc.positional import sinusoidal_encoding

MAX_CAPTIONS = 100_000
"""If there are more captions, a seeded sample of the GIFs is used: 12 seconds, 0.6 GB."""

MAX_LENGTHS = 40
"""Captions of the 40 most common lengths are tried: the work grows with their number."""

_SEED = 0

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Entries:
    """The n-grams of many captions, one entry for each n-gram of each.

    Attributes:
        caption: int64 (E,), index of the caption.
        ngram: int64 (E,), number of the n-gram.
        order: int64 (E,), its n - 1.
        count: int64 (E,), how often it occurs in the caption.
    """

    caption: Integers
    ngram: Integers
    order: Integers
    count: Integers

    def at(self, chosen: npt.NDArray[np.bool_]) -> _Entries:
        return _Entries(
            self.caption[chosen], self.ngram[chosen], self.order[chosen], self.count[chosen]
        )


def most_common_caption(references: Sequence[Sequence[str]]) -> str:
    """The caption that has the best mean CIDEr-D when it describes every GIF.

    Of equal scores, the most frequent caption wins, then the first.

    Args:
        references: for each GIF one or more captions; the candidates are all of them. Of more
            than `MAX_CAPTIONS` captions, so many GIFs as have about that number are drawn.
    """
    num_captions = sum(map(len, references))
    if num_captions > MAX_CAPTIONS:
        num_gifs = max(1, len(references) * MAX_CAPTIONS // num_captions)
        references = Random(_SEED).sample(list(references), num_gifs)
    captions = [caption for group in references for caption in group]
    scores = consensus_scores(references)
    times = Counter(captions)
    # Rounded, so that sums added in another order are equal.
    ranked = zip(np.round(scores, 9).tolist(), captions, strict=True)
    _, _, best = max(
        (score, times[caption], -index) for index, (score, caption) in enumerate(ranked)
    )
    return captions[-best]


def consensus_scores(references: Sequence[Sequence[str]]) -> Floats:
    """Each caption's mean CIDEr-D over all GIFs, document frequencies being those of `references`.

    Args:
        references: for each GIF one or more captions; C in all.

    Returns:
        float64 (C,), in the order of the captions, in 0 to 10; -1 for a caption that is not tried
        because its length is not among the commonest `MAX_LENGTHS`.
    """
    texts = tokenize_all([caption for group in references for caption in group])
    group_sizes = np.array([len(group) for group in references])
    document = np.repeat(np.arange(len(references)), group_sizes)
    num_bigrams = np.array([max(0, len(text.split()) - 1) for text in texts])
    entries = _entries(texts)
    squared_idf = _idf(entries, document) ** 2  # for each n-gram
    squares = entries.count**2 * squared_idf[entries.ngram]
    norms = np.sqrt(
        np.bincount(
            entries.caption * MAX_ORDER + entries.order, squares, minlength=MAX_ORDER * len(texts)
        )
    ).reshape(-1, MAX_ORDER)
    # Captions without any weight score 0, as in `metrics.cider`.
    inverse_norms = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    entry_norms = inverse_norms[entries.caption, entries.order]
    weights = squared_idf[entries.ngram] * entry_norms  # as candidate
    shares = entry_norms / (group_sizes[document] * len(references))[entries.caption]  # as ref.
    totals = np.full(len(texts), -1.0)
    lengths = num_bigrams[entries.caption]
    for length, _ in Counter(num_bigrams.tolist()).most_common(MAX_LENGTHS):
        penalties = np.exp(-((lengths - length) ** 2) / (2 * SIGMA**2))
        totals[num_bigrams == length] = 0.0
        totals += _products(entries, shares * penalties, weights, lengths == length, len(texts))
    return np.where(totals < 0, totals, totals * SCALE / MAX_ORDER)


def _products(
    entries: _Entries,
    shares: Floats,
    weights: Floats,
    is_candidate: npt.NDArray[np.bool_],
    num_captions: int,
) -> Floats:
    """For each candidate the sum over its n-grams of clipped count times what references hold.

    The clipped count min(c, r) is the number of k from 1 on that neither count is below, so each
    k adds what the references with at least k of an n-gram hold to candidates with at least k.
    """
    totals = np.zeros(num_captions)
    held, candidates = entries.at(np.ones_like(is_candidate)), entries.at(is_candidate)
    weights = weights[is_candidate]
    num_ngrams = int(entries.ngram.max(initial=-1)) + 1
    least = 1
    while len(candidates.ngram) and len(held.ngram):
        sums = np.bincount(held.ngram, held.count * shares, minlength=num_ngrams)
        totals += np.bincount(
            candidates.caption, sums[candidates.ngram] * weights, minlength=num_captions
        )
        least += 1
        # Few n-grams occur twice in a caption: number them again.
        is_held, is_left = held.count >= least, candidates.count >= least
        held, candidates = held.at(is_held), candidates.at(is_left)
        shares, weights = shares[is_held], weights[is_left]
    return totals


def _entries(texts: Sequence[str]) -> _Entries:
    numbers: dict[Ngram, int] = {}
    ngrams, counts, sizes = array("q"), array("q"), array("q")
    for text in texts:
        for grams in TokenizedCaption(text).ngram_counts:
            ngrams.extend([numbers.setdefault(gram, len(numbers)) for gram in grams])
            counts.extend(grams.values())
            sizes.append(len(grams))
    places = np.repeat(np.arange(len(sizes)), np.array(sizes, dtype=np.int64))
    return _Entries(
        caption=places // MAX_ORDER,
        ngram=np.array(ngrams, dtype=np.int64),
        order=places % MAX_ORDER,
        count=np.array(counts, dtype=np.int64),
    )


def _idf(entries: _Entries, document: Integers) -> Floats:
    """Inverse document frequency of each n-gram, natural logarithm."""
    num_documents = int(document[-1]) + 1
    pairs = np.unique(entries.ngram * num_documents + document[entries.caption])
    return math.log(num_documents) - np.log(np.bincount(pairs // num_documents))


_BLIND_SEED = 0
_BLOCK_GIFS = 512

Features = npt.NDArray[np.float32]


def blind_captions(captions: Sequence[str]) -> list[str] | None:
    """The caption that another GIF's features give, for every GIF; None for fewer than two GIFs.

    Another GIF's features give that GIF's caption, so the captions are exchanged along one cycle
    through all GIFs in a seeded random order: no caption stays with its GIF.
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
    """The first caption of the most similar training GIF, for every GIF.

    Likeness is the cosine of the features' means over the frames (the nearest-neighbour baseline
    of Li et al. 2016, "TGIF", section 5), without the positional encoding, whose mean tells the
    number of frames. A GIF of the same name is never its own neighbour.

    Args:
        examples: the GIFs to caption.
        training: the GIFs whose captions are known; of equally near ones the first counts. Those
            whose feature files cannot be used are left out.
        feature_size: D of every feature file.
        store: reads the files and records their problems; None for a new store.
        encoding: the positional encoding that the feature files hold, by their recipe.

    Returns:
        None if there is no other GIF.

    Raises:
        FeatureError: the feature file of a GIF to caption cannot be used.
    """
    store = store or FeatureStore(feature_size, cache_bytes=0)
    # Of each file only the mean is kept, D numbers in place of T * D.
    wanted = _directions(
        [_mean(store.read(example.features_path), encoding) for example in examples]
    )
    best = np.full(len(examples), -np.inf, np.float32)
    captions: list[str | None] = [None] * len(examples)
    for first in range(0, len(training), _BLOCK_GIFS):
        read = [
            (candidate, _mean(features, encoding))
            for candidate in training[first : first + _BLOCK_GIFS]
            if (features := store.read_or_none(candidate.features_path)) is not None
        ]
        if not read:
            continue
        block = [candidate for candidate, _ in read]
        cosines = wanted @ _directions([mean for _, mean in read]).T  # (N, block)
        place_of = {candidate.name: place for place, candidate in enumerate(block)}
        for index, example in enumerate(examples):
            if example.name in place_of:
                cosines[index, place_of[example.name]] = -np.inf
        places = cosines.argmax(axis=1)
        found = cosines[np.arange(len(examples)), places]
        for index in np.flatnonzero(found > best).tolist():
            captions[index] = block[places[index]].captions[0]
        best = np.maximum(best, found)
    kept = [caption for caption in captions if caption is not None]
    return kept if len(kept) == len(examples) else None


def _mean(features: Features, encoding: Encoding) -> Features:
    """The mean over the frames (T, D) without their encoding: float32 (D,)."""
    mean: Features = features.mean(axis=0)
    if encoding == "sinusoidal":
        mean -= sinusoidal_encoding(*features.shape).mean(axis=0)
    return mean


def _directions(means: Sequence[Features]) -> Features:
    """The mean vectors of N GIFs, each scaled to length 1: float32 (N, D)."""
    directions = np.array(means, np.float32)
    norms = np.linalg.norm(directions, axis=1, keepdims=True)
    directions /= np.maximum(norms, np.finfo(np.float32).tiny)
    return directions
