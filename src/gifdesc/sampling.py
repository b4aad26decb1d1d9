"""Which frames of a GIF are sampled: pure index arithmetic.

Three ways to pick at most `num_samples` of `num_frames` frames. Indices are 0-based and ascending.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import get_args

from gifdesc.config import Sampling


def uniform_indices(num_frames: int, num_samples: int) -> list[int]:
    """Frames that cover the whole GIF: the centre of each of `num_samples` equal segments.

    For a GIF of `num_samples` frames or fewer, all its frames, each once.

    Args:
        num_frames: frames in the GIF, 0 or more.
        num_samples: the maximum number of frames, 1 or more.

    Returns:
        min(num_frames, num_samples) ascending indices below `num_frames`.

    Raises:
        ValueError: a count is out of its range.
    """
    _check_counts(num_frames, num_samples)
    if num_frames <= num_samples:
        return list(range(num_frames))
    return [(2 * i + 1) * num_frames // (2 * num_samples) for i in range(num_samples)]


def step_indices(num_frames: int, num_samples: int) -> list[int]:
    """Every step-th frame from the first on, as the original report sampled.

    The step is `max(1, num_frames // num_samples)`, so a GIF with one frame less than twice
    `num_samples` loses its second half. Kept to reproduce the report; see `uniform_indices`.

    Args:
        num_frames: frames in the GIF, 0 or more.
        num_samples: the maximum number of frames, 1 or more.

    Returns:
        min(num_frames, num_samples) ascending indices below `num_frames`.

    Raises:
        ValueError: a count is out of its range.
    """
    _check_counts(num_frames, num_samples)
    step = max(1, num_frames // num_samples)
    return list(range(0, num_frames, step))[:num_samples]


def time_indices(durations_ms: Sequence[int], num_samples: int) -> list[int]:
    """The frames on screen at the centre of each of `num_samples` equal spans of display time.

    A frame with a long duration may be picked several times. If no frame has a duration, all frames
    count as equally long.

    Args:
        durations_ms: display time of each frame in milliseconds, each 0 or more.
        num_samples: frames wanted, 1 or more.

    Returns:
        `num_samples` ascending indices (none for a GIF without frames).

    Raises:
        ValueError: a duration is negative or `num_samples` is below 1.
    """
    _check_counts(len(durations_ms), num_samples)
    if any(duration_ms < 0 for duration_ms in durations_ms):
        raise ValueError("a frame's duration cannot be negative")
    if not durations_ms:
        return []
    if not any(durations_ms):
        durations_ms = [1] * len(durations_ms)
    # Whole numbers throughout: span i's centre is (2i + 1) * total / (2 * num_samples).
    ends = [2 * num_samples * end_ms for end_ms in accumulate(durations_ms)]
    total_ms = sum(durations_ms)
    return [bisect_right(ends, (2 * i + 1) * total_ms) for i in range(num_samples)]


def start_times_ms(durations_ms: Sequence[int], indices: Sequence[int]) -> tuple[int, ...]:
    """The times at which the given frames appear, in milliseconds from the beginning.

    Args:
        durations_ms: display time of each frame of the GIF in milliseconds.
        indices: which frames, in any order.

    Raises:
        IndexError: there is no such frame.
    """
    starts_ms = [0, *accumulate(durations_ms)][: len(durations_ms)]
    return tuple(starts_ms[index] for index in indices)


def sampler(sampling: Sampling, num_samples: int) -> Callable[[Sequence[int]], list[int]]:
    """The function from a GIF's frame durations (ms) to the sampled indices.

    Raises:
        ValueError: no sampling has that name.
    """
    if sampling == "uniform":
        return lambda durations_ms: uniform_indices(len(durations_ms), num_samples)
    if sampling == "step":
        return lambda durations_ms: step_indices(len(durations_ms), num_samples)
    if sampling == "time":
        return lambda durations_ms: time_indices(durations_ms, num_samples)
    raise ValueError(f"sampling is one of {', '.join(get_args(Sampling))}, not {sampling!r}")


def _check_counts(num_frames: int, num_samples: int) -> None:
    if num_frames < 0:
        raise ValueError(f"num_frames must be 0 or more, not {num_frames}")
    if num_samples < 1:
        raise ValueError(f"num_samples must be 1 or more, not {num_samples}")
