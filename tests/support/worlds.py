"""Tiny models, tokenizers, feature folders and a replacement for ResNet50, all made in the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from gifdesc.config import (
    UNTRAINED,
    DecodingConfig,
    FeatureRecipe,
    ModelConfig,
    TrainingConfig,
    to_json,
)
from gifdesc.data.dataset import GIFDataset
from gifdesc.data.examples import Example
from gifdesc.data.feature_files import read_features
from gifdesc.features.backbones.base import Backbone
from gifdesc.features.backbones.efficientnet_lite import is_installed
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.model.checkpoint import load_checkpoint, save_checkpoint
from gifdesc.model.generation import CaptionGenerator
from gifdesc.model.network import CaptionModel
from gifdesc.system.files import write_json
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.training.results import EpochResult

CPU = torch.device("cpu")

# On tensors this small, threads do nothing but wait for each other.
torch.set_num_threads(1)

CAPTIONS = {
    "a": "a red ball grows",
    "b": "a red ball shrinks",
    "c": "a blue cross grows",
    "d": "a blue cross blinks",
    "e": "the grid fades to white",
    "f": "nothing moves",
}
"""Names of GIFs and their descriptions."""

SCORES = {
    "num_examples": 12,
    "metrics": {"bleu_1": 0.5, "bleu_4": 0.25, "meteor": None, "rouge_l": 0.625, "cider": 1.5},
    "blind": {"bleu_1": 0.125, "bleu_4": 0.0, "meteor": None, "rouge_l": 0.1, "cider": 0.2},
    "exact_match": 0.75,
}
"""A part of the output of `gifdesc evaluate --json`."""

EVALUATION_KEYS = [
    "num_examples",
    "split",
    "metrics",
    "intervals",
    "blind",
    "baselines",
    "visual_gain",
    "loss",
    "perplexity",
    "token_accuracy",
    "exact_match",
    "distinct_captions",
    "diversity",
    "notes",
    "warnings",
]
"""The keys of `gifdesc evaluate --json`, in order."""

FEATURE_SIZE = 48
"""Features per frame of the replacement for ResNet50, and of `random_features`."""

TINY = ModelConfig(
    feature_size=FEATURE_SIZE,
    projection_size=12,
    hidden_size=16,
    embedding_size=16,
    dropout=0.0,
)
"""A model that trains in milliseconds."""

ALL_FOR_TRAINING = {"val_fraction": 0.0, "test_fraction": 0.0}


def example(path: Path, *captions: str) -> Example:
    """A GIF that is named like its feature file, with its captions."""
    return Example(path.stem, path, captions)


def epoch_result(epoch: int, **changes: object) -> EpochResult:
    """A finished epoch of a run without validation."""
    result = EpochResult(
        epoch=epoch,
        phase="cross_entropy",
        train_loss=2.0,
        train_reward=None,
        val_loss=None,
        val_token_accuracy=None,
        val_cider=None,
        learning_rate=0.001,
        seconds=2.0,
        examples_per_second=8.0,
        is_best=True,
    )
    return replace(result, **changes)


def tiny_model(seed: int = 0, config: ModelConfig = TINY, **changes: object) -> CaptionModel:
    """A model with random weights, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CaptionModel(replace(config, **changes)).eval()


def tiny_tokenizer() -> CaptionTokenizer:
    """A tokenizer of the words in `CAPTIONS`."""
    return CaptionTokenizer.train(CAPTIONS.values())


def random_features(num_frames: int, seed: int, size: int = FEATURE_SIZE) -> np.ndarray:
    """float32 (num_frames, size), not centred and not of unit scale, as ResNet50's are."""
    random = np.random.default_rng(seed)
    return (3 + 2 * random.standard_normal((num_frames, size))).astype(np.float32)


def tiny_recipe(**changes: object) -> FeatureRecipe:
    """The recipe of features from the replacement for ResNet50."""
    recipe = FeatureRecipe(
        weights=UNTRAINED,
        weights_sha256="5" * 64,
        image_size=16,
        resize_size=16,
        gifdesc_version="0.1.0",
    )
    return replace(recipe, **changes)


@dataclass(frozen=True)
class World:
    """A features folder with the descriptions that belong to it."""

    features_dir: Path
    descriptions_dir: Path

    @property
    def options(self) -> list[str]:
        """The world as options of `train` and `evaluate`."""
        folders = (str(self.features_dir), str(self.descriptions_dir))
        return ["--features", folders[0], "--descriptions", folders[1]]


def write_world(
    folder: Path,
    captions: dict[str, str] | None = None,
    *,
    recipe: FeatureRecipe | None = None,
) -> World:
    """Random features of 2 to 5 frames and a text file for each name."""
    world = World(folder / "features", folder / "descriptions")
    world.features_dir.mkdir(parents=True)
    world.descriptions_dir.mkdir()
    if recipe is not None:
        write_json(world.features_dir / "recipe.json", to_json(recipe))
    for index, (name, caption) in enumerate((captions or CAPTIONS).items()):
        features = random_features(2 + index % 4, seed=index)
        np.save(world.features_dir / f"{name}.npy", features)
        (world.descriptions_dir / f"{name}.txt").write_text(caption + "\n", encoding="utf-8")
    return world


