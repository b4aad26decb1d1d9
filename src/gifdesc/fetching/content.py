"""What a downloaded file is, by its content."""

from __future__ import annotations

from dataclasses import dataclass

from gifdesc.data.downloads import describe_document
from gifdesc.errors import GifError
from gifdesc.fetching.manifest import FetchStatus
from gifdesc.gif.reader import STILL_NOTE, scan_gif
from gifdesc.gif.sniff import describe_beginning, is_media

_ENDINGS = {
    "a PNG": ".png",
    "a JPEG": ".jpg",
    "a WebP": ".webp",
    "an AVIF": ".avif",
    "an MP4 video": ".mp4",
    "a QuickTime video": ".mov",
    "a WebM video": ".webm",
    "a Matroska video": ".mkv",
    "an AVI video": ".avi",
}
"""Kind of a file -> the ending of its name."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a file is.

    Attributes:
        status: as in the manifest.
        error: the reason for a status other than `ok`.
        num_frames: usable frames; None if there are none.
        ending: of a name for the file.
    """

    status: FetchStatus
    error: str | None = None
    num_frames: int | None = None
    ending: str = ""


def judge(data: bytes) -> Judgement:
    """Whether the bytes of a file are a moving picture."""
    if not data:
        return Judgement(status="refused", error="an empty file")
    kind = describe_beginning(data)
    ending = ".gif" if data.startswith(b"GIF8") else _ENDINGS.get(kind or "", "")
    try:
        info = scan_gif(data, name="file")
    except GifError as error:
        reason = str(error).removeprefix("file: ")
        if not is_media(data) and (document := describe_document(data)):
            reason = f"neither a picture nor a video, but {document}"
        return Judgement(status="refused", error=reason)
    if info.num_frames == 1:
        reason = info.truncated or STILL_NOTE
        return Judgement(status="still", error=reason, num_frames=1, ending=ending)
    return Judgement(
        status="truncated" if info.truncated else "ok",
        error=info.truncated,
        num_frames=info.num_frames,
        ending=ending,
    )
