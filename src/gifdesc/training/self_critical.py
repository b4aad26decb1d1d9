"""Self-critical training: captions that a model samples, rewarded by CIDEr-D.

Rennie et al. 2017 (arXiv:1612.00563) weigh each sampled caption's log-probability by how much its
score exceeds a baseline; Luo 2020 (arXiv:2003.09971) takes the mean score of the GIF's other
samples for it. The end token counts as a word of the captions: without it, captions that break off
mid-phrase are rewarded like whole ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from gifdesc.data.dataset import Batch
from gifdesc.data.examples import Example
from gifdesc.metrics import CiderD, DocumentFrequencies, TokenizedCaption
from gifdesc.metrics.cider import TfIdfVector
from gifdesc.model.fusion import Memory
from gifdesc.model.network import CaptionModel
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.training.step import StepLoss

MAX_SAMPLED_TOKENS = 40
"""Tokens after which a sampled caption is cut, unless the training captions are longer."""


class CiderReward:
    """CIDEr-D of captions given as tokens, with the training split's document frequencies.

    Args:
        examples: the training split.
        tokenizer: the model's.
        max_tokens: references are cut to this many tokens, as in training.
    """

    def __init__(
        self, examples: Sequence[Example], tokenizer: CaptionTokenizer, max_tokens: int
    ) -> None:
        captions = [caption for example in examples for caption in example.captions]
        encoded = tokenizer.encode_all(captions, max_tokens)
        # Without the start token, with the end token: 50 bytes a caption. A vector has 12,000.
        self._tokens = np.fromiter(chain.from_iterable(tokens[1:] for tokens in encoded), np.int32)
        self._ends = np.cumsum([0, *(len(tokens) - 1 for tokens in encoded)])
        self._first = np.cumsum([0, *(len(example.captions) for example in examples)])
        documents = (self._captions_of(index) for index in range(len(examples)))
        self._cider = CiderD(DocumentFrequencies.of(documents))
        self._latest: tuple[int, list[TfIdfVector]] = (-1, [])

    def __call__(self, example_index: int, tokens: Sequence[int]) -> float:
        """The reward of a caption, its end token in `tokens` if it was reached; 0 to 10."""
        vector = self._cider.vector(_as_caption(tokens))
        return self._cider.score_vectors(vector, self._references(example_index))

    def _captions_of(self, example_index: int) -> list[TokenizedCaption]:
        first, last = self._first[example_index : example_index + 2]
        return [
            _as_caption(self._tokens[self._ends[index] : self._ends[index + 1]].tolist())
            for index in range(first, last)
        ]

    def _references(self, example_index: int) -> list[TfIdfVector]:
        """The vectors of a GIF's references, kept until those of another GIF are asked for."""
        if self._latest[0] != example_index:
            captions = self._captions_of(example_index)
            vectors = [self._cider.vector(caption) for caption in captions]
            self._latest = (example_index, vectors)
        return self._latest[1]


