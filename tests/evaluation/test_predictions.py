import json

import pytest

from gifdesc.captioning.lines import CaptionLines
from gifdesc.captions import Caption
from gifdesc.data.forms.registry import FORMS_READ
from gifdesc.errors import DescriptionError
from gifdesc.evaluation import predictions
from gifdesc.evaluation.predictions import read_predictions


def read_references(path):
    return predictions.read_references(path).captions


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


def test_a_list_of_one_caption_is_a_prediction_and_an_empty_list_is_none(tmp_path):
    path = write(
        tmp_path / "p.jsonl",
        {"id": "a", "captions": ["a ball grows"]},
        {"id": "b", "caption": ["x"]},
        {"id": "c", "captions": [""]},
        {"id": "d", "captions": []},
        {"id": "e", "captions": [None]},
    )
    assert read_predictions(path) == {"a": "a ball grows", "b": "x", "c": ""}


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
        ('["a", "x"]\n', ": a JSON list, which is not read; " + FORMS_READ),
        ('{"caption": "x"}\n', ":1: needs `id` and `caption` or `captions`"),
        ('{"id": "a"}\n', ":1: needs `id` and `caption` or `captions`"),
        ('{"id": "a", "caption": null}\n', ": contains no caption"),
        ('{"id": "a", "caption": NaN}\n', ": contains no caption"),
        (
            '{"id": "a", "captions": ["x", "y", "z"]}\n',
            ":1: has 3 captions; a prediction is a single caption for each GIF",
        ),
        (
            '{"id": "a", "caption": ["x", ""]}\n',
            ":1: has 2 captions; a prediction is a single caption for each GIF",
        ),
        (
            '{"id": "a", "caption": 5}\n',
            ":1: `caption` is a number; a text or a list of texts is needed",
        ),
        ('{"images": [],\n "annotations": []}', ": contains no caption"),
        ('{"id": 1, "caption": "x"}\n{"id": "1", "caption": "y"}\n', ":2: id 1 occurs twice"),
        ("", ": contains no caption"),
        ("\n \n", ": contains no caption"),
    ],
)
def test_a_line_of_another_form_is_named(tmp_path, text, wanted):
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(DescriptionError) as caught:
        read_predictions(path)
    assert str(caught.value) == f"{path}{wanted}"


@pytest.mark.parametrize(
    ("captions", "problem"),
    [
        ([], "no caption"),
        (None, "no caption"),
        ([None, " "], "no caption"),
        ([1], "`captions` contains a number; a text or a list of texts is needed"),
    ],
)
def test_references_without_captions_are_named(tmp_path, captions, problem):
    path = write(tmp_path / "r.jsonl", {"id": "a", "captions": captions})
    with pytest.raises(DescriptionError) as caught:
        read_references(path)
    assert str(caught.value) == f"{path}:1: {problem}"


def test_an_empty_reference_among_others_is_left_out_with_a_warning(tmp_path, caplog):
    path = write(tmp_path / "r.jsonl", {"id": "a", "captions": ["x", None, ""]})
    assert read_references(path) == {"a": ["x"]}
    assert caplog.messages == [f"{path}: 2 empty references left out"]


def test_a_reference_may_be_one_text(tmp_path):
    rows = [{"id": "a", "captions": "one"}, {"image_id": 7, "id": 1, "caption": "two"}]
    rows.append({"image_id": 7, "id": 2, "caption": "three"})
    assert read_references(write(tmp_path / "r.jsonl", *rows)) == {
        "a": ["one"],
        "7": ["two", "three"],
    }


def test_null_captions_and_malformed_urls_end_no_evaluation(tmp_path, caplog):
    rows = [{"id": "one", "caption": None}, {"url": "http://[::1", "caption": "x"}]
    path = write(tmp_path / "p.jsonl", {"id": "cats/jump", "caption": "x"}, *rows)
    assert read_predictions(path, IDS) == {"cats/jump": "x"}
    assert caplog.messages == [f"{path}:3: not a URL: http://[::1: left out"]


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(DescriptionError, match=r"p\.jsonl: cannot be read: no such file"):
        read_predictions(tmp_path / "p.jsonl")
    with pytest.raises(DescriptionError, match="a folder; make a file of its descriptions with"):
        read_predictions(tmp_path)
    (tmp_path / "latin.jsonl").write_bytes('{"id": "a", "caption": "wächst"}'.encode("latin-1"))
    with pytest.raises(DescriptionError, match=r"latin\.jsonl: not UTF-8"):
        read_predictions(tmp_path / "latin.jsonl")


