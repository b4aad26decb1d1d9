"""Short training runs of every kind, for tests that stop, kill and resume them."""

from dataclasses import replace

from builders import TINY
from gifdesc.config import TrainingConfig

SHORT = TrainingConfig(
    epochs=3, batch_size=5, label_smoothing=0.1, learning_rate=0.01, val_fraction=0.25,
    test_fraction=0.0, seed=1,
)  # fmt: skip
DROPPING = replace(TINY, dropout=0.3)
REWARDED = replace(SHORT, epochs=2, scst_epochs=2, scst_samples=3, scst_learning_rate=0.01)

CONFIGS = {
    "cross-entropy": SHORT,
    "scheduled-sampling": replace(SHORT, scheduled_sampling=0.6),
    "rewarded": REWARDED,
    # Without a validation split each epoch is the best one so far.
    "rewarded-unscored": replace(REWARDED, val_fraction=0.0),
    "patience": replace(SHORT, epochs=12, learning_rate=0.05, patience=2, best_by="loss"),
    "patience-rewarded": replace(
        REWARDED, epochs=12, learning_rate=0.05, patience=1, best_by="loss"
    ),
    "plain-adam": replace(SHORT, optimizer="adam", weight_decay=0.0, schedule="constant"),
}
