"""The caption model: frames in, the next token's distribution out.

`encode` looks at the frames, `start` and `step` say one token at a time, `forward` says whole
captions at once. `step` and `forward` run the same code, so they agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gifdesc.config import ModelConfig
from gifdesc.dropout import ExampleDropout
from gifdesc.fusion import FUSIONS, Memory

_RECURRENT: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

EMBEDDING_STD = 0.1
"""Standard deviation of untrained word embeddings. Of PyTorch's 1.0 they drown the GIF at first:
measured in docs/benchmarks.md."""

Hidden = tuple[Tensor, ...]
"""A decoder's recurrent state: nothing, (h,) or (h, c), each (B, H)."""


@dataclass(frozen=True)
class DecoderState:
    """What a decoder remembers between two tokens."""

    memory: Memory
    hidden: Hidden

    def select(self, index: Tensor) -> DecoderState:
        """The states of the examples at `index` (N,), which may repeat."""
        return DecoderState(self.memory.select(index), tuple(h[index] for h in self.hidden))


class CaptionModel(nn.Module):
    """An RNN over the frames, word embeddings, a fusion of the two, token predictions.

    Shapes: B batch, T frames, D feature size, H hidden, E embedding, L tokens, V vocabulary.
    """

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("feature_mean", torch.zeros(config.feature_size))
        self.register_buffer("feature_std", torch.ones(config.feature_size))
        self.dropout = ExampleDropout(config.dropout)
        seen_size = config.projection_size or config.feature_size
        self.projection = (
            nn.Linear(config.feature_size, seen_size) if config.projection_size else nn.Identity()
        )
        self.encoder: nn.RNNBase | None = None
        if config.encoder != "none":
            self.encoder = _RECURRENT[config.encoder](
                seen_size,
                config.hidden_size // (2 if config.bidirectional else 1),
                batch_first=True,
                bidirectional=config.bidirectional,
            )
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        nn.init.normal_(self.embedding.weight, std=EMBEDDING_STD)
        self.decoder: nn.RNNBase | None = None
        if config.decoder != "none":
            self.decoder = _RECURRENT[config.decoder](
                config.embedding_size, config.hidden_size, batch_first=True
            )
            self.start_hidden = nn.Linear(config.hidden_size, config.hidden_size)
        said_size = config.hidden_size if self.decoder else config.embedding_size
        skipped = seen_size if self.encoder and config.frame_skip else 0
        frame_size = config.hidden_size + skipped
        self.fusion = FUSIONS[config.fusion](said_size, config.hidden_size, frame_size)
        self.output = nn.Linear(self.fusion.output_size, config.vocab_size)

    @torch.no_grad()
    def set_feature_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Standardise features from now on by these statistics, each (D,).

        A feature that never varies (std 0) is only shifted.
        """
        self.feature_mean.copy_(mean)
        self.feature_std.copy_(torch.where(std > 0, std, torch.ones_like(std)))

    def encode(self, features: Tensor, lengths: Tensor) -> Memory:
        """Look at the frames.

        Args:
            features: float (B, T, D), padded behind.
            lengths: int (B,), frames of each example, 1 or more, on the CPU.
        """
        seen = (features - self.feature_mean) / self.feature_std  # (B, T, D)
        seen = self.projection(self.dropout(seen))  # (B, T, P)
        num_frames = features.shape[1]
        positions = torch.arange(num_frames)
        mask = (positions[None] < lengths[:, None]).to(features.device)  # (B, T)
        if self.encoder is None:
            shown = mask[..., None].to(seen.dtype)
            summary = (seen * shown).sum(dim=1) / shown.sum(dim=1)  # (B, P), where P = H
            return Memory(frames=seen, mask=mask, summary=summary)
        # cuDNN and the CPU kernels are fastest on plain tensors: pack only where lengths differ.
        if bool((lengths == num_frames).all()):
            frames, final = self.encoder(seen)
        else:
            packed = pack_padded_sequence(seen, lengths, batch_first=True, enforce_sorted=False)
            output, final = self.encoder(packed)
            frames, _ = pad_packed_sequence(output, batch_first=True, total_length=num_frames)
        if self.config.frame_skip:
            frames = torch.cat([frames, seen], dim=-1)  # (B, T, H + P)
        if isinstance(final, tuple):  # an LSTM's (h, c)
            final = final[0]
        summary = final.transpose(0, 1).flatten(1)  # (directions, B, H / directions) -> (B, H)
        return Memory(frames=frames, mask=mask, summary=summary)

    def start(self, memory: Memory) -> DecoderState:
        """The state before the first token."""
        if self.decoder is None:
            return DecoderState(memory, ())
        hidden = torch.tanh(self.start_hidden(memory.summary))  # (B, H)
        if isinstance(self.decoder, nn.LSTM):
            return DecoderState(memory, (hidden, torch.zeros_like(hidden)))
        return DecoderState(memory, (hidden,))

    def step(
        self, tokens: Tensor, state: DecoderState
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """Say one more token.

        Args:
            tokens: int (B,), the tokens said last.
            state: from `start` or the `step` before.

        Returns:
            Logits of the next token (B, V), the state after, and the weights over the frames
            (B, T) where the model attends.
        """
        joined, state, weights = self._decode(tokens[:, None], state)
        logits = self.output(joined[:, 0])
        return logits, state, None if weights is None else weights[:, 0]

    def forward(self, features: Tensor, lengths: Tensor, tokens: Tensor) -> Tensor:
        """Logits (B, L, V) of the token that follows each of `tokens` (B, L)."""
        logits: Tensor = self.output(self.decode(tokens, self.encode(features, lengths)))
        return logits

    def decode(self, tokens: Tensor, memory: Memory) -> Tensor:
        """What `output` makes logits of, (B, L, H), for whole captions `tokens` (B, L)."""
        return self._decode(tokens, self.start(memory))[0]

    def _decode(
        self, tokens: Tensor, state: DecoderState
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        said = self.dropout(self.embedding(tokens))  # (B, L, E)
        hidden = state.hidden
        if self.decoder is not None:
            first = tuple(h[None].contiguous() for h in hidden)  # (1, B, H)
            is_lstm = isinstance(self.decoder, nn.LSTM)
            said, last = self.decoder(said, first if is_lstm else first[0])  # (B, L, H)
            hidden = tuple(h[0] for h in (last if is_lstm else (last,)))
        joined, weights = self.fusion(said, state.memory)  # (B, L, H), (B, L, T)
        return self.dropout(joined), DecoderState(state.memory, hidden), weights
