"""What Python users hand to a captioner: paths, URLs, bytes, open files, pictures, arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig
from gifdesc.data.arguments import is_url, read_url
from gifdesc.errors import GifError
from gifdesc.gif.limits import MAX_FRAMES, check_canvas, check_frames
from gifdesc.gif.sources import FRAME_DURATION_MS, CaptionInput, GifSource, as_input

if TYPE_CHECKING:
    from PIL.Image import Image

    AnySource = GifSource | CaptionInput | BinaryIO | Image | Sequence[Image]
else:
    AnySource = Any

_A_GIF_IS = "a GIF is a path, a URL, bytes, an open file, a picture of Pillow, or uint8 frames"
_SINGLE = (str, bytes, bytearray, Path, np.ndarray, CaptionInput)


def to_input(source: AnySource) -> CaptionInput:
    """A GIF to caption, of anything that can be one.

    Args:
        source: a path or a URL (downloaded now; a private address is allowed, as on the command
            line), the bytes of a file, an open binary file or `BytesIO`; uint8 frames (T, height,
            width, 3 or 4), one frame (height, width, 3 or 4), or frames with their durations in
            milliseconds; a picture of Pillow with all its frames, or a list of such pictures, a
            frame each.

    Raises:
        TypeError, ValueError: it can be none.
    """
    given: Any = source
    if isinstance(given, CaptionInput):
        return given
    if isinstance(given, str) and is_url(given):
        file = read_url(given, is_typed=True)
        return CaptionInput(given, file.spooled_path or file.data, file.error)
    if isinstance(given, (bytearray, memoryview)):
        given = bytes(given)
    elif hasattr(given, "read"):
        data = given.read()
        if not isinstance(data, bytes):
            raise TypeError("a file must be opened in binary mode, such as open(path, 'rb')")
        return CaptionInput(str(getattr(given, "name", "these bytes")), data)
    elif _is_picture(given):
        given = _of_picture(given)
    elif isinstance(given, list) and given and all(map(_is_picture, given)):
        given = _over_white(np.stack([np.asarray(each.convert("RGBA")) for each in given]))
    elif isinstance(given, np.ndarray):
        given = _frames_of(given)
    elif _is_pair(given):
        given = (_frames_of(given[0]), given[1])
    if not isinstance(given, (str, Path, bytes, np.ndarray, tuple)):
        raise TypeError(f"{_A_GIF_IS}, not {type(given).__name__}")
    return as_input(given)


def input_or_error(source: AnySource) -> CaptionInput:
    """The same; a GIF that cannot be had is an error, for it is the only one.

    Raises:
        GifError: a URL cannot be downloaded.
        TypeError, ValueError: as `to_input`.
    """
    given = to_input(source)
    if given.error is not None:
        raise GifError(f"{given.name}: {given.error}")
    return given


@contextmanager
def naming(given: CaptionInput) -> Iterator[None]:
    """Begin the message of an error within the block with the name of the GIF."""
    try:
        yield
    except GifError as error:
        if given.data is None:
            raise
        raise GifError(f"{given.name}: {given.reason(error)}") from error


def check_several(sources: object) -> None:
    """Refuse a single GIF where several are wanted: a string is a sequence too.

    Raises:
        TypeError: it is one GIF.
    """
    if isinstance(sources, _SINGLE) or hasattr(sources, "read") or _is_picture(sources):
        raise TypeError("caption_many takes several GIFs, such as a list; for one, use caption")


class CallableCaptioner(ABC):
    """Makes a captioner a function: a GIF gives its caption, several give a list."""

    @abstractmethod
    def caption(self, source: AnySource, config: DecodingConfig | None = None) -> Caption:
        """Caption one GIF."""

    @abstractmethod
    def caption_many(
        self, sources: Iterable[AnySource], config: DecodingConfig | None = None
    ) -> Iterator[Caption]:
        """Caption many GIFs, in order."""

    def __call__(
        self,
        sources: AnySource | Iterable[AnySource],
        config: DecodingConfig | None = None,
        *,
        progress: bool = False,
    ) -> Caption | list[Caption]:
        """The caption of a GIF, or a list of captions for a list or another iterable of GIFs.

        Args:
            sources: one GIF (see `to_input`), or several. A tuple of frames and durations is one.
            config: how captions are searched for.
            progress: show a bar on the terminal or in the notebook.

        Raises:
            GifdescError: the only GIF has no caption. Of several, such a GIF has an `error`.
        """
        if config is not None and not isinstance(config, DecodingConfig):
            raise TypeError(
                f"config is a DecodingConfig, not {type(config).__name__}; several GIFs are a list"
            )
        if isinstance(sources, Mapping) or not (
            _is_single(sources) or isinstance(sources, Iterable)
        ):
            raise TypeError(f"{_A_GIF_IS}, not {type(sources).__name__}")
        if _is_single(sources):
            return self.caption(cast("AnySource", sources), config)
        several = list(cast("Iterable[AnySource]", sources))
        captions = self.caption_many(several, config)
        if not progress:
            return list(captions)
        from rich.console import Console
        from rich.progress import track

        stderr = Console(stderr=True)
        return list(track(captions, "captioning", total=len(several), console=stderr))


def _is_single(source: object) -> bool:
    return (
        _is_pair(source)
        or isinstance(source, (*_SINGLE, memoryview))
        or hasattr(source, "read")
        or _is_picture(source)
    )


def _is_pair(source: object) -> bool:
    """Whether it is frames with their durations."""
    return isinstance(source, tuple) and len(source) == 2 and isinstance(source[0], np.ndarray)


def _is_picture(source: object) -> bool:
    """Whether it is a picture of Pillow, which need not be loaded for the answer."""
    return any(each.__module__ == "PIL.Image" for each in type(source).__mro__)


def _of_picture(picture: Any) -> GifSource:
    """The frames of a picture of Pillow; an unchanged GIF file is read as a file."""
    from PIL import ImageSequence

    filename = getattr(picture, "filename", "")
    # Only a picture that is not loaded yet cannot have been changed.
    if getattr(picture, "tile", None) and isinstance(filename, str) and Path(filename).is_file():
        return filename
    num_frames = getattr(picture, "n_frames", 1)
    check_canvas(picture.width, picture.height, "this picture")
    if num_frames > MAX_FRAMES:
        raise GifError(f"this picture: too many frames ({num_frames}; the limit is {MAX_FRAMES})")
    num_bytes = 3 * num_frames * picture.width * picture.height
    check_frames(num_frames, num_bytes, "this picture")
    frames, durations_ms = [], []
    for frame in ImageSequence.Iterator(picture):
        frames.append(np.asarray(frame.convert("RGBA")))
        durations_ms.append(int(frame.info.get("duration", 0)) or FRAME_DURATION_MS)
    return _over_white(np.stack(frames)), durations_ms


def _frames_of(frames: Any) -> Any:
    """Frames (T, height, width, 3) of an array that may have one frame, or transparency."""
    if frames.ndim == 3:
        frames = frames[None]
    return _over_white(frames) if frames.ndim == 4 and frames.shape[3] == 4 else frames


def _over_white(frames: Any) -> Any:
    """Frames (T, height, width, 4) as a white page shows them, uint8 (T, height, width, 3)."""
    if frames.dtype != np.uint8:
        raise ValueError(f"frames are uint8, not {frames.dtype}")
    opacity = frames[..., 3:].astype(np.float32) / 255
    blended = frames[..., :3] * opacity + 255 * (1 - opacity)
    return np.rint(blended).astype(np.uint8)
