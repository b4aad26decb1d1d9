"""From a model's next-token distribution to captions: beam search and sampling.

It knows only how a model steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from gifdesc.config import DecodingConfig
from gifdesc.model.ranking import Endings, Hypothesis, Ranking, make_filters


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

    Every step keeps the `num_beams` most probable open captions. They are found among the
    2 * `num_beams` best continuations, so that a caption that ends takes no beam away; it counts
    if it is among the `num_beams` best. Captions that ended are ranked by
    log-probability / length ** length_penalty, beside those that are still open at the length
    limit. `Ranking.is_settled` tells when the search for an example is over. One beam is greedy
    decoding.

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
    for length in range(1, config.limit + 1):
        logits, state, weights = model.step(said, state)
        log_probs = filters(logits, beams.tokens)  # (N, V)
        candidates = _best_continuations(beams, log_probs, num_beams)
        is_last = length == config.limit
        _collect(found, beams, candidates, log_probs, weights, end_id, is_last=is_last)
        if is_last:
            break
        beams, origin = _keep_open(beams, candidates, log_probs, weights, end_id)
        best_open = beams.totals.amax(dim=1).tolist()
        settled = [
            one.is_settled(total, length) for one, total in zip(found, best_open, strict=True)
        ]
        if all(settled):
            break
        if any(settled):
            # What is settled stays so, whatever the other examples still need.
            beams.totals[torch.tensor(settled, device=device)] = float("-inf")
        said = beams.tokens[:, -1]
        state = state.select(origin)
    return [one.best() for one in found]


@dataclass(frozen=True)
class _Candidates:
    """The 2 * K best one-token continuations of each example's beams, or all there are."""

    totals: Tensor  # (B, C) summed log-probability, -inf for what cannot be said
    origin: Tensor  # (B, C) the beam that is continued, of all N
    tokens: Tensor  # (B, C)


