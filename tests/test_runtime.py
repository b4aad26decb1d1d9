"""The network by PyTorch and by OpenVINO: the same features."""

from __future__ import annotations

import importlib.util
import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch

from gifdesc import runtime, runtime_torch
from gifdesc.errors import UsageError
from gifdesc.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from gifdesc.runtime import OPENVINO_MIN_GIFS, has_openvino, make_encoder
from gifdesc.runtime_openvino import OpenVinoEncoder
from gifdesc.runtime_torch import CPU_STREAM_FRAMES, TorchEncoder, with_normalisation

CPU = torch.device("cpu")
needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 3, 224, 224), dtype=np.uint8)


def plain_features(network: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    """One frame at a time, nothing folded, normalised as torchvision writes it."""
    mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    with torch.no_grad():
        rows = [network(((torch.from_numpy(p) / 255 - mean) / std)[None])[0] for p in pixels]
    return torch.stack(rows).numpy()


def difference_of_scale(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max() / np.abs(other).max())


def test_torch_gives_the_plain_features(random_network, pixels):
    features = TorchEncoder(random_network, CPU).submit(pixels)()
    assert features.dtype == np.float32
    assert features.shape == (3, 2048)
    assert difference_of_scale(features, plain_features(random_network, pixels)) < 1e-4


@pytest.mark.parametrize("num_streams", [2, 5])
def test_streams_side_by_side_give_the_plain_features(
    random_network, pixels, monkeypatch, num_streams
):
    monkeypatch.setattr(runtime_torch, "cpu_streams", lambda: (num_streams, 1))
    encoder = TorchEncoder(random_network, CPU)
    assert encoder.batch_frames == num_streams * CPU_STREAM_FRAMES
    waits = [encoder.submit(pixels), encoder.submit(pixels[:1])]
    wanted = plain_features(random_network, pixels)
    assert difference_of_scale(waits[0](), wanted) < 1e-4
    assert difference_of_scale(waits[1](), wanted[:1]) < 1e-4


def test_streams_leave_the_callers_number_of_threads_alone(pixels, monkeypatch):
    monkeypatch.setattr(runtime_torch, "cpu_streams", lambda: (2, 3))
    before = torch.get_num_threads()
    assert before != 3
    seen = []

    class Watching(torch.nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            seen.append(torch.get_num_threads())
            return frames.mean(dim=(2, 3))

    TorchEncoder(Watching(), CPU).submit(pixels)()
    assert seen == [3, 3]
    assert torch.get_num_threads() == before


def test_what_nobody_waits_for_is_dropped(pixels):
    let_go, computed = threading.Event(), []

    class Slow(torch.nn.Module):
        def forward(self, frames: torch.Tensor) -> torch.Tensor:
            computed.append(len(frames))
            let_go.wait()
            return frames.mean(dim=(2, 3))

    encoder = TorchEncoder(Slow(), CPU)
    waits = [encoder.submit(pixels) for _ in range(3)]
    encoder.cancel()
    let_go.set()
    with pytest.raises(CancelledError):
        waits[-1]()
    assert len(computed) <= 1


@needs_openvino
def test_openvino_gives_the_plain_features_at_every_batch_size(random_network, pixels):
    encoder = OpenVinoEncoder(random_network)
    wanted = plain_features(random_network, pixels)
    for size in (1, 2, 3):
        features = encoder.submit(pixels[:size])()
        assert features.dtype == np.float32
        assert difference_of_scale(features, wanted[:size]) < 1e-4


def test_half_precision_gives_nearly_the_same(random_network, pixels):
    features = TorchEncoder(random_network, CPU, "bfloat16").submit(pixels)()
    wanted = plain_features(random_network, pixels)
    assert features.dtype == np.float32
    assert 0 < difference_of_scale(features, wanted) < 0.05


def test_the_network_that_was_given_is_left_alone(random_network, pixels):
    before = plain_features(random_network, pixels[:1])
    TorchEncoder(random_network, CPU)
    np.testing.assert_array_equal(plain_features(random_network, pixels[:1]), before)


def test_normalisation_makes_imagenets_mean_zero_and_deviation_one():
    network = with_normalisation(torch.nn.Identity())
    mean = 255 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    torch.testing.assert_close(network(mean), torch.zeros(1, 3, 1, 1))
    torch.testing.assert_close(network(mean + std), torch.ones(1, 3, 1, 1))


@pytest.mark.parametrize(
    ("name", "num_gifs", "is_installed", "wanted"),
    [
        ("auto", OPENVINO_MIN_GIFS, True, "openvino"),
        ("auto", OPENVINO_MIN_GIFS - 1, True, "torch"),
        ("auto", OPENVINO_MIN_GIFS, False, "torch"),
        ("torch", OPENVINO_MIN_GIFS, True, "torch"),
        ("openvino", 1, True, "openvino"),
    ],
)
def test_openvino_is_taken_where_it_repays_its_start(
    monkeypatch, name, num_gifs, is_installed, wanted
):
    monkeypatch.setattr(runtime, "has_openvino", lambda: is_installed)
    monkeypatch.setattr(runtime, "OpenVinoEncoder", lambda *_: "openvino")
    monkeypatch.setattr(runtime, "TorchEncoder", lambda *_: "torch")
    network = torch.nn.Identity()
    assert make_encoder(network, CPU, runtime=name, num_gifs=num_gifs) == wanted


def test_openvino_is_refused_where_it_cannot_be(monkeypatch):
    network = torch.nn.Identity()
    with pytest.raises(UsageError, match="float32 only"):
        make_encoder(network, CPU, runtime="openvino", precision="bfloat16")
    monkeypatch.setattr(runtime, "has_openvino", lambda: False)
    with pytest.raises(UsageError, match=r"gifdesc\[openvino\]"):
        make_encoder(network, CPU, runtime="openvino")


def test_whether_openvino_is_installed_is_found_without_importing_it():
    assert has_openvino() == (importlib.util.find_spec("openvino") is not None)
