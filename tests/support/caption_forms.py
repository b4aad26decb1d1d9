"""Small files of captions in every form, with invented content."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gifdesc.data.forms.form_names import FormName

CAPTIONS = (
    ("a red ball grows", "a ball, red, gets big"),
    ("a red ball shrinks", 'it says "pop", and a ball shrinks'),
    ("a blue cross grows", "a cross gets big"),
    ("a blue cross blinks", "a cross\nblinks twice"),
    ("the grid fades to white", "a grid fades"),
    ("nothing moves", "all\tis still"),
)
"""The captions of six GIFs; some contain what tables must quote."""

TEXTS = tuple(tuple(" ".join(caption.split()) for caption in captions) for captions in CAPTIONS)
"""The captions as they are used: with single spaces."""

SPLITS = ("train", "train", "train", "train", "validate", "test")


@dataclass(frozen=True)
class FormFile:
    """A file of one form.

    Attributes:
        file_name: of the file.
        text: of the file.
        gifs: the names of its six GIFs, as their files are called.
        has_splits: whether the file names the splits.
    """

    file_name: str
    text: str
    gifs: tuple[str, ...]
    has_splits: bool = False

    def write(self, folder: Path) -> Path:
        """Write the file into a folder."""
        path = folder / self.file_name
        path.write_text(self.text, encoding="utf-8", newline="")
        return path


def _pairs(names: tuple[str, ...], captions=TEXTS):
    return [(name, text) for name, texts in zip(names, captions, strict=True) for text in texts]


def _lines(rows) -> str:
    return "".join(f"{row}\n" for row in rows)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


LETTERS = ("a", "b", "c", "d", "e", "f")
NUMBERS = ("1", "2", "3", "4", "5", "6")
CLIPS = tuple(f"-4wsuPCj_B{letter}_5_15" for letter in "abcdef")


def tsv() -> FormFile:
    names = tuple(f"https://media.example/{letter}1/tumblr_{letter}.gif" for letter in LETTERS)
    rows = [f"{name}\t{_quoted(text)}" for name, text in _pairs(names, CAPTIONS)]
    return FormFile("tgif-v1.0.tsv", _lines(rows), tuple(f"tumblr_{one}" for one in LETTERS))


def csv() -> FormFile:
    rows = [f"{name}.gif,{_quoted(text)}" for name, text in _pairs(LETTERS, CAPTIONS)]
    return FormFile("captions.csv", _lines(["image,caption", *rows]), LETTERS)


def json_lines() -> FormFile:
    rows = [
        json.dumps({"id": name, "captions": list(texts)})
        for name, texts in zip(LETTERS, CAPTIONS, strict=True)
    ]
    return FormFile("captions.jsonl", _lines(rows), LETTERS)


def coco() -> FormFile:
    images = [
        {"id": 40 + index, "file_name": f"{name}.jpg", "coco_url": f"http://x.example/{name}.jpg"}
        for index, name in enumerate(LETTERS)
    ]
    annotations = [
        {"id": 900 + number, "image_id": 40 + LETTERS.index(name), "caption": text}
        for number, (name, text) in enumerate(_pairs(LETTERS, CAPTIONS))
    ]
    document = {"info": {}, "licenses": [], "images": images, "annotations": annotations}
    return FormFile("captions_val.json", json.dumps(document), LETTERS)


def coco_results() -> FormFile:
    rows = [
        {"image_id": int(name), "caption": texts[0]}
        for name, texts in zip(NUMBERS, CAPTIONS, strict=True)
    ]
    return FormFile("results.json", json.dumps(rows, indent=1), NUMBERS)


def msr_vtt() -> FormFile:
    names = tuple(f"video{number}" for number in range(6))
    videos = [
        {
            "video_id": name,
            "id": index,
            "split": split,
            "url": f"https://www.youtube.com/watch?v={name}",
        }
        for index, (name, split) in enumerate(zip(names, SPLITS, strict=True))
    ]
    sentences = [
        {"video_id": name, "sen_id": number, "caption": text}
        for number, (name, text) in enumerate(_pairs(names, CAPTIONS))
    ]
    document = {"info": {}, "videos": videos, "sentences": sentences}
    return FormFile("train_val_videodatainfo.json", json.dumps(document), names, has_splits=True)


def _vatex(keys: tuple[str, ...]) -> FormFile:
    videos = [
        {"videoID": name, **{key: list(texts) for key in keys}}
        for name, texts in zip(CLIPS, CAPTIONS, strict=True)
    ]
    return FormFile("vatex_training_v1.0.json", json.dumps(videos), CLIPS)


def vatex() -> FormFile:
    return _vatex(("enCap", "chCap"))


def vatex_chinese() -> FormFile:
    return _vatex(("chCap",))


def msvd() -> FormFile:
    preamble = ["Descriptions of videos", "one a line,", "made up"]
    rows = [f"{name} {text}" for name, text in _pairs(CLIPS)]
    return FormFile("AllVideoDescriptions.txt", _lines([*preamble, *rows]), CLIPS)


def msvd_csv() -> FormFile:
    head = "VideoID,Start,End,WorkerID,Source,AnnotationTime,Language,Description"
    rows = [
        f"{name.removesuffix('_5_15')},5,15,7,clean,30,{language},{_quoted(text)}"
        for name, text in _pairs(CLIPS, CAPTIONS)
        for language in ("English", "German")
    ]
    return FormFile("MSR Video Description Corpus.csv", _lines([head, *rows]), CLIPS)


def flickr() -> FormFile:
    rows = [
        f"{name}.jpg#{number}\t{text}"
        for name, texts in zip(LETTERS, TEXTS, strict=True)
        for number, text in enumerate(texts)
    ]
    return FormFile("Flickr8k.token.txt", _lines(rows), LETTERS)


def flickr_csv() -> FormFile:
    rows = [
        f"{name}.jpg| {number}| {text}"
        for name, texts in zip(LETTERS, TEXTS, strict=True)
        for number, text in enumerate(texts)
    ]
    head = "image_name| comment_number| comment"
    return FormFile("results.csv", _lines([head, *rows]), LETTERS)


FILES: dict[FormName, Callable[[], FormFile]] = {
    "tsv": tsv,
    "csv": csv,
    "jsonl": json_lines,
    "coco": coco,
    "coco-results": coco_results,
    "msr-vtt": msr_vtt,
    "vatex": vatex,
    "vatex-chinese": vatex_chinese,
    "msvd": msvd,
    "msvd-csv": msvd_csv,
    "flickr": flickr,
    "flickr-csv": flickr_csv,
}
"""A file of every form but plain text."""
