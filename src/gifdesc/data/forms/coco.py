"""COCO: documents of captions with their images, and lists of results.

Formats: https://cocodataset.org/#format-data, section 4, and #format-results, section 4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gifdesc.config import Split
from gifdesc.data.forms.base import (
    CaptionForm,
    CaptionLine,
    CaptionSource,
    split_named,
    unknown_split,
)
from gifdesc.data.forms.documents import has_key, list_of, with_problem
from gifdesc.data.forms.rows import caption_line, id_text
from gifdesc.data.names import comparable_key


@dataclass(frozen=True, slots=True)
class _Image:
    """An image of a document: its name, and its problem if it can have no captions."""

    name: str
    url: str = ""
    split: Split | None = None
    other_split: Split | None = None
    unknown_split: str = ""
    problem: str | None = None


def _recognises_captions(source: CaptionSource) -> bool:
    document = source.document
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return False
    annotations = document.get("annotations")
    return isinstance(annotations, list) and (not annotations or has_key(annotations, "caption"))


def _read_captions(source: CaptionSource) -> Iterator[CaptionLine]:
    document = source.document if isinstance(source.document, dict) else {}
    images = _images(list_of(document, "images"))
    for number, annotation in enumerate(list_of(document, "annotations"), start=1):
        line = CaptionLine(number, unit="annotation")
        if not isinstance(annotation, dict) or not (gif_id := id_text(annotation.get("image_id"))):
            yield with_problem(line, "needs `image_id` and `caption`")
        elif (image := images.get(gif_id)) is None:
            yield with_problem(line, f"no image has the id {gif_id}")
        elif image.problem is not None:
            yield with_problem(line, image.problem)
        else:
            line = CaptionLine(
                number,
                image.name,
                gif_id=gif_id,
                split=image.split,
                other_split=image.other_split,
                unknown_split=image.unknown_split,
                url=image.url,
                unit="annotation",
            )
            yield caption_line(line, annotation.get("caption"), "caption")


def _images(rows: list[Any]) -> dict[str, _Image]:
    """The images by their ids. Two images of one id, or of one name, can have no captions."""
    images: dict[str, _Image] = {}
    for row in rows:
        if not isinstance(row, dict) or not (gif_id := id_text(row.get("id"))):
            continue  # no annotation can mean it
        urls = (row.get("coco_url"), row.get("flickr_url"), row.get("url"))
        image = _Image(
            name=id_text(row.get("file_name")) or gif_id,
            url=next((url for url in urls if isinstance(url, str) and url), ""),
            split=split_named(row.get("split")),
            unknown_split=unknown_split(row.get("split")),
        )
        known = images.setdefault(gif_id, image)
        if (known.name, known.url) == (image.name, image.url):
            if known.split is None:
                images[gif_id] = replace(known, split=image.split)
            elif image.split not in (None, known.split):
                images[gif_id] = replace(known, other_split=image.split)
        else:
            problem = f"several images have the id {gif_id}"
            images[gif_id] = _Image(gif_id, problem=problem)
    times = Counter(comparable_key(image.name) for image in images.values())
    for gif_id, image in images.items():
        if times[comparable_key(image.name)] > 1 and image.problem is None:
            problem = f"several images are called {image.name}"
            images[gif_id] = _Image(image.name, problem=problem)
    return images


def _recognises_results(source: CaptionSource) -> bool:
    rows = source.document
    return isinstance(rows, list) and has_key(rows, "image_id") and has_key(rows, "caption")


def _read_results(source: CaptionSource) -> Iterator[CaptionLine]:
    rows = source.document if isinstance(source.document, list) else []
    for number, row in enumerate(rows, start=1):
        line = CaptionLine(number, unit="result")
        if not isinstance(row, dict) or not (gif_id := id_text(row.get("image_id"))):
            yield with_problem(line, "needs `image_id` and `caption`")
        else:
            line = CaptionLine(number, gif_id, gif_id=gif_id, unit="result")
            yield caption_line(line, row.get("caption"), "caption")


COCO = CaptionForm(
    name="coco",
    title="COCO captions",
    recognises=_recognises_captions,
    read=_read_captions,
)
COCO_RESULTS = CaptionForm(
    name="coco-results",
    title="COCO results",
    recognises=_recognises_results,
    read=_read_results,
)
