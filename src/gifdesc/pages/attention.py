"""A caption as a picture: the frames in a row, and for each word the frames it attended to."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from gifdesc.captions import Word
from gifdesc.pages.pictures import Frames, fit_to_height, font, wrapped, write_lines
from gifdesc.pages.style import LIGHT

FRAMES_IN_A_ROW = 8
"""Frames side by side; the others follow in rows below, so that each is large enough to see."""

LEAST_WEIGHT = 0.005
"""A smaller weight would be written as 0 %: its field stays empty."""

_MARGIN, _GAP, _LINE_HEIGHT, _ROW_HEIGHT = 14, 2, 22, 26  # pixels
_COLUMN = 126  # pixels: of a frame and the gap behind it
_TIME_HEIGHT, _BLOCK_GAP = 20, 14  # pixels: below the frames, and below a row's words
_WIDEST_WORD = 170  # pixels: of the column of words
_SMALL = 11  # pixels: the font of times and weights
_DARKEST = 0.75  # of the accent's colour, under the greatest weight: ink is still read on it


def greatest_weight(captions: Iterable[Sequence[Word]]) -> float:
    """The greatest finite weight of all words of some captions; 1 if there is none."""
    weights = (
        weight for words in captions for word in words for weight in word.frame_weights or ()
    )
    return max((weight for weight in weights if math.isfinite(weight)), default=0.0) or 1.0


def attention_picture(
    frames: Frames,
    caption: str,
    words: Sequence[Word],
    times_ms: Sequence[int],
    *,
    greatest: float | None = None,
) -> Image.Image:
    """The frames side by side, their times, and a row of fields for each word.

    A field is darker the more the word attended to its frame, on one scale for all words. Words
    without weights have no row. More than `FRAMES_IN_A_ROW` frames take several rows, each with
    all words.

    Args:
        frames: uint8 (T, height, width, 3), T at least 1.
        caption: text of any length, above the frames.
        words: the caption word by word.
        times_ms: T times at which the frames come on screen.
        greatest: the weight of the darkest fields; None for the greatest of these words.

    Returns:
        An RGB image on a white ground.

    Raises:
        ValueError: there is no frame, or not a time for each.
    """
    if len(frames) == 0 or len(times_ms) != len(frames):
        raise ValueError(f"{len(frames)} frames with {len(times_ms)} times cannot be drawn")
    shown = list(words) if attends(words, len(frames)) else []
    greatest = greatest or greatest_weight([shown])
    labels = [_shortened(word.word) for word in shown]
    left = _MARGIN + round(max([font().getlength(label) + 12 for label in labels], default=0))
    width = left + min(len(frames), FRAMES_IN_A_ROW) * _COLUMN + _MARGIN
    lines = wrapped(caption, width - 2 * _MARGIN) or ["(nothing)"]
    blocks = [
        slice(first, first + FRAMES_IN_A_ROW) for first in range(0, len(frames), FRAMES_IN_A_ROW)
    ]
    strips = [_frame_row(frames[block]) for block in blocks]
    block_height = strips[0].height + _TIME_HEIGHT + len(shown) * _ROW_HEIGHT
    top = _MARGIN + len(lines) * _LINE_HEIGHT + 8
    height = top + len(blocks) * (block_height + _BLOCK_GAP) - _BLOCK_GAP + _MARGIN
    image = Image.new("RGB", (width, height), LIGHT.paper)
    pen = ImageDraw.Draw(image)
    write_lines(pen, lines, _MARGIN, _MARGIN, LIGHT.ink)
    for block, strip in zip(blocks, strips, strict=True):
        image.paste(strip, (left, top))
        place_top = top + strip.height
        for place, time_ms in enumerate(times_ms[block]):
            centre = left + place * _COLUMN + (_COLUMN - _GAP) // 2, place_top + 10
            pen.text(centre, moment(time_ms), LIGHT.pale_ink, font(_SMALL), anchor="mm")
        place_top += _TIME_HEIGHT
        for label, word in zip(labels, shown, strict=True):
            middle = place_top + _ROW_HEIGHT // 2
            pen.text((left - 8, middle), label, LIGHT.ink, font(), anchor="rm")
            weights = word.frame_weights or ()
            most = {place - block.start for place in most_attended(weights)}
            _draw_fields(pen, weights[block], most, greatest, (left, place_top))
            place_top += _ROW_HEIGHT
        top += block_height + _BLOCK_GAP
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


def _frame_row(frames: Frames) -> Image.Image:
    width, height = frames.shape[2], frames.shape[1]
    # As high as a frame of the column's width is, between a third and twice of it.
    box_height = round(min(max(height / width, 1 / 3), 2.0) * (_COLUMN - _GAP))
    fit = fit_to_height(width, height, box_height)
    row = Image.new("RGB", (len(frames) * _COLUMN, box_height), LIGHT.paper)
    for place, frame in enumerate(np.asarray(frames)):
        picture = fit.place(Image.fromarray(frame))
        picture.thumbnail((_COLUMN - _GAP, box_height))
        shift = (_COLUMN - _GAP - picture.width) // 2, (box_height - picture.height) // 2
        row.paste(picture, (place * _COLUMN + shift[0], shift[1]))
    return row


def _draw_fields(
    pen: ImageDraw.ImageDraw,
    weights: Sequence[float],
    most: Collection[int],
    greatest: float,
    corner: tuple[int, int],
) -> None:
    for place, weight in enumerate(weights):
        left, top = corner[0] + place * _COLUMN, corner[1]
        if weight >= LEAST_WEIGHT:
            box = (left, top, left + _COLUMN - _GAP - 1, top + _ROW_HEIGHT - _GAP - 1)
            pen.rectangle(box, fill=_tint(min(weight / greatest, 1.0)))
        if place in most:
            centre = (left + (_COLUMN - _GAP) // 2, top + (_ROW_HEIGHT - _GAP) // 2)
            percent = f"{100 * weight:.0f} %"
            pen.text(centre, percent, LIGHT.ink, font(_SMALL), anchor="mm")


def _tint(share: float) -> tuple[int, ...]:
    """Between the paper's colour and the accent's."""
    paper, accent = ImageColor.getrgb(LIGHT.paper), ImageColor.getrgb(LIGHT.accent)
    part = _DARKEST * share
    return tuple(
        round((1 - part) * pale + part * strong) for pale, strong in zip(paper, accent, strict=True)
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
    """A log-probability as a percentage, `62 %` or `< 1 %`, short enough for its column."""
    percent = 100 * math.exp(min(log_prob, 0.0))
    return "< 1 %" if percent < 1 else f"{percent:.0f} %"


def moment(time_ms: float) -> str:
    """A moment of a GIF, precise enough to distinguish frames: `0.04 s`, `12.3 s`."""
    return f"{time_ms / 1000:.2f} s" if time_ms < 10_000 else seconds(time_ms)


def seconds(time_ms: float) -> str:
    """A duration in seconds: `0.4 s`."""
    return f"{time_ms / 1000:.1f} s"
