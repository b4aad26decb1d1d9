"""Words that a linear regression predicts from a GIF's mean frame become more probable."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from gifdesc.data.dataset import TokenShares

FIRST_GAIN = 10.0
"""Nats that a token gains at first if the word detector is sure that the captions contain it."""

MAX_LEVERAGE = 0.9999
"""A leave-one-out prediction divides by the rest: beyond, float32 leaves no digit of it."""


@dataclass(frozen=True)
class DetectorFit:
    """The fit of a `WordDetector`, for leave-one-out predictions.

    Attributes:
        num_gifs: n.
        mean_shares: float32 (V,).
        root: float32 (D, R), of the inverse of the penalised sum of squares of the mean frames.
    """

    num_gifs: int
    mean_shares: Tensor
    root: Tensor


class WordDetector(nn.Module):
    """Predicts from a GIF's mean frame the share of its captions that contain each token.

    A model that is trained on few captions learns them by heart; this linear regression has a
    closed form (training/word_detection.py) and generalises better. Fang et al. 2015
    (arXiv:1411.4952) let detectors of words guide a language model.

    Args:
        feature_size: D.
        vocab_size: V.

    Attributes:
        fit: in training only.
    """

    mean_frame: Tensor
    weight: Tensor

    def __init__(self, feature_size: int, vocab_size: int) -> None:
        super().__init__()
        self.register_buffer("mean_frame", torch.zeros(feature_size))
        self.register_buffer("weight", torch.zeros(vocab_size, feature_size))
        self.gain = nn.Parameter(torch.ones(1))
        self.fit: DetectorFit | None = None

    def forward(self, frames: Tensor, known: TokenShares | None = None) -> Tensor:
        """The nats (B, V) that each token gains, in proportion to its share above the mean.

        Args:
            frames: float32 (B, D), the mean of each GIF's standardised frames.
            known: in training, of these GIFs. The result is that of a detector fitted to all other
                GIFs, which has not seen their captions (Allen 1974, Technometrics 16(1)).
        """
        with torch.autocast(frames.device.type, enabled=False):  # it subtracts near equal numbers
            centred = frames - self.mean_frame
            shares = linear(centred, self.weight)
            if known is not None and self.fit is not None:
                spread = (centred @ self.fit.root).square().sum(dim=1, keepdim=True)
                leverage = spread + 1 / self.fit.num_gifs  # (B, 1)
                shares = shares + leverage * self.fit.mean_shares
                shares = shares.scatter_add(1, known.tokens, -leverage * known.shares)
                # A GIF of leverage 1 is fitted exactly: its captions must not be the prediction.
                shares = torch.where(leverage < MAX_LEVERAGE, shares / (1 - leverage), 0.0)
            return FIRST_GAIN * self.gain * shares