def test_lines_of_caption_json_are_read(tmp_path):
    path = write(
        tmp_path / "p.jsonl",
        {"path": "gifs/a.gif", "caption": "a dog", "score": -0.5, "alternatives": []},
        {"path": "gifs/b.gif", "error": "not a GIF"},
        {"path": "gifs/c.gif", "caption": ""},
    )
    assert read_predictions(path) == {"gifs/a.gif": "a dog", "gifs/c.gif": ""}
    assert read_predictions(path, ["a", "b", "c"]) == {"a": "a dog", "c": ""}


@pytest.mark.parametrize("is_folder", [False, True])
def test_an_id_of_two_references_means_neither(tmp_path, is_folder):
    path = tmp_path / "references" / "r.jsonl"
    path.parent.mkdir()
    rows = [
        {"image_id": 7, "file_name": "a.gif", "caption": "a cat"},
        {"image_id": 7, "file_name": "b.gif", "caption": "a dog"},
        {"image_id": 8, "file_name": "c.gif", "caption": "a man"},
    ]
    write(path, *rows)
    references = predictions.read_references(path.parent if is_folder else path)
    assert list(references.gif_ids) == ["8"]
    results = tmp_path / "results.json"
    results.write_text(json.dumps([{"image_id": 7, "caption": "a dog"}]))
    with pytest.raises(DescriptionError, match="no references for 7"):
        read_predictions(results, references.captions, gif_ids=references.gif_ids)


def test_the_table_of_caption_is_read(tmp_path):
    captions = [
        Caption("gifs/a.gif", caption='a "dog", running'),
        Caption("gifs/b.gif", error="not a GIF"),
    ]
    path = tmp_path / "p.csv"
    path.write_text(
        CaptionLines("csv").header + "".join(CaptionLines("csv").line(one) for one in captions),
        newline="",
    )
    assert read_predictions(path, ["a", "b"]) == {"a": 'a "dog", running'}


@pytest.mark.parametrize("name", ["p.tsv", "captions", "p.txt"])
def test_a_table_is_read(tmp_path, name):
    path = tmp_path / name
    path.write_text("\ufeffx/a.gif\ta dog\truns\r\n\nhttps://g.example/b%20c.gif?x=1\t\n")
    assert read_predictions(path, ["a", "b c"]) == {"a": "a dog runs", "b c": ""}


def test_a_line_that_is_no_table_row_is_named(tmp_path):
    path = tmp_path / "p.tsv"
    for text in ("a\tdog\nno tab\n", "a\tdog\n\tno name\n"):
        path.write_text(text)
        with pytest.raises(DescriptionError, match=r"p\.tsv:2: not `name<TAB>sentence`"):
            read_predictions(path)


IDS = ["cats/jump", "dogs/jump", "dogs/run.gif", "deep/er/one", "one", "http://x.example/q.gif"]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("cats/jump.gif", "cats/jump"),
        ("/home/me/gifs/dogs/jump.gif", "dogs/jump"),
        ("./gifs/dogs/run.gif", "dogs/run.gif"),
        ("run.GIF", "dogs/run.gif"),
        ("er/one.gif", "deep/er/one"),
        ("elsewhere/one.gif", "one"),
        ("one.gif", "one"),
        ("elsewhere/q.gif", "http://x.example/q.gif"),
        ("gifs\\cats\\jump.gif", "cats/jump"),
        ("jump.gif", None),
        ("birds/jump.gif", None),
        ("nowhere.gif", None),
    ],
)
def test_a_path_meets_the_id_that_agrees_longest(tmp_path, path, wanted):
    file = write(tmp_path / "p.jsonl", {"path": path, "caption": "x"})
    if wanted is None:
        with pytest.raises(DescriptionError, match="no id in common"):
            read_predictions(file, IDS)
    else:
        assert read_predictions(file, IDS) == {wanted: "x"}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("cats/jump", "cats/jump"),
        ("cats/jump.gif", "cats/jump"),
        ("dogs/run", "dogs/run.gif"),
        ("gifs/cats/jump", "cats/jump"),
        ("run", "dogs/run.gif"),
        ("run.mp4", "dogs/run.gif"),
        ("cats/jump.avi", "cats/jump"),
        ("jump", None),
        ("birds/jump", None),
    ],
)
def test_an_id_meets_another_as_a_path_does(tmp_path, name, wanted):
    file = write(tmp_path / "p.jsonl", {"id": "one", "caption": "x"}, {"id": name, "caption": "y"})
    if wanted is None:
        with pytest.raises(DescriptionError, match=f"p.jsonl: no references for {name}"):
            read_predictions(file, IDS)
    else:
        assert read_predictions(file, IDS) == {"one": "x", wanted: "y"}


