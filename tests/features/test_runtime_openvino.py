"""The network by OpenVINO: equal features, and cancellation."""

from __future__ import annotations

import importlib.util
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch

from gifdesc.features.encoder_openvino import OpenVinoEncoder
from gifdesc.system.device import has_fast_bfloat16
from worlds import CPU, backbone_of, difference_of_scale, draw_pixels, plain_vectors

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed"
)


@pytest.fixture
def pixels() -> np.ndarray:
    return draw_pixels()


def test_openvino_gives_the_plain_features_at_every_batch_size(random_network, pixels):
    encoder = OpenVinoEncoder(backbone_of(random_network))
    wanted = plain_vectors(random_network, pixels)
    for size in (1, 2, 3):
        features = encoder.submit(pixels[:size])()
        assert features.dtype == np.float32
        assert difference_of_scale(features, wanted[:size]) < 1e-4


@pytest.mark.skipif(not has_fast_bfloat16(CPU), reason="no bfloat16 in hardware")
def test_bfloat16_changes_the_features_a_little_only(random_network, pixels):
    backbone = backbone_of(random_network)
    exact, fast = (
        torch.from_numpy(OpenVinoEncoder(backbone, precision).submit(pixels)())
        for precision in ("float32", "bfloat16")
    )
    assert not torch.equal(exact, fast)
    assert torch.cosine_similarity(exact, fast).min() >= 0.999


def test_frames_are_computed_after_a_cancellation(random_network):
    pixels = draw_pixels(32)
    encoder = OpenVinoEncoder(backbone_of(random_network))
    waits = [encoder.submit(pixels) for _ in range(4)]
    encoder.cancel()
    with pytest.raises(CancelledError):
        waits[-1]()
    features = encoder.submit(pixels[:1])()
    wanted = plain_vectors(random_network, pixels[:1])
    assert difference_of_scale(features, wanted) < 1e-4
    assert encoder._requests == []
