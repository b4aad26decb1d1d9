"""Which captions are doubtful: by their score, their length, their repetitions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gifdesc.captions import GeneratedCaption
from gifdesc.data.caption_statistics import CaptionStatistics

LOW_SHARE = 0.05
"""Share of GIFs like the validation split's whose captions are called doubtful, at most: the
conventional level of one in twenty."""


def confidence_threshold(scores: Sequence[float]) -> float | None:
    """The score below which a caption is doubtful, from the scores of a validation split.

    It is the k-th lowest of n scores with k = floor(LOW_SHARE * (n + 1)). For a GIF drawn like
    those n, the chance to score below it is then at most LOW_SHARE, whatever the scores'
    distribution (conformal prediction: Vovk et al. 2005, Algorithmic Learning in a Random World;
    Angelopoulos & Bates 2021, arXiv:2107.07511): any rank among the n + 1 is equally likely.

    Args:
        scores: of one caption per validation GIF, mean log-probability per token, searched for
            as `caption` does by default.

    Returns:
        The threshold, or None for fewer than 19 scores, with which no such promise can be made.

    Raises:
        ValueError: a score is not a finite number.
    """
    if not all(map(math.isfinite, scores)):
        raise ValueError("a score is not a finite number")
    rank = math.floor(LOW_SHARE * (len(scores) + 1) + 1e-9)
    return None if rank < 1 else sorted(scores)[rank - 1]


def is_low(score: float, threshold: float | None) -> bool | None:
    """Whether a score is below the threshold; None where there is no threshold."""
    return None if threshold is None else score < threshold


def doubts(
    caption: GeneratedCaption, threshold: float | None, captions: CaptionStatistics | None
) -> tuple[str, ...]:
    """Why a caption is doubtful, a clause each; none where nothing speaks against it.

    Args:
        caption: as the model said it.
        threshold: of its score; None where the model has none.
        captions: what the training captions are like; None where the model folder does not state
            it.
    """
    found = []
    if caption.is_cut:
        found.append("it ran into the length limit")
    if captions is not None and captions.is_repetitive(caption.tokens):
        found.append("it repeats itself more than the training captions do")
    if is_low(caption.score, threshold):
        found.append("its score is below the model's threshold")
    return tuple(found)
