"""Feature files and descriptions to a model folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gifdesc.checkpoint import CONFIG_NAME, WEIGHTS_NAME, save_checkpoint
from gifdesc.config import CORPUS_TOKENIZER, ModelConfig, TrainingConfig
from gifdesc.dataset import GIFDataset
from gifdesc.errors import TrainingError
from gifdesc.feature_statistics import feature_statistics
from gifdesc.files import reason, write_json_lines
from gifdesc.model import CaptionModel
from gifdesc.objective import TokenScores, iterate_batches, score_tokens, token_loss
from gifdesc.tokenizer import CaptionTokenizer
from gifdesc.training_data import TrainingData

HISTORY_NAME = "history.jsonl"
LAST_NAME = "last"


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """One epoch: a line of history.jsonl.

    Attributes:
        epoch: counted from 1.
        train_loss: mean cross-entropy per token in nats, dropout on.
        val_loss: the same on the validation split, dropout off; None without one.
        val_token_accuracy: share of its tokens predicted right; None without one.
        seconds: wall-clock time of the epoch.
        examples_per_second: (GIF, caption) pairs trained on per second.
        is_best: this epoch's weights are the model folder's.
    """

    epoch: int
    train_loss: float
    val_loss: float | None
    val_token_accuracy: float | None
    seconds: float
    examples_per_second: float
    is_best: bool


@dataclass(frozen=True)
class StepResult:
    """One optimizer step.

    Attributes:
        epoch: counted from 1.
        num_examples: pairs trained on in this epoch so far.
        loss: of this batch, per token in nats.
    """

    epoch: int
    num_examples: int
    loss: float


@dataclass(frozen=True)
class TrainingSummary:
    """How a run ended.

    Attributes:
        model_dir: the model folder.
        history: one result per epoch.
        data: what was learnt from.
        num_parameters: trained numbers of the model.
    """

    model_dir: Path
    history: list[EpochResult]
    data: TrainingData
    num_parameters: int

    def to_json(self) -> dict[str, Any]:
        """The summary as the JSON object of `gifdesc train --json`."""
        best = [result for result in self.history if result.is_best][-1]
        last = self.history[-1]
        return {
            "model": str(self.model_dir),
            "epochs": last.epoch,
            "best_epoch": best.epoch,
            "train_loss": last.train_loss,
            "val_loss": best.val_loss,
            "val_token_accuracy": best.val_token_accuracy,
            "num_parameters": self.num_parameters,
            "num_examples": {name: len(examples) for name, examples in self.data.splits.items()},
            "without_description": len(self.data.pairing.without_description),
            "without_features": len(self.data.pairing.without_features),
            "problems": self.data.problems,
        }


def train(
    data: TrainingData,
    model_dir: Path,
    model_config: ModelConfig,
    config: TrainingConfig,
    device: torch.device,
    *,
    force: bool = False,
    on_step: Callable[[StepResult], None] = lambda _: None,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
) -> TrainingSummary:
    """Train a captioner; after every epoch the model folder is whole.

    The folder keeps the epoch with the least validation loss (the latest, where there is no
    validation split); `last/` keeps the latest.

    Args:
        data: from `prepare_data`.
        model_dir: the model folder to write.
        model_config: the model; its feature and vocabulary sizes are taken from the data.
        config: the run.
        device: where to compute.
        force: replace a model that the folder holds.
        on_step: called after every optimizer step.
        on_epoch: called after every epoch, when its files are written.

    Raises:
        TrainingError: the folder holds a model already, cannot be written, or the loss is not
            finite.
        UsageError: the tokenizer cannot be had.
    """
    if (model_dir / CONFIG_NAME).exists() and not force:
        raise TrainingError(
            f"{model_dir}: holds a model already; choose another folder with --model, "
            "or replace it with --force"
        )
    config = replace(config, splits_sha256=data.splits_sha256)
    tokenizer = make_tokenizer(data, config)
    model_config = replace(
        model_config, feature_size=data.feature_size, vocab_size=tokenizer.vocab_size
    )
    history: list[EpochResult] = []
    with _seeded(config.seed, device):
        model = CaptionModel(model_config)
        if model_config.standardise:
            statistics = feature_statistics(data.splits["train"], data.feature_size, data.store)
            model.set_feature_statistics(*statistics)
        model.to(device)
        for result in _fit(model, tokenizer, data, config, device, on_step):
            history.append(result)
            try:
                _save_epoch(model_dir, model, tokenizer, data, config, history)
            except OSError as error:
                raise TrainingError(f"{model_dir}: cannot be written: {reason(error)}") from error
            on_epoch(result)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    return TrainingSummary(model_dir, history, data, num_parameters)


def make_tokenizer(data: TrainingData, config: TrainingConfig) -> CaptionTokenizer:
    """The run's tokenizer: built from the training captions, or loaded.

    Raises:
        UsageError, CheckpointError: it cannot be loaded.
    """
    if config.tokenizer != CORPUS_TOKENIZER:
        return CaptionTokenizer.load(config.tokenizer)
    return CaptionTokenizer.train(
        caption for example in data.splits["train"] for caption in example.captions
    )


def _fit(
    model: CaptionModel,
    tokenizer: CaptionTokenizer,
    data: TrainingData,
    config: TrainingConfig,
    device: torch.device,
    on_step: Callable[[StepResult], None],
) -> Iterator[EpochResult]:
    """Train epoch by epoch."""
    datasets = {
        split: GIFDataset(
            data.splits[split],
            tokenizer,
            max_tokens=config.max_tokens,
            feature_size=data.feature_size,
            store=data.store,
        )
        for split in ("train", "val")
    }
    pad_to = config.max_tokens if config.objective == "reconstruction" else None
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    generator = torch.Generator().manual_seed(config.seed)
    best_loss = math.inf
    for epoch in range(1, config.epochs + 1):
        start_seconds = time.perf_counter()
        model.train()
        scores = TokenScores()
        num_examples = 0
        for batch in iterate_batches(
            datasets["train"],
            config.batch_size,
            pad_id=tokenizer.pad_id,
            pad_to=pad_to,
            generator=generator,
        ):
            loss, num_correct, num_tokens = token_loss(model, batch.to(device), config.objective)
            batch_loss = float(loss.detach())
            step_loss = batch_loss / int(num_tokens)
            if not math.isfinite(step_loss):
                kept = "the epoch before was kept" if epoch > 1 else "nothing was kept"
                raise TrainingError(
                    f"the loss of epoch {epoch} is not finite; a lower --lr usually helps; {kept}"
                )
            optimizer.zero_grad(set_to_none=True)
            (loss / num_tokens).backward()  # type: ignore[no-untyped-call]
            if config.max_grad_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            scores += TokenScores(batch_loss, int(num_correct), int(num_tokens))
            num_examples += len(batch.tokens)
            on_step(StepResult(epoch, num_examples, step_loss))
        seconds = time.perf_counter() - start_seconds
        val = _validate(model, datasets["val"], tokenizer, config, pad_to, device)
        is_best = val is None or val.mean_loss < best_loss
        best_loss = min(best_loss, val.mean_loss) if val else best_loss
        yield EpochResult(
            epoch=epoch,
            train_loss=scores.mean_loss,
            val_loss=val.mean_loss if val else None,
            val_token_accuracy=val.accuracy if val else None,
            seconds=seconds,
            examples_per_second=num_examples / seconds,
            is_best=is_best,
        )


def _validate(
    model: CaptionModel,
    dataset: GIFDataset,
    tokenizer: CaptionTokenizer,
    config: TrainingConfig,
    pad_to: int | None,
    device: torch.device,
) -> TokenScores | None:
    if not len(dataset):
        return None
    batches = iterate_batches(dataset, config.batch_size, pad_id=tokenizer.pad_id, pad_to=pad_to)
    return score_tokens(model, batches, config.objective, device)


def _save_epoch(
    model_dir: Path,
    model: CaptionModel,
    tokenizer: CaptionTokenizer,
    data: TrainingData,
    config: TrainingConfig,
    history: list[EpochResult],
) -> None:
    save_checkpoint(model_dir / LAST_NAME, model, tokenizer, data.recipe, config)
    if len(history) == 1:
        # The tokenizer of this run must never stand beside the weights of another.
        (model_dir / WEIGHTS_NAME).unlink(missing_ok=True)
    if history[-1].is_best:
        save_checkpoint(model_dir, model, tokenizer, data.recipe, config)
    write_json_lines(model_dir / HISTORY_NAME, (asdict(result) for result in history))


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers of this seed within, the caller's own generator untouched after."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
