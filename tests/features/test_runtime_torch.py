"""The network by PyTorch: the plain features, several streams, nothing waited for in vain."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch

from gifdesc.features import encoder as runtime_torch
from gifdesc.features.backbones.base import network_on_pixels
from gifdesc.features.encoder import TorchEncoder
from worlds import (
    CPU,
    IMAGENET_MEAN,
    IMAGENET_STD,
    backbone_of,
    difference_of_scale,
    draw_pixels,
    plain_vectors,
)


@pytest.fixture
def pixels() -> np.ndarray:
    return draw_pixels()


def test_torch_gives_the_plain_vectors(random_network, pixels):
    features = TorchEncoder(backbone_of(random_network), CPU).submit(pixels)()
    assert features.dtype == np.float32
    assert features.shape == (3, 2048)
    assert difference_of_scale(features, plain_vectors(random_network, pixels)) < 1e-4


@pytest.mark.parametrize("num_streams", [2, 5])
def test_streams_side_by_side_give_the_plain_vectors(
    random_network, pixels, monkeypatch, num_streams
):
    monkeypatch.setattr(runtime_torch, "cpu_streams", lambda: (num_streams, 1))
    encoder = TorchEncoder(backbone_of(random_network, core_frames=2), CPU)
    assert encoder.batch_frames == num_streams * 2
    waits = [encoder.submit(pixels), encoder.submit(pixels[:1])]
    wanted = plain_vectors(random_network, pixels)
    assert difference_of_scale(waits[0](), wanted) < 1e-4
    assert difference_of_scale(waits[1](), wanted[:1]) < 1e-4


def test_streams_keep_the_callers_number_of_threads(pixels, monkeypatch):
    monkeypatch.setattr(runtime_torch, "cpu_streams", lambda: (2, 3))
    before = torch.get_num_threads()
    assert before != 3
    seen = []

    class Watching(torch.nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            return frames.mean(dim=(2, 3))

    TorchEncoder(backbone_of(Watching(), core_frames=2), CPU).submit(pixels)()
    assert seen == [3, 3]
    assert torch.get_num_threads() == before


def test_cancelled_frames_are_dropped(pixels):
    let_go, computed = threading.Event(), []

    class Slow(torch.nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            computed.append(len(frames))
            let_go.wait()
            return frames.mean(dim=(2, 3))

    encoder = TorchEncoder(backbone_of(Slow()), CPU)
    waits = [encoder.submit(pixels) for _ in range(3)]
    encoder.cancel()
    let_go.set()
    with pytest.raises(CancelledError):
        waits[-1]()
    assert len(computed) <= 1
    assert encoder.submit(pixels)().shape == (3, 3)  # others may follow


def test_half_precision_gives_nearly_the_same(random_network, pixels):
    features = TorchEncoder(backbone_of(random_network), CPU, "bfloat16").submit(pixels)()
    wanted = plain_vectors(random_network, pixels)
    assert features.dtype == np.float32
    assert 0 < difference_of_scale(features, wanted) < 0.05


def test_the_given_network_is_unchanged(random_network, pixels):
    before = plain_vectors(random_network, pixels[:1])
    TorchEncoder(backbone_of(random_network), CPU)
    np.testing.assert_array_equal(plain_vectors(random_network, pixels[:1]), before)


def test_normalisation_makes_imagenets_mean_zero_and_deviation_one():
    network = network_on_pixels(backbone_of(torch.nn.Identity()))
    mean = 255 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    torch.testing.assert_close(network(mean), torch.zeros(1, 3, 1, 1))
    torch.testing.assert_close(network(mean + std), torch.ones(1, 3, 1, 1))


class FakeStream:
    """A CUDA stream that records its waits and runs its work at once."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self._log = log

    def wait_stream(self, other: FakeStream) -> None:
        """Note it."""
        self._log.append(f"{self.name} waits for {other.name}")

    def record_event(self) -> FakeStream:
        """An event, which is the stream itself."""
        self._log.append(f"{self.name} done")
        return self

    def synchronize(self) -> None:
        """Note it."""
        self._log.append("the caller waits")

    def __enter__(self) -> None:
        self._log.append(f"on {self.name}:")

    def __exit__(self, *_: object) -> None:
        self._log.append(f"off {self.name}")


def test_copies_run_beside_the_network_and_each_step_waits_for_the_one_before(pixels, monkeypatch):
    """The order of the CUDA path, on a CPU with streams that only take notes."""
    log: list[str] = []

    class Network(torch.nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            log.append("forward")
            return frames.mean(dim=(2, 3))

    empty = torch.empty
    encoder = TorchEncoder(backbone_of(Network()), CPU)
    encoder._computing, encoder._copying_in, encoder._copying_out = (
        FakeStream(name, log) for name in ("compute", "in", "out")
    )
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch, "empty", lambda shape, **_: empty(shape))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda frames: frames)
    monkeypatch.setattr(
        torch.Tensor,
        "record_stream",
        lambda tensor, stream: log.append(f"{tensor.dtype} kept for {stream.name}"),
    )
    wait = encoder._submit_cuda(pixels)
    assert log == [
        *("on in:", "off in", "compute waits for in", "torch.uint8 kept for compute"),
        *("on compute:", "forward", "off compute"),
        *("out waits for compute", "on out:", "off out", "torch.float32 kept for out", "out done"),
    ]
    np.testing.assert_array_equal(wait(), encoder.submit(pixels)())
    assert log[12:] == ["the caller waits", *["forward"] * min(encoder._num_streams, len(pixels))]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
def test_a_gpu_gives_the_plain_features_whatever_else_is_under_way(random_network):
    pixels = draw_pixels(24)
    encoder = TorchEncoder(backbone_of(random_network), torch.device("cuda"))
    waits = [encoder.submit(pixels[first : first + 4]) for first in range(0, 24, 4)]
    features = np.concatenate([wait() for wait in waits])
    assert difference_of_scale(features, plain_vectors(random_network, pixels)) < 1e-3
