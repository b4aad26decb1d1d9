"""The caption model: frames in, the next token's distribution out.

`encode` runs over the frames. `start` and `step` predict one token at a time, `forward` predicts
whole captions at once; the two agree to float tolerance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gifdesc.config import ModelConfig
from gifdesc.model.dropout import ExampleDropout
from gifdesc.model.fusion import (
    FUSIONS,
    Memory,
    OutputHead,
    UnsaidWords,
    WordEvidence,
    make_output_head,
    with_gains,
)
from gifdesc.system.device import on_device


class _Lstm(nn.LSTM):
    """An LSTM that computes in float32 on a CPU, under autocast too.

    PyTorch cannot train one in 16 bits on CPUs that do not compute them in hardware.
    """

    def forward(self, inputs: Any, first: Any = None) -> Any:
        """The arguments and results are those of `torch.nn.LSTM`."""
        if inputs.data.device.type != "cpu":
            return super().forward(inputs, first)
        with torch.autocast("cpu", enabled=False):
            state = None if first is None else tuple(each.float() for each in first)
            return super().forward(inputs.float(), state)


_RECURRENT: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": _Lstm}

EMBEDDING_STD = 0.1
"""Standard deviation of untrained word embeddings. With PyTorch's default of 1.0 the embeddings
initially swamp the visual features."""

MAX_DEVIATIONS = 10.0
"""The greatest absolute value of a standardised feature. Features of held-out drawn and real GIFs
stay below 7 where the training GIFs excite them (measured with 16 training GIFs)."""

MIN_RELATIVE_STD = 0.1
"""The smallest standard deviation that features are divided by, relative to the root mean square
over all features. A ReLU unit that no training frame excites varies only by the positional
encoding (1e-6 to 9e-4), which has nothing to do with its scale in a GIF that excites it."""

FRAME_SCALE = 0.5
"""Standard deviation of a normalised frame's numbers: better than 1 in a made-up language."""

REPETITION_SCALE = 10.0
"""Factor of the parameters of `RepetitionBias`, so that one learning rate suits them and the other
weights: a bias that makes a repetition impossible is about -10."""

RARE_CAPTIONS, RARE_REPEATING = 4.0, 0.04
"""Captions, and captions that repeat it, that are added to the counts of every token: one in a
hundred, until a token has counts of its own."""

Hidden = tuple[Tensor, ...]
"""A decoder's recurrent state: nothing, (h,) or (h, c), each (B, H)."""


@dataclass(frozen=True)
class DecoderState:
    """The state of a decoder between two tokens.

    Attributes:
        num_gifs: B.
        output_head: predicts the next token for each of the B GIFs.
        hidden: of N = B * K captions, grouped by GIF.
        tokens: int (N, L), the captions so far, their start token first.
        gains: float32 (B, V), what tokens gain that a caption does not contain yet, from the
            model's `WordEvidence` if it has one.
        unsaid: float (N, E), the sum of the words that the frames show and a caption does not
            contain yet, from the model's `UnsaidWords` if it has one.
    """

    num_gifs: int
    output_head: OutputHead
    hidden: Hidden
    tokens: Tensor
    gains: Tensor | None = None
    unsaid: Tensor | None = None

    def select(self, index: Tensor) -> DecoderState:
        """The states at `index` (N,), which may repeat, of equally many captions of each GIF."""
        hidden = tuple(h[index] for h in self.hidden)
        unsaid = None if self.unsaid is None else self.unsaid[index]
        return replace(self, hidden=hidden, tokens=self.tokens[index], unsaid=unsaid)


@dataclass(frozen=True)
class DecodedCaptions:
    """Whole captions before the output layer, K of each of B GIFs.

    Attributes:
        tokens: int (B * K, L), each caption from its start token on.
        joined: float (B * K, L, H), the input of the output layer.
        weights: float (B, K * L, T) over the frames, if the model attends to them.
        gains: float32 (B, V), as in `DecoderState`.
        counts: bool (B * K, L), from `first_mentions`.
    """

    tokens: Tensor
    joined: Tensor
    weights: Tensor | None
    gains: Tensor | None
    counts: Tensor


