"""Describe animated GIFs: features, a trained captioner, honest scores, captions.

Importing this package loads nothing heavy; the public names load what they need on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gifdesc.captioning.captioner import Captioner, load_captioner
    from gifdesc.captions import Caption
    from gifdesc.errors import GifdescError
    from gifdesc.features.extractor import extract_features
    from gifdesc.vision_language.captioner import VisionLanguageCaptioner


from gifdesc.version import __version__

_LAZY = {
    "Caption": "gifdesc.captions",
    "Captioner": "gifdesc.captioning.captioner",
    "GifdescError": "gifdesc.errors",
    "VisionLanguageCaptioner": "gifdesc.vision_language.captioner",
    "extract_features": "gifdesc.features.extractor",
    "load_captioner": "gifdesc.captioning.captioner",
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
