"""One GIF to feature vectors: decode, sample, preprocess, forward, encode the position.

`sample_gif` is a plain function that needs no network, so that other processes can run it;
`FeatureExtractor` holds the network. `extract` and `caption` both go this way.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gifdesc import __version__
from gifdesc.backbone import Backbone, FrameEncoder, load_backbone
from gifdesc.config import Encoding, FeatureRecipe, Sampling
from gifdesc.device import resolve_device
from gifdesc.errors import CheckpointError
from gifdesc.gif import load_bytes, read_gif
from gifdesc.positional import sinusoidal_encoding
from gifdesc.preprocessing import FrameTransform
from gifdesc.sampling import sampler

log = logging.getLogger(__name__)

BATCH_FRAMES = 64
"""Distinct frames that go through the network at once."""


@dataclass(frozen=True)
class SampledGif:
    """The sampled frames of one GIF, ready for the network.

    Attributes:
        pixels: uint8 (U, 3, h, w), the distinct frames.
        digests: U digests of those frames as decoded: equal frames have equal ones.
        order: T positions in `pixels`, one per sampled frame.
        sampled_frames: T indices into the file's frames.
        durations_ms: display time of each frame of the file.
        truncated: why only a beginning was used, None for a whole file.
        note: anything else worth saying about the file.
        size_bytes: of the file.
        sha256: of the file's bytes.
    """

    pixels: Tensor
    digests: tuple[bytes, ...]
    order: tuple[int, ...]
    sampled_frames: tuple[int, ...]
    durations_ms: tuple[int, ...]
    truncated: str | None
    note: str | None
    size_bytes: int
    sha256: str


def sample_gif(path: Path, recipe: FeatureRecipe, transform: FrameTransform) -> SampledGif:
    """Decode, sample and preprocess one GIF; frames that are equal are kept once.

    Raises:
        GifError: the file gives no frame.
    """
    data = load_bytes(path)
    reducer = _Reducer(transform)
    pick = sampler(recipe.sampling, recipe.num_frames)
    gif = read_gif(data, pick, name=str(path), reduce=reducer)
    # A damaged file is read a second time, shorter: the last frames seen are those returned. A
    # frame that is sampled repeatedly is drawn, and so seen, once.
    drawn = sorted(set(gif.indices))
    digest_of = dict(zip(drawn, reducer.digests[-len(drawn) :], strict=True))
    positions: dict[bytes, int] = {}
    distinct: list[int] = []
    order: list[int] = []
    for position, index in enumerate(gif.indices):
        digest = digest_of[index]
        if digest not in positions:
            positions[digest] = len(distinct)
            distinct.append(position)
        order.append(positions[digest])
    return SampledGif(
        pixels=torch.from_numpy(gif.frames[distinct]).permute(0, 3, 1, 2),
        digests=tuple(positions),
        order=tuple(order),
        sampled_frames=gif.indices,
        durations_ms=gif.durations_ms,
        truncated=gif.truncated,
        note=gif.note,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


class FeatureExtractor:
    """GIFs to feature vectors by one recipe, on one device."""

    def __init__(self, backbone: Backbone, recipe: FeatureRecipe, device: torch.device) -> None:
        self.recipe = recipe
        self.transform = backbone.transform
        self._encoder = FrameEncoder(backbone, device)

    @classmethod
    def create(
        cls,
        *,
        weights: str = "imagenet1k-v1",
        num_frames: int = 16,
        sampling: Sampling = "uniform",
        encoding: Encoding = "sinusoidal",
        device: str = "auto",
    ) -> FeatureExtractor:
        """An extractor from the options that a user gives.

        Args:
            weights: see `backbone.load_backbone`.
            num_frames: the most frames sampled from a GIF.
            sampling: how they are picked.
            encoding: what is added for a frame's position.
            device: see `device.resolve_device`.

        Raises:
            UsageError: there is no such device.
            WeightsError: the weights cannot be had.
        """
        torch_device = resolve_device(device)
        backbone = load_backbone(weights)
        recipe = FeatureRecipe(
            # A file is told apart by its hash: its path means nothing on another machine.
            weights=Path(weights).name,
            weights_sha256=backbone.weights_sha256,
            num_frames=num_frames,
            sampling=sampling,
            image_size=backbone.transform.image_size,
            resize_size=backbone.transform.resize_size,
            encoding=encoding,
            gifdesc_version=__version__,
        )
        return cls(backbone, recipe, torch_device)

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
        return cls(backbone, recipe, torch_device)

    def sample(self, path: Path) -> SampledGif:
        """Decode, sample and preprocess one GIF; see `sample_gif`."""
        return sample_gif(path, self.recipe, self.transform)

    def encode(self, gifs: Sequence[SampledGif]) -> list[npt.NDArray[np.float32]]:
        """Feature vectors of several GIFs' frames, each distinct frame computed once.

        Returns:
            float32 (T, 2048) per GIF, the positional encoding added if the recipe has one.
        """
        rows: dict[bytes, int] = {}
        pixels: list[Tensor] = []
        for gif in gifs:
            for digest, frame in zip(gif.digests, gif.pixels, strict=True):
                if digest not in rows:
                    rows[digest] = len(pixels)
                    pixels.append(frame)
        if not pixels:
            return []
        batches = torch.split(torch.stack(pixels), BATCH_FRAMES)
        vectors = torch.cat([self._encoder(batch) for batch in batches]).numpy()
        return [self._finish(gif, rows, vectors) for gif in gifs]

    def _finish(
        self, gif: SampledGif, rows: dict[bytes, int], vectors: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        features = vectors[[rows[gif.digests[position]] for position in gif.order]]
        if self.recipe.encoding == "sinusoidal":
            features = features + sinusoidal_encoding(*features.shape)
        return features


def extract_features(
    path: Path | str,
    *,
    weights: str = "imagenet1k-v1",
    num_frames: int = 16,
    sampling: Sampling = "uniform",
    encoding: Encoding = "sinusoidal",
    device: str = "auto",
) -> npt.NDArray[np.float32]:
    """The features of one GIF.

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
    return extractor.encode([extractor.sample(Path(path))])[0]


class _Reducer:
    """Preprocesses each frame as it is drawn: a large canvas is never held more than once.

    A frame equal to an earlier one is not preprocessed again.
    """

    def __init__(self, transform: FrameTransform) -> None:
        self.digests: list[bytes] = []
        self._transform = transform
        self._reduced: dict[bytes, npt.NDArray[np.uint8]] = {}

    def __call__(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """uint8 (height, width, 3) -> uint8 (image_size, image_size, 3)."""
        # Equal bytes of another shape are another picture.
        shape = b"".join(size.to_bytes(4, "little") for size in frame.shape[:2])
        digest = hashlib.blake2b(frame.data, digest_size=16, salt=shape).digest()
        self.digests.append(digest)
        if digest not in self._reduced:
            pixels = self._transform(frame[None])[0]
            self._reduced[digest] = pixels.permute(1, 2, 0).numpy()
        return self._reduced[digest]
