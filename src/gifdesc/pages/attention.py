"""A caption as a picture: the frames in a row, and for each word the frames it attended to."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from gifdesc.captions import Word
from gifdesc.pages.pictures import Frames, fit_to_height, font, wrapped, write_lines
from gifdesc.pages.style import LIGHT

_MARGIN, _GAP, _LINE_HEIGHT, _ROW_HEIGHT = 14, 2, 22, 26  # pixels
_STRIP_WIDTH = 1040  # pixels that the frames share
_NARROWEST, _WIDEST = 52, 150  # pixels: of a frame's column
_WIDEST_WORD = 220  # pixels: of the column of words
_SMALL = 11  # pixels: the font of times and weights
_DARKEST = 0.75  # of the accent's colour, under the greatest weight: ink is still read on it


def attention_picture(
    frames: Frames, caption: str, words: Sequence[Word], times_ms: Sequence[int]
) -> Image.Image:
    """The frames side by side, their times, and a row of fields for each word.

    A field is darker the more the word attended to its frame, on one scale for all words. Words
    without weights have no row.

    Args:
        frames: uint8 (T, height, width, 3), T at least 1.
        caption: text of any length, above the frames.
        words: the caption word by word.
        times_ms: T times at which the frames come on screen.

    Returns:
        An RGB image on a white ground.

    Raises:
        ValueError: there is no frame, or not a time for each.
    """
    if len(frames) == 0 or len(times_ms) != len(frames):
        raise ValueError(f"{len(frames)} frames with {len(times_ms)} times cannot be drawn")
    shown = list(words) if attends(words, len(frames)) else []
    column = min(max(_STRIP_WIDTH // len(frames), _NARROWEST), _WIDEST)
    strip = _frame_row(frames, column)
    labels = [_shortened(word.word) for word in shown]
    left = _MARGIN + round(max([font().getlength(label) + 12 for label in labels], default=0))
    width = left + len(frames) * column + _MARGIN
    lines = wrapped(caption, width - 2 * _MARGIN) or ["(nothing)"]
    top = _MARGIN + len(lines) * _LINE_HEIGHT + 8
    height = top + strip.height + 20 + len(shown) * _ROW_HEIGHT + _MARGIN
    image = Image.new("RGB", (width, height), LIGHT.paper)
    pen = ImageDraw.Draw(image)
    write_lines(pen, lines, _MARGIN, _MARGIN, LIGHT.ink)
    image.paste(strip, (left, top))
    top += strip.height
    for place, time_ms in enumerate(times_ms):
        centre = left + place * column + column // 2
        pen.text((centre, top + 10), moment(time_ms), LIGHT.pale_ink, font(_SMALL), anchor="mm")
    top += 20
    greatest = max((max(word.frame_weights or (0.0,)) for word in shown), default=0.0)
    for label, word in zip(labels, shown, strict=True):
        pen.text((left - 8, top + _ROW_HEIGHT // 2), label, LIGHT.ink, font(), anchor="rm")
        _draw_fields(pen, word.frame_weights or (), greatest, (left, top), column)
        top += _ROW_HEIGHT
    return image


def stacked(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures one below the other, at the left, on a white ground."""
    width = max(picture.width for picture in pictures)
    size = (width, sum(picture.height for picture in pictures))
    image = Image.new("RGB", size, LIGHT.paper)
    top = 0
    for picture in pictures:
        image.paste(picture, (0, top))
        top += picture.height
    return image


def _frame_row(frames: Frames, column: int) -> Image.Image:
    width, height = frames.shape[2], frames.shape[1]
    # As high as a frame of the column's width is, between a third and twice of it.
    box_height = round(min(max(height / width, 1 / 3), 2.0) * (column - _GAP))
    fit = fit_to_height(width, height, box_height)
    row = Image.new("RGB", (len(frames) * column, box_height), LIGHT.paper)
    for place, frame in enumerate(np.asarray(frames)):
        picture = fit.place(Image.fromarray(frame))
        picture.thumbnail((column - _GAP, box_height))
        shift = (column - _GAP - picture.width) // 2, (box_height - picture.height) // 2
        row.paste(picture, (place * column + shift[0], shift[1]))
    return row


def _draw_fields(
    pen: ImageDraw.ImageDraw,
    weights: Sequence[float],
    greatest: float,
    corner: tuple[int, int],
    column: int,
) -> None:
    most = most_attended(weights)
    for place, weight in enumerate(weights):
        left, top = corner[0] + place * column, corner[1]
        box = (left, top, left + column - _GAP - 1, top + _ROW_HEIGHT - _GAP - 1)
        pen.rectangle(box, fill=_tint(weight / greatest if greatest > 0 else 0.0))
        if place in most:
            centre = (left + (column - _GAP) // 2, top + (_ROW_HEIGHT - _GAP) // 2)
            percent = f"{100 * weight:.0f} %"
            pen.text(centre, percent, LIGHT.ink, font(_SMALL), anchor="mm")


def _tint(share: float) -> tuple[int, ...]:
    """Between a card's colour and the accent's."""
    card, accent = ImageColor.getrgb(LIGHT.card), ImageColor.getrgb(LIGHT.accent)
    part = _DARKEST * share
    return tuple(
        round((1 - part) * pale + part * strong) for pale, strong in zip(card, accent, strict=True)
    )


def _shortened(word: str) -> str:
    """The first line of a word, and a sign that there is more."""
    first, *rest = wrapped(word, _WIDEST_WORD) or [""]
    return f"{first}…" if rest else first


_NUM_NAMED = 3  # frames that a sentence names


def attends(words: Sequence[Word], num_frames: int) -> bool:
    """Whether every word has a finite weight, 0 or more, for each of that many frames."""
    return bool(words) and all(
        word.frame_weights is not None
        and len(word.frame_weights) == num_frames
        and all(math.isfinite(weight) and weight >= 0 for weight in word.frame_weights)
        for word in words
    )


def most_attended(weights: Sequence[float]) -> list[int]:
    """The positions that a word attended to most, ascending; none if it attended to all alike.

    A weight counts if it is at least half of the greatest, and the greatest is more than 1.5
    times the mean.
    """
    greatest = max(weights, default=0.0)
    if len(weights) > 1 and greatest <= 1.5 * sum(weights) / len(weights):
        return []
    by_weight = sorted(range(len(weights)), key=lambda place: -weights[place])
    return sorted(place for place in by_weight[:_NUM_NAMED] if weights[place] >= greatest / 2)


def describe_attention(weights: Sequence[float], times_ms: Sequence[int]) -> str:
    """The frames that a word attended to: `62 % to frame 3 (0.40 s), 31 % to frame 4 (0.60 s)`.

    Frames are counted from 1 among those that were sampled.
    """
    most = most_attended(weights)
    if not most:
        return f"about equally to all {len(weights)} frames"
    return ", ".join(
        f"{100 * weights[place]:.0f} % to frame {place + 1} ({moment(times_ms[place])})"
        for place in most
    )


def probability(log_prob: float) -> str:
    """A log-probability as a percentage: `62 %`."""
    percent = 100 * math.exp(min(log_prob, 0.0))
    return "under 1 %" if percent < 1 else f"{percent:.0f} %"


def moment(time_ms: float) -> str:
    """A moment of a GIF, precise enough to distinguish frames: `0.04 s`, `12.3 s`."""
    return f"{time_ms / 1000:.2f} s" if time_ms < 10_000 else seconds(time_ms)


def seconds(time_ms: float) -> str:
    """A duration in seconds: `0.4 s`."""
    return f"{time_ms / 1000:.1f} s"
