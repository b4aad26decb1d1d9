"""GIFs to feature vectors: sample, preprocess, forward in batches of frames, encode the position.

`FeatureExtractor` holds the network; `extract` and `caption` both go this way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gifdesc.config import Encoding, FeatureRecipe, Framing, Precision, Sampling
from gifdesc.errors import CheckpointError, WeightsError
from gifdesc.features.backbone import WEIGHT_NAMES, Backbone, load_backbone
from gifdesc.features.encoder import FrameEncoder, RuntimeName, make_encoder
from gifdesc.features.frames import SampledGif, sample_source
from gifdesc.gif.sources import GifSource
from gifdesc.positional import sinusoidal_encoding
from gifdesc.system.device import BatchLimit, resolve_device
from gifdesc.version import __version__

NOT_FINITE = (
    "the network gave numbers that are not finite (NaN, infinity); try --precision float32, or "
    "other weights"
)
"""Why a GIF has no features although its frames are good: 16-bit floats overflow, for one."""


class FeatureExtractor:
    """GIFs to feature vectors by one recipe, on one device.

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
        self.transform = backbone.transform.framed(recipe.framing)
        self._batches = FrameBatches(encoder)

    @property
    def batch_frames(self) -> int:
        """Frames that go through the network at once."""
        return self._batches.limit.size

    @batch_frames.setter
    def batch_frames(self, number: int) -> None:
        self._batches.limit.size = number

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
            runtime: see `features.encoder.make_encoder`.
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
        return cls(backbone, recipe, encoder, torch_device.type)

    @classmethod
    def for_recipe(
        cls,
        recipe: FeatureRecipe,
        *,
        weights: str | None = None,
        device: str | torch.device = "auto",
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
        return cls(backbone, recipe, encoder, torch_device.type)

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


_Frame = npt.NDArray[np.uint8]
_Vectors = npt.NDArray[np.float32]

MAX_RECENT_FRAMES = 2048
"""Frames whose vectors are kept at hand, for GIFs to come that hold them too: 16 MB."""


class FrameBatches:
    """An encoder that is given frames as they come.

    Attributes:
        limit: frames that go through the network at once.
    """

    def __init__(self, encoder: FrameEncoder) -> None:
        self.limit = BatchLimit("frame", "choose another --device", size=encoder.batch_frames)
        self._encoder = encoder
        # By a frame's digest: the vectors that it was computed with, and its row there.
        self._recent: dict[bytes, tuple[_Once, int]] = {}

    def submit(self, frames: Mapping[bytes, _Frame]) -> Callable[[], dict[bytes, _Vectors]]:
        """Start computing; frames that were computed lately are not computed again.

        Args:
            frames: uint8 (3, h, w) by digest.

        Returns:
            A call that waits, and gives the vector (2048,) of each digest.
        """
        new = {digest: frame for digest, frame in frames.items() if digest not in self._recent}
        waits = self._submit_batches(list(new.values()))
        vectors = _Once(lambda: np.concatenate([wait() for wait in waits]))
        self._recent.update({digest: (vectors, row) for row, digest in enumerate(new)})
        places = {digest: self._recent[digest] for digest in frames}
        while len(self._recent) > MAX_RECENT_FRAMES:
            del self._recent[next(iter(self._recent))]

        def finish() -> dict[bytes, _Vectors]:
            try:
                return {digest: vectors()[row] for digest, (vectors, row) in places.items()}
            except BaseException:
                self._recent.clear()  # a later GIF must not wait for what never comes
                raise

        return finish

    def cancel(self) -> None:
        """Drop what was submitted: nobody waits for it any more. Other frames may follow."""
        self._encoder.cancel()
        self._recent.clear()

    def _submit_batches(self, frames: Sequence[_Frame]) -> list[Callable[[], _Vectors]]:
        waits = []
        first = 0
        while first < len(frames):
            batch = frames[first : first + self.limit.size]
            first += len(batch)
            waits.append(self._submit_batch(batch))
        return waits

    def _submit_batch(self, batch: Sequence[_Frame]) -> Callable[[], _Vectors]:
        """Start one batch; if memory runs out, now or while it computes, smaller ones."""

        def submit() -> Callable[[], _Vectors]:
            # Stacked as they lie in memory, channels last, which the network reads as they are.
            stacked = np.stack([frame.transpose(1, 2, 0) for frame in batch])
            return self._encoder.submit(stacked.transpose(0, 3, 1, 2))

        wait = self.limit.attempt(submit, len(batch))
        if wait is None:
            waits = self._submit_batches(batch)
            return lambda: np.concatenate([wait() for wait in waits])

        def finish() -> _Vectors:
            vectors = self.limit.attempt(wait, len(batch))
            if vectors is None:
                return np.concatenate([wait() for wait in self._submit_batches(batch)])
            return vectors

        return finish


class _Once:
    """What a call gives, asked for once; then the call and all that it holds may go."""

    def __init__(self, call: Callable[[], _Vectors]) -> None:
        self._call: Callable[[], _Vectors] | None = call

    def __call__(self) -> _Vectors:
        if self._call is not None:
            self._vectors = self._call()
            self._call = None
        return self._vectors
