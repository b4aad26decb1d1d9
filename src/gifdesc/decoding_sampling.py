"""Captions drawn at random, token by token, by a model's probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from gifdesc.config import DecodingConfig
from gifdesc.decoding import AnyState, Stepper
from gifdesc.hypotheses import Hypothesis, Ranking
from gifdesc.token_filters import Endings, make_filters


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
