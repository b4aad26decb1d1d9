"""What the core announces before it takes seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import pytest

import gifdesc
import tiny_models
from gifdesc.captioning.loading import load_captioner
from gifdesc.config import TrainingConfig
from gifdesc.data.dataset import feature_statistics
from gifdesc.data.training_data import prepare_data
from gifdesc.demo.world import draw_world
from gifdesc.system.waits import Advance, Wait, showing_waits, wait_for
from worlds import (
    ALL_FOR_TRAINING,
    CAPTIONS,
    tiny_recipe,
    use_tiny_backbone,
    write_model,
    write_world,
)


class Announced:
    """The waits that were announced, and how far each was counted."""

    def __init__(self) -> None:
        self.waits: list[Wait] = []
        self.counts: dict[str, list[tuple[int, int | None]]] = {}

    @contextmanager
    def display(self, wait: Wait) -> Iterator[Advance]:
        """Note a wait."""
        self.waits.append(wait)
        counts = self.counts.setdefault(wait.text, [])
        yield lambda num_done, total: counts.append((num_done, total))

    @property
    def texts(self) -> list[str]:
        """What was announced, in order."""
        return [wait.text for wait in self.waits]


@pytest.fixture
def announced() -> Iterator[Announced]:
    found = Announced()
    with showing_waits(found.display):
        yield found


def test_the_innermost_display_shows_waits(announced):
    inner = Announced()
    with showing_waits(inner.display), wait_for("one"):
        pass
    with wait_for("two"):
        pass
    assert (inner.texts, announced.texts) == (["one"], ["two"])


def test_a_runs_preparation_is_announced_and_counts_its_files(tmp_path, announced):
    world = write_world(tmp_path, recipe=tiny_recipe())
    config = TrainingConfig(**ALL_FOR_TRAINING)
    data = prepare_data(world.features_dir, world.descriptions_dir, config)
    feature_statistics(data.splits["train"], data.feature_size)
    assert announced.texts == [
        "matching descriptions",
        "reading feature headers",
        "reading features",
        "computing feature statistics",
    ]
    total = len(CAPTIONS)
    counts = [(number, total) for number in range(1, total + 1)]
    assert announced.counts["reading features"] == counts
    assert announced.counts["computing feature statistics"] == counts


def test_a_public_model_is_announced_as_long_and_an_own_one_is_not(
    tmp_path, monkeypatch, announced
):
    use_tiny_backbone(monkeypatch)
    own = write_model(tmp_path / "model", recipe=tiny_recipe())
    public = tiny_models.write_git(tmp_path / "vlm")
    for folder in (own, public):
        load_captioner(folder, device="cpu")
    assert announced.waits == [
        Wait(text=f"loading {own}"),
        Wait(text=f"loading {public}", is_long=True),
    ]


def test_a_model_of_the_hub_is_announced_once_before_anything_is_fetched(
    tmp_path, monkeypatch, announced
):
    use_tiny_backbone(monkeypatch)
    folder = write_model(tmp_path / "model", recipe=tiny_recipe())

    def download(*_arguments: object, **_options: object) -> str:
        assert announced.texts[0] == "fetching user/model from the Hugging Face hub"
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gifdesc.system.hub._fetched", set())
    load_captioner("user/model", device="cpu")
    assert announced.waits[0].has_own_bars
    assert announced.texts[1:] == ["", "loading user/model"]  # one line, however many files


def test_the_demos_drawing_counts_its_gifs(tmp_path: Path, announced):
    draw_world(tmp_path, num_gifs=2, seed=0)
    assert announced.counts == {"drawing": [(1, 2), (2, 2)]}


def test_announcements_fit_40_columns():
    """Of all texts that hold no name: a spinner, the text and a time are beside each other."""
    package_dir = Path(gifdesc.__file__).parent
    texts = [
        found
        for path in package_dir.rglob("*.py")
        for found in re.findall(r'wait_for\("([^"]+)"', path.read_text(encoding="utf-8"))
    ]
    assert "starting" in texts
    assert [text for text in texts if len(text) > 29] == []