class RepetitionBias(nn.Module):
    """Learns how much less probable each token is once its caption contains it.

    A caption may contain `a` twice, and rarely `cat`. One number holds what all tokens have in
    common, so that rare tokens have a bias too; one for each token holds its own difference.

    Args:
        vocab_size: V.
    """

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.common = nn.Parameter(torch.zeros(1))
        self.own = nn.Parameter(torch.zeros(vocab_size))

    @torch.no_grad()
    def start_from(self, num_captions: Tensor, num_repeating: Tensor) -> None:
        """Begin the training with the biases that the training captions suggest.

        The bias of a token is the logarithm of the share of its captions that repeat it, relative
        to the largest share.

        Args:
            num_captions: (V,) captions that contain each token.
            num_repeating: (V,) captions that contain it more than once.
        """
        # A token that is seen once or twice is taken for one of an average share.
        share = (num_repeating + RARE_REPEATING) / (num_captions + RARE_CAPTIONS)
        self.common.zero_()
        self.own.copy_((share / share.max()).log() / REPETITION_SCALE)

    @property
    def values(self) -> Tensor:
        """The bias of each token (V,), in nats."""
        return REPETITION_SCALE * (self.common + self.own)

    def forward(self, logits: Tensor, tokens: Tensor, counts: Tensor) -> Tensor:
        """Add the biases.

        Args:
            logits: float32 (N, V) of the next token; changed in place.
            tokens: int (N, L) of each caption, in any order.
            counts: bool (N, L), the tokens that count, each once (see `first_mentions`).

        Returns:
            `logits`.
        """
        bias = REPETITION_SCALE * (self.common + self.own[tokens])  # (N, L)
        return logits.scatter_add_(1, tokens, bias.masked_fill(~counts, 0.0))


