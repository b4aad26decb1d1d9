"""Fits the word detector of a model to its training GIFs, before the first step.

Ridge regression (Hoerl & Kennard 1970, Technometrics 12(1)) from the mean frame of each GIF to the
shares of its captions that contain each token.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gifdesc.data.dataset import GIFDataset, TokenShares, pad_features
from gifdesc.data.feature_store import FeatureStore
from gifdesc.model.network import CaptionModel
from gifdesc.model.word_detector import DetectorFit, WordDetector
from gifdesc.system.waits import wait_for

_FILES_AT_ONCE = 256

_PENALTIES = tuple(10.0 ** (power / 2) for power in range(-6, 5))
"""Penalties that are tried, relative to the mean variance. Smaller ones would bring the leverage of
all GIFs to `MAX_LEVERAGE` where all directions vary equally."""

_LEAST_VARIANCE = 1e-6
"""Relative to the mean square of a feature: directions in which mean frames vary less are rounding
errors."""

_LEAST_RESIDUAL = 1e-5
"""Relative to the variance of the shares: a smaller one is a rounding error."""


@torch.no_grad()
def fit_word_detector(model: CaptionModel, dataset: GIFDataset, store: FeatureStore) -> None:
    """Fit `model.detector`, and let the batches of the dataset contain its `token_shares`.

    A resumed run fits it again: its state contains the weights, but not the `DetectorFit`.

    Args:
        model: with the statistics of the features.
        dataset: the training split; GIFs whose features cannot be used are left out.
        store: reads the feature files.
    """
    assert model.detector is not None
    examples, device = dataset.examples, model.feature_mean.device
    dataset.token_shares = token_shares = dataset.count_token_shares()
    sums = RidgeSums(model.config.feature_size, model.config.vocab_size)
    with wait_for("fitting the word detector", unit="files") as advance:
        for first in range(0, len(examples), _FILES_AT_ONCE):
            last = min(first + _FILES_AT_ONCE, len(examples))
            usable: dict[int, Tensor] = {}
            for gif in range(first, last):
                features = store.read_or_none(examples[gif].features_path)
                if features is not None:  # alone: a long GIF would pad the others
                    padded, lengths = pad_features([features])
                    usable[gif] = model.mean_frames(padded.to(device), lengths).cpu()
            if usable:
                sums.add(torch.cat([*usable.values()]), TokenShares(*token_shares.of([*usable])))
            advance(last, len(examples))
        sums.fit(model.detector)


class RidgeSums:
    """Sums over GIFs from which a `WordDetector` is fitted.

    Args:
        feature_size: D.
        vocab_size: V.
    """

    def __init__(self, feature_size: int, vocab_size: int) -> None:
        self._num_gifs = 0
        self._frames = torch.zeros(feature_size, dtype=torch.float64)
        self._squares = torch.zeros(feature_size, feature_size, dtype=torch.float64)
        self._shares = torch.zeros(vocab_size, dtype=torch.float64)
        self._squared_shares = 0.0
        self._products = torch.zeros(vocab_size, feature_size)

    def add(self, frames: Tensor, known: TokenShares) -> None:
        """Add some GIFs.

        Args:
            frames: float32 (B, D), the mean of each GIF's standardised frames.
            known: of these GIFs.
        """
        exact = frames.double()
        self._num_gifs += len(frames)
        self._frames += exact.sum(dim=0)
        self._squares += exact.T @ exact
        self._squared_shares += float(known.shares.double().square().sum())
        for frame, tokens, shares in zip(frames, known.tokens, known.shares, strict=True):
            # One GIF at a time: D numbers for every token of all GIFs may be gigabytes.
            self._shares.index_add_(0, tokens, shares.double())
            self._products.index_add_(0, tokens, shares.outer(frame))

    @torch.no_grad()
    def fit(self, detector: WordDetector) -> None:
        """Fit a detector, with the penalty that generalised cross-validation prefers.

        Source: Golub, Heath & Wahba 1979, Technometrics 21(2). Without two GIFs that differ, the
        detector predicts nothing.
        """
        n = self._num_gifs
        mean_frame, mean_shares = self._frames / max(1, n), self._shares / max(1, n)
        covariance = self._squares - n * mean_frame.outer(mean_frame)  # (D, D), times n
        variances, directions = torch.linalg.eigh(covariance)
        kept = variances > _LEAST_VARIANCE * float(self._squares.diagonal().mean())
        if n < 2 or not kept.any():
            return
        variances, directions = variances[kept], directions[:, kept].float()  # (R,), (D, R)
        means = (n * mean_shares).float().outer(mean_frame.float() @ directions)  # (V, R)
        products = self._products @ directions - means  # (V, R), times n
        explained = products.double().square().sum(dim=0) / variances  # (R,)
        total = self._squared_shares - n * float(mean_shares.square().sum())
        # 0 with fewer GIFs than features; a rounding error would outweigh the rest, or be negative.
        residual = total - float(explained.sum())
        residual = residual if residual > _LEAST_RESIDUAL * total else 0.0

        def validation_error(penalty: float) -> float:
            left = penalty / (variances + penalty)  # (R,), what the penalty leaves of each
            error = residual + float((explained * left.square()).sum())
            freedom = n - 1 - float((1 - left).sum())
            return error / max(1e-9, freedom) ** 2

        scale = float(variances.mean())
        penalty = min((scale * strength for strength in _PENALTIES), key=validation_error)
        damped = 1 / (variances + penalty)  # (R,)
        root = directions * damped.sqrt().float()
        device = detector.weight.device
        detector.mean_frame.copy_(mean_frame)
        detector.weight.copy_((products * damped.float()) @ directions.T)
        detector.fit = DetectorFit(n, mean_shares.float().to(device), root.to(device))
