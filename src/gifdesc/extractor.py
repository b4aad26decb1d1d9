"""One GIF to feature vectors: decode, sample, preprocess, forward, encode the position.

`FeatureExtractor` holds the network; `extract` and `caption` both go this way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifdesc import __version__
from gifdesc.backbone import WEIGHT_NAMES, Backbone, load_backbone
from gifdesc.config import Encoding, FeatureRecipe, Framing, Precision, Sampling
from gifdesc.device import resolve_device
from gifdesc.errors import CheckpointError, WeightsError
from gifdesc.frame_batches import FrameBatches
from gifdesc.positional import sinusoidal_encoding
from gifdesc.runtime import FrameEncoder, RuntimeName, make_encoder
from gifdesc.sampled import SampledGif, sample_source
from gifdesc.sources import GifSource

NOT_FINITE = (
    "the network gave numbers that are not finite (NaN, infinity); try --precision float32, or "
    "other weights"
)
"""Why a GIF has no features although its frames are good: 16-bit floats overflow, for one."""


class FeatureExtractor:
    """GIFs to feature vectors by one recipe, on one device."""

    def __init__(self, backbone: Backbone, recipe: FeatureRecipe, encoder: FrameEncoder) -> None:
        self.recipe = recipe
        self.transform = backbone.transform.framed(recipe.framing)
        self._batches = FrameBatches(encoder)

    @property
    def batch_frames(self) -> int:
        """Frames that go through the network at once."""
        return self._batches.batch_frames

    @batch_frames.setter
    def batch_frames(self, number: int) -> None:
        self._batches.batch_frames = number

    @classmethod
    def create(
        cls,
        *,
        weights: str = "imagenet1k-v1",
        num_frames: int = 16,
        sampling: Sampling = "uniform",
        framing: Framing = "whole",
        encoding: Encoding = "sinusoidal",
        device: str = "auto",
        precision: Precision = "float32",
        runtime: RuntimeName = "torch",
        num_gifs: int = 1,
    ) -> FeatureExtractor:
        """An extractor from the options that a user gives.

        Args:
            weights: see `backbone.load_backbone`.
            num_frames: the most frames sampled from a GIF.
            sampling: how they are picked.
            framing: how a frame fills the network's square input.
            encoding: what is added for a frame's position.
            device: see `device.resolve_device`.
            precision: of the network's arithmetic.
            runtime: see `runtime.make_encoder`.
            num_gifs: how many are to be done, for `runtime="auto"`.

        Raises:
            UsageError: there is no such device or runtime.
            WeightsError: the weights cannot be had.
        """
        torch_device = resolve_device(device)
        backbone = load_backbone(weights)
        encoder = make_encoder(
            backbone.network,
            torch_device,
            runtime=runtime,
            precision=precision,
            num_gifs=num_gifs,
        )
        transform = backbone.transform.framed(framing)
        recipe = FeatureRecipe(
            # A file is told apart by its hash: its path means nothing on another machine.
            weights=Path(weights).name,
            weights_sha256=backbone.weights_sha256,
            num_frames=num_frames,
            sampling=sampling,
            framing=framing,
            image_size=transform.image_size,
            resize_size=transform.resize_size,
            encoding=encoding,
            precision=precision,
            gifdesc_version=__version__,
        )
        return cls(backbone, recipe, encoder)

    @classmethod
    def for_recipe(
        cls, recipe: FeatureRecipe, *, weights: str | None = None, device: str = "auto"
    ) -> FeatureExtractor:
        """An extractor that makes features exactly as a recipe says.

        Args:
            recipe: from a features or model folder.
            weights: where the recipe's weights lie, for weights that came from a file.
            device: see `device.resolve_device`.

        Raises:
            CheckpointError: the weights to be had are not the recipe's.
            UsageError, WeightsError: as `create`.
        """
        torch_device = resolve_device(device)
        if weights is None and recipe.weights not in WEIGHT_NAMES:
            if not Path(recipe.weights).is_file():
                raise WeightsError(
                    f"the model's features were made with the weights file {recipe.weights} "
                    f"(SHA-256 {recipe.weights_sha256[:12]}...); name that file with --weights"
                )
            weights = recipe.weights
        backbone = load_backbone(weights or recipe.weights)
        if backbone.weights_sha256 != recipe.weights_sha256:
            raise CheckpointError(
                f"{weights or recipe.weights}: not the weights that the model's features "
                f"were made with (SHA-256 {backbone.weights_sha256[:12]}..., wanted "
                f"{recipe.weights_sha256[:12]}...); name the right file with --weights"
            )
        # A GPU's 16-bit features are near enough to float32: a CPU has nothing else to offer.
        precision = "float32" if torch_device.type == "cpu" else recipe.precision
        encoder = make_encoder(backbone.network, torch_device, precision=precision)
        return cls(backbone, recipe, encoder)

    def sample(self, source: GifSource) -> SampledGif:
        """Decode, sample and preprocess one GIF; see `sample_source`."""
        return sample_source(source, self.recipe, self.transform)

    def encode(self, gifs: Sequence[SampledGif]) -> list[npt.NDArray[np.float32]]:
        """Feature vectors of several GIFs' frames.

        A frame equal to another one, here or lately, is computed once.

        Returns:
            float32 (T, 2048) per GIF, the positional encoding added if the recipe has one.
        """
        return self.submit(gifs)()

    def submit(self, gifs: Sequence[SampledGif]) -> Callable[[], list[npt.NDArray[np.float32]]]:
        """Start what `encode` does; the call that is returned waits for the features."""
        wait = self._batches.submit(
            {
                digest: frame
                for gif in gifs
                for digest, frame in zip(gif.digests, gif.pixels, strict=True)
            }
        )

        def finish() -> list[npt.NDArray[np.float32]]:
            vectors = wait()
            return [self._finish(gif, vectors) for gif in gifs]

        return finish

    def cancel(self) -> None:
        """Drop what was submitted: nobody waits for it any more."""
        self._batches.cancel()

    def _finish(
        self, gif: SampledGif, vectors: dict[bytes, npt.NDArray[np.float32]]
    ) -> npt.NDArray[np.float32]:
        features = np.stack([vectors[gif.digests[position]] for position in gif.order])
        if self.recipe.encoding == "sinusoidal":
            features = features + sinusoidal_encoding(*features.shape)
        return features


def extract_features(
    source: GifSource,
    *,
    weights: str = "imagenet1k-v1",
    num_frames: int = 16,
    sampling: Sampling = "uniform",
    framing: Framing = "whole",
    encoding: Encoding = "sinusoidal",
    device: str = "auto",
) -> npt.NDArray[np.float32]:
    """The features of one GIF: its path, its bytes, or its frames (see `sources.GifSource`).

    For many GIFs make one `FeatureExtractor`: this loads the network each time.

    Returns:
        float32 (T, 2048).

    Raises:
        GifdescError: the GIF gives no frame, or the weights or the device cannot be had.
    """
    extractor = FeatureExtractor.create(
        weights=weights,
        num_frames=num_frames,
        sampling=sampling,
        framing=framing,
        encoding=encoding,
        device=device,
    )
    return extractor.encode([extractor.sample(source)])[0]
