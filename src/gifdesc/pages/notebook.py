"""A caption in a notebook: the frames that the model was shown, and what each word attended to."""

from __future__ import annotations

import base64
import io
import os
from html import escape
from pathlib import Path

from gifdesc.captions import Caption
from gifdesc.errors import GifdescError
from gifdesc.pages.attention import attention_picture, moment
from gifdesc.pages.filmstrips import read_small
from gifdesc.sampling import start_times_ms

_FRAME_HEIGHT = 96
"""In pixels, as on pages of explanations."""


def caption_html(caption: Caption) -> str:
    """A caption as HTML; with its frames if its file can be read, otherwise its words alone."""
    text = _escaped(caption.error or caption.caption or "")
    name = _escaped(caption.path)
    if caption.error is not None:
        return f"<p><b>{name}</b>: {text}</p>"
    picture = _picture(caption)
    body = _words(caption) if picture is None else f'<img alt="{text}" src="{picture}">'
    doubts = f"<p>low confidence: {escape('; '.join(caption.doubts))}</p>" if caption.doubts else ""
    return f"<div><p><b>{name}</b>: {text}</p>{body}{doubts}</div>"


def _escaped(text: str) -> str:
    """Text for HTML; bytes of a path that are no Unicode are shown as question marks."""
    return escape(text.encode("utf-8", "replace").decode("utf-8"))


def _picture(caption: Caption) -> str | None:
    """The picture of frames and words as a data URI; None if the file cannot be read (again)."""
    path = Path(caption.path)
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises at a path too long
        return None
    try:
        gif = read_small(path, tuple(caption.sampled_frames), _FRAME_HEIGHT)
    except GifdescError:
        return None
    times_ms = start_times_ms(gif.durations_ms, gif.indices)
    image = attention_picture(gif.frames, caption.caption or "", caption.words, times_ms)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _words(caption: Caption) -> str:
    cells = "".join(
        f"<td>{_escaped(word.word)}<br><small>"
        f"{'' if word.time_ms is None else moment(word.time_ms)}</small></td>"
        for word in caption.words
    )
    return f"<table><tr>{cells}</tr></table>"
