"""Named models with the training that suits them."""

from __future__ import annotations

from dataclasses import dataclass, field

from gifdesc.config import ModelConfig, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named model with the training that suits it."""

    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


PRESETS: dict[str, Preset] = {
    "attention": Preset(),
    "report": Preset(
        model=ModelConfig(
            projection_size=0,
            encoder="rnn",
            bidirectional=False,
            hidden_size=512,
            embedding_size=512,
            decoder="none",
            fusion="add",
            dropout=0.0,
            standardise=False,
        ),
        training=TrainingConfig(
            epochs=10,
            learning_rate=1e-4,
            batch_size=8,
            objective="reconstruction",
            max_grad_norm=0.0,
            tokenizer="bert-base-uncased",
            preset="report",
        ),
    ),
}
"""`attention`: next-token prediction with temporal attention, the default.
`report`: the original report's recipe, whole (docs/report.md)."""
