"""Which runtime is taken for which options."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from gifdesc.errors import UsageError
from gifdesc.features import encoder as runtime
from gifdesc.features.encoder import OPENVINO_MIN_GIFS, has_openvino, make_encoder
from worlds import CPU, backbone_of


@pytest.mark.parametrize(
    ("name", "num_gifs", "is_installed", "wanted"),
    [
        ("auto", 0, True, "openvino"),
        ("auto", -1, True, "torch"),
        ("auto", 0, False, "torch"),
        ("torch", 0, True, "torch"),
        ("openvino", -7, True, "openvino"),
    ],
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_auto_uses_openvino_for_long_runs(
    monkeypatch, name, num_gifs, is_installed, wanted, precision
):
    """The number of GIFs counts from the fewest for which `auto` uses it."""
    monkeypatch.setattr(runtime, "has_openvino", lambda: is_installed)
    monkeypatch.setattr(runtime, "OpenVinoEncoder", lambda *_: "openvino")
    monkeypatch.setattr(runtime, "TorchEncoder", lambda *_: "torch")
    backbone = backbone_of(torch.nn.Identity())
    num_gifs += OPENVINO_MIN_GIFS[precision]
    found = make_encoder(backbone, CPU, runtime=name, precision=precision, num_gifs=num_gifs)
    assert found == wanted


def test_openvino_is_refused_where_it_cannot_run(monkeypatch):
    backbone = backbone_of(torch.nn.Identity())
    with pytest.raises(UsageError, match="supports only the CPU"):
        make_encoder(backbone, torch.device("cuda"), runtime="openvino")
    other = backbone_of(torch.nn.Identity(), name="resnet18")
    with pytest.raises(UsageError, match="supports only resnet50, resnet101, resnet152, not"):
        make_encoder(other, CPU, runtime="openvino")
    monkeypatch.setattr(runtime, "has_openvino", lambda: False)
    with pytest.raises(UsageError, match=r"gifdesc\[openvino\]"):
        make_encoder(backbone, CPU, runtime="openvino")


def test_whether_openvino_is_installed_is_found_without_importing_it():
    assert has_openvino() == (importlib.util.find_spec("openvino") is not None)
