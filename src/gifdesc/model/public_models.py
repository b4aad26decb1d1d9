"""Public models that gifdesc names: short names, what each is shown, and the recommended one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PublicModel:
    """A model on the Hugging Face hub.

    Attributes:
        short_name: what `--model` takes.
        name: on the hub.
        download_mb: size of the weights on the hub.
        licence: as its page states it.
        shown: what the model is shown of a GIF.
        extra: of gifdesc that it needs; empty for none.
    """

    short_name: str
    name: str
    download_mb: int
    licence: str
    shown: str
    extra: str = ""

    def to_json(self) -> dict[str, Any]:
        """The model as `gifdesc models --json` prints it."""
        return {**asdict(self), "default": self is RECOMMENDED}


DEFAULT_NAME = "default"
"""The short name of the recommended model, whichever that is."""

PUBLIC_MODELS = (
    PublicModel("git", "microsoft/git-base-vatex", 707, "MIT", "6 frames, as a video"),
    PublicModel(
        "blip", "Salesforce/blip-image-captioning-base", 990, "BSD-3-Clause", "4 frames, as a grid"
    ),
    PublicModel(
        "smolvlm2-256m",
        "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
        1030,
        "Apache-2.0",
        "16 frames, as a video",
        extra="smolvlm",
    ),
    PublicModel(
        "smolvlm2",
        "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
        2030,
        "Apache-2.0",
        "16 frames, as a video",
        extra="smolvlm",
    ),
    PublicModel(
        "qwen2.5-vl-3b",
        "Qwen/Qwen2.5-VL-3B-Instruct",
        7510,
        "Qwen Research License",
        "16 frames, as a video",
    ),
)

RECOMMENDED = PUBLIC_MODELS[0]
"""Made to caption videos, the smallest download, no further package, a free licence."""


def full_name(name: Path | str) -> Path | str:
    """The hub name for a short name; other names, and names of folders, as they are."""
    if isinstance(name, Path) or Path(name).is_dir():
        return name
    if name == DEFAULT_NAME:
        return RECOMMENDED.name
    return next((model.name for model in PUBLIC_MODELS if model.short_name == name), name)
