"""From a model's next-token distribution to captions. Knows only how a model steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor

from gifdesc.config import DecodingConfig


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


@dataclass(frozen=True)
class Hypothesis:
    """One caption as tokens.

    Attributes:
        tokens: without start and end token.
        log_probs: natural log-probability of each token, and of the end token if it was reached.
        weights: per token the weights over the frames (T,), empty where the model attends to none.
        finished: the end token was reached before the length limit.
    """

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    finished: bool

    @property
    def score(self) -> float:
        """Mean log-probability per token, the end token counted; at most 0."""
        return sum(self.log_probs) / max(1, len(self.log_probs))


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
        config: beams, lengths, how many captions are wanted.
        device: where the state lies.

    Returns:
        B lists of 1 to `num_captions` hypotheses (a vocabulary may allow fewer).

    Source: Graves 2012, arXiv:1211.3711, section 2.5; length normalisation Wu et al. 2016,
    arXiv:1609.08144, section 7.
    """
    num_beams = config.num_beams
    finished: list[list[Hypothesis]] = [[] for _ in range(num_examples)]
    rows = torch.arange(num_examples, device=device)
    state = state.select(rows.repeat_interleave(num_beams))
    totals = torch.full((num_examples, num_beams), float("-inf"), device=device)
    totals[:, 0] = 0.0  # the beams begin alike: only the first counts
    empty = torch.zeros(num_examples * num_beams, 0, device=device)
    beams = _Beams(totals=totals, tokens=empty.long(), log_probs=empty, weights=None)
    said = torch.full((num_examples * num_beams,), start_id, device=device)
    for length in range(1, config.max_tokens + 1):
        logits, state, weights = model.step(said, state)
        log_probs = _log_probs(logits, banned_ids)  # (N, V)
        beams, origin = _extend(beams, log_probs, weights, num_examples, num_beams)
        state = state.select(origin)
        said = beams.tokens[:, -1]
        is_last = length == config.max_tokens
        _collect(finished, beams, end_id, is_last=is_last)
        ended = (said == end_id).view(num_examples, num_beams)
        beams.totals = beams.totals.masked_fill(ended, float("-inf"))
        if all(_is_done(finished[i], beams.totals[i], config, length) for i in range(num_examples)):
            break
    return [_best(candidates, config) for candidates in finished]


def _log_probs(logits: Tensor, banned_ids: tuple[int, ...]) -> Tensor:
    log_probs = logits.float().log_softmax(dim=-1)
    if banned_ids:
        log_probs[:, list(banned_ids)] = float("-inf")
    return log_probs


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
    finished: list[list[Hypothesis]], beams: _Beams, end_id: int, *, is_last: bool
) -> None:
    """Move captions that ended, or all that are left at the length limit, to `finished`."""
    num_beams = beams.totals.shape[1]
    totals = beams.totals.flatten().tolist()
    ends = (beams.tokens[:, -1] == end_id).tolist()
    for row, (total, ended) in enumerate(zip(totals, ends, strict=True)):
        if total == float("-inf") or not (ended or is_last):
            continue
        tokens = beams.tokens[row].tolist()
        weights = [] if beams.weights is None else beams.weights[row].tolist()
        num_tokens = len(tokens) - 1 if ended else len(tokens)
        finished[row // num_beams].append(
            Hypothesis(
                tokens=tuple(tokens[:num_tokens]),
                log_probs=tuple(beams.log_probs[row].tolist()),
                weights=tuple(tuple(frame) for frame in weights[:num_tokens]),
                finished=ended,
            )
        )


def _rank(total: float, length: int, config: DecodingConfig) -> float:
    return total / float(length**config.length_penalty)


def _is_done(
    candidates: list[Hypothesis], totals: Tensor, config: DecodingConfig, length: int
) -> bool:
    """Whether no open caption can still enter the best ones."""
    best_open = float(totals.max())
    if best_open == float("-inf"):
        return True
    if len(candidates) < config.num_captions:
        return False
    if config.num_beams == 1:
        return True
    # The most an open caption can reach: no further loss, at the length that favours it most.
    reach = max(_rank(best_open, length, config), _rank(best_open, config.max_tokens, config))
    return _rank_of(_best(candidates, config)[-1], config) >= reach


def _rank_of(hypothesis: Hypothesis, config: DecodingConfig) -> float:
    return _rank(sum(hypothesis.log_probs), max(1, len(hypothesis.log_probs)), config)


def _best(candidates: list[Hypothesis], config: DecodingConfig) -> list[Hypothesis]:
    """The `num_captions` best, finished ones before those that were cut."""
    ranked = sorted(candidates, key=lambda one: (one.finished, _rank_of(one, config)), reverse=True)
    return ranked[: config.num_captions]
