"""The phases of a run: epochs of cross-entropy, then epochs of self-critical training.

A phase owns its loss, the batches that the loss is computed from, and the name of its score.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from gifdesc.config import TrainingConfig
from gifdesc.data.dataset import (
    Batch,
    GIFDataset,
    Plan,
    iterate_batches,
    plan_batches,
    share_of_plan,
)
from gifdesc.data.examples import Example
from gifdesc.data.feature_store import FeatureStore
from gifdesc.model.dropout import example_seeds
from gifdesc.model.losses import token_loss
from gifdesc.model.network import CaptionModel
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.training.distributed import World
from gifdesc.training.results import EpochResult, PhaseName, PhaseScore, num_epochs_since_best
from gifdesc.training.self_critical import MAX_SAMPLED_TOKENS, CiderReward, self_critical_loss
from gifdesc.training.step import StepLoss, learning_rate_at


class Phase(ABC):
    """Consecutive epochs of a run that minimise the same loss.

    Args:
        dataset: whose items make up the batches.
        config: the run.
        world: the processes that share every batch.
        tokenizer: the model's.

    Attributes:
        name: in `history.jsonl` and in the state of a run.
        num_batches: optimizer steps of an epoch.
    """

    name: ClassVar[PhaseName]

    def __init__(
        self,
        dataset: GIFDataset,
        config: TrainingConfig,
        world: World,
        tokenizer: CaptionTokenizer,
    ) -> None:
        self._dataset = dataset
        self._config = config
        self._world = world
        self._tokenizer = tokenizer
        self._pad_to = config.max_tokens if config.objective == "reconstruction" else None
        self._passes = config.passes or 1
        self._batches_a_pass = math.ceil(len(dataset) / config.batch_size)
        self.num_batches = self._passes * self._batches_a_pass

    @abstractmethod
    def loss(self, model: CaptionModel, batch: Batch, *, epoch: int, step: int) -> StepLoss:
        """The loss of some items.

        Args:
            model: in training mode.
            batch: the items.
            epoch: counted from 1.
            step: of this phase, counted from 0.
        """

    @abstractmethod
    def score(self, mean: float) -> PhaseScore:
        """The mean of `StepLoss.total` over a step or an epoch, under its name."""

    @abstractmethod
    def learning_rate(self, step: int) -> float:
        """The learning rate of an optimizer step of this phase, counted from 0."""

    def is_exhausted(self, history: Sequence[EpochResult]) -> bool:  # noqa: ARG002
        """Whether the phase ends before its last epoch; by default it does not."""
        return False

    def plan(self, epoch: int) -> Plan:
        """The epoch's batches, over all processes."""
        plans = [
            plan_batches(
                self._dataset.token_lengths,
                self._config.batch_size,
                seed=self._config.seed,
                epoch=number,
                pad_to=self._pad_to,
            )
            for number in range((epoch - 1) * self._passes + 1, epoch * self._passes + 1)
        ]
        return [batch for plan in plans for batch in plan]

    def batches(self, plan: Plan) -> Iterator[Batch]:
        """This process's share of each batch."""
        shares = share_of_plan(plan, self._world.rank, self._world.size)
        return iterate_batches(
            self._dataset, shares, pad_id=self._tokenizer.pad_id, pad_to=self._pad_to
        )

    def seed_of_step(self, step: int) -> int:
        """The seed of a GPU's random numbers in a step; each process has its own."""
        text = f"{self.name}:{self._config.seed}:{step}:{self._world.rank}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")

    def _pass(self, epoch: int, step: int) -> int:
        """The pass over the data that contains a step, counted from 1 over all epochs."""
        step_of_epoch = step % self.num_batches
        return (epoch - 1) * self._passes + step_of_epoch // self._batches_a_pass + 1