def self_critical_loss(
    model: CaptionModel,
    batch: Batch,
    reward: CiderReward,
    tokenizer: CaptionTokenizer,
    *,
    seeds: Sequence[int],
    num_samples: int,
    max_tokens: int = MAX_SAMPLED_TOKENS,
) -> StepLoss:
    """A loss that falls as captions better than the other samples of their GIF grow more probable.

    Args:
        model: samples and is trained without dropout, so that the rewarded captions are those of
            the finished model.
        batch: the GIFs, numbered as `reward` numbers them; their captions are not used.
        reward: of a caption.
        tokenizer: the model's.
        seeds: one for each example.
        num_samples: captions sampled per GIF, K >= 2.
        max_tokens: tokens after which a sampled caption is cut.

    Returns:
        The loss summed over captions; `total` is their summed reward, `count` their number.
    """
    model.dropout.eval()
    memory = model.encode(batch.features, batch.lengths)
    tokens, is_sampled = sample(
        model, memory, tokenizer, seeds, num_samples, max_tokens
    )  # (N, L + 1), (N, L)
    captions = [
        row[:length].tolist()
        for row, length in zip(tokens[:, 1:].cpu(), is_sampled.sum(dim=1).tolist(), strict=True)
    ]
    rewards = torch.tensor(
        [reward(batch.indices[i // num_samples], caption) for i, caption in enumerate(captions)]
    ).view(-1, num_samples)
    others = (rewards.sum(dim=1, keepdim=True) - rewards) / (num_samples - 1)
    advantages = (rewards - others).flatten().to(tokens.device)  # (N,)
    places = is_sampled.flatten().nonzero()[:, 0]  # (M,)
    log_probs = _log_probs(model.predict(tokens[:, :-1], memory, places), tokenizer)
    log_probs = log_probs.gather(1, tokens[:, 1:][is_sampled][:, None])[:, 0]  # (M,)
    weight = advantages[:, None].expand(is_sampled.shape)[is_sampled]
    count = torch.tensor(0 if batch.is_empty else len(captions), device=tokens.device)
    sign = float(not batch.is_empty)
    model.dropout.train(model.training)
    return StepLoss(
        objective=-sign * (weight * log_probs).sum(),
        total=sign * rewards.sum().to(tokens.device),
        count=count,
    )


@torch.no_grad()
def sample(
    model: CaptionModel,
    memory: Memory,
    tokenizer: CaptionTokenizer,
    seeds: Sequence[int],
    num_samples: int,
    max_tokens: int = MAX_SAMPLED_TOKENS,
) -> tuple[Tensor, Tensor]:
    """Captions drawn word by word from the model's distribution.

    Unlike in decoding, a sample may be empty: its reward of nearly 0 makes empty captions less
    probable.

    Args:
        model: without dropout.
        memory: of B examples.
        tokenizer: the model's.
        seeds: B, one for each example.
        num_samples: K.
        max_tokens: tokens after which a caption is cut.

    Returns:
        Tokens (N, L + 1) from the start token on, N = B * K grouped by example, and which of the
        other L belong to the caption, bool (N, L): those up to the end token.
    """
    device = memory.frames.device
    draws = torch.cat([_uniform(seed, num_samples, max_tokens) for seed in seeds])
    draws = draws.to(device)  # (N, max_tokens)
    rows = _repeated(num_samples, len(seeds)).to(device)
    state = model.start(memory).select(rows)
    tokens = torch.full((len(draws), 1), tokenizer.start_id, device=device)
    is_open = torch.ones(len(draws), dtype=torch.bool, device=device)
    is_sampled = []
    for draw in draws.unbind(dim=1):
        logits, state, _ = model.step(tokens[:, -1], state)
        chances = _log_probs(logits, tokenizer).exp().cumsum(dim=-1)  # (N, V)
        chosen = torch.searchsorted(chances, draw[:, None] * chances[:, -1:], right=True)
        chosen = chosen.clamp(max=chances.shape[1] - 1)
        tokens = torch.cat([tokens, chosen], dim=1)
        is_sampled.append(is_open)
        is_open = is_open & (chosen[:, 0] != tokenizer.end_id)
        if not is_open.any():
            break
    return tokens, torch.stack(is_sampled, dim=1)


def _log_probs(logits: Tensor, tokenizer: CaptionTokenizer) -> Tensor:
    banned = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
    banned[list(tokenizer.banned_ids)] = True
    return logits.float().masked_fill(banned, float("-inf")).log_softmax(dim=-1)


def _repeated(num_samples: int, num_examples: int) -> Tensor:
    """The examples' numbers, each as often as there are samples of it."""
    return torch.arange(num_examples).repeat_interleave(num_samples)


def _uniform(seed: int, num_samples: int, max_tokens: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num_samples, max_tokens, generator=generator)


def _as_caption(tokens: Sequence[int]) -> TokenizedCaption:
    return TokenizedCaption(" ".join(map(str, tokens)))
