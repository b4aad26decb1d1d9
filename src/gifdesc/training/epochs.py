"""The epochs of a run, phase by phase: the next token, then rewards."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

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
from gifdesc.errors import TrainingError
from gifdesc.model.dropout import example_seeds
from gifdesc.model.losses import BatchLoss, token_loss
from gifdesc.model.network import CaptionModel
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.training.distributed import World
from gifdesc.training.results import StepResult
from gifdesc.training.self_critical import MAX_SAMPLED_TOKENS, CiderReward, self_critical_loss
from gifdesc.training.step import Trainer, learning_rate_at


def draw_replaced(mask: Tensor, share: float, seeds: Sequence[int]) -> Tensor:
    """Which words of captions are replaced, bool (B, L) on the CPU: never the first.

    Args:
        mask: any tensor (B, L).
        share: of the words that are.
        seeds: one for each caption; padding has no say in what they give.
    """
    replaced = torch.zeros(mask.shape, dtype=torch.bool)
    generator = torch.Generator()
    for row, seed in zip(replaced, seeds, strict=True):
        row.bernoulli_(share, generator=generator.manual_seed(seed))
    replaced[:, :1] = False
    return replaced


class Phase:
    """Epochs that learn from one thing: the next token, or rewards.

    Args:
        dataset: whose items make up the batches.
        config: the run.
        world: the processes that share every batch.
        tokenizer: the model's.
    """

    name = "cross_entropy"

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
        self._num_steps = config.epochs * self.num_batches

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

    def _pass(self, epoch: int, step: int) -> int:
        """The pass over the data that a step is of, counted from 1 over all epochs."""
        place = step % self.num_batches
        return (epoch - 1) * self._passes + place // self._batches_a_pass + 1

    def batches(self, plan: Plan) -> Iterator[Batch]:
        """This process's share of each batch."""
        shares = share_of_plan(plan, self._world.rank, self._world.size)
        return iterate_batches(
            self._dataset, shares, pad_id=self._tokenizer.pad_id, pad_to=self._pad_to
        )

    def seed_of_step(self, step: int) -> int:
        """What a GPU's random numbers of a step begin with; another one in each process."""
        text = f"{self.name}:{self._config.seed}:{step}:{self._world.rank}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")

    def learning_rate(self, step: int) -> float:
        """Of an optimizer step of this phase, counted from 0."""
        return learning_rate_at(step, self._num_steps, self._config)

    def loss(self, model: CaptionModel, batch: Batch, *, epoch: int, step: int) -> BatchLoss:
        """The loss of some items.

        Args:
            model: in training mode.
            batch: the items.
            epoch: counted from 1.
            step: of this phase, counted from 0.
        """
        config, number = self._config, self._pass(epoch, step)
        model.dropout.seed(example_seeds(config.seed, number, batch.indices, "dropout"))
        replaced = None
        if config.scheduled_sampling:
            share = config.scheduled_sampling * step / max(1, self._num_steps - 1)
            seeds = example_seeds(config.seed, number, batch.indices, "scheduled sampling")
            replaced = draw_replaced(batch.token_mask[:, 1:], share, seeds)
        return token_loss(
            model,
            batch,
            config.objective,
            label_smoothing=config.label_smoothing,
            replaced=replaced,
        )


class SelfCriticalPhase(Phase):
    """Epochs that learn from the rewards of sampled captions."""

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
        # A GIF is one item here, however many captions it has: all of them reward it.
        items = [Example(one.name, one.features_path, one.captions[:1]) for one in examples]
        dataset = GIFDataset(items, tokenizer, max_tokens=config.max_tokens, store=store)
        super().__init__(dataset, config, world, tokenizer)
        self._reward = CiderReward(examples, tokenizer, config.max_tokens)
        self._max_sampled_tokens = max(MAX_SAMPLED_TOKENS, limit)

    def learning_rate(self, step: int) -> float:  # noqa: ARG002 - the same for every step
        """Of every optimizer step."""
        return self._config.scst_learning_rate

    def loss(
        self,
        model: CaptionModel,
        batch: Batch,
        *,
        epoch: int,
        step: int,
    ) -> BatchLoss:
        """The loss of some GIFs."""
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


_LOOK_SECONDS = 0.5
"""A GPU is waited for this often, to see its losses; the CPU after every step."""


