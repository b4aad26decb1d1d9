"""Batches of frames: divided by GIFs, computed once, and smaller after memory ran out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gifdesc.features.encoder import FrameEncoder
from gifdesc.features.frames import Pixels, SampledGif, Vectors
from gifdesc.system.device import BatchLimit

MAX_RECENT_FRAMES = 2048
"""Frames whose vectors are kept for later GIFs with the same frames: 16 MB."""


class FrameBatches:
    """Splits the frames of GIFs into batches for an encoder.

    Libraries of matrix products choose their method by the size of a batch, so that the last bits
    of a vector depend on the number of other frames. In batches of its own, a GIF has the same
    features whatever other GIFs are in the run, such as after an interruption; another runtime or
    number of cores still divides the frames into other batches.

    Args:
        encoder: computes the vectors.
        are_shared: whether batches may have frames of several GIFs: faster where a batch must be
            large, such as on a GPU.

    Attributes:
        limit: frames that go through the network at once.
    """

    def __init__(self, encoder: FrameEncoder, *, are_shared: bool = False) -> None:
        self.limit = BatchLimit("frame", "choose another --device", size=encoder.batch_frames)
        self._encoder = encoder
        self._are_shared = are_shared
        # By the digests of a GIF's frames: the vectors of its batches, and its rows in them.
        self._recent: dict[tuple[bytes, ...], tuple[_Once, slice]] = {}
        self._num_recent = 0

    def submit(self, gifs: Sequence[SampledGif]) -> list[Callable[[], Vectors]]:
        """Start computing; GIFs with the frames of a recent GIF are not computed again.

        Returns:
            For each GIF, a function that waits for the vectors (U, D) of its distinct frames.
        """
        new = {gif.digests: gif.pixels for gif in gifs if gif.digests not in self._recent}
        is_shared = self._are_shared and bool(new)
        groups = [list(new)] if is_shared else [[digests] for digests in new]
        try:
            for group in groups:
                self._submit_group(group, _joined([new[digests] for digests in group]))
        except BaseException:
            self._forget()
            raise
        waits = [self._wait_of(*self._recent[gif.digests]) for gif in gifs]
        while self._num_recent > MAX_RECENT_FRAMES:
            oldest = next(iter(self._recent))
            self._num_recent -= len(oldest)
            del self._recent[oldest]
        return waits

    def cancel(self) -> None:
        """Drop submitted frames; other frames may follow."""
        self._encoder.cancel()
        self._forget()

    def _submit_group(self, group: Sequence[tuple[bytes, ...]], frames: Pixels) -> None:
        """Start computing the frames of GIFs that share batches."""
        waits = self._submit_batches(frames)
        vectors = _Once(lambda: np.concatenate([wait() for wait in waits]))
        first = 0
        for digests in group:
            self._recent[digests] = (vectors, slice(first, first + len(digests)))
            first += len(digests)
        self._num_recent += first

    def _wait_of(self, vectors: _Once, rows: slice) -> Callable[[], Vectors]:
        def wait() -> Vectors:
            try:
                return vectors()[rows]
            except BaseException:
                self._forget()  # later GIFs must not wait for vectors of a failed batch
                raise

        return wait

    def _forget(self) -> None:
        self._recent.clear()
        self._num_recent = 0

    def _submit_batches(self, frames: Pixels) -> list[Callable[[], Vectors]]:
        waits = []
        first = 0
        while first < len(frames):
            batch = frames[first : first + self.limit.size]
            first += len(batch)
            waits.append(self._submit_batch(batch))
        return waits

    def _submit_batch(self, batch: Pixels) -> Callable[[], Vectors]:
        """Start one batch; if memory runs out, now or while it computes, smaller ones."""
        wait = self.limit.attempt(lambda: self._encoder.submit(batch), len(batch))
        if wait is None:
            waits = self._submit_batches(batch)
            return lambda: np.concatenate([wait() for wait in waits])

        def finish() -> Vectors:
            vectors = self.limit.attempt(wait, len(batch))
            if vectors is None:
                return np.concatenate([wait() for wait in self._submit_batches(batch)])
            return vectors

        return finish


def _joined(pixels: Sequence[Pixels]) -> Pixels:
    """The frames of GIFs in one array, channels last in memory, which networks read without a copy.

    A GIF alone, whose frames are so already, is not copied either.
    """
    last = [of_gif.transpose(0, 2, 3, 1) for of_gif in pixels]
    joined = np.ascontiguousarray(last[0]) if len(last) == 1 else np.concatenate(last)
    return joined.transpose(0, 3, 1, 2)


class _Once:
    """The cached result of a function, which is called once and then freed."""

    def __init__(self, call: Callable[[], Vectors]) -> None:
        self._call: Callable[[], Vectors] | None = call

    def __call__(self) -> Vectors:
        if self._call is not None:
            self._vectors = self._call()
            self._call = None
        return self._vectors