def _best_continuations(beams: _Beams, log_probs: Tensor, num_beams: int) -> _Candidates:
    num_examples, vocab_size = len(beams.totals), log_probs.shape[-1]
    totals = (beams.totals.view(-1, 1) + log_probs).view(num_examples, num_beams * vocab_size)
    totals, chosen = totals.topk(min(2 * num_beams, totals.shape[1]), dim=1)
    first_row = torch.arange(num_examples, device=totals.device)[:, None] * num_beams
    return _Candidates(totals, first_row + chosen // vocab_size, chosen % vocab_size)


def _keep_open(
    beams: _Beams, candidates: _Candidates, log_probs: Tensor, weights: Tensor | None, end_id: int
) -> tuple[_Beams, Tensor]:
    """The K best continuations of each example that did not end, and where each came from."""
    num_beams = beams.totals.shape[1]
    ended = candidates.tokens == end_id
    totals = candidates.totals.masked_fill(ended, float("-inf"))
    # Stable, so that of equal ones the first stays the first.
    order = ended.int().argsort(dim=1, stable=True)[:, :num_beams]
    totals, origin, tokens = (
        one.gather(1, order) for one in (totals, candidates.origin, candidates.tokens)
    )
    if (missing := num_beams - totals.shape[1]) > 0:
        totals = pad(totals, (0, missing), value=float("-inf"))
        origin, tokens = (
            torch.cat([one, one[:, :1].expand(-1, missing)], dim=1) for one in (origin, tokens)
        )
    origin, tokens = origin.reshape(-1), tokens.reshape(-1)  # (N,)
    return beams.grow(origin, tokens, log_probs[origin, tokens], weights, totals), origin


def _collect(
    found: Sequence[Ranking],
    beams: _Beams,
    candidates: _Candidates,
    log_probs: Tensor,
    weights: Tensor | None,
    end_id: int,
    *,
    is_last: bool,
) -> None:
    """Rank the continuations that ended, or all at the length limit, among the K best of each."""
    num_beams = beams.totals.shape[1]
    totals = candidates.totals[:, :num_beams]
    tokens, origin = candidates.tokens[:, :num_beams], candidates.origin[:, :num_beams]
    counts = totals > float("-inf")
    if not is_last:
        counts &= tokens == end_id
    places = counts.nonzero()  # (M, 2), examples in order, each one's best first
    if not len(places):
        return
    examples = places[:, 0]
    tokens, origin = tokens[counts], origin[counts]  # (M,)
    whole = beams.grow(origin, tokens, log_probs[origin, tokens], weights, totals[counts])
    all_weights = None if whole.weights is None else whole.weights.tolist()
    rows = zip(examples.tolist(), whole.tokens.tolist(), whole.log_probs.tolist(), strict=True)
    for row, (example, said, gained) in enumerate(rows):
        seen = [] if all_weights is None else all_weights[row]
        found[example].add(said, gained, seen, finished=said[-1] == end_id)


@torch.inference_mode()
def sample_captions(
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
    """Captions drawn at random for each example, best first.

    An example's random numbers come from a generator of its own with the seed of the
    configuration, one number per token of each caption: they depend on no other example, and
    the first captions stay when more are wanted.

    Args:
        model: says one token at a time.
        state: of the B examples, before the first token.
        num_examples: B.
        start_id: the token that begins every caption.
        end_id: the token that ends it.
        banned_ids: tokens never said.
        endings: sequences of tokens that no caption ends with, unless nothing else is left.
        device: where the state lies.
        config: temperature, top-p, seed, lengths, how many captions are wanted.

    Returns:
        B lists of 1 to `num_captions` hypotheses: what is drawn twice is returned once. Their
        log-probabilities are the model's own, without temperature and top-p.
    """
    num_captions = config.num_captions
    filters = make_filters(config, end_id=end_id, banned_ids=banned_ids, endings=endings)
    generator = torch.Generator().manual_seed(config.seed)
    numbers = torch.rand(num_captions, config.limit, generator=generator, dtype=torch.float64)
    numbers = numbers.repeat(num_examples, 1).to(device, torch.float32)  # (N, L), N = B * K
    rows = torch.arange(num_examples, device=device).repeat_interleave(num_captions)
    state = state.select(rows)
    said = torch.full((len(rows),), start_id, device=device)
    tokens = said[:, None][:, :0]  # (N, 0)
    steps: list[tuple[Tensor, Tensor | None]] = []  # log-probabilities (N,), weights (N, T)
    ended = torch.zeros_like(said, dtype=torch.bool)
    for position in range(config.limit):
        logits, state, weights = model.step(said, state)
        log_probs = filters(logits, tokens)  # (N, V)
        said = draw(log_probs, numbers[:, position], config)
        tokens = torch.cat([tokens, said[:, None]], dim=1)
        steps.append((log_probs.gather(1, said[:, None])[:, 0], weights))
        ended |= said == end_id
        if bool(ended.all()):
            break
    return _rank(tokens, steps, num_examples, end_id, endings, config)


def draw(log_probs: Tensor, numbers: Tensor, config: DecodingConfig) -> Tensor:
    """One token for each row, by temperature and top-p.

    Args:
        log_probs: float (N, V); -inf is never drawn.
        numbers: float (N,) in [0, 1), which decide.
        config: temperature and top-p.

    Returns:
        int (N,).

    Source: nucleus sampling, Holtzman et al. 2020, arXiv:1904.09751, section 3.1.
    """
    scaled = (log_probs / config.temperature).softmax(dim=-1)
    probabilities, order = scaled.sort(dim=-1, descending=True, stable=True)
    reached = probabilities.cumsum(dim=-1)  # (N, V)
    # The nucleus: tokens before which less than top_p was reached; the first is always in it.
    is_in = (reached - probabilities < config.top_p) & (probabilities > 0)
    is_in[:, 0] = True
    num_in = is_in.sum(dim=-1)  # (N,)
    mass = reached.gather(1, num_in[:, None] - 1)  # (N, 1)
    place = (reached <= numbers[:, None] * mass).sum(dim=-1)  # (N,)
    place = torch.minimum(place, num_in - 1)
    return order.gather(1, place[:, None])[:, 0]


def _rank(
    tokens: Tensor,
    steps: list[tuple[Tensor, Tensor | None]],
    num_examples: int,
    end_id: int,
    endings: Endings,
    config: DecodingConfig,
) -> list[list[Hypothesis]]:
    log_probs = torch.stack([gained for gained, _ in steps], dim=1).tolist()  # (N, L)
    frames = [weights.tolist() for _, weights in steps if weights is not None]  # L times (N, T)
    found = [Ranking(config, endings) for _ in range(num_examples)]
    for row, said in enumerate(tokens.tolist()):
        finished = end_id in said
        length = said.index(end_id) + 1 if finished else len(said)
        weights = [step[row] for step in frames[:length]]
        found[row // config.num_captions].add(
            said[:length], log_probs[row][:length], weights, finished=finished
        )
    return [one.best() for one in found]
