"""Which frames a word looked at, in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

_NUM_NAMED = 3  # frames that a sentence names


class SpokenWord(Protocol):
    """One word of a caption, as `generation.Word`."""

    @property
    def word(self) -> str:
        """As it stands in the caption."""

    @property
    def log_prob(self) -> float:
        """Natural log-probability."""

    @property
    def frame_weights(self) -> Sequence[float] | None:
        """T weights over the sampled frames, which sum to 1; None without attention."""


def attends(words: Sequence[SpokenWord], num_frames: int) -> bool:
    """Every word has a finite weight, 0 or more, for each of that many frames."""
    return bool(words) and all(
        word.frame_weights is not None
        and len(word.frame_weights) == num_frames
        and all(math.isfinite(weight) and weight >= 0 for weight in word.frame_weights)
        for word in words
    )


def most_looked_at(weights: Sequence[float]) -> list[int]:
    """The positions that a word looked at most, ascending: none where it looked at all alike.

    A weight counts from half of the greatest on, and where the greatest is more than half as
    much again as the mean.
    """
    greatest = max(weights, default=0.0)
    if len(weights) > 1 and greatest <= 1.5 * sum(weights) / len(weights):
        return []
    by_weight = sorted(range(len(weights)), key=lambda place: -weights[place])
    return sorted(place for place in by_weight[:_NUM_NAMED] if weights[place] >= greatest / 2)


def describe_look(weights: Sequence[float], times_ms: Sequence[int]) -> str:
    """What a word looked at: `62 % at frame 3 (0.40 s), 31 % at frame 4 (0.60 s)`.

    Frames are counted from 1 among those that were sampled.
    """
    most = most_looked_at(weights)
    if not most:
        return f"about equally at all {len(weights)} frames"
    return ", ".join(
        f"{100 * weights[place]:.0f} % at frame {place + 1} ({moment(times_ms[place])})"
        for place in most
    )


def probability(log_prob: float) -> str:
    """A log-probability as a person reads it: `62 %`."""
    percent = 100 * math.exp(min(log_prob, 0.0))
    return "under 1 %" if percent < 1 else f"{percent:.0f} %"


def moment(time_ms: float) -> str:
    """A moment of a GIF, finely enough to tell frames apart: `0.04 s`, `12.3 s`."""
    return f"{time_ms / 1000:.2f} s" if time_ms < 10_000 else seconds(time_ms)


def seconds(time_ms: float) -> str:
    """A duration as a person reads it: `0.4 s`."""
    return f"{time_ms / 1000:.1f} s"
