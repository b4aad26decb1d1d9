"""From a model's next-token distribution to captions: beam search and sampling.

Both use nothing of a model but its `step`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from gifdesc.config import DecodingConfig
from gifdesc.model.ranking import Endings, Hypothesis, Ranking, make_filters


class State(Protocol):
    """The state of a model between two tokens, for N captions at once."""

    def select(self, index: Tensor) -> Self:
        """The states at `index` (M,), which may repeat."""
        ...


AnyState = TypeVar("AnyState", bound=State)


class Stepper(Protocol[AnyState]):
    """A model that predicts one token at a time."""

    def step(self, tokens: Tensor, state: AnyState) -> tuple[Tensor, AnyState, Tensor | None]:
        """Tokens (N,) and a state -> logits (N, V), the next state, frame weights (N, T)."""
        ...


@dataclass
class _Beams:
    """The open captions of all examples: B examples with K beams each, flattened to N = B * K."""

    totals: Tensor  # (B, K) summed log-probability, -inf for an unused beam
    tokens: Tensor  # (N, L) so far
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
    repetition_biases: Tensor | None = None,
    config: DecodingConfig,
    device: torch.device,
) -> list[list[Hypothesis]]:
    """The best captions of each example, best first.

    Every step keeps the `num_beams` most probable open captions, chosen from the 2 * `num_beams`
    best continuations, so that captions that end do not reduce the number of beams. A caption that
    ends is kept if it is among the `num_beams` best continuations. Finished captions, and those
    that are still open at the length limit, are ranked by
    log-probability / length ** length_penalty. `is_finished` decides when the search for
    an example is over. One beam is greedy decoding.

    Args:
        model: predicts one token at a time.
        state: of the B examples, before the first token.
        num_examples: B.
        start_id: the token that begins every caption.
        end_id: the token that ends it.
        banned_ids: tokens that are never generated (padding, unknown, ...).
        endings: sequences of tokens that a caption ends with only if nothing else is possible.
        repetition_biases: (V,), the model's biases of tokens that the caption contains, if any.
        config: number of beams, length limit, number of captions.
        device: the device of the state.

    Returns:
        B lists of 1 to `num_captions` hypotheses (a vocabulary may allow fewer).

    Source: Graves 2012, arXiv:1211.3711, section 2.5; length normalisation Wu et al. 2016,
    arXiv:1609.08144, section 7.
    """
    num_beams = config.num_beams
    filters = make_filters(
        config,
        end_id=end_id,
        banned_ids=banned_ids,
        endings=endings,
        repetition_biases=repetition_biases,
    )
    found = [Ranking(config, endings) for _ in range(num_examples)]
    rows = torch.arange(num_examples, device=device)
    state = state.select(rows.repeat_interleave(num_beams))
    totals = torch.full((num_examples, num_beams), float("-inf"), device=device)
    totals[:, 0] = 0.0  # all beams of a GIF start equal, so only the first is used
    empty = torch.zeros(num_examples * num_beams, 0, device=device)
    beams = _Beams(totals=totals, tokens=empty.long(), log_probs=empty, weights=None)
    last_tokens = torch.full((num_examples * num_beams,), start_id, device=device)
    for length in range(1, config.limit + 1):
        logits, state, weights = model.step(last_tokens, state)
        log_probs = filters(logits, beams.tokens)  # (N, V)
        candidates = _best_continuations(beams, log_probs, num_beams)
        is_last = length == config.limit
        _collect(found, beams, candidates, log_probs, weights, end_id, is_last=is_last)
        if is_last:
            break
        beams, origin = _keep_open(beams, candidates, log_probs, weights, end_id)
        best_open = beams.totals.amax(dim=1).tolist()
        finished = [
            is_finished(ranking, total, length, config)
            for ranking, total in zip(found, best_open, strict=True)
        ]
        if all(finished):
            break
        if any(finished):
            # A finished search stays finished while other examples go on.
            beams.totals[torch.tensor(finished, device=device)] = float("-inf")
        last_tokens = beams.tokens[:, -1]
        state = state.select(origin)
    return [ranking.best() for ranking in found]


def is_finished(found: Ranking, best_open: float, length: int, config: DecodingConfig) -> bool:
    """Whether the search for an example is over.

    The search is over when K captions are found, K being the number of beams, and the best open
    caption ranks at its present length no higher than the last of the K best. This is the rule of
    transformers with `early_stopping=False`, its default (GenerationConfig; the stopping of Wu et
    al. 2016, arXiv:1609.08144, section 7, without its pruning). With `exact_search` (transformers:
    `early_stopping="never"`), the search is over when no open caption can still enter the
    `num_captions` best, however long it grows.

    Args:
        found: the captions that have ended.
        best_open: the greatest log-probability of an open caption, -inf if none is open.
        length: number of tokens of the open captions.
        config: number of beams, length limit, number of captions.
    """
    if best_open == float("-inf"):
        return True
    last_wanted = found.nth_best(config.num_captions if config.exact_search else config.num_beams)
    if last_wanted is None:
        return False
    ends_well, rank = last_wanted
    if not ends_well:
        return False
    if config.num_beams == 1:
        return True
    reach = found.rank(best_open, length)
    if config.exact_search:
        # If all further tokens were certain, at the length that favours the caption most.
        reach = max(reach, found.rank(best_open, config.limit))
    return rank >= reach


@dataclass(frozen=True)
class _Candidates:
    """The 2 * K best one-token continuations of each example's beams, or all if there are fewer."""

    totals: Tensor  # (B, C) summed log-probability, -inf for excluded tokens
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
    # Stable, so that ties keep their order.
    order = ended.int().argsort(dim=1, stable=True)[:, :num_beams]
    totals, origin, tokens = (
        values.gather(1, order) for values in (totals, candidates.origin, candidates.tokens)
    )
    if (missing := num_beams - totals.shape[1]) > 0:
        totals = pad(totals, (0, missing), value=float("-inf"))
        origin, tokens = (
            torch.cat([values, values[:, :1].expand(-1, missing)], dim=1)
            for values in (origin, tokens)
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
    """Rank each example's K best continuations: those that ended, or all at the length limit."""
    num_beams = beams.totals.shape[1]
    totals = candidates.totals[:, :num_beams]
    tokens, origin = candidates.tokens[:, :num_beams], candidates.origin[:, :num_beams]
    is_ranked = totals > float("-inf")
    if not is_last:
        is_ranked &= tokens == end_id
    places = is_ranked.nonzero()  # (M, 2), by example, the best first
    if not len(places):
        return
    examples = places[:, 0]
    tokens, origin = tokens[is_ranked], origin[is_ranked]  # (M,)
    whole = beams.grow(origin, tokens, log_probs[origin, tokens], weights, totals[is_ranked])
    all_weights = None if whole.weights is None else whole.weights.tolist()
    rows = zip(examples.tolist(), whole.tokens.tolist(), whole.log_probs.tolist(), strict=True)
    for row, (example, caption, caption_log_probs) in enumerate(rows):
        frame_weights = [] if all_weights is None else all_weights[row]
        is_finished = caption[-1] == end_id
        found[example].add(caption, caption_log_probs, frame_weights, finished=is_finished)


@torch.inference_mode()
def score_again(
    model: Stepper[AnyState],
    state: AnyState,
    hypotheses: Sequence[Hypothesis],
    *,
    start_id: int,
    end_id: int,
    banned_ids: tuple[int, ...] = (),
    endings: Endings = (),
    repetition_biases: Tensor | None = None,
    config: DecodingConfig,
    device: torch.device,
) -> list[Hypothesis]:
    """The captions of one example with the scores that the example has alone, best first.

    The last digits of a search's scores depend on the other examples of its batch: a matrix
    product adds in another order where its shape is another.

    Args:
        model: predicts one token at a time.
        state: of the example alone, before the first token.
        hypotheses: N captions that a search has found.
        start_id: the token that begins every caption.
        end_id: the token that ends it.
        banned_ids: as in the search.
        endings: as in the search.
        repetition_biases: as in the search.
        config: as in the search.
        device: the device of the state.
    """
    filters = make_filters(
        config,
        end_id=end_id,
        banned_ids=banned_ids,
        endings=endings,
        repetition_biases=repetition_biases,
    )
    captions = [torch.tensor(hypothesis.generated) for hypothesis in hypotheses]
    tokens = pad_sequence(captions, batch_first=True, padding_value=end_id).to(device)  # (N, L)
    state = state.select(torch.zeros(len(captions), dtype=torch.long, device=device))
    last_tokens = torch.full((len(captions),), start_id, device=device)
    steps: list[tuple[Tensor, Tensor | None]] = []
    for position in range(tokens.shape[1]):
        logits, state, weights = model.step(last_tokens, state)
        log_probs = filters(logits, tokens[:, :position])
        last_tokens = tokens[:, position]
        steps.append((log_probs.gather(1, last_tokens[:, None])[:, 0], weights))
    all_config = replace(config, num_captions=len(captions))
    [ranked] = _rank(tokens, steps, 1, end_id, endings, all_config)
    return ranked


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
    repetition_biases: Tensor | None = None,
    config: DecodingConfig,
    device: torch.device,
) -> list[list[Hypothesis]]:
    """Captions drawn at random for each example, best first.

    Each example uses the same random numbers, one per token of each caption, from the seed of the
    configuration: captions depend on no other example, and the first captions stay the same if
    more are drawn.

    Args:
        model: predicts one token at a time.
        state: of the B examples, before the first token.
        num_examples: B.
        start_id: the token that begins every caption.
        end_id: the token that ends it.
        banned_ids: tokens that are never generated.
        endings: sequences of tokens that a caption ends with only if nothing else is possible.
        repetition_biases: (V,), the model's biases of tokens that the caption contains, if any.
        config: temperature, top-p, seed, length limit, number of captions.
        device: the device of the state.

    Returns:
        B lists of 1 to `num_captions` hypotheses; a caption that is drawn twice is returned once.
        Their log-probabilities are the model's own, without temperature and top-p.
    """
    num_captions = config.num_captions
    filters = make_filters(
        config,
        end_id=end_id,
        banned_ids=banned_ids,
        endings=endings,
        repetition_biases=repetition_biases,
    )
    generator = torch.Generator().manual_seed(config.seed)
    numbers = torch.rand(num_captions, config.limit, generator=generator, dtype=torch.float64)
    numbers = numbers.repeat(num_examples, 1).to(device, torch.float32)  # (N, L), N = B * K
    rows = torch.arange(num_examples, device=device).repeat_interleave(num_captions)
    state = state.select(rows)
    last_tokens = torch.full((len(rows),), start_id, device=device)
    tokens = last_tokens[:, None][:, :0]  # (N, 0)
    steps: list[tuple[Tensor, Tensor | None]] = []  # log-probabilities (N,), weights (N, T)
    ended = torch.zeros_like(last_tokens, dtype=torch.bool)
    for position in range(config.limit):
        logits, state, weights = model.step(last_tokens, state)
        log_probs = filters(logits, tokens)  # (N, V)
        last_tokens = draw(log_probs, numbers[:, position], config)
        tokens = torch.cat([tokens, last_tokens[:, None]], dim=1)
        steps.append((log_probs.gather(1, last_tokens[:, None])[:, 0], weights))
        ended |= last_tokens == end_id
        if bool(ended.all()):
            break
    return _rank(tokens, steps, num_examples, end_id, endings, config)


