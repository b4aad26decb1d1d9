"""Frames through the network in batches: equal ones once, smaller batches where memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from gifdesc.device import is_out_of_memory
from gifdesc.errors import GifdescError
from gifdesc.runtime import FrameEncoder

log = logging.getLogger(__name__)

_Frame = npt.NDArray[np.uint8]
_Vectors = npt.NDArray[np.float32]

MAX_RECENT_FRAMES = 2048
"""Frames whose vectors are kept at hand, for GIFs to come that hold them too: 16 MB."""


class FrameBatches:
    """An encoder that is given frames as they come.

    Attributes:
        batch_frames: frames that go through the network at once.
    """

    def __init__(self, encoder: FrameEncoder) -> None:
        self.batch_frames = encoder.batch_frames
        self._encoder = encoder
        self._said_out_of_memory = False
        # By a frame's digest: the vectors that it was computed with, and its row there.
        self._recent: dict[bytes, tuple[_Once, int]] = {}

    def submit(self, frames: Mapping[bytes, _Frame]) -> Callable[[], dict[bytes, _Vectors]]:
        """Start computing; frames that were computed lately are not computed again.

        Args:
            frames: uint8 (3, h, w) by digest.

        Returns:
            A call that waits, and gives the vector (2048,) of each digest.
        """
        new = {digest: frame for digest, frame in frames.items() if digest not in self._recent}
        waits = self._submit_batches(list(new.values()))
        vectors = _Once(lambda: np.concatenate([wait() for wait in waits]))
        self._recent.update({digest: (vectors, row) for row, digest in enumerate(new)})
        places = {digest: self._recent[digest] for digest in frames}
        while len(self._recent) > MAX_RECENT_FRAMES:
            del self._recent[next(iter(self._recent))]

        def finish() -> dict[bytes, _Vectors]:
            try:
                return {digest: vectors()[row] for digest, (vectors, row) in places.items()}
            except BaseException:
                self._recent.clear()  # a later GIF must not wait for what never comes
                raise

        return finish

    def cancel(self) -> None:
        """Drop what was submitted: nobody waits for it any more. Other frames may follow."""
        self._encoder.cancel()
        self._recent.clear()

    def _submit_batches(self, frames: Sequence[_Frame]) -> list[Callable[[], _Vectors]]:
        waits = []
        first = 0
        while first < len(frames):
            batch = frames[first : first + self.batch_frames]
            first += len(batch)
            waits.append(self._submit_batch(batch))
        return waits

    def _submit_batch(self, batch: Sequence[_Frame]) -> Callable[[], _Vectors]:
        """Start one batch; where memory runs out, now or while it computes, smaller ones."""
        try:
            # Stacked as they lie in memory, channels last, which the network reads as they are.
            stacked = np.stack([frame.transpose(1, 2, 0) for frame in batch])
            wait = self._encoder.submit(stacked.transpose(0, 3, 1, 2))
        except (RuntimeError, MemoryError) as error:
            self._shrink(len(batch), error)
            waits = self._submit_batches(batch)
            return lambda: np.concatenate([one() for one in waits])

        def finish() -> _Vectors:
            try:
                return wait()
            except (RuntimeError, MemoryError) as error:
                self._shrink(len(batch), error)
            return np.concatenate([one() for one in self._submit_batches(batch)])

        return finish

    def _shrink(self, num_frames: int, error: Exception) -> None:
        """Go on with batches of fewer frames than those for which there was no memory."""
        if not is_out_of_memory(error):
            raise error
        if num_frames == 1:
            raise GifdescError("not even one frame fits into the memory") from error
        if not self._said_out_of_memory:
            log.warning("the device is out of memory: continuing with smaller batches")
            self._said_out_of_memory = True
        while self.batch_frames >= num_frames:
            self.batch_frames //= 2
        torch.cuda.empty_cache()


class _Once:
    """What a call gives, asked for once; then the call and all that it holds may go."""

    def __init__(self, call: Callable[[], _Vectors]) -> None:
        self._call: Callable[[], _Vectors] | None = call

    def __call__(self) -> _Vectors:
        if self._call is not None:
            self._vectors = self._call()
            self._call = None
        return self._vectors
