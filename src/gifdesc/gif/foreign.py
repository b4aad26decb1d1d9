"""Read pictures in other formats through Pillow, as browsers show them.

Image hosts serve WebP, PNG and JPEG under .gif names. Such pictures are shown over white, rotated
by their EXIF data, and animations frame by frame.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import ExifTags, Image, ImageOps

from gifdesc.errors import GifError
from gifdesc.gif.canvas import BrokenFrameError, Frames
from gifdesc.gif.foreign_delays import frame_delays_ms, trim_to_whole_chunks
from gifdesc.gif.limits import MAX_DRAWN_PIXELS, MAX_FRAMES, Budget, BudgetSpentError, check_canvas
from gifdesc.gif.sniff import UNREAD_KINDS, describe_beginning, format_note

_FORMATS = {"a PNG": "PNG", "a JPEG": "JPEG", "a WebP": "WEBP", "an AVIF": "AVIF", "a BMP": "BMP"}
"""Formats that browsers show, as named by `describe_beginning` and by Pillow.

Other formats are not tried: Pillow runs external programs for some of them (EPS).
"""

_PILLOW_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""Exceptions of Pillow's readers for damaged files."""


_SIDEWAYS = (5, 6, 7, 8)
"""Orientations that exchange width and height (Exif 2.32, section 4.6.4, tag 274)."""