def draw(log_probs: Tensor, numbers: Tensor, config: DecodingConfig) -> Tensor:
    """One token for each row, by temperature and top-p.

    Args:
        log_probs: float (N, V); -inf is never drawn.
        numbers: float (N,) in [0, 1), the random numbers.
        config: temperature and top-p.

    Returns:
        int (N,).

    Source: nucleus sampling, Holtzman et al. 2020, arXiv:1904.09751, section 3.1.
    """
    scaled = (log_probs / config.temperature).softmax(dim=-1)
    probabilities, order = scaled.sort(dim=-1, descending=True, stable=True)
    reached = probabilities.cumsum(dim=-1)  # (N, V)
    # The nucleus: tokens with a cumulative probability below top_p before them; at least the first.
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
    log_probs = torch.stack([step_log_probs for step_log_probs, _ in steps], dim=1).tolist()
    frames = [weights.tolist() for _, weights in steps if weights is not None]  # L times (N, T)
    found = [Ranking(config, endings) for _ in range(num_examples)]
    for row, caption in enumerate(tokens.tolist()):
        finished = end_id in caption
        length = caption.index(end_id) + 1 if finished else len(caption)
        weights = [step[row] for step in frames[:length]]
        found[row // config.num_captions].add(
            caption[:length], log_probs[row][:length], weights, finished=finished
        )
    return [ranking.best() for ranking in found]