class CaptionModel(nn.Module):
    """An RNN over the frames, word embeddings, a fusion of both, token predictions.

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
        projected_size = config.projection_size or config.feature_size
        self.projection = (
            nn.Linear(config.feature_size, projected_size)
            if config.projection_size
            else nn.Identity()
        )
        self.encoder: nn.RNNBase | None = None
        if config.encoder != "none":
            self.encoder = _RECURRENT[config.encoder](
                projected_size,
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
        decoder_size = config.hidden_size if self.decoder else config.embedding_size
        skipped = projected_size if self.encoder and config.frame_skip else 0
        frame_size = config.hidden_size + skipped
        self.fusion = FUSIONS[config.fusion](decoder_size, config.hidden_size, frame_size)
        self.output = nn.Linear(self.fusion.output_size, config.vocab_size)
        self.repetition: RepetitionBias | None = None
        if config.repetition_bias:
            self.repetition = RepetitionBias(config.vocab_size)
        self.evidence: WordEvidence | None = None
        if config.word_evidence:
            self.evidence = WordEvidence(skipped or frame_size, config.vocab_size)
        self.unsaid_words: UnsaidWords | None = None
        if config.word_evidence and config.unsaid_words:
            self.unsaid_words = UnsaidWords(config.vocab_size, config.embedding_size)

    @torch.no_grad()
    def set_feature_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Standardise features from now on by these statistics, each (D,).

        A standard deviation below `MIN_RELATIVE_STD` of the features' root mean square is raised
        to that bound. If no feature varies, all are only shifted.
        """
        floor = MIN_RELATIVE_STD * std.square().mean().sqrt()
        raised = std.clamp(min=floor)
        self.feature_mean.copy_(mean)
        self.feature_std.copy_(torch.where(raised > 0, raised, torch.ones_like(std)))

    def standardise(self, features: Tensor) -> Tensor:
        """Features in standard deviations from the training set's mean, of the same shape.

        The result is clamped to `MAX_DEVIATIONS`, so that a feature that no training frame excites
        does not outweigh all others.
        """
        shifted = (features - self.feature_mean) / self.feature_std
        return shifted.clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)

    def encode(self, features: Tensor, lengths: Tensor) -> Memory:
        """Run the encoder over the frames.

        Args:
            features: float (B, T, D), padded at the end.
            lengths: int (B,), frames of each example, 1 or more, on the CPU.
        """
        projected = self.standardise(features) if self.config.standardise else features  # (B, T, D)
        projected = self.projection(self.dropout(projected))  # (B, T, P)
        if self.config.frame_norm:
            projected = FRAME_SCALE * layer_norm(projected, projected.shape[-1:])
        num_frames = features.shape[1]
        positions = torch.arange(num_frames)
        mask = on_device(positions[None] < lengths[:, None], features.device)  # (B, T)
        if self.encoder is None:
            shown = mask[..., None].to(projected.dtype)
            summary = (projected * shown).sum(dim=1) / shown.sum(dim=1)  # (B, P), where P = H
            return Memory(projected, mask, summary)
        # cuDNN and the CPU kernels are fastest on plain tensors: pack only where lengths differ.
        if bool((lengths == num_frames).all()):
            frames, final = self.encoder(projected)
            final = final[0] if isinstance(final, tuple) else final  # an LSTM's (h, c)
        else:
            frames, final = _run_packed(self.encoder, projected, lengths)
        if self.config.frame_skip:
            frames = torch.cat([frames, projected], dim=-1)  # (B, T, H + P)
        summary = final.transpose(0, 1).flatten(1)  # (directions, B, H / directions) -> (B, H)
        return Memory(frames, mask, summary)

    def start(self, memory: Memory) -> DecoderState:
        """The state before the first token, for one caption of each GIF."""
        output_head = make_output_head(self.fusion, self.output, memory)
        num_gifs = len(memory.mask)
        tokens = torch.empty(num_gifs, 0, dtype=torch.long, device=memory.mask.device)
        gains = self._gains(memory)
        unsaid = None
        if self.unsaid_words is not None and gains is not None:
            unsaid = self.unsaid_words.total(gains, self.embedding.weight)
        hidden = self._first_hidden(memory)
        return DecoderState(num_gifs, output_head, hidden, tokens, gains, unsaid)

    def step(
        self, tokens: Tensor, state: DecoderState
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """Predict the next token, without dropout.

        Args:
            tokens: int (N,), the previous token of each caption.
            state: from `start` or the `step` before.

        Returns:
            Logits of the next token, float32 (N, V), the state after, and, if the model attends,
            the weights over the frames (N, T).
        """
        said = torch.cat([state.tokens, tokens[:, None]], dim=1)  # (N, L)
        gains, unsaid = state.gains, state.unsaid
        counts = first_mentions(said)
        embedded = self.embedding(tokens[:, None])  # (N, 1, E)
        if self.unsaid_words is not None and gains is not None and unsaid is not None:
            last = self.unsaid_words.mentioned(gains, tokens[:, None], embedded, counts[:, -1:])
            unsaid = unsaid - last[:, 0]
            embedded = embedded + self.unsaid_words.input(unsaid)[:, None]
        decoded, hidden = self._run_decoder(embedded, state.hidden)  # (N, 1, S)
        logits, weights = state.output_head(decoded.view(state.num_gifs, -1, decoded.shape[-1]))
        if weights is not None:
            weights = weights.flatten(0, 1)
        if gains is not None:
            gains = gains.repeat_interleave(len(tokens) // state.num_gifs, dim=0)
        logits = self._with_mentions(logits.flatten(0, 1).float(), gains, said, counts)
        return logits, replace(state, hidden=hidden, tokens=said, unsaid=unsaid), weights

    def forward(self, features: Tensor, lengths: Tensor, tokens: Tensor) -> Tensor:
        """Logits (B, L, V) of the token that follows each of `tokens` (B, L)."""
        places = torch.arange(tokens.numel(), device=tokens.device)
        logits = self.predict(tokens, self.encode(features, lengths), places)
        return logits.view(*tokens.shape, -1)

    def predict(self, tokens: Tensor, memory: Memory, places: Tensor) -> Tensor:
        """The logits of the tokens that follow some tokens of whole captions.

        The output layer, the largest part of the arithmetic, is computed for no other places.

        Args:
            tokens: int (B * K, L), K captions of each GIF, each from its start token on.
            memory: of B GIFs.
            places: int (N,), which of the B * K * L tokens.

        Returns:
            float32 (N, V).
        """
        return self.predict_decoded(self.decode(tokens, memory), places)

    def predict_decoded(self, decoded: DecodedCaptions, places: Tensor) -> Tensor:
        """`predict` for captions from `decode`; other places cost no second `decode`."""
        tokens, gains = decoded.tokens, decoded.gains
        logits: Tensor = self.output(decoded.joined.flatten(0, 1)[places]).float()  # (N, V)
        num_tokens = tokens.shape[1]
        rows, last = places // num_tokens, places % num_tokens
        is_before = torch.arange(num_tokens, device=places.device) <= last[:, None]  # (N, L)
        if gains is not None:
            gains = gains[rows // (len(tokens) // len(gains))]
        return self._with_mentions(logits, gains, tokens[rows], decoded.counts[rows] & is_before)

    def _with_mentions(
        self, logits: Tensor, gains: Tensor | None, tokens: Tensor, counts: Tensor
    ) -> Tensor:
        """Logits (N, V), changed in place; the other arguments are those of `with_gains`."""
        if gains is not None:
            logits = with_gains(logits, gains, tokens, counts)
        if self.repetition is not None:
            logits = self.repetition(logits, tokens, counts)
        return logits

    def _gains(self, memory: Memory) -> Tensor | None:
        """What each token gains until its caption contains it, float32 (B, V)."""
        if self.evidence is None:
            return None
        # Of each frame the last part: with `frame_skip`, what did not pass through the encoder.
        frames = memory.frames[..., -self.evidence.scores.in_features :]
        gains: Tensor = self.evidence(self.dropout(frames), memory.mask)
        return gains

    def decode(self, tokens: Tensor, memory: Memory) -> DecodedCaptions:
        """Whole captions, for `predict_decoded`; the arguments are those of `predict`."""
        gains, counts = self._gains(memory), first_mentions(tokens)
        num_gifs, shape = len(memory.mask), tokens.shape
        raw = self.embedding(tokens)
        embedded = self.dropout(raw)  # (B * K, L, E)
        if self.unsaid_words is not None and gains is not None:
            total = self.unsaid_words.total(gains, self.embedding.weight)  # (B, E)
            mentioned = self.unsaid_words.mentioned(gains, tokens, raw, counts).cumsum(dim=1)
            unsaid = total.repeat_interleave(len(tokens) // num_gifs, dim=0)[:, None] - mentioned
            embedded = embedded + self.dropout(self.unsaid_words.input(unsaid))
        hidden = tuple(
            h.repeat_interleave(len(tokens) // num_gifs, dim=0) for h in self._first_hidden(memory)
        )
        decoded, _ = self._run_decoder(embedded, hidden)  # (B * K, L, S)
        joined, weights = self.fusion(decoded.reshape(num_gifs, -1, decoded.shape[-1]), memory)
        joined = self.dropout(joined.reshape(*shape, -1))
        return DecodedCaptions(tokens, joined, weights, gains, counts)

    def _first_hidden(self, memory: Memory) -> Hidden:
        if self.decoder is None:
            return ()
        hidden = torch.tanh(self.start_hidden(memory.summary))  # (B, H)
        if isinstance(self.decoder, nn.LSTM):
            return (hidden, torch.zeros_like(hidden))
        return (hidden,)

    def _run_decoder(self, embedded: Tensor, hidden: Hidden) -> tuple[Tensor, Hidden]:
        """The decoder over embedded tokens (B, L, E): (B, L, S), and its state after."""
        if self.decoder is None:
            return embedded, hidden
        first = tuple(h[None].contiguous() for h in hidden)  # (1, B, H)
        is_lstm = isinstance(self.decoder, nn.LSTM)
        decoded, last = self.decoder(embedded, first if is_lstm else first[0])
        return decoded, tuple(h[0] for h in (last if is_lstm else (last,)))


def _run_packed(encoder: nn.RNNBase, projected: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs and the final h of an encoder over sequences (B, T, P) of several lengths.

    Outputs after the end of a sequence are 0. PyTorch would sort the sequences itself, but with
    copies that wait for a GPU.
    """
    order = lengths.argsort(descending=True, stable=True)
    back = on_device(order.argsort(), projected.device)
    in_order = projected.index_select(0, on_device(order, projected.device))
    packed = pack_padded_sequence(in_order, lengths[order], batch_first=True)
    output, final = encoder(packed)
    frames, _ = pad_packed_sequence(output, batch_first=True, total_length=projected.shape[1])
    final = final[0] if isinstance(final, tuple) else final  # an LSTM's (h, c)
    return frames.index_select(0, back), final.index_select(1, back)


def first_mentions(tokens: Tensor) -> Tensor:
    """The places of each caption's different tokens, bool (B, L); not that of its start token.

    Args:
        tokens: int (B, L), the start token of each caption first.
    """
    is_same = tokens[:, :, None] == tokens[:, None]  # (B, L, L)
    counts = ~is_same.tril(-1).any(dim=2)  # (B, L)
    counts[:, 0] = False
    return counts
