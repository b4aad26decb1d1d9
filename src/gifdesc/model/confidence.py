"""Which captions are doubtful: by their score, their length, their repetitions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gifdesc.captions import GeneratedCaption
from gifdesc.data.caption_statistics import CaptionStatistics

LOW_SHARE = 0.05
"""The greatest share of GIFs like the validation split's whose captions are marked as doubtful: the
conventional level of one in twenty."""


def confidence_threshold(scores: Sequence[float]) -> float | None:
    """The score below which a caption is doubtful, from the scores of a validation split.

    The threshold is the k-th lowest of n scores with k = floor(LOW_SHARE * (n + 1)). The chance
    that a GIF of the same distribution scores below it is then at most LOW_SHARE, whatever that
    distribution is (conformal prediction: Vovk et al. 2005, Algorithmic Learning in a Random World;
    Angelopoulos & Bates 2021, arXiv:2107.07511): any rank among the n + 1 is equally likely.

    Args:
        scores: mean log-probability per token of one caption per validation GIF, searched for
            as `caption` does by default.

    Returns:
        The threshold, or None for fewer than 19 scores, too few for this bound.

    Raises:
        ValueError: a score is not a finite number.
    """
    if not all(map(math.isfinite, scores)):
        raise ValueError("a score is not a finite number")
    rank = math.floor(LOW_SHARE * (len(scores) + 1) + 1e-9)
    return None if rank < 1 else sorted(scores)[rank - 1]


def is_low(score: float, threshold: float | None) -> bool | None:
    """Whether a score is below the threshold; None without a threshold."""
    return None if threshold is None else score < threshold


def doubts(
    caption: GeneratedCaption, threshold: float | None, captions: CaptionStatistics | None
) -> tuple[str, ...]:
    """The reasons why a caption is doubtful, a clause each; empty if there are none.

    Args:
        caption: the model's caption.
        threshold: of its score; None if the model has none.
        captions: statistics of the training captions; None if the model folder has none.
    """
    found = []
    if caption.is_cut:
        found.append("it ran into the length limit")
    if captions is not None and captions.is_repetitive(caption.tokens):
        found.append("it repeats itself more than the training captions do")
    if is_low(caption.score, threshold):
        found.append("its score is below the model's threshold")
    return tuple(found)
