"""How many times faster `gifdesc train` is than the loop that everybody writes.

    python benchmarks/training.py [--rounds 5] [--plain-steps 5] [--epochs 0] [--num-gifs 2000]

On made-up captions with made-up features (benchmarks/made_up_world.py), in turn, round after
round: the plain loop at batch size 8, `gifdesc train` with its default recipe at batch size 32,
and the same at batch size 8. Both have the same hidden size and count (GIF, caption) pairs trained
on per second; gifdesc's own figure is that of the second of two epochs and leaves out its start.

The plain loop: a DataLoader without workers, `np.load` at every access, every caption padded to 128
tokens, every position projected onto 30,522 words, loss without padding, Adam. Its tokens are the
same whole words as gifdesc's, not bert-base-uncased's pieces, which would make its captions longer
but not its padded tensors.

With `--epochs` both are trained on the training split for so many epochs, and score the test split:
the cross-entropy of all words and of the captions' ends, summed, divided by the number of words
(runs of letters between spaces), which does not depend on a vocabulary's pieces.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from gifdesc.config import ModelConfig, TrainingConfig
from gifdesc.data.dataset import GIFDataset, iterate_batches, plan_scoring
from gifdesc.data.examples import Example
from gifdesc.data.training_data import prepare_data
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.losses import score_tokens
from gifdesc.text.tokenizer import CaptionTokenizer
from made_up_world import make_world

BERT_WORDS = 30522
MAX_TOKENS = 128
PLAIN_BATCH = 8
HIDDEN_SIZE = ModelConfig().hidden_size


class PlainDataset(Dataset[tuple[Tensor, Tensor]]):
    """Reads a file whenever an item is asked for; captions are padded to 128 tokens."""

    def __init__(self, examples: list[Example], tokenizer: CaptionTokenizer) -> None:
        self._pairs = [(one.features_path, text) for one in examples for text in one.captions]
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        path, caption = self._pairs[index]
        ids = self._tokenizer.encode(caption, MAX_TOKENS)
        ids += [self._tokenizer.pad_id] * (MAX_TOKENS - len(ids))
        return torch.from_numpy(np.load(path)), torch.tensor(ids)


class PlainModel(nn.Module):
    """A GRU over the frames, a GRU over the words, dot-product attention, 30,522 words out."""

    def __init__(self, feature_size: int) -> None:
        super().__init__()
        self.encoder = nn.GRU(feature_size, HIDDEN_SIZE, batch_first=True)
        self.embedding = nn.Embedding(BERT_WORDS, HIDDEN_SIZE)
        self.decoder = nn.GRU(HIDDEN_SIZE, HIDDEN_SIZE, batch_first=True)
        self.output = nn.Linear(2 * HIDDEN_SIZE, BERT_WORDS)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """(B, T, D) and (B, L) -> (B, L, 30522)."""
        frames, final = self.encoder(features)  # (B, T, H), (1, B, H)
        said, _ = self.decoder(self.embedding(tokens), final)  # (B, L, H)
        weights = (said @ frames.transpose(1, 2)).softmax(dim=-1)  # (B, L, T)
        return self.output(torch.cat([said, weights @ frames], dim=-1))


class PlainLoop:
    """The loop that everybody writes."""

    def __init__(
        self, examples: list[Example], tokenizer: CaptionTokenizer, feature_size: int
    ) -> None:
        torch.manual_seed(0)
        self.model = PlainModel(feature_size)
        self._pad_id = tokenizer.pad_id
        self._optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self._loader = DataLoader(
            PlainDataset(examples, tokenizer), batch_size=PLAIN_BATCH, shuffle=True
        )
        self._steps = (self._step(*batch) for _ in cycle([None]) for batch in self._loader)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return len(self._loader)

    def train(self, num_steps: int) -> float:
        """Train for some steps.

        Returns:
            Pairs trained on per second.
        """
        start_seconds = time.perf_counter()
        num_examples = sum(islice(self._steps, num_steps))
        return num_examples / (time.perf_counter() - start_seconds)

    @torch.no_grad()
    def loss(self, examples: list[Example], tokenizer: CaptionTokenizer) -> float:
        """Summed cross-entropy of held-out captions in nats."""
        loader = DataLoader(PlainDataset(examples, tokenizer), batch_size=PLAIN_BATCH)
        return sum(float(self._loss(*batch, reduction="sum")) for batch in loader)

    def _step(self, features: Tensor, tokens: Tensor) -> int:
        loss = self._loss(features, tokens, reduction="mean")
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return len(tokens)

    def _loss(self, features: Tensor, tokens: Tensor, *, reduction: str) -> Tensor:
        logits = self.model(features, tokens[:, :-1])
        return cross_entropy(
            logits.flatten(0, 1),
            tokens[:, 1:].flatten(),
            ignore_index=self._pad_id,
            reduction=reduction,
        )


def gifdesc_train(world: Path, model_dir: Path, *, epochs: int, options: list[str]) -> float:
    """Run `gifdesc train`.

    Returns:
        Pairs trained on per second, in the last epoch.
    """
    subprocess.run(
        [
            *(sys.executable, "-m", "gifdesc", "train", "--model", model_dir, "--force"),
            *("--features", world / "features", "--descriptions", world / "descriptions"),
            *("--epochs", str(epochs), "--seed", "0", *options),
        ],
        check=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    rows = [json.loads(line) for line in (model_dir / "history.jsonl").read_text().splitlines()]
    return float(rows[-1]["examples_per_second"])


def gifdesc_loss(model_dir: Path, examples: list[Example]) -> float:
    """Summed cross-entropy of held-out captions in nats, by the model of the best epoch."""
    checkpoint = load_checkpoint(model_dir)
    dataset = GIFDataset(examples, checkpoint.tokenizer)
    plan = plan_scoring(dataset.token_lengths, 32)
    batches: Iterator = iterate_batches(dataset, plan, pad_id=checkpoint.tokenizer.pad_id)
    return score_tokens(checkpoint.model, batches, "next_token", torch.device("cpu")).loss


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plain-steps", type=int, default=5, help="of the plain loop, a round")
    parser.add_argument("--epochs", type=int, default=0, help="train both for so long, and score")
    parser.add_argument("--num-gifs", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        world, model_dir = Path(name) / "world", Path(name) / "model"
        make_world(world, num_gifs=arguments.num_gifs)
        data = prepare_data(world / "features", world / "descriptions", TrainingConfig())
        train, test = data.splits["train"], data.splits["test"]
        tokenizer = CaptionTokenizer.train(text for one in train for text in one.captions)
        plain = PlainLoop(train, tokenizer, data.feature_size)
        plain.train(1)
        rates: dict[str, list[float]] = {"plain, 8": [], "gifdesc, 32": [], "gifdesc, 8": []}
        for _ in range(arguments.rounds):
            rates["plain, 8"].append(plain.train(arguments.plain_steps))
            for size in (32, 8):
                options = ["--batch-size", str(size)]
                rate = gifdesc_train(world, model_dir, epochs=2, options=options)
                rates[f"gifdesc, {size}"].append(rate)
            print({kind: round(each[-1], 1) for kind, each in rates.items()}, flush=True)
        for kind, each in rates.items() if arguments.rounds else ():
            ratios = [one / of for one, of in zip(each, rates["plain, 8"], strict=True)]
            print(
                f"{kind:12} {statistics.median(each):7.1f} pairs/s "
                f"{statistics.median(ratios):6.1f} x the plain loop "
                f"({min(ratios):.1f} to {max(ratios):.1f})"
            )
        if arguments.epochs:
            num_words = sum(len(text.split()) for one in test for text in one.captions)
            plain = PlainLoop(train, tokenizer, data.feature_size)
            plain.train(plain.steps_per_epoch * arguments.epochs)
            loss = plain.loss(test, tokenizer) / num_words
            print(f"plain, 8     {loss:.3f} nats a word held out", flush=True)
            gifdesc_train(world, model_dir, epochs=arguments.epochs, options=["--batch-size", "32"])
            loss = gifdesc_loss(model_dir, test) / num_words
            print(f"gifdesc, 32  {loss:.3f} nats a word held out")


if __name__ == "__main__":
    main()
