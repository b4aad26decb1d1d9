import json

import pytest

from gifdesc.errors import DescriptionError
from gifdesc.predictions import read_predictions, read_references


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_predictions_are_captions_by_id(tmp_path):
    path = write(
        tmp_path / "p.jsonl",
        {"id": "a", "caption": "ein Ball wächst"},
        {"id": 7, "caption": "", "score": -0.5},
    )
    assert read_predictions(path) == {"a": "ein Ball wächst", "7": ""}


def test_references_are_lists_by_id(tmp_path):
    path = write(tmp_path / "r.jsonl", {"id": "a", "captions": ["one", "two"]})
    assert read_references(path) == {"a": ["one", "two"]}


def test_empty_lines_do_not_count(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('\n{"id": "a", "caption": "x"}\n\n')
    assert read_predictions(path) == {"a": "x"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"id": "a", "caption": "x"}\nno json\n', ":2: not JSON"),
        ('["a", "x"]\n', ':1: needs "id" and "caption"'),
        ('{"caption": "x"}\n', ':1: needs "id" and "caption"'),
        ('{"id": "a"}\n', ':1: needs "id" and "caption"'),
        ('{"id": "a", "caption": null}\n', ':1: needs "id" and "caption"'),
        ('{"id": 1, "caption": "x"}\n{"id": "1", "caption": "y"}\n', ":2: id 1 stands twice"),
        ("", ": holds no line"),
        ("\n \n", ": holds no line"),
    ],
)
def test_a_line_of_another_form_is_named(tmp_path, text, wanted):
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(DescriptionError) as caught:
        read_predictions(path)
    assert str(caught.value) == f"{path}{wanted}"


@pytest.mark.parametrize("captions", [[], [1], ["x", None]])
def test_references_without_captions_are_named(tmp_path, captions):
    path = write(tmp_path / "r.jsonl", {"id": "a", "captions": captions})
    with pytest.raises(DescriptionError, match="id a has no list of captions"):
        read_references(path)


def test_references_are_a_list_and_no_string(tmp_path):
    path = write(tmp_path / "r.jsonl", {"id": "a", "captions": "one"})
    with pytest.raises(DescriptionError, match='needs "id" and "captions"'):
        read_references(path)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(DescriptionError, match=r"p\.jsonl: cannot be read: no such file"):
        read_predictions(tmp_path / "p.jsonl")
    with pytest.raises(DescriptionError, match="cannot be read: is a directory"):
        read_predictions(tmp_path)
    (tmp_path / "latin.jsonl").write_bytes('{"id": "a", "caption": "wächst"}'.encode("latin-1"))
    with pytest.raises(DescriptionError, match=r"latin\.jsonl: not UTF-8"):
        read_predictions(tmp_path / "latin.jsonl")