@dataclass
class EpochSums:
    """Totals of an epoch so far.

    Attributes:
        num_batches: optimizer steps.
        num_examples: trained on, over all processes.
        loss: summed cross-entropy in nats, or the negated rewards.
        num_correct: tokens predicted right.
        num_tokens: tokens predicted, or captions rewarded.
        seconds: of wall-clock time.
    """

    num_batches: int = 0
    num_examples: int = 0
    loss: float = 0.0
    num_correct: float = 0.0
    num_tokens: float = 0.0
    seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Loss per token."""
        return self.loss / max(1.0, self.num_tokens)

    @property
    def mean_reward(self) -> float:
        """Reward per caption, where `loss` is of rewards."""
        return 0.0 - self.mean_loss  # and not -0.0 where there is none


def not_finite(what: str) -> TrainingError:
    """The error that says so, with the likely causes.

    Args:
        what: the numbers and their verb.
    """
    return TrainingError(
        f"{what} not finite; a lower --lr usually helps, --precision float32 where numbers "
        "overflow, and `gifdesc extract --force` if the features themselves are extreme"
    )


class EpochLoop:
    """One epoch, step by step, from any of its batches on.

    Args:
        phase: what is learnt from.
        epoch: counted from 1.
        first_epoch: of the phase.
        sums: of the batches that are done.
    """

    def __init__(self, phase: Phase, epoch: int, first_epoch: int, sums: EpochSums) -> None:
        self._phase = phase
        self._epoch = epoch
        self._first_step = (epoch - first_epoch) * phase.num_batches
        self.sums = sums
        self._unseen: list[tuple[Tensor, int]] = []
        self._looked_seconds = time.perf_counter()

    def steps(
        self,
        model: CaptionModel,
        trainer: Trainer,
        device: torch.device,
        on_step: Callable[[StepResult], None],
    ) -> Iterator[None]:
        """Take the epoch's steps that are left; yields after each.

        Raises:
            TrainingError: the loss is not finite.
        """
        phase, epoch = self._phase, self._epoch
        plan = phase.plan(epoch)[self.sums.num_batches :]
        start_seconds = time.perf_counter() - self.sums.seconds
        for planned, batch in zip(plan, phase.batches(plan), strict=True):
            step = self._first_step + self.sums.num_batches
            if device.type == "cuda":
                torch.cuda.manual_seed(phase.seed_of_step(step))
            loss_of = partial(phase.loss, model, epoch=epoch, step=step)
            sums = trainer.step(batch, loss_of, phase.learning_rate(step))
            self._unseen.append((sums, len(planned)))
            self.sums.num_batches += 1
            self.sums.seconds = time.perf_counter() - start_seconds
            waited_seconds = time.perf_counter() - self._looked_seconds
            if device.type == "cpu" or waited_seconds > _LOOK_SECONDS:
                self.look(on_step)
            yield
        self.look(on_step)
        self.sums.seconds = time.perf_counter() - start_seconds

    @property
    def learning_rate(self) -> float:
        """Of the step taken last."""
        return self._phase.learning_rate(self._first_step + max(0, self.sums.num_batches - 1))

    def look(self, on_step: Callable[[StepResult], None] = lambda _: None) -> None:
        """Add the steps since the last look to the sums.

        Raises:
            TrainingError: a loss is not finite.
        """
        if not self._unseen:
            return
        rows = torch.stack([sums for sums, _ in self._unseen]).tolist()
        first = self._first_step + self.sums.num_batches - len(rows) + 1
        for offset, (row, (_, num_examples)) in enumerate(zip(rows, self._unseen, strict=True)):
            loss, num_correct, num_tokens = row
            if not math.isfinite(loss):
                raise not_finite(f"the loss of step {first + offset} (epoch {self._epoch}) is")
            self.sums.loss += loss
            self.sums.num_correct += num_correct
            self.sums.num_tokens += num_tokens
            self.sums.num_examples += num_examples
            rate = self.sums.num_examples / max(1e-9, self.sums.seconds)
            mean = loss / max(1.0, num_tokens)
            is_rewarded = self._phase.name == SelfCriticalPhase.name
            on_step(
                StepResult(
                    epoch=self._epoch,
                    num_examples=self.sums.num_examples,
                    loss=None if is_rewarded else mean,
                    reward=0.0 - mean if is_rewarded else None,
                    examples_per_second=rate,
                )
            )
        self._unseen.clear()
        self._looked_seconds = time.perf_counter()
