"""Frames in batches: what is computed, what is remembered, and what is done without memory."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future

import numpy as np
import pytest

from gifdesc.frame_batches import FrameBatches

PIXELS = np.zeros((3, 2, 2), np.uint8)


class Waiting:
    """An encoder that computes when told, or fails."""

    batch_frames = 4

    def __init__(self) -> None:
        self.futures: list[Future[np.ndarray]] = []

    def submit(self, pixels: np.ndarray) -> Callable[[], np.ndarray]:
        """Note that a batch is wanted."""
        self.futures.append(Future())
        vectors = np.repeat(pixels[:, :1, 0, 0], 2048, axis=1).astype(np.float32)
        self.futures[-1].vectors = vectors
        return self.futures[-1].result

    def compute(self) -> None:
        """Do what is wanted and was not cancelled."""
        for future in self.futures:
            if not future.done():
                future.set_result(future.vectors)

    def cancel(self) -> None:
        """Drop what is wanted."""
        for future in self.futures:
            future.cancel()


def frames_of(*values: int) -> dict[bytes, np.ndarray]:
    return {bytes([value]): PIXELS + np.uint8(value) for value in values}


def test_after_a_cancellation_the_same_frames_are_computed_anew():
    encoder = Waiting()
    batches = FrameBatches(encoder)
    dropped = batches.submit(frames_of(1, 2))
    batches.cancel()
    with pytest.raises(CancelledError):
        dropped()
    again = batches.submit(frames_of(1, 2, 3))
    encoder.compute()
    assert {digest: vector[0] for digest, vector in again().items()} == {
        b"\1": 1,
        b"\2": 2,
        b"\3": 3,
    }


def test_what_failed_is_tried_anew_when_its_frames_come_again():
    encoder = Waiting()
    batches = FrameBatches(encoder)
    failing = batches.submit(frames_of(1))
    encoder.futures[0].set_exception(RuntimeError("a GPU fell off the bus"))
    with pytest.raises(RuntimeError, match="fell off"):
        failing()
    again = batches.submit(frames_of(1))
    encoder.compute()
    assert again()[b"\1"][0] == 1


def test_frames_that_are_still_computed_are_waited_for_and_not_computed_twice():
    encoder = Waiting()
    batches = FrameBatches(encoder)
    first, second = batches.submit(frames_of(1, 2)), batches.submit(frames_of(2, 3))
    encoder.compute()
    assert [len(future.result()) for future in encoder.futures] == [2, 1]
    assert {digest[0]: vector[0] for digest, vector in second().items()} == {2: 2, 3: 3}
    assert {digest[0]: vector[0] for digest, vector in first().items()} == {1: 1, 2: 2}
