"""Describe animated GIFs: features, a trained captioner, honest scores, captions.

Importing this package loads nothing heavy; the public names load what they need on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gifdesc.caption_result import Caption
    from gifdesc.captioner import Captioner
    from gifdesc.captioners import load_captioner
    from gifdesc.errors import GifdescError
    from gifdesc.extractor import extract_features
    from gifdesc.vision_language import VisionLanguageCaptioner

_LAZY = {
    "Caption": "gifdesc.caption_result",
    "Captioner": "gifdesc.captioner",
    "GifdescError": "gifdesc.errors",
    "VisionLanguageCaptioner": "gifdesc.vision_language",
    "extract_features": "gifdesc.extractor",
    "load_captioner": "gifdesc.captioners",
}

__all__ = [
    "Caption",
    "Captioner",
    "GifdescError",
    "VisionLanguageCaptioner",
    "__version__",
    "extract_features",
    "load_captioner",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
