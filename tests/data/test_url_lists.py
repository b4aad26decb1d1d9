"""Lists of URLs, plain and in the forms of descriptions."""

import json

import pytest

from gifdesc.data.url_lists import read_url_list
from gifdesc.errors import DescriptionError

A, B = "https://a.example/x.gif", "http://b.example/y.gif?z=1"


def read(tmp_path, text, name="list.txt", **options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_url_list(path, **options)


@pytest.mark.parametrize("name", ["list.txt", "list.tsv", "list"])
@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n{B}\n",
        f"\ufeff{A}\r\n\r\n  {B}  \r\n{A}\r\n",
        f"url\n{A}\n{B}",
        f"# GIFs\n{A}#top\n# more\n{B}",
    ],
)
def test_a_url_per_line(tmp_path, text, name):
    found = read(tmp_path, text, name)
    assert [*found.urls] == [A, B]
    assert found.problems == []


def test_captions_of_a_table(tmp_path):
    found = read(tmp_path, f"{A}\ta cat  jumps\n{B}\ta dog\n{A}\tit jumps\n", "tgif.tsv")
    assert [each.captions for each in found.urls.values()] == [
        ["a cat jumps", "it jumps"],
        ["a dog"],
    ]


def test_a_table_with_a_header_and_splits(tmp_path):
    found = read(tmp_path, f'url,caption,split\n{A},"a cat, red",train\n{B},a dog,val\n', "t.csv")
    assert [(each.captions, each.split) for each in found.urls.values()] == [
        (["a cat, red"], "train"),
        (["a dog"], "val"),
    ]


def test_the_urls_of_coco_images(tmp_path):
    document = {
        "images": [{"id": 1, "file_name": "x.gif", "coco_url": A}, {"id": 2, "file_name": "y.gif"}],
        "annotations": [
            {"id": 1, "image_id": 1, "caption": "a cat"},
            {"id": 2, "image_id": 2, "caption": "a dog"},
        ],
    }
    found = read(tmp_path, json.dumps(document), "coco.json")
    assert [*found.urls] == [A]
    assert found.problems == [f"{tmp_path}/coco.json: annotation 2: no URL: y.gif"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", f"file_name,url,caption\na.gif,{A},a cat\n"),
        ("t.jsonl", json.dumps({"id": "x", "url": A, "caption": "a cat"})),
        ("t.jsonl", json.dumps({"image_id": 7, "url": A, "caption": "a cat"})),
    ],
)
def test_a_url_beside_a_name(tmp_path, name, text):
    [listed] = read(tmp_path, text, name).urls.values()
    assert (listed.url, listed.captions) == (A, ["a cat"])


def test_split_lists_replace_the_splits_of_the_file(tmp_path):
    (tmp_path / "train.txt").write_text(f"{B}\n")
    (tmp_path / "test.txt").write_text(f"{A}\n")
    found = read(tmp_path, f"{A}\ta\n{B}\tb\n", "t.tsv", splits_dir=tmp_path)
    assert [each.split for each in found.urls.values()] == ["test", "train"]


def test_lines_without_a_url_are_problems(tmp_path):
    found = read(tmp_path, f"{A}\nnot a url\n{B}\n")
    assert [*found.urls] == [A, B]
    assert found.problems == [f"{tmp_path}/list.txt:2: not a URL: not a url"]


@pytest.mark.parametrize("text", ["", "cat.gif\tit jumps\n", "cat.gif\n"])
def test_a_file_without_a_url(tmp_path, text):
    with pytest.raises(DescriptionError, match=r"list\.txt"):
        read(tmp_path, text)


@pytest.mark.parametrize("is_plain", [True, False])
def test_a_url_that_is_none_costs_its_line_alone(tmp_path, is_plain):
    bad = "http://[::1"
    lines = [A, bad, B] if is_plain else [f"{A}\ta cat", f"{bad}\ta dog", f"{B}\ta bird"]
    found = read(tmp_path, "\n".join(lines), "list.txt" if is_plain else "list.tsv")
    assert [*found.urls] == [A, B]
    [problem] = found.problems
    assert problem.startswith(f"{tmp_path}")
    assert bad in problem


def test_parts_of_one_video_are_not_merged(tmp_path):
    clips = [("video0", "train", 1), ("video1", "test", 5)]
    videos = [
        {"video_id": name, "url": A, "split": split, "start time": start, "end time": start + 1}
        for name, split, start in clips
    ]
    sentences = [
        {"video_id": name, "caption": f"in {name}", "sen_id": number}
        for number, (name, *_) in enumerate(clips)
    ]
    text = json.dumps({"videos": videos, "sentences": sentences})
    found = read(tmp_path, text, "videodatainfo.json")
    [listed] = found.urls.values()
    assert (listed.captions, listed.split) == (["in video0"], "train")
    [problem] = found.problems
    assert f"video1 is another part of {A} than video0" in problem


def test_names_of_split_lists_that_are_no_url_of_the_list_are_reported(tmp_path):
    splits = tmp_path / "splits"
    splits.mkdir()
    (splits / "train.txt").write_text(f"{A}\n")
    (splits / "val.txt").write_text("y.gif\n")
    found = read(tmp_path, f"{A}\n{B}\n", splits_dir=splits)
    assert [each.split for each in found.urls.values()] == ["train", None]
    [note] = found.notes
    assert "1 name in the lists of splits, such as y: not among the URLs of the list" in note