class CrossEntropyPhase(Phase):
    """Epochs that minimise the cross-entropy of the captions' tokens."""

    name = "cross_entropy"

    def __init__(
        self,
        dataset: GIFDataset,
        config: TrainingConfig,
        world: World,
        tokenizer: CaptionTokenizer,
    ) -> None:
        super().__init__(dataset, config, world, tokenizer)
        self._num_steps = config.epochs * self.num_batches

    def loss(self, model: CaptionModel, batch: Batch, *, epoch: int, step: int) -> StepLoss:
        """The loss of some (GIF, caption) pairs; its total is the cross-entropy in nats."""
        config, number = self._config, self._pass(epoch, step)
        model.dropout.seed(example_seeds(config.seed, number, batch.indices, "dropout"))
        replaced = None
        if config.scheduled_sampling:
            share = config.scheduled_sampling * step / max(1, self._num_steps - 1)
            seeds = example_seeds(config.seed, number, batch.indices, "scheduled sampling")
            replaced = draw_replaced(batch.token_mask[:, 1:], share, seeds)
        loss = token_loss(
            model,
            batch,
            config.objective,
            label_smoothing=config.label_smoothing,
            replaced=replaced,
        )
        return StepLoss(loss.objective, total=loss.cross_entropy, count=loss.num_tokens)

    def score(self, mean: float) -> PhaseScore:
        """The mean cross-entropy per token."""
        return PhaseScore(loss=mean)

    def learning_rate(self, step: int) -> float:
        """The learning rate of the run's schedule."""
        return learning_rate_at(step, self._num_steps, self._config)

    def is_exhausted(self, history: Sequence[EpochResult]) -> bool:
        """Whether the last `patience` epochs brought no better one."""
        patience = self._config.patience
        return bool(patience) and num_epochs_since_best(history) >= patience


class SelfCriticalPhase(Phase):
    """Epochs that raise the rewards of sampled captions.

    Args:
        examples: the training split. Each GIF is one item, and all its captions reward it.
        config: the run.
        world: the processes that share every batch.
        tokenizer: the model's.
        store: reads the feature files.
        limit: tokens after which a caption is cut, if they are more than `MAX_SAMPLED_TOKENS`.
    """

    name = "self_critical"

    def __init__(
        self,
        examples: Sequence[Example],
        config: TrainingConfig,
        world: World,
        tokenizer: CaptionTokenizer,
        store: FeatureStore,
        limit: int = MAX_SAMPLED_TOKENS,
    ) -> None:
        items = [
            Example(example.name, example.features_path, example.captions[:1])
            for example in examples
        ]
        dataset = GIFDataset(items, tokenizer, max_tokens=config.max_tokens, store=store)
        super().__init__(dataset, config, world, tokenizer)
        self._reward = CiderReward(examples, tokenizer, config.max_tokens)
        self._max_sampled_tokens = max(MAX_SAMPLED_TOKENS, limit)

    def loss(self, model: CaptionModel, batch: Batch, *, epoch: int, step: int) -> StepLoss:
        """The loss of some GIFs; its total is the reward of their sampled captions."""
        return self_critical_loss(
            model,
            batch,
            self._reward,
            self._tokenizer,
            seeds=example_seeds(
                self._config.seed, self._pass(epoch, step), batch.indices, "samples"
            ),
            num_samples=self._config.scst_samples,
            max_tokens=self._max_sampled_tokens,
        )

    def score(self, mean: float) -> PhaseScore:
        """The mean reward per sampled caption."""
        return PhaseScore(reward=mean)

    def learning_rate(self, step: int) -> float:  # noqa: ARG002 - the same for every step
        """The learning rate of every step."""
        return self._config.scst_learning_rate


def draw_replaced(mask: Tensor, share: float, seeds: Sequence[int]) -> Tensor:
    """The words of captions that scheduled sampling replaces, bool (B, L) on the CPU.

    The first word of a caption is never replaced.

    Args:
        mask: any tensor (B, L).
        share: fraction of the words that are replaced, 0 to 1.
        seeds: one for each caption; the result does not depend on padding.
    """
    replaced = torch.zeros(mask.shape, dtype=torch.bool)
    generator = torch.Generator()
    for row, seed in zip(replaced, seeds, strict=True):
        row.bernoulli_(share, generator=generator.manual_seed(seed))
    replaced[:, :1] = False
    return replaced
