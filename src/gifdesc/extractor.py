"""One GIF to feature vectors: decode, sample, preprocess, forward, encode the position.

`FeatureExtractor` holds the network; `extract` and `caption` both go this way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gifdesc import __version__
from gifdesc.backbone import Backbone, load_backbone
from gifdesc.config import Encoding, FeatureRecipe, Precision, Sampling
from gifdesc.device import is_out_of_memory, resolve_device
from gifdesc.errors import CheckpointError, GifdescError
from gifdesc.positional import sinusoidal_encoding
from gifdesc.runtime import FrameEncoder, RuntimeName, make_encoder
from gifdesc.sampled import SampledGif, sample_source
from gifdesc.sources import GifSource

log = logging.getLogger(__name__)

_Frame = npt.NDArray[np.uint8]
_Vectors = npt.NDArray[np.float32]


class FeatureExtractor:
    """GIFs to feature vectors by one recipe, on one device."""

    def __init__(self, backbone: Backbone, recipe: FeatureRecipe, encoder: FrameEncoder) -> None:
        self.recipe = recipe
        self.transform = backbone.transform
        self.batch_frames = encoder.batch_frames
        self._encoder = encoder
        self._said_out_of_memory = False

    @classmethod
    def create(
        cls,
        *,
        weights: str = "imagenet1k-v1",
        num_frames: int = 16,
        sampling: Sampling = "uniform",
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
        recipe = FeatureRecipe(
            # A file is told apart by its hash: its path means nothing on another machine.
            weights=Path(weights).name,
            weights_sha256=backbone.weights_sha256,
            num_frames=num_frames,
            sampling=sampling,
            image_size=backbone.transform.image_size,
            resize_size=backbone.transform.resize_size,
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
        backbone = load_backbone(weights or recipe.weights)
        if backbone.weights_sha256 != recipe.weights_sha256:
            raise CheckpointError(
                f"--weights {weights or recipe.weights}: not the weights that the model's features "
                f"were made with (SHA-256 {backbone.weights_sha256[:12]}..., wanted "
                f"{recipe.weights_sha256[:12]}...); name the right file with --weights"
            )
        encoder = make_encoder(backbone.network, torch_device, precision=recipe.precision)
        return cls(backbone, recipe, encoder)

    def sample(self, source: GifSource) -> SampledGif:
        """Decode, sample and preprocess one GIF; see `sample_source`."""
        return sample_source(source, self.recipe, self.transform)

    def encode(self, gifs: Sequence[SampledGif]) -> list[npt.NDArray[np.float32]]:
        """Feature vectors of several GIFs' frames, each distinct frame computed once.

        Returns:
            float32 (T, 2048) per GIF, the positional encoding added if the recipe has one.
        """
        return self.submit(gifs)()

    def submit(self, gifs: Sequence[SampledGif]) -> Callable[[], list[npt.NDArray[np.float32]]]:
        """Start what `encode` does; the call that is returned waits for the features."""
        rows: dict[bytes, int] = {}
        pixels: list[npt.NDArray[np.uint8]] = []
        for gif in gifs:
            for digest, frame in zip(gif.digests, gif.pixels, strict=True):
                if digest not in rows:
                    rows[digest] = len(pixels)
                    pixels.append(frame)
        waits = self._submit_batches(pixels)

        def finish() -> list[npt.NDArray[np.float32]]:
            vectors = np.concatenate([wait() for wait in waits])
            return [self._finish(gif, rows, vectors) for gif in gifs]

        return finish if gifs else list

    def cancel(self) -> None:
        """Drop what was submitted: nobody waits for it any more."""
        self._encoder.cancel()

    def _submit_batches(self, pixels: Sequence[_Frame]) -> list[Callable[[], _Vectors]]:
        waits = []
        first = 0
        while first < len(pixels):
            batch = pixels[first : first + self.batch_frames]
            first += len(batch)
            waits.append(self._submit_batch(batch))
        return waits

    def _submit_batch(self, batch: Sequence[_Frame]) -> Callable[[], _Vectors]:
        """Start one batch; where memory runs out, now or while it computes, smaller ones."""
        try:
            # Stacked as they lie in memory, channels last, which the network reads as they are.
            stacked = np.stack([frame.transpose(1, 2, 0) for frame in batch])
            wait = self._encoder.submit(stacked.transpose(0, 3, 1, 2))
        except (RuntimeError, MemoryError) as error:
            self._shrink(len(batch), error)
            waits = self._submit_batches(batch)
            return lambda: np.concatenate([one() for one in waits])

        def finish() -> _Vectors:
            try:
                return wait()
            except (RuntimeError, MemoryError) as error:
                self._shrink(len(batch), error)
            return np.concatenate([one() for one in self._submit_batches(batch)])

        return finish

    def _shrink(self, num_frames: int, error: Exception) -> None:
        """Go on with batches of fewer frames than those for which there was no memory."""
        if not is_out_of_memory(error):
            raise error
        if num_frames == 1:
            raise GifdescError("not even one frame fits into the memory") from error
        if not self._said_out_of_memory:
            log.warning("the device is out of memory: going on with smaller batches")
            self._said_out_of_memory = True
        while self.batch_frames >= num_frames:
            self.batch_frames //= 2
        torch.cuda.empty_cache()

    def _finish(
        self, gif: SampledGif, rows: dict[bytes, int], vectors: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        features = vectors[[rows[gif.digests[position]] for position in gif.order]]
        if self.recipe.encoding == "sinusoidal":
            features = features + sinusoidal_encoding(*features.shape)
        return features


def extract_features(
    source: GifSource,
    *,
    weights: str = "imagenet1k-v1",
    num_frames: int = 16,
    sampling: Sampling = "uniform",
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
        encoding=encoding,
        device=device,
    )
    return extractor.encode([extractor.sample(source)])[0]