class ForeignImages:
    """A picture or an animation in another format than GIF.

    Attributes:
        width, height: the canvas in pixels.
        has_exact_times: whether the durations are meant literally, also those of 10 ms or less.
        durations_ms: the duration of each usable frame, as written in the file; 0 for a still
            picture.
        damage: why no later frame can be used, or None for a whole file.
        note: the format of a still picture, or of an animation under the name of another format,
            such as ``a WebP under a .gif name``; else None.
        colour_note: None; only videos are HDR.
    """

    has_exact_times = False
    colour_note: str | None = None

    def __init__(self, data: bytes, name: str) -> None:
        """Read the properties of the frames; only the first frame of a PNG is decoded.

        Args:
            data: the whole file.
            name: the name of the file in error messages.

        Raises:
            GifError: the file is no picture, has no usable frame, or is too large.
        """
        kind = describe_beginning(data)
        if kind is None:
            raise GifError(f"{name}: neither a GIF nor another known format")
        if kind in UNREAD_KINDS:
            raise GifError(f"{name}: {kind}, which is not read; convert it, for example to MP4")
        if kind not in _FORMATS:
            raise GifError(f"{name}: not a GIF (it starts like {kind})")
        self._data = trim_to_whole_chunks(data) if kind == "a WebP" else data
        self._is_cut = self._data is not data
        self._name = name
        self._kind = kind
        self._format = _FORMATS[kind]
        self.damage: str | None = None
        self._budget: Budget | None = Budget()
        self._num_affordable: int | None = None
        try:
            with self._opened() as picture, _bombs_are_errors():
                check_canvas(*picture.size, name)
                # An APNG may begin with a fallback picture for programs without animations.
                self._first_index = int(getattr(picture, "default_image", False))
                num_frames = _num_frames(picture) - self._first_index
                self._is_turned, self.width, self.height = _turned_size(picture)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise GifError(f"{name}: too large ({kind} of more than 89 megapixels)") from error
        except _PILLOW_ERRORS as error:
            raise self._nothing_usable() from error
        self.durations_ms = self._read_durations(num_frames)
        moves = num_frames + self._first_index > 1
        kind = "an APNG" if kind == "a PNG" and moves else kind
        self.note = format_note(kind, name, moves=moves)

    def _read_durations(self, num_frames: int) -> tuple[int, ...]:
        """The delays of the usable frames; records why there are no more."""
        pixels = max(1, self.width * self.height)
        max_frames = max(1, min(MAX_FRAMES, MAX_DRAWN_PIXELS // pixels))
        if num_frames > max_frames:
            limit = f"{MAX_FRAMES} images"
            if max_frames < MAX_FRAMES:
                limit = f"{MAX_DRAWN_PIXELS // 10**6} megapixels in all"
            self.damage = f"it has more than {limit}"
            num_frames = max_frames
        delays_ms = frame_delays_ms(self._data, self._format, num_frames)
        if self._format == "PNG" and 0 < len(delays_ms) < num_frames:
            self.damage = f"frame {len(delays_ms) + 1} is damaged"
            num_frames = len(delays_ms)
        if self.damage is None and self._is_cut:
            self.damage = f"it ends inside frame {num_frames + 1}"
        return (*delays_ms, *[0] * num_frames)[:num_frames]

    def frames(self, wanted: Sequence[int]) -> Iterator[Frames]:
        """Decode frames.

        Args:
            wanted: ascending frame indices, each once.

        Yields:
            For each, uint8 (height, width, 3): RGB over white.

        Raises:
            BrokenFrameError: A frame that is needed is damaged.
        """
        num_drawn = 0
        with self._opened() as picture:
            for index in wanted:
                try:
                    with _bombs_are_errors():
                        for number in range(num_drawn, index + 1):
                            self._spend(number)
                            picture.seek(number + self._first_index)
                            picture.load()  # otherwise all frames would be drawn at the last one
                        num_drawn = index + 1
                        frame = _over_white(picture, is_turned=self._is_turned)
                except _PILLOW_ERRORS as error:
                    raise BrokenFrameError(f"frame {index}: {error}") from error
                yield frame

    def count_equal_frames(self) -> int:
        """The number of frames, from the first one, that are equal to it.

        Raises:
            BrokenFrameError: as `frames`; the frames before are equal.
        """
        first: Frames | None = None
        for index, frame in enumerate(self.frames(range(len(self.durations_ms)))):
            first = frame if first is None else first
            if not np.array_equal(frame, first):
                return index
        return len(self.durations_ms)

    def _spend(self, index: int) -> None:
        """Spend the cost of drawing a frame.

        Raises:
            BrokenFrameError: the budget is spent; the frames before are usable.
        """
        if self._budget is None or index == 0:
            return
        try:
            self._budget.spend(self.width * self.height)
        except BudgetSpentError as error:
            self._num_affordable = index
            raise BrokenFrameError(f"frame {index}: too much to draw") from error

    def cut(self) -> None:
        """Keep the frames before the first damaged one.

        Raises:
            GifError: there is no good frame.
        """
        if self._num_affordable is None:
            self._find_damage()
        if self._num_affordable is not None:
            self.durations_ms = self.durations_ms[: self._num_affordable]
            self.damage = f"drawing more than {self._num_affordable} of its frames takes too long"
        self._budget = None  # the cost of the rest was spent already

    def _find_damage(self) -> None:
        """Cut before the first damaged frame, or record how many frames the budget allows."""
        self._budget = Budget()
        num_good = 0
        try:
            for _ in self.frames(range(len(self.durations_ms))):
                num_good += 1
        except BrokenFrameError as error:
            if self._num_affordable is not None:
                return
            if num_good == 0:
                raise self._nothing_usable() from error
            self.durations_ms = self.durations_ms[:num_good]
            self.damage = f"frame {num_good + 1} is damaged"

    def _nothing_usable(self) -> GifError:
        return GifError(f"{self._name}: not a GIF but {self._kind}, and damaged")

    def _opened(self) -> Image.Image:
        with _bombs_are_errors():
            return Image.open(io.BytesIO(self._data), formats=[self._format])


@contextmanager
def _bombs_are_errors() -> Iterator[None]:
    """Turn Pillow's warning about huge pictures into an error; ignore its other warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _num_frames(picture: Image.Image) -> int:
    """The number of frames; 1 for a JPEG with several pictures."""
    if picture.format not in ("PNG", "WEBP", "AVIF"):
        return 1
    return int(getattr(picture, "n_frames", 1))


def _turned_size(picture: Image.Image) -> tuple[bool, int, int]:
    """Whether the EXIF data rotates or mirrors the picture, and its width and height then."""
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, struct.error, TypeError):  # invalid EXIF data is ignored
        orientation = 1
    width, height = picture.size
    if orientation in _SIDEWAYS:
        width, height = height, width
    return orientation != 1, width, height


def _over_white(picture: Image.Image, *, is_turned: bool) -> Frames:
    """RGB over white, rotated by the EXIF data: uint8 (height, width, 3)."""
    turned = ImageOps.exif_transpose(picture) if is_turned else picture
    if turned.has_transparency_data:
        white = Image.new("RGBA", turned.size, "white")
        turned = Image.alpha_composite(white, turned.convert("RGBA"))
    return np.array(turned.convert("RGB"))  # a copy: PyTorch warns about read-only arrays
