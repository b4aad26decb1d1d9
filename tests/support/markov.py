"""Language models made by hand, small enough to try every caption there is."""

from dataclasses import dataclass
from itertools import pairwise

import torch

START, END = 0, 1


@dataclass(frozen=True)
class Seen:
    """The state of the Markov model: which example a caption is of, how many tokens it has."""

    example: torch.Tensor
    num_said: torch.Tensor

    def select(self, index):
        return Seen(self.example[index], self.num_said[index])


class Markov:
    """Each token's probabilities depend on the example and on the token before.

    Given as (B, P, V, V) they depend on the position as well; the last of the P stays.
    """

    def __init__(self, probabilities):
        self.log_probs = torch.as_tensor(probabilities, dtype=torch.float64).log()
        if self.log_probs.ndim == 3:
            self.log_probs = self.log_probs[:, None]

    def start(self):
        example = torch.arange(len(self.log_probs))
        return Seen(example, torch.zeros_like(example))

    def next(self, example, num_said, last):
        """The next token's log-probabilities."""
        position = num_said.clamp(max=self.log_probs.shape[1] - 1)
        return self.log_probs[example, position, last]

    def step(self, tokens, state):
        # Logits are log-probabilities up to a constant, as any model's.
        logits = self.next(state.example, state.num_said, tokens) + 3.0
        weights = torch.stack([state.example, state.num_said, tokens], dim=1).float()
        return logits, Seen(state.example, state.num_said + 1), weights

    def total(self, example, tokens):
        """The log-probability of tokens, the start token before them."""
        pairs = enumerate(pairwise((START, *tokens)))
        return sum(
            float(self.next(example, torch.tensor(place), last)[token])
            for place, (last, token) in pairs
        )


def random_markov(seed, num_examples=1, vocab_size=4):
    generator = torch.Generator().manual_seed(seed)
    # Other probabilities at each position, so that no two captions tie.
    logits = 1.5 * torch.randn(num_examples, 1, vocab_size, vocab_size, generator=generator)
    drift = 0.1 * torch.randn(num_examples, 12, vocab_size, vocab_size, generator=generator)
    return Markov((logits + drift).softmax(dim=-1))
