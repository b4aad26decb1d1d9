"""From tasks to features: GIFs are read ahead, and several are computed together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gifdesc.data.gifs import GifInput
from gifdesc.errors import GifdescError
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.frames import SampledGif, Vectors
from gifdesc.features.loader import Loaded, Task, load_gifs


@dataclass(frozen=True)
class ComputedGif:
    """A GIF's sampled frames and their features.

    Attributes:
        sampled: the frames.
        vectors: float32 (T, D).
        settle: called once the features are in their folder and its manifest, or never will be.
    """

    sampled: SampledGif
    vectors: Vectors
    settle: Callable[[], None] = lambda: None


Outcome = ComputedGif | GifdescError | None
"""The result of a task: features, why there are none, or None for a GIF that is unchanged."""


Compute = Callable[[Iterable[Task]], Iterator[tuple[GifInput, Outcome]]]
"""Runs tasks: `compute` in this process, or another function with its results."""


@dataclass(frozen=True)
class _Group:
    """GIFs that are submitted together."""

    gifs: list[tuple[GifInput, SampledGif]]
    wait: Callable[[], list[Vectors]]


def compute(
    tasks: Iterable[Task], extractor: FeatureExtractor, *, num_workers: int = 0
) -> Iterator[tuple[GifInput, Outcome]]:
    """Run tasks; while the consumer processes the GIFs of a group, the next group is computed.

    Args:
        tasks: the GIFs to read.
        extractor: the recipe and the network.
        num_workers: processes that read GIFs; 0 for one thread.

    Yields:
        Each input with its outcome. GIFs without features come before those that still are in the
        network.
    """
    loaded_gifs = load_gifs(tasks, extractor.recipe, extractor.transform, num_workers=num_workers)
    try:
        yield from _compute(loaded_gifs, extractor)
    finally:
        extractor.cancel()  # after Ctrl-C, the frames in the network are not needed


def _compute(
    loaded_gifs: Iterable[tuple[Task, Loaded]], extractor: FeatureExtractor
) -> Iterator[tuple[GifInput, Outcome]]:
    in_flight = _Group([], list)
    gathered: list[tuple[GifInput, SampledGif]] = []
    num_frames = 0
    enough = 1  # the first GIF is computed alone, so that errors show at once
    for task, loaded in loaded_gifs:
        if isinstance(loaded, SampledGif):
            gathered.append((task.gif, loaded))
            num_frames += len(loaded.digests)
        else:
            yield task.gif, loaded
        if num_frames >= min(enough, extractor.batch_frames):
            enough = 2 * num_frames
            group = _submit(gathered, extractor)
            gathered, num_frames = [], 0
            yield from _finish(in_flight)
            in_flight = group
    yield from _finish(in_flight)
    yield from _finish(_submit(gathered, extractor))


def _submit(gifs: list[tuple[GifInput, SampledGif]], extractor: FeatureExtractor) -> _Group:
    return _Group(gifs, extractor.submit([sampled for _, sampled in gifs]))


def _finish(group: _Group) -> Iterator[tuple[GifInput, ComputedGif]]:
    for (gif, sampled), vectors in zip(group.gifs, group.wait(), strict=True):
        yield gif, ComputedGif(sampled, vectors)
