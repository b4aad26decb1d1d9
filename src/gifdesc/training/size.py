"""The size of a run: batches, epochs and passes that follow the data unless they are given.

A captioner needs some hundred optimizer steps before it writes whole sentences, whatever the number
of its captions; and of few captions it needs to see each some tens of times. Measured on sets of 20
drawn and 20 real GIFs with a description each (default recipe, features of random weights): in
steps of 8, 60 gave 0.80 of the captions back, 120 0.95, 200 1.00; in steps of 1 or 2, 10 passes
gave 0.05, 16 passes 0.65 to 0.95, 30 passes 0.95 to 1.00 and 40 passes all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gifdesc.config import FOLLOWING_DATA, BestBy, TrainingConfig

MIN_EPOCHS = 20
"""Of the default recipe, whatever the data."""

MIN_STEPS = 300
"""Optimizer steps that a run takes at least if its epochs or its batches follow the data."""

FEW_PAIRS = 64
"""Up to so many pairs each is seen `MIN_PASSES` times."""

MIN_PASSES = 40

MAX_PASSES = 8
"""Passes of an epoch at most: a user who asks for one epoch does not want to wait for forty."""

MIN_VAL_GIFS = 20
"""Validation GIFs from which on their CIDEr chooses the epoch that is kept. On fewer it is chance:
the epoch that happens to match a word of two captions, often an early epoch."""

MAX_CAPTIONED = 1000
"""GIFs of the validation split that are captioned after every epoch: enough to tell epochs apart,
few enough that an epoch on 100,000 GIFs is not spent on it."""

MIN_CAPTIONED = 100
"""GIFs that are captioned in any case, if the split has so many."""

_PAIRS_PER_CAPTIONED = 16
"""Training pairs for each GIF that is captioned: a greedy caption takes about as long as a training
step does for a pair, so captions cost a sixteenth of an epoch."""

_BATCH_SIZES = ((FEW_PAIRS, 8), (2000, 16))
_LARGEST_BATCH_SIZE = 32


def fit_to_data(
    config: TrainingConfig,
    *,
    num_pairs: int,
    num_val_gifs: int,
    known: Mapping[str, Any] | None = None,
) -> TrainingConfig:
    """The run with all fields chosen that it leaves to the data.

    - `batch_size`: 8 for up to 64 pairs, 16 for up to 2,000, 32 beyond. Where the epochs are given
      and make fewer than `MIN_STEPS` steps of these, smaller ones that make as many, down to 1.
    - `epochs`: 20, or as many as make `MIN_STEPS` steps (and `MIN_PASSES` passes over few pairs).
    - `passes`: 1; where the epochs are given and the batches are not, as many of few pairs as make
      `MIN_PASSES` passes in all, up to `MAX_PASSES`.
    - `best_by`: CIDEr from `MIN_VAL_GIFS` validation GIFs on, else the last epoch; the loss of a
      model that is trained to repeat its input.

    Args:
        config: the run; only the fields that it leaves to the data are chosen.
        num_pairs: (GIF, caption) pairs of the training split.
        num_val_gifs: GIFs of the validation split.
        known: fields of the resumed run, which take the place of those left to the data.
    """
    if known:
        names = (*FOLLOWING_DATA, "best_by")
        left = [name for name in names if getattr(config, name) in (0, "auto")]
        config = replace(config, **{name: known[name] for name in left if name in known})
    batch_size, epochs, passes = config.batch_size, config.epochs, config.passes
    are_few = num_pairs <= FEW_PAIRS
    if epochs and not batch_size:
        passes = passes or (_bounded(math.ceil(MIN_PASSES / epochs)) if are_few else 1)
        batch_size = _usual_batch_size(num_pairs)
        while batch_size > 1 and epochs * passes * math.ceil(num_pairs / batch_size) < MIN_STEPS:
            batch_size -= 1
        if are_few and not config.passes:
            passes = max(passes, _bounded(math.ceil(MIN_STEPS / (epochs * num_pairs))))
    batch_size = batch_size or _usual_batch_size(num_pairs)
    passes = passes or 1
    if not epochs:
        steps_a_pass = math.ceil(num_pairs / batch_size)
        num_passes = max(math.ceil(MIN_STEPS / steps_a_pass), MIN_PASSES if are_few else 0)
        epochs = max(MIN_EPOCHS, math.ceil(num_passes / passes))
    return replace(
        config,
        batch_size=batch_size,
        epochs=epochs,
        passes=passes,
        best_by=_best_by(config, num_val_gifs),
    )


def num_steps_of(config: TrainingConfig, num_pairs: int) -> int:
    """Optimizer steps of a run's cross-entropy epochs.

    Args:
        config: from `fit_to_data`.
        num_pairs: (GIF, caption) pairs of the training split.
    """
    return config.epochs * (config.passes or 1) * math.ceil(num_pairs / config.batch_size)


def num_captioned(num_pairs: int) -> int:
    """GIFs of the validation split that are captioned after every epoch, at most.

    Args:
        num_pairs: (GIF, caption) pairs of the training split.
    """
    return min(MAX_CAPTIONED, max(MIN_CAPTIONED, num_pairs // _PAIRS_PER_CAPTIONED))


def _usual_batch_size(num_pairs: int) -> int:
    return next((size for most, size in _BATCH_SIZES if num_pairs <= most), _LARGEST_BATCH_SIZE)


def _bounded(passes: int) -> int:
    return min(MAX_PASSES, passes)


def _best_by(config: TrainingConfig, num_val_gifs: int) -> BestBy:
    if config.best_by != "auto":
        return config.best_by
    if config.objective == "reconstruction":
        return "loss"
    # Patience needs a score to wait for.
    return "cider" if num_val_gifs >= MIN_VAL_GIFS or config.patience else "last"