def write_model(
    folder: Path,
    *,
    recipe: FeatureRecipe | None = None,
    training: TrainingConfig | None = None,
    seed: int = 0,
    **changes: object,
) -> Path:
    """A model folder with random weights."""
    tokenizer = tiny_tokenizer()
    model = tiny_model(seed, vocab_size=tokenizer.vocab_size, **changes)
    save_checkpoint(folder, model, tokenizer, recipe, training or TrainingConfig())
    return folder


def greedy_captions(model_dir: Path, examples: Sequence[Example]) -> dict[str, str]:
    """The captions of the model in a folder by greedy search."""
    checkpoint = load_checkpoint(model_dir)
    features = [read_features(one.features_path) for one in examples]
    config = DecodingConfig(num_beams=1, max_tokens=40)
    found = CaptionGenerator(checkpoint.model, checkpoint.tokenizer, CPU)(features, config)
    return {one.name: best.caption for one, [best] in zip(examples, found, strict=True)}


class ColourGrid(nn.Module):
    """Mean colours of a 4 x 4 grid, in place of ResNet50 where the network does not matter."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(N, 3, h, w) -> (N, 48)."""
        return nn.functional.adaptive_avg_pool2d(pixels, 4).flatten(1)


def draw_pixels(num_frames: int = 3) -> np.ndarray:
    """Noise as a network takes it: uint8 (num_frames, 3, 224, 224)."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (num_frames, 3, 224, 224), dtype=np.uint8)


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of R, G, B in [0, 1], which torchvision's weights were trained with."""


def plain_vectors(network: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """One frame at a time, nothing folded, normalised as torchvision writes it."""
    mean = torch.tensor(IMAGENET_MEAN).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD).view(3, 1, 1)
    with torch.no_grad():
        rows = [network(((torch.from_numpy(p) / 255 - mean) / std)[None])[0] for p in pixels]
    return torch.stack(rows).numpy()


def difference_of_scale(one: np.ndarray, other: np.ndarray) -> float:
    """The greatest difference as a share of the greatest number."""
    return float(np.abs(one - other).max() / np.abs(other).max())


def heed_interrupts() -> None:
    """A process that a shell starts in the background ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


needs_lite = pytest.mark.skipif(
    not is_installed(), reason="gifdesc[lite] is not installed: no EfficientNet-Lite0"
)


def backbone_of(network: nn.Module, **changes: object) -> Backbone:
    """A network as a backbone with ImageNet's preprocessing."""
    given: dict[str, object] = {
        "name": "resnet50",
        "network": network,
        "feature_size": FEATURE_SIZE,
        "transform": FrameTransform(resize_size=256, fill_colour=(124, 116, 104)),
        "folds": True,
        "has_16_bits": True,
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "weights": UNTRAINED,
        "weights_sha256": "5" * 64,
    }
    return Backbone(**{**given, **changes})  # type: ignore[arg-type]


def use_tiny_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every extractor made from now on use `ColourGrid` with 16 x 16 pixels."""
    transform = FrameTransform(resize_size=16, image_size=16)

    def load(name: str = "resnet50", weights: str | None = None) -> Backbone:
        weights = weights or "imagenet1k-v1"
        digest = tiny_recipe().weights_sha256 if weights == UNTRAINED else "6"
        return backbone_of(
            ColourGrid(), name=name, transform=transform, weights=weights, weights_sha256=digest
        )

    monkeypatch.setattr("gifdesc.features.extractor.load_backbone", load)
    # OpenVINO's graph is ResNet50's and nothing else's.
    monkeypatch.setattr("gifdesc.features.encoder.has_openvino", lambda: False)


def dataset_of(
    captions: dict[str, str], folder: Path, tokenizer: CaptionTokenizer, max_tokens: int = 128
) -> GIFDataset:
    """Random features in `folder` as a dataset."""
    from gifdesc.data.training_data import prepare_data

    world = write_world(folder, captions)
    config = TrainingConfig(**ALL_FOR_TRAINING)
    data = prepare_data(world.features_dir, world.descriptions_dir, config)
    return GIFDataset(data.splits["train"], tokenizer, max_tokens=max_tokens)


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of stderr that states the error."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]

    @property
    def errors(self) -> list[str]:
        """What stderr reports as failed, a line each."""
        return self._lines("error: ")

    @property
    def warnings(self) -> list[str]:
        """What stderr warns of, a line each."""
        return self._lines("warning: ")

    def _lines(self, start: str) -> list[str]:
        lines = self.err.splitlines()
        return [line.removeprefix(start) for line in lines if line.startswith(start)]


def run_here(*arguments: object, stdin: str | bytes = "") -> Outcome:
    """Run the command line in this process, its streams captured apart.

    An exception that the command line lets through fails the test.
    """
    from gifdesc.cli import app

    result = CliRunner().invoke(app, [str(a) for a in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def run_process(
    *arguments: object, stdin: str = "", cwd: Path | None = None, **environment: str
) -> Outcome:
    """Run `python -m gifdesc` as a process of its own, without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "gifdesc", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=process_environment(**environment),
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def process_environment(**changes: str) -> dict[str, str]:
    """The environment of a process: this one's, with the package's folder found from anywhere."""
    import gifdesc

    package_dir = Path(gifdesc.__file__).parent.parent
    python_path = os.pathsep.join(filter(None, [str(package_dir), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": python_path, "OMP_NUM_THREADS": "1", **changes}
