"""Named models with the training that suits them."""

from __future__ import annotations

from dataclasses import dataclass, field

from gifdesc.config import ModelConfig, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named model with the training that suits it."""

    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


DEFAULT_PRESET = "attention"

PRESETS: dict[str, Preset] = {
    "attention": Preset(),
    "mean": Preset(
        model=ModelConfig(
            encoder="none",
            bidirectional=False,
            decoder="lstm",
            fusion="concat",
            frame_norm=False,
        ),
        training=TrainingConfig(preset="mean"),
    ),
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
            frame_norm=False,
            frame_skip=False,
        ),
        training=TrainingConfig(
            epochs=10,
            passes=1,
            learning_rate=1e-4,
            batch_size=8,
            objective="reconstruction",
            optimizer="adam",
            weight_decay=0.0,
            schedule="constant",
            warmup_fraction=0.0,
            label_smoothing=0.0,
            max_grad_norm=0.0,
            best_by="loss",
            tokenizer="bert-base-uncased",
            preset="report",
        ),
    ),
}
"""`attention`: next-token prediction with temporal attention, the default.
`mean`: mean-pooled features into an LSTM decoder (Venugopalan et al. 2015, arXiv:1412.4729),
which sees the mean in its first state and beside each of its outputs instead of its inputs.
`report`: the original report's recipe, whole (docs/report.md)."""
