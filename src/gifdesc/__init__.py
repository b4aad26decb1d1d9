"""Describe animated GIFs: features, a trained captioner, scores, captions.

Importing this package loads nothing heavy; the public names load what they need on first use.
"""

from __future__ import annotations

from importlib import import_module

from gifdesc.version import __version__

TYPE_CHECKING = False  # as in `typing`, whose import the program's first moment does not wait for
if TYPE_CHECKING:
    from typing import Any

    from gifdesc.captioning.captioner import Captioner
    from gifdesc.captioning.loading import load_captioner
    from gifdesc.captions import Caption
    from gifdesc.config import PRESETS, DecodingConfig, ModelConfig, TrainingConfig
    from gifdesc.data.training_data import prepare_data
    from gifdesc.errors import GifdescError
    from gifdesc.evaluation.evaluate import evaluate_predictions
    from gifdesc.evaluation.held_out import evaluate_model, held_out_examples
    from gifdesc.features.extractor import FeatureExtractor, extract_features
    from gifdesc.gif.reader import read_gif
    from gifdesc.metrics.scoring import score
    from gifdesc.model.checkpoint import load_checkpoint
    from gifdesc.search.by_captions import search_captions
    from gifdesc.search.by_features import search_like
    from gifdesc.search.by_words import search_by_words
    from gifdesc.training.run import train as train_captioner
    from gifdesc.vision_language.captioner import VisionLanguageCaptioner

__all__ = [
    "PRESETS",
    "Caption",
    "Captioner",
    "DecodingConfig",
    "FeatureExtractor",
    "GifdescError",
    "ModelConfig",
    "TrainingConfig",
    "VisionLanguageCaptioner",
    "__version__",
    "evaluate_model",
    "evaluate_predictions",
    "extract_features",
    "held_out_examples",
    "load_captioner",
    "load_checkpoint",
    "prepare_data",
    "read_gif",
    "score",
    "search_by_words",
    "search_captions",
    "search_like",
    "train_captioner",
]

_HOMES = {
    "PRESETS": "config",
    "Caption": "captions",
    "Captioner": "captioning.captioner",
    "DecodingConfig": "config",
    "FeatureExtractor": "features.extractor",
    "GifdescError": "errors",
    "ModelConfig": "config",
    "TrainingConfig": "config",
    "VisionLanguageCaptioner": "vision_language.captioner",
    "evaluate_model": "evaluation.held_out",
    "evaluate_predictions": "evaluation.evaluate",
    "extract_features": "features.extractor",
    "held_out_examples": "evaluation.held_out",
    "load_captioner": "captioning.loading",
    "load_checkpoint": "model.checkpoint",
    "prepare_data": "data.training_data",
    "read_gif": "gif.reader",
    "score": "metrics.scoring",
    "search_by_words": "search.by_words",
    "search_captions": "search.by_captions",
    "search_like": "search.by_features",
    "train_captioner": "training.run:train",
}
"""Public name -> the module that defines it, with the name there where that is another."""


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, name_there = _HOMES[name].partition(":")
    return getattr(import_module(f"gifdesc.{module}"), name_there or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
