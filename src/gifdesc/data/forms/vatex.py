"""VATEX: a JSON list of videos, each with captions in English and in Chinese.

Format: https://eric-xw.github.io/vatex-website/download.html, such as `vatex_training_v1.0.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource
from gifdesc.data.forms.documents import has_key, with_problem
from gifdesc.data.forms.rows import caption_line, id_text

Key = Literal["enCap", "chCap"]
_LANGUAGES: dict[Key, str] = {"enCap": "English", "chCap": "Chinese"}


def _recognises(source: CaptionSource, key: Key, without: Key | None = None) -> bool:
    videos = source.document
    if not isinstance(videos, list) or not has_key(videos, "videoID"):
        return False
    return has_key(videos, key) and (without is None or not has_key(videos, without))


def _read(source: CaptionSource, key: Key, other: Key) -> Iterator[CaptionLine]:
    videos = source.document if isinstance(source.document, list) else []
    for number, video in enumerate(videos, start=1):
        line = CaptionLine(number, unit="video")
        if not isinstance(video, dict) or not (name := id_text(video.get("videoID"))):
            yield with_problem(line, f"needs `videoID` and `{key}`")
            continue
        line = CaptionLine(number, name, unit="video")
        yield caption_line(line, video.get(key), key)
        if isinstance(others := video.get(other), list) and others:
            left_out = f"in {_LANGUAGES[other]}"
            captions = ("",) * len(others)
            yield CaptionLine(number, name, captions, left_out=left_out, unit="video")


def _form(
    name: Literal["vatex", "vatex-chinese"],
    title: str,
    recognises: Callable[[CaptionSource], bool],
    key: Key,
    other: Key,
) -> CaptionForm:
    read = partial(_read, key=key, other=other)
    return CaptionForm(name=name, title=title, recognises=recognises, read=read)


VATEX = _form("vatex", "VATEX", partial(_recognises, key="enCap"), "enCap", "chCap")
VATEX_CHINESE = _form(
    "vatex-chinese",
    "VATEX in Chinese",
    # A file with both languages is read in English, unless the option names this form.
    partial(_recognises, key="chCap", without="enCap"),
    "chCap",
    "enCap",
)
