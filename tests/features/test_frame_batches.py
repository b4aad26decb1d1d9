"""Batches of frames: computed once, cached, and smaller when memory runs out."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future

import numpy as np
import pytest
import torch

from gifdesc.errors import GifdescError
from gifdesc.features import extractor as frame_batches
from gifdesc.features.extractor import FrameBatches

PIXELS = np.zeros((3, 2, 2), np.uint8)


class Waiting:
    """An encoder that computes on request, or fails."""

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
        """Compute the submitted frames that were not cancelled."""
        for future in self.futures:
            if not future.done():
                future.set_result(future.vectors)

    def cancel(self) -> None:
        """Drop the submitted frames."""
        for future in self.futures:
            future.cancel()


def frames_of(*values: int) -> dict[bytes, np.ndarray]:
    return {bytes([value]): PIXELS + np.uint8(value) for value in values}


def test_after_a_cancellation_frames_are_computed_again():
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


def test_failed_frames_are_computed_again():
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


class Computing:
    """An encoder that computes at once, notes how many frames it got, and has limited room."""

    batch_frames = 64

    def __init__(self, room: int = 10**6, *, says_late: bool = False) -> None:
        self.batches: list[int] = []
        self._room = room
        self._says_late = says_late

    def submit(self, pixels: np.ndarray) -> Callable[[], np.ndarray]:
        """One batch, if it fits."""
        if len(pixels) > self._room:
            if not self._says_late:
                raise torch.OutOfMemoryError("out of memory")
            return self._fail
        self.batches.append(len(pixels))
        vectors = np.repeat(pixels[:, :1, 0, 0], 2048, axis=1).astype(np.float32)
        return lambda: vectors

    def cancel(self) -> None:
        """Nothing is under way."""

    def _fail(self) -> np.ndarray:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


def assert_right(vectors: dict[bytes, np.ndarray], values: Sequence[int]) -> None:
    assert {digest[0]: vector.tolist() for digest, vector in vectors.items()} == {
        value: [value] * 2048 for value in values
    }


def test_many_frames_go_through_in_batches():
    encoder = Computing()
    assert_right(FrameBatches(encoder).submit(frames_of(*range(150)))(), range(150))
    assert encoder.batches == [64, 64, 22]


def test_recent_frames_are_cached_and_older_frames_are_not(monkeypatch):
    monkeypatch.setattr(frame_batches, "MAX_RECENT_FRAMES", 4)
    encoder = Computing()
    batches = FrameBatches(encoder)
    asked = [(0, 1, 2), (2, 3, 4), (4, 5), (0, 1, 2)]
    waits = [batches.submit(frames_of(*values)) for values in asked]
    assert encoder.batches == [3, 2, 1, 2]  # of 0, 1, 2 the last is still known
    for values, wait in zip(asked, waits, strict=True):
        assert_right(wait(), values)


def test_pixels_are_freed_after_their_vectors_are_computed():
    frames = frames_of(1, 2)
    pixels = weakref.ref(frames[b"\1"])
    batches = FrameBatches(Computing())
    batches.submit(frames)()
    del frames
    gc.collect()
    assert pixels() is None


@pytest.mark.parametrize("says_late", [False, True])
def test_where_the_device_is_out_of_memory_batches_shrink(says_late, caplog):
    encoder = Computing(room=20, says_late=says_late)
    batches = FrameBatches(encoder)
    with caplog.at_level(logging.WARNING):
        assert_right(batches.submit(frames_of(*range(100)))(), range(100))
    assert batches.limit.size == 16
    assert sum(encoder.batches) == 100
    assert max(encoder.batches) <= 16
    assert [record.message for record in caplog.records] == [
        f"out of memory: continuing with batches of {number} frames" for number in (32, 16)
    ]


def test_without_room_for_one_frame_it_says_so():
    with pytest.raises(GifdescError, match="not enough memory for one frame; choose another"):
        FrameBatches(Computing(room=0)).submit(frames_of(1))


def test_other_errors_of_the_network_are_not_out_of_memory():
    encoder = Waiting()
    wait = FrameBatches(encoder).submit(frames_of(1))
    encoder.futures[0].set_exception(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        wait()
    assert len(encoder.futures) == 1
