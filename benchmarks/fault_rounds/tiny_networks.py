"""Write networks of 16 units for a process: a backbone, and a model that captions frames."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

import torch
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

import tiny_models

_SIZE = {"height": 32, "width": 32}

folder = Path(sys.argv[1])
torch.manual_seed(0)
for part in (ViTModel(ViTConfig(**tiny_models.VISION)), ViTImageProcessorPil(size=_SIZE)):
    part.save_pretrained(folder / "backbone")
tiny_models.write_git(folder / "vision-language")