def test_two_lines_of_one_gif_are_refused(tmp_path):
    rows = [{"path": "x/one.gif", "caption": "x"}, {"path": "y/one.gif", "error": "broken"}]
    file = write(tmp_path / "p.jsonl", *rows)
    with pytest.raises(DescriptionError) as caught:
        read_predictions(file, IDS)
    assert str(caught.value) == f"{file}:2: x/one.gif and y/one.gif are both one"
    with pytest.raises(DescriptionError, match=r":2: id one occurs twice"):
        read_predictions(write(file, {"id": "one", "caption": ""}, {"id": "one", "caption": ""}))


def test_unknown_names_are_all_counted(tmp_path):
    rows = [{"id": f"x{i}", "caption": ""} for i in range(5)]
    file = write(tmp_path / "p.jsonl", {"id": "one", "caption": ""}, *rows)
    with pytest.raises(DescriptionError) as caught:
        read_predictions(file, IDS)
    assert str(caught.value) == (
        f"{file}: no references for x0, x1, x2 and 2 more; add references, or leave them out"
    )
    with pytest.raises(DescriptionError, match="may be of another data set"):
        read_predictions(write(file, *rows), IDS)


def test_a_failed_line_without_references_is_ignored(tmp_path):
    rows = [{"path": "one.gif", "caption": "x"}, {"path": "stranger.gif", "error": "broken"}]
    assert read_predictions(write(tmp_path / "p.jsonl", *rows), IDS) == {"one": "x"}
    with pytest.raises(DescriptionError, match="contains no caption"):
        read_predictions(write(tmp_path / "q.jsonl", rows[1]), IDS)


def test_references_may_be_a_table_or_a_folder_of_descriptions(tmp_path):
    table = tmp_path / "r.tsv"
    table.write_text("a\tone\nb\ttwo\na\tthree\n")
    assert read_references(table) == {"a": ["one", "three"], "b": ["two"]}
    folder = tmp_path / "descriptions"
    (folder / "cats").mkdir(parents=True)
    (folder / "cats" / "jump.txt").write_text("a cat jumps\nit jumps\n")
    assert read_references(folder) == {"cats/jump": ["a cat jumps", "it jumps"]}
    (folder / "empty.txt").write_text("")
    with pytest.raises(DescriptionError, match=r"empty\.txt: empty"):
        read_references(folder)


def test_an_id_that_has_references_twice_is_refused(tmp_path):
    row = {"id": "a", "captions": ["one"]}
    with pytest.raises(DescriptionError, match=r"r\.jsonl:2: id a occurs twice"):
        read_references(write(tmp_path / "r.jsonl", row, row))


@pytest.mark.parametrize("name", ["r.tsv", "folder"])
def test_a_malformed_url_among_references_is_left_out_with_a_warning(tmp_path, caplog, name):
    path = tmp_path / name
    table = path
    if name == "folder":
        path.mkdir()
        table = path / "t.tsv"
    table.write_text("a\tone\nhttp://[::1\ttwo\n")
    assert read_references(path) == {"a": ["one"]}
    assert caplog.messages == [f"{table}:2: not a URL: http://[::1: left out"]
