"""The classes that a backbone's own classifier gives to features: a check of what it sees."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gifdesc.config import Encoding
from gifdesc.errors import UsageError
from gifdesc.features.backbones.base import Backbone
from gifdesc.features.frames import Vectors
from gifdesc.positional import sinusoidal_encoding

NUM_LABELS = 3
"""Classes of a GIF."""


@dataclass(frozen=True)
class Label:
    """A class of the backbone's training images.

    Attributes:
        name: of the class, such as "Brittany spaniel".
        probability: 0 to 1, the mean over the sampled frames.
    """

    name: str
    probability: float


class Labeller:
    """Gives the likeliest classes of a GIF by its features.

    Args:
        backbone: that made the features.
        encoding: that was added to them.

    Raises:
        UsageError: the backbone has no trained classifier, or its classes are unknown.
    """

    def __init__(self, backbone: Backbone, encoding: Encoding) -> None:
        if backbone.classifier is None:
            raise UsageError(
                f"--labels: {backbone.name} with the weights {backbone.weights} has no trained "
                "classifier of known classes; use --backbone efficientnet-lite0, or ImageNet "
                "weights with their last layer"
            )
        self._classifier = backbone.classifier
        self._names = backbone.labels
        self._encoding = encoding

    @torch.inference_mode()
    def __call__(self, features: Vectors) -> tuple[Label, ...]:
        """The `NUM_LABELS` likeliest classes of a GIF, likeliest first.

        Args:
            features: float32 (T, D), the encoding included.
        """
        if self._encoding == "sinusoidal":
            features = features - sinusoidal_encoding(*features.shape)
        logits = self._classifier(torch.from_numpy(features))
        found = logits.softmax(dim=1).mean(dim=0).topk(NUM_LABELS)
        return tuple(
            Label(self._names[index], probability)
            for probability, index in zip(
                found.values.tolist(), found.indices.tolist(), strict=True
            )
        )
