"""MSR-VTT: a JSON document of videos with their splits, and of sentences.

Format: the files of the MSR Video to Language Challenge, such as `train_val_videodatainfo.json`
(Xu et al. 2016, MSR-VTT: A Large Video Description Dataset for Bridging Video and Language).
"""

from __future__ import annotations

from collections.abc import Iterator

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource, split_named
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
    videos = {
        id_text(video.get("video_id")): (split_named(video.get("split")), video.get("url"))
        for video in list_of(document, "videos")
        if isinstance(video, dict)
    }
    for number, sentence in enumerate(list_of(document, "sentences"), start=1):
        line = CaptionLine(number, unit="sentence")
        if not isinstance(sentence, dict) or not (name := id_text(sentence.get("video_id"))):
            yield with_problem(line, "needs `video_id` and `caption`")
        elif name not in videos:
            yield with_problem(line, f"no video has the id {name}")
        else:
            split, url = videos[name]
            url = url if isinstance(url, str) else ""
            line = CaptionLine(number, name, split=split, url=url, unit="sentence")
            yield caption_line(line, sentence.get("caption"), "caption")


MSR_VTT = CaptionForm(
    name="msr-vtt",
    title="MSR-VTT",
    recognises=_recognises,
    read=_read,
)
