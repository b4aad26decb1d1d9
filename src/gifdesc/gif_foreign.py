"""Pictures under a .gif name that are no GIF, read as what they are through Pillow.

Image hosts hand out WebP, PNG and JPEG under .gif names. They are shown as browsers show
them: over white, turned as their EXIF data says, animations frame by frame.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from gifdesc.errors import GifError
from gifdesc.gif_canvas import Frame
from gifdesc.gif_limits import MAX_FRAMES, check_canvas
from gifdesc.gif_sniff import describe_beginning

_FORMATS = {"a PNG": "PNG", "a JPEG": "JPEG", "a WebP": "WEBP", "an AVIF": "AVIF", "a BMP": "BMP"}
"""What browsers show as pictures, as `describe_beginning` names it, and Pillow's name for it.

No others are tried: Pillow hands some formats (EPS) to outside programs.
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
"""What Pillow's readers raise on damaged files."""


class ForeignImages:
    """A picture or an animation that is no GIF.

    Attributes:
        width, height: The canvas in pixels.
        durations_ms: How long each usable frame is shown, as written in the file; 0 for a
            still picture.
        damage: Why no later frame can be used, or None for a whole file.
        note: What it is, such as ``a WebP under a .gif name``.
    """

    def __init__(self, data: bytes, name: str) -> None:
        """Look at every frame once, for the delays and to see which can be decoded.

        Args:
            data: The whole file.
            name: What an error message calls the file.

        Raises:
            GifError: It is no picture, or gives no frame.
        """
        kind = describe_beginning(data)
        if kind is None:
            raise GifError(f"{name}: not a GIF, nor any picture that is known")
        if kind not in _FORMATS:
            raise GifError(f"{name}: not a GIF (it starts like {kind})")
        self._data = data
        self._format = _FORMATS[kind]
        self.damage: str | None = None
        durations_ms: list[int] = []
        try:
            with self._opened() as picture, _bombs_are_errors():
                check_canvas(*picture.size, name)
                num_frames = _num_frames(picture)
                if num_frames > MAX_FRAMES:
                    self.damage = f"it holds more than {MAX_FRAMES} images"
                for index in range(min(num_frames, MAX_FRAMES)):
                    picture.seek(index)
                    self.height, self.width, _ = _over_white(picture).shape
                    durations_ms.append(round(picture.info.get("duration") or 0))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise GifError(f"{name}: too large ({kind} of more than 89 megapixels)") from error
        except _PILLOW_ERRORS as error:
            if not durations_ms:
                raise GifError(f"{name}: not a GIF but {kind}, and damaged") from error
            self.damage = f"frame {len(durations_ms) + 1} is damaged"
        self.durations_ms = tuple(durations_ms)
        kind = "an APNG" if kind == "a PNG" and num_frames > 1 else kind
        has_gif_name = name.lower().endswith(".gif")
        self.note = f"{kind} under a .gif name" if has_gif_name else f"{kind}, not a GIF"

    def frames(self, wanted: Sequence[int]) -> Iterator[Frame]:
        """Decode frames.

        Args:
            wanted: Ascending frame indices, each once.

        Yields:
            For each, uint8 (height, width, 3): RGB over white.
        """
        with self._opened() as picture:
            for index in wanted:
                with _bombs_are_errors():
                    picture.seek(index)
                    frame = _over_white(picture)
                yield frame

    def cut(self) -> None:
        """Nothing to do: damage was looked for at the start."""

    def _opened(self) -> Image.Image:
        with _bombs_are_errors():
            return Image.open(io.BytesIO(self._data), formats=[self._format])


@contextmanager
def _bombs_are_errors() -> Iterator[None]:
    """Make Pillow's warning of huge pictures an error; keep its other warnings quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _num_frames(picture: Image.Image) -> int:
    """The number of frames; 1 for a JPEG that holds several pictures."""
    if picture.format not in ("PNG", "WEBP", "AVIF"):
        return 1
    return int(getattr(picture, "n_frames", 1))


def _over_white(picture: Image.Image) -> Frame:
    """RGB over white, turned as the EXIF data says: uint8 (height, width, 3)."""
    turned = ImageOps.exif_transpose(picture)
    if turned.has_transparency_data:
        white = Image.new("RGBA", turned.size, "white")
        turned = Image.alpha_composite(white, turned.convert("RGBA"))
    return np.array(turned.convert("RGB"))  # a copy: PyTorch warns of what it may not write
