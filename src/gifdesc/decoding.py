"""From a model's next-token distribution to captions. Knows only how a model steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from gifdesc.config import DecodingConfig
from gifdesc.hypotheses import Hypothesis, Ranking
from gifdesc.token_filters import Endings, make_filters


class State(Protocol):
    """What a model remembers between two tokens, for N captions at once."""

    def select(self, index: Tensor) -> Self:
        """The states at `index` (M,), which may repeat."""
        ...


AnyState = TypeVar("AnyState", bound=State)


class Stepper(Protocol[AnyState]):
    """A model that says one token at a time."""

    def step(self, tokens: Tensor, state: AnyState) -> tuple[Tensor, AnyState, Tensor | None]:
        """Tokens (N,) and a state -> logits (N, V), the next state, frame weights (N, T)."""
        ...


@dataclass
class _Beams:
    """The open captions of all examples: B examples with K beams each, flattened to N = B * K."""

    totals: Tensor  # (B, K) summed log-probability, -inf for a beam that is not used
    tokens: Tensor  # (N, L) said so far
    log_probs: Tensor  # (N, L)
    weights: Tensor | None  # (N, L, T)

    def grow(
        self,
        origin: Tensor,
        tokens: Tensor,
        log_probs: Tensor,
        weights: Tensor | None,
        totals: Tensor,
    ) -> _Beams:
        """Each new beam (N,) continues the beam `origin` (N,) by one token."""
        grown = None
        if weights is not None:
            before = self.weights if self.weights is not None else weights[:, None][:, :0]
            grown = torch.cat([before[origin], weights[origin][:, None]], dim=1)
        return _Beams(
            totals=totals,
            tokens=torch.cat([self.tokens[origin], tokens[:, None]], dim=1),
            log_probs=torch.cat([self.log_probs[origin], log_probs[:, None]], dim=1),
            weights=grown,
        )


@torch.inference_mode()
def beam_search(
    model: Stepper[AnyState],
    state: AnyState,
    *,
    num_examples: int,
    start_id: int,
    end_id: int,
    banned_ids: tuple[int, ...] = (),
    endings: Endings = (),
    config: DecodingConfig,
    device: torch.device,
) -> list[list[Hypothesis]]:
    """The best captions of each example, best first.

    Every step keeps the `num_beams` most probable open captions; one that ends competes with the
    others by log-probability / length ** length_penalty. One beam is greedy decoding.

    Args:
        model: says one token at a time.
        state: of the B examples, before the first token.
        num_examples: B.
        start_id: the token that begins every caption.
        end_id: the token that ends it.
        banned_ids: tokens never said (padding, unknown, ...).
        endings: sequences of tokens that no caption ends with, unless nothing else is left.
        config: beams, lengths, how many captions are wanted.
        device: where the state lies.

    Returns:
        B lists of 1 to `num_captions` hypotheses (a vocabulary may allow fewer).

    Source: Graves 2012, arXiv:1211.3711, section 2.5; length normalisation Wu et al. 2016,
    arXiv:1609.08144, section 7.
    """
    num_beams = config.num_beams
    filters = make_filters(config, end_id=end_id, banned_ids=banned_ids, endings=endings)
    found = [Ranking(config, endings) for _ in range(num_examples)]
    rows = torch.arange(num_examples, device=device)
    state = state.select(rows.repeat_interleave(num_beams))
    totals = torch.full((num_examples, num_beams), float("-inf"), device=device)
    totals[:, 0] = 0.0  # the beams begin alike: only the first counts
    empty = torch.zeros(num_examples * num_beams, 0, device=device)
    beams = _Beams(totals=totals, tokens=empty.long(), log_probs=empty, weights=None)
    said = torch.full((num_examples * num_beams,), start_id, device=device)
    for length in range(1, config.max_tokens + 1):
        logits, state, weights = model.step(said, state)
        log_probs = filters(logits, beams.tokens)  # (N, V)
        beams, origin = _extend(beams, log_probs, weights, num_examples, num_beams)
        said = beams.tokens[:, -1]
        ended = (said == end_id).view(num_examples, num_beams)
        is_last = length == config.max_tokens
        _collect(found, beams, ended.flatten().tolist(), is_last=is_last)
        beams.totals = beams.totals.masked_fill(ended, float("-inf"))
        best_open = beams.totals.amax(dim=1).tolist()
        if is_last or all(
            one.is_settled(total, length) for one, total in zip(found, best_open, strict=True)
        ):
            break
        state = state.select(origin)
    return [one.best() for one in found]


def _extend(
    beams: _Beams, log_probs: Tensor, weights: Tensor | None, num_examples: int, num_beams: int
) -> tuple[_Beams, Tensor]:
    """The `num_beams` best one-token continuations of each example, and where each came from."""
    vocab_size = log_probs.shape[-1]
    candidates = beams.totals.view(-1, 1) + log_probs  # (N, V)
    candidates = candidates.view(num_examples, num_beams * vocab_size)
    width = min(num_beams, candidates.shape[1])
    totals, chosen = candidates.topk(width, dim=1)  # (B, K), best first
    if width < num_beams:
        missing = num_beams - width
        totals = torch.nn.functional.pad(totals, (0, missing), value=float("-inf"))
        chosen = torch.nn.functional.pad(chosen, (0, missing))
    first_row = torch.arange(num_examples, device=totals.device)[:, None] * num_beams
    origin = (first_row + chosen // vocab_size).view(-1)  # (N,)
    tokens = (chosen % vocab_size).view(-1)
    gained = log_probs[origin, tokens]
    return beams.grow(origin, tokens, gained, weights, totals), origin


def _collect(
    found: Sequence[Ranking], beams: _Beams, ended: Sequence[bool], *, is_last: bool
) -> None:
    """Rank the captions that ended, or all that are left at the length limit."""
    if not is_last and not any(ended):
        return
    num_beams = beams.totals.shape[1]
    totals = beams.totals.flatten().tolist()
    for row, (total, has_ended) in enumerate(zip(totals, ended, strict=True)):
        if total == float("-inf") or not (has_ended or is_last):
            continue
        weights = [] if beams.weights is None else beams.weights[row].tolist()
        tokens, log_probs = beams.tokens[row].tolist(), beams.log_probs[row].tolist()
        found[row // num_beams].add(tokens, log_probs, weights, finished=has_ended)
