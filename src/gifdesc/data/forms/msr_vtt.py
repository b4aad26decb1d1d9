"""MSR-VTT: a JSON document of videos with their splits, and of sentences.

Format: the files of the MSR Video to Language Challenge, such as `train_val_videodatainfo.json`
(Xu et al. 2016, MSR-VTT: A Large Video Description Dataset for Bridging Video and Language).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gifdesc.data.forms.base import (
    CaptionForm,
    CaptionLine,
    CaptionSource,
    split_named,
    unknown_split,
)
from gifdesc.data.forms.documents import has_key, list_of, with_problem
from gifdesc.data.forms.rows import caption_line, id_text


def _recognises(source: CaptionSource) -> bool:
    document = source.document
    if not isinstance(document, dict) or not isinstance(document.get("videos"), list):
        return False
    sentences = document.get("sentences")
    return isinstance(sentences, list) and (not sentences or has_key(sentences, "video_id"))


def _read(source: CaptionSource) -> Iterator[CaptionLine]:
    document = source.document if isinstance(source.document, dict) else {}
    videos = _videos(list_of(document, "videos"))
    for number, sentence in enumerate(list_of(document, "sentences"), start=1):
        line = CaptionLine(number, unit="sentence")
        if not isinstance(sentence, dict) or not (name := id_text(sentence.get("video_id"))):
            yield with_problem(line, "needs `video_id` and `caption`")
        elif name not in videos:
            yield with_problem(line, f"no video has the id {name}")
        else:
            line = replace(videos[name], number=number)
            yield caption_line(line, sentence.get("caption"), "caption")


def _videos(rows: list[Any]) -> dict[str, CaptionLine]:
    """By the id of each video a line without captions. The first split of a video counts."""
    videos: dict[str, CaptionLine] = {}
    for row in rows:
        if not isinstance(row, dict) or not (name := id_text(row.get("video_id"))):
            continue  # no sentence can mean it
        split, url = split_named(row.get("split")), row.get("url")
        known = videos.setdefault(
            name,
            CaptionLine(
                0,
                name,
                split=split,
                unknown_split=unknown_split(row.get("split")),
                url=url if isinstance(url, str) else "",
                unit="sentence",
            ),
        )
        if known.split is None and split is not None:
            videos[name] = replace(known, split=split)
        elif split is not None and known.other_split is None and split != known.split:
            videos[name] = replace(known, other_split=split)
    return videos


MSR_VTT = CaptionForm(
    name="msr-vtt",
    title="MSR-VTT",
    recognises=_recognises,
    read=_read,
)
