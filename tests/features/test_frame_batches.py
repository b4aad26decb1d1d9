"""Batches of frames: computed once, cached, and smaller when memory runs out."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

import numpy as np
import pytest
import torch

from gifdesc.errors import GifdescError
from gifdesc.features import frame_batches
from gifdesc.features.frame_batches import FrameBatches
from gifdesc.features.frames import FileIdentity, SampledGif

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


def gif_of(*values: int) -> SampledGif:
    """A GIF whose distinct frames have one pixel value each."""
    return SampledGif(
        pixels=np.stack([PIXELS + np.uint8(value) for value in values]),
        digests=tuple(bytes([value]) for value in values),
        order=tuple(range(len(values))),
        sampled_frames=tuple(range(len(values))),
        durations_ms=(100,) * len(values),
        truncated=None,
        note=None,
        identity=FileIdentity(1, ""),
    )


def firsts(wait: Callable[[], np.ndarray]) -> list[int]:
    """The first number of each vector: the pixel value of its frame."""
    return [int(vector[0]) for vector in wait()]


def test_after_a_cancellation_frames_are_computed_again():
    encoder = Waiting()
    batches = FrameBatches(encoder)
    [dropped] = batches.submit([gif_of(1, 2)])
    batches.cancel()
    with pytest.raises(CancelledError):
        dropped()
    [again] = batches.submit([gif_of(1, 2)])
    encoder.compute()
    assert firsts(again) == [1, 2]


@pytest.mark.parametrize("are_shared", [False, True])
def test_failed_frames_are_computed_again(are_shared):
    encoder = Waiting()
    batches = FrameBatches(encoder, are_shared=are_shared)
    [failing] = batches.submit([gif_of(1)])
    encoder.futures[0].set_exception(RuntimeError("a GPU fell off the bus"))
    with pytest.raises(RuntimeError, match="fell off"):
        failing()
    [again] = batches.submit([gif_of(1)])
    encoder.compute()
    assert firsts(again) == [1]


@pytest.mark.parametrize("are_shared", [False, True])
def test_gifs_that_are_still_computed_are_waited_for_and_not_computed_twice(are_shared):
    encoder = Waiting()
    batches = FrameBatches(encoder, are_shared=are_shared)
    [first] = batches.submit([gif_of(1, 2)])
    second, third = batches.submit([gif_of(1, 2), gif_of(2, 3)])
    encoder.compute()
    assert [len(future.result()) for future in encoder.futures] == [2, 2]
    assert [firsts(wait) for wait in (first, second, third)] == [[1, 2], [1, 2], [2, 3]]


def test_a_batch_has_frames_of_one_gif_so_that_its_vectors_do_not_depend_on_others():
    encoder = Computing()
    gifs = [gif_of(*range(first, first + 16)) for first in (0, 20, 40)]
    waits = FrameBatches(encoder).submit(gifs)
    assert encoder.batches == [16, 16, 16]
    assert [firsts(wait) for wait in waits] == [list(range(n, n + 16)) for n in (0, 20, 40)]


def test_shared_batches_have_frames_of_several_gifs():
    encoder = Computing()
    gifs = [gif_of(*range(first, first + 16)) for first in (0, 20, 40, 60, 80)]
    waits = FrameBatches(encoder, are_shared=True).submit([*gifs, gifs[1]])
    assert encoder.batches == [64, 16]
    found = [firsts(wait) for wait in waits]
    assert found == [list(range(n, n + 16)) for n in (0, 20, 40, 60, 80, 20)]


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


def test_many_frames_go_through_in_batches():
    encoder = Computing()
    [wait] = FrameBatches(encoder).submit([gif_of(*range(150))])
    assert encoder.batches == [64, 64, 22]
    assert wait().shape == (150, 2048)
    assert firsts(wait) == list(range(150))


@pytest.mark.parametrize("are_shared", [False, True])
def test_recent_gifs_are_cached_and_older_gifs_are_not(are_shared, monkeypatch):
    monkeypatch.setattr(frame_batches, "MAX_RECENT_FRAMES", 4)
    encoder = Computing()
    batches = FrameBatches(encoder, are_shared=are_shared)
    asked = [(0, 1), (2, 3), (0, 1), (4, 5), (2, 3), (0, 1)]
    waits = [batches.submit([gif_of(*values)])[0] for values in asked]
    assert encoder.batches == [2, 2, 2, 2]  # the last GIF was dropped, the last but one was not
    assert [firsts(wait) for wait in waits] == [list(values) for values in asked]


@pytest.mark.parametrize("are_shared", [False, True])
def test_pixels_are_freed_after_their_vectors_are_computed(are_shared):
    gif = gif_of(1, 2)
    pixels = weakref.ref(gif.pixels)
    batches = FrameBatches(Computing(), are_shared=are_shared)
    [wait] = batches.submit([gif])
    wait()
    del gif
    gc.collect()
    assert pixels() is None


@pytest.mark.parametrize("says_late", [False, True])
def test_where_the_device_is_out_of_memory_batches_shrink(says_late, caplog):
    encoder = Computing(room=20, says_late=says_late)
    batches = FrameBatches(encoder)
    with caplog.at_level(logging.WARNING):
        [wait] = batches.submit([gif_of(*range(100))])
        assert firsts(wait) == list(range(100))
    assert batches.limit.size == 16
    assert sum(encoder.batches) == 100
    assert max(encoder.batches) <= 16
    assert [record.message for record in caplog.records] == [
        f"out of memory: continuing with batches of {number} frames" for number in (32, 16)
    ]


def test_without_room_for_one_frame_it_says_so():
    with pytest.raises(GifdescError, match="not enough memory for one frame; choose another"):
        FrameBatches(Computing(room=0)).submit([gif_of(1)])


def test_other_errors_of_the_network_are_not_out_of_memory():
    encoder = Waiting()
    [wait] = FrameBatches(encoder).submit([gif_of(1)])
    encoder.futures[0].set_exception(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        wait()
    assert len(encoder.futures) == 1
