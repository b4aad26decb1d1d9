"""Turn GIFs into feature vectors: sample, preprocess, run the network, add the position.

`FeatureExtractor` has the network; `extract` and `caption` both use it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import torch

from gifdesc.config import Encoding, FeatureRecipe, Framing, PrecisionChoice, Sampling
from gifdesc.data.feature_files import MAX_FEATURE, are_usable
from gifdesc.errors import CheckpointError, FeatureError, UsageError, WeightsError
from gifdesc.features.backbones.base import Backbone
from gifdesc.features.backbones.from_transformers import is_folder
from gifdesc.features.backbones.loading import (
    DEFAULT_BACKBONE,
    is_gone_folder,
    is_weight_name,
    load_backbone,
)
from gifdesc.features.encoder import FrameEncoder, RuntimeName, choose_precision, make_encoder
from gifdesc.features.frame_batches import FrameBatches
from gifdesc.features.frames import SampledGif, Vectors, sample_source
from gifdesc.features.labels import Labeller
from gifdesc.gif.sources import GifSource
from gifdesc.positional import sinusoidal_encoding
from gifdesc.system.device import resolve_device
from gifdesc.version import __version__

UNUSABLE_OUTPUT = (
    f"the output of the network cannot be used (NaN, infinity, or beyond {MAX_FEATURE:.0e}); try "
    "--precision float32, or other weights"
)
"""The error of a GIF whose frames are good; 16-bit floats may overflow, for example."""


class FeatureExtractor:
    """Turns GIFs into feature vectors by a recipe, on a device.

    Attributes:
        recipe: how the features are made.
        transform: from frames to the network's input.
        device_type: `cpu`, `cuda` or `mps`.
    """

    def __init__(
        self,
        backbone: Backbone,
        recipe: FeatureRecipe,
        encoder: FrameEncoder,
        device_type: str = "cpu",
    ) -> None:
        self.recipe = recipe
        self.device_type = device_type
        self._backbone = backbone
        self.transform = backbone.transform.framed(recipe.framing)
        self._batches = FrameBatches(encoder, are_shared=device_type != "cpu")

    @property
    def batch_frames(self) -> int:
        """The most frames that the network processes at once; fewer after memory ran out."""
        return self._batches.limit.size

    @classmethod
    def create(
        cls,
        *,
        backbone: str = DEFAULT_BACKBONE,
        weights: str | None = None,
        num_frames: int = 16,
        sampling: Sampling = "uniform",
        framing: Framing = "whole",
        encoding: Encoding = "sinusoidal",
        device: str = "auto",
        precision: PrecisionChoice = "auto",
        runtime: RuntimeName = "torch",
        num_gifs: int = 1,
        batch_frames: int | None = None,
    ) -> FeatureExtractor:
        """An extractor from the options of a user.

        Args:
            backbone: the network that sees the frames; see `loading.load_backbone`.
            weights: of the backbone; None for its default.
            num_frames: the most frames sampled from a GIF.
            sampling: how frames are chosen.
            framing: how a frame is fitted to the network's square input.
            encoding: the encoding of the frames' positions.
            device: see `device.resolve_device`.
            precision: the number format of the network; see `encoder.choose_precision`.
            runtime: see `features.encoder.make_encoder`.
            num_gifs: the number of GIFs to extract, for `runtime="auto"`.
            batch_frames: frames that the network processes at once; None for the encoder's own
                number.

        Raises:
            UsageError: there is no such device or runtime.
            WeightsError: the weights are not available.
        """
        torch_device = resolve_device(device)
        loaded = load_backbone(backbone, weights)
        chosen = choose_precision(loaded, torch_device, precision)
        encoder = make_encoder(
            loaded,
            torch_device,
            runtime=runtime,
            precision=chosen,
            num_gifs=num_gifs,
        )
        if batch_frames is not None:
            encoder.batch_frames = batch_frames
        transform = loaded.transform.framed(framing)
        recipe = FeatureRecipe(
            backbone=loaded.name,
            # Files are compared by hash: a path means nothing on another machine.
            weights=Path(loaded.weights).name,
            weights_sha256=loaded.weights_sha256,
            num_frames=num_frames,
            sampling=sampling,
            framing=framing,
            image_size=transform.image_size,
            resize_size=transform.resize_size,
            encoding=encoding,
            precision=chosen,
            gifdesc_version=__version__,
        )
        return cls(loaded, recipe, encoder, torch_device.type)

    @classmethod
    def for_recipe(
        cls,
        recipe: FeatureRecipe,
        *,
        weights: str | None = None,
        device: str | torch.device = "auto",
    ) -> FeatureExtractor:
        """An extractor that makes features exactly by a recipe.

        Args:
            recipe: from a features or model folder.
            weights: the file of the recipe's weights, if they are from a file.
            device: see `device.resolve_device`.

        Raises:
            CheckpointError: the weights are not those of the recipe.
            UsageError, WeightsError: as `create`.
        """
        torch_device = resolve_device(device)
        backbone = _backbone_of(recipe, weights)
        # Not the recipe's precision, but the fastest here: their features are close enough.
        precision = choose_precision(backbone, torch_device)
        encoder = make_encoder(backbone, torch_device, precision=precision)
        return cls(backbone, recipe, encoder, torch_device.type)

    def sample(self, source: GifSource) -> SampledGif:
        """Decode, sample and preprocess one GIF; see `sample_source`."""
        return sample_source(source, self.recipe, self.transform)

    def features_of(self, source: GifSource) -> Vectors:
        """The features of one GIF.

        Returns:
            float32 (T, D), the positional encoding added if the recipe has one.

        Raises:
            GifError: the GIF has no frame that can be used.
            FeatureError: the output of the network is not finite, or beyond `MAX_FEATURE`.
        """
        [features] = self.encode([self.sample(source)])
        if not are_usable(features):
            name = f"{source}: " if isinstance(source, str | os.PathLike) else ""
            raise FeatureError(f"{name}{UNUSABLE_OUTPUT}")
        return features

    def encode(self, gifs: Sequence[SampledGif]) -> list[Vectors]:
        """Feature vectors of several GIFs' frames.

        On a CPU, the features of a GIF are the same whatever other GIFs are given (see
        `FrameBatches`). GIFs with the frames of a recent GIF are not computed again.

        Returns:
            float32 (T, D) per GIF, the positional encoding added if the recipe has one.
        """
        return self.submit(gifs)()

    def submit(self, gifs: Sequence[SampledGif]) -> Callable[[], list[Vectors]]:
        """Start encoding; the returned function waits for the features of `encode`."""
        waits = self._batches.submit(gifs)
        return lambda: [self._finish(gif, wait()) for gif, wait in zip(gifs, waits, strict=True)]

    def labeller(self) -> Labeller:
        """Gives the backbone's own classes of a GIF by its features.

        Raises:
            UsageError: the backbone has no trained classifier.
        """
        return Labeller(self._backbone, self.recipe.encoding)

    def cancel(self) -> None:
        """Drop submitted GIFs: their features are not needed."""
        self._batches.cancel()

    def _finish(self, gif: SampledGif, vectors: Vectors) -> Vectors:
        features = vectors[list(gif.order)]
        if self.recipe.encoding == "sinusoidal":
            features = features + _encoding(*features.shape)
        return features


@lru_cache(maxsize=32)
def _encoding(length: int, size: int) -> Vectors:
    """The positional encoding: most GIFs of a run have the same number of sampled frames."""
    return sinusoidal_encoding(length, size)


def _backbone_of(recipe: FeatureRecipe, weights: str | None) -> Backbone:
    """The backbone of a recipe, checked by the digest of its weights.

    Args:
        recipe: of a features or model folder.
        weights: the file, or the folder of transformers, of the weights; None if their name is
            enough.

    Raises:
        CheckpointError, UsageError, WeightsError: as `FeatureExtractor.for_recipe`.
    """
    digest = recipe.weights_sha256[:12]
    if weights is None and is_gone_folder(recipe.backbone):
        raise WeightsError(
            f"the features were made with the backbone in the folder {recipe.backbone} "
            f"(SHA-256 {digest}...); name that folder with --weights"
        )
    if weights is None and not is_weight_name(recipe.backbone, recipe.weights):
        if not Path(recipe.weights).is_file():
            raise WeightsError(
                f"the features were made with the weights file {recipe.weights} "
                f"(SHA-256 {digest}...); name that file with --weights"
            )
        weights = recipe.weights
    try:
        if weights is not None and is_folder(weights):
            backbone = load_backbone(weights)
        else:
            backbone = load_backbone(recipe.backbone, weights or recipe.weights)
    except UsageError as error:
        reason = str(error).removeprefix(f"--backbone {recipe.backbone}: ")
        raise UsageError(f"the features need the backbone {recipe.backbone}: {reason}") from error
    if backbone.weights_sha256 != recipe.weights_sha256:
        raise CheckpointError(
            f"{weights or recipe.weights}: not the weights that the features "
            f"were made with (SHA-256 {backbone.weights_sha256[:12]}..., wanted {digest}...); "
            "name the right file with --weights"
        )
    return backbone


def extract_features(
    source: GifSource,
    *,
    backbone: str = DEFAULT_BACKBONE,
    weights: str | None = None,
    num_frames: int = 16,
    sampling: Sampling = "uniform",
    framing: Framing = "whole",
    encoding: Encoding = "sinusoidal",
    device: str = "auto",
) -> Vectors:
    """The features of one GIF: its path, its bytes, or its frames (see `sources.GifSource`).

    For many GIFs, use a `FeatureExtractor`: this function loads the network each time.

    Returns:
        float32 (T, D).

    Raises:
        GifdescError: the GIF has no frame that can be used, the weights or the device are not
            available, or the output of the network is not finite or beyond `MAX_FEATURE`.
    """
    extractor = FeatureExtractor.create(
        backbone=backbone,
        weights=weights,
        num_frames=num_frames,
        sampling=sampling,
        framing=framing,
        encoding=encoding,
        device=device,
    )
    return extractor.features_of(source)
