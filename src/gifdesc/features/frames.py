"""Decode, sample and preprocess a GIF: the steps before the network.

These functions need no network, so threads and other processes can run them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gifdesc.config import FeatureRecipe
from gifdesc.errors import GifError
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.gif.limits import check_frames
from gifdesc.gif.reader import Gif, load_bytes, read_gif
from gifdesc.gif.sources import GifSource, read_source, source_name
from gifdesc.sampling import sampler

Pixels = npt.NDArray[np.uint8]
"""uint8 frames as the network reads them: (3, h, w) of a frame, (N, 3, h, w) of several."""

Vectors = npt.NDArray[np.float32]
"""float32 feature vectors: (D,) of a frame, (N, D) of several."""


@dataclass(frozen=True)
class FileIdentity:
    """The size of a file in bytes and its SHA-256: equal for equal content."""

    size_bytes: int
    sha256: str


class BrokenGifError(GifError):
    """A file that was read and has no frame that can be used.

    Attributes:
        identity: of the bytes that were read.
    """

    def __init__(self, message: str, identity: FileIdentity) -> None:
        super().__init__(
            message, identity
        )  # both, so that the error can be pickled between processes
        self.identity = identity

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class SampledGif:
    """The sampled frames of one GIF, ready for the network.

    Attributes:
        pixels: uint8 (U, 3, h, w), the distinct frames.
        digests: U digests of those frames as decoded; equal frames have equal digests.
        order: T positions in `pixels`, one per sampled frame.
        sampled_frames: T indices into the file's frames.
        durations_ms: display time of each frame of the file.
        truncated: why only the beginning was used, None for a whole file.
        note: anything else that is odd about the file.
        identity: of the file; of the sampled frames if there is no file.
    """

    pixels: npt.NDArray[np.uint8]
    digests: tuple[bytes, ...]
    order: tuple[int, ...]
    sampled_frames: tuple[int, ...]
    durations_ms: tuple[int, ...]
    truncated: str | None
    note: str | None
    identity: FileIdentity


def sample_gif(
    path: Path,
    recipe: FeatureRecipe,
    transform: FrameTransform,
    *,
    known: FileIdentity | None = None,
) -> SampledGif | None:
    """Decode, sample and preprocess one GIF; frames that are equal are kept once.

    The file is read once.

    Args:
        path: the file.
        recipe: the number of frames, and how they are chosen.
        transform: the preprocessing of the weights.
        known: the identity of the file in an earlier run.

    Returns:
        The frames, or None for an unchanged file.

    Raises:
        BrokenGifError: the file has no frame that can be used.
        GifError: the file cannot be read.
    """
    data = load_bytes(path)
    identity = FileIdentity(len(data), hashlib.sha256(data).hexdigest())
    if identity == known:
        return None
    reducer = _Reducer(transform, str(path))
    pick = sampler(recipe.sampling, recipe.num_frames)
    try:
        gif = read_gif(data, pick, name=str(path), reduce=reducer)
        return _to_sampled(gif, reducer, identity)
    except GifError as error:
        raise BrokenGifError(str(error), identity) from error


def sample_source(
    source: GifSource, recipe: FeatureRecipe, transform: FrameTransform
) -> SampledGif:
    """Sample and preprocess a GIF that may be a path, bytes or frames in memory.

    Raises:
        BrokenGifError: the file has no frame that can be used.
        GifError: the file cannot be read, or there is no frame.
        TypeError, ValueError: as `sources.read_source`.
    """
    if isinstance(source, (str, Path)):
        sampled = sample_gif(Path(source), recipe, transform)
        assert sampled is not None, "only a known file is skipped"
        return sampled
    reducer = _Reducer(transform, source_name(source))
    gif = read_source(source, sampler(recipe.sampling, recipe.num_frames), reducer)
    data = source if isinstance(source, bytes) else gif.frames.tobytes()
    identity = FileIdentity(len(data), hashlib.sha256(data).hexdigest())
    return _to_sampled(gif, reducer, identity)


def _to_sampled(gif: Gif, reducer: _Reducer, identity: FileIdentity) -> SampledGif:
    # A damaged file is read again without its damaged end: the last digests belong to the returned
    # frames. A frame that is sampled repeatedly is drawn, and digested, once.
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
    frames = gif.frames if len(distinct) == len(gif.frames) else gif.frames[distinct]
    frames = reducer.finish(frames)
    return SampledGif(
        pixels=frames.transpose(0, 3, 1, 2),
        digests=tuple(positions),
        order=tuple(order),
        sampled_frames=gif.indices,
        durations_ms=gif.durations_ms,
        truncated=gif.truncated,
        note=gif.note,
        identity=identity,
    )


class _Reducer:
    """Preprocesses each frame as it is drawn, so that only one large canvas is in memory.

    A frame equal to an earlier one is not preprocessed again. Frames that are no larger than the
    results wait, and are preprocessed together, which takes less time.
    """

    def __init__(self, transform: FrameTransform, name: str) -> None:
        self.digests: list[bytes] = []
        self._name = name
        self._transform = transform
        self._num_bytes = 3 * transform.image_size**2  # of a result
        self._reduced: dict[bytes, npt.NDArray[np.uint8]] = {}

    def __call__(self, frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """uint8 (height, width, 3) -> uint8 (image_size, image_size, 3); a small frame as it is."""
        # Equal bytes with another shape are another picture.
        hasher = hashlib.sha256(repr(frame.shape).encode())
        hasher.update(frame.data)
        digest = hasher.digest()
        self.digests.append(digest)
        if self._waits(frame):
            return frame
        if digest not in self._reduced:
            self._reduced[digest] = self._reduce(frame.reshape(1, *frame.shape))[0]
        return self._reduced[digest]

    def finish(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The frames (T, ...) of earlier calls, those that waited preprocessed.

        Raises:
            GifError: they would fill more memory than a GIF may.
        """
        if not self._waits(frames[0]):
            return frames
        check_frames(len(frames), len(frames) * self._num_bytes, self._name)
        # The strides of `frame[None]` would hide from PyTorch that channels are last.
        return self._reduce(frames.reshape(-1).reshape(frames.shape))

    def _waits(self, frame: npt.NDArray[np.uint8]) -> bool:
        return frame.nbytes < self._num_bytes

    def _reduce(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """uint8 (T, height, width, 3) -> uint8 (T, image_size, image_size, 3)."""
        pixels: npt.NDArray[np.uint8] = self._transform(frames).permute(0, 2, 3, 1).numpy()
        return pixels
