"""What a run learns from, phase by phase: the next token, then rewards."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

from gifdesc.batching import Plan, iterate_batches, plan_batches, share_of_plan
from gifdesc.config import TrainingConfig
from gifdesc.dataset import Batch, GIFDataset
from gifdesc.distributed import World
from gifdesc.feature_store import FeatureStore
from gifdesc.model import CaptionModel
from gifdesc.objective import BatchLoss, token_loss
from gifdesc.optimisation import learning_rate_at
from gifdesc.pairing import Example
from gifdesc.seeding import draw_replaced, example_seeds
from gifdesc.self_critical import MAX_SAMPLED_TOKENS, CiderReward, self_critical_loss
from gifdesc.tokenizer import CaptionTokenizer


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
