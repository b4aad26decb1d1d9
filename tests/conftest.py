"""What many tests share and is slow to make, and how hypothesis behaves."""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

    from gifdesc.features.backbones.base import Backbone
    from worlds import World

# No test asserts a wall-clock time, and a run is as the run before.
settings.register_profile("gifdesc", deadline=None, derandomize=True)
settings.load_profile("gifdesc")

# Tests that run in the background of a shell ignore Ctrl-C, and so would the commands they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def random_backbone() -> Backbone:
    """The untrained ResNet50 of `--weights random`, half a second's work. Not to be changed."""
    from gifdesc.features.backbones.loading import load_backbone

    return load_backbone("resnet50", "random")


@pytest.fixture(scope="session")
def random_network(random_backbone: Backbone) -> nn.Module:
    """Its network."""
    return random_backbone.network


@pytest.fixture
def tiny_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny network in place of ResNet50: `--weights random` gives 48 features per frame."""
    from worlds import use_tiny_backbone

    use_tiny_backbone(monkeypatch)


@pytest.fixture
def huge_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of any size are read, so that a loss can be made that is not finite."""
    monkeypatch.setattr("gifdesc.data.feature_files.MAX_FEATURE", math.inf)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Feature files and descriptions of a few GIFs, made with the tiny backbone's recipe."""
    from worlds import tiny_recipe, write_world

    return write_world(tmp_path / "world", recipe=tiny_recipe())


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A model folder with random weights, for features of the tiny backbone."""
    from worlds import tiny_recipe, write_model

    return write_model(tmp_path / "model", recipe=tiny_recipe())


@pytest.fixture(autouse=True)
def _hearing_signals() -> Iterator[None]:
    """Signals end the tests, also after a command that ignores them because it is about to end."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
