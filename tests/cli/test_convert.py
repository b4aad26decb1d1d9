"""Descriptions of any form to gifdesc's own forms and to COCO's, through the command line."""

import json
from pathlib import Path
from typing import get_args

import pytest

from caption_forms import FILES
from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.forms.base import CaptionSource
from gifdesc.data.forms.form_names import OutputForm
from gifdesc.data.forms.registry import recognise
from gifdesc.data.forms.writing import OUTPUT_SUFFIXES, WRITERS
from gifdesc.data.splits import read_split_lists
from worlds import run_here

OUTPUTS = {"text": "out", "tsv": "out.tsv", "jsonl": "out.jsonl", "coco": "out.json"}


def convert(*arguments):
    done = run_here("convert", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def write(path: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def test_every_output_form_has_a_writer_and_an_ending():
    assert set(WRITERS) == set(OUTPUTS) == set(get_args(OutputForm))
    assert set(OUTPUT_SUFFIXES.values()) == set(WRITERS)


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("to", OUTPUTS)
def test_captions_are_the_same_in_every_form(tmp_path, form, to):
    path = FILES[form]().write(tmp_path)
    before = read_descriptions(path)
    output = tmp_path / OUTPUTS[to]
    result = convert(path, output)
    num_captions = sum(map(len, before.captions.values()))
    assert (result["format"], result["num_gifs"], result["num_captions"]) == (to, 6, num_captions)
    assert (result["output"], result["problems"]) == (str(output), [])
    after = read_descriptions(output)
    assert list(after.captions.values()) == list(before.captions.values())
    assert after.match(FILES[form]().gifs).found == list(after.captions)
    if to != "text":
        assert recognise(CaptionSource(output)).name == to
    if to in ("jsonl", "coco"):
        assert list(after.splits.values()) == list(before.splits.values())


def test_scores_are_the_same_to_the_last_digit_in_every_form(tmp_path):
    path = FILES["coco"]().write(tmp_path)
    guesses = {"a": "a red ball", "b": "a ball shrinks", "c": "it grows", "d": "a cross", "e": "x"}
    rows = [{"id": name, "caption": guess} for name, guess in guesses.items()]
    predictions = write(tmp_path / "p.jsonl", "\n".join(map(json.dumps, rows)))
    found = []
    for references in (path, *(tmp_path / name for name in OUTPUTS.values())):
        if references != path:
            convert(path, references)
        paths = ("--predictions", predictions, "--references", references)
        done = run_here("evaluate", *paths, "--no-meteor", "--json")
        assert done.code == 0, done.err
        found.append(json.loads(done.out))
    assert found[1:] == found[:-1]
    assert found[0]["metrics"]["cider"] > 0


def test_converted_predictions_are_predictions(tmp_path):
    path = write(tmp_path / "in.tsv", "a.gif\ta red ball\nb.gif\ta blue ball\n")
    references = write(tmp_path / "references.tsv", "a.gif\ta red ball\nb.gif\ta blue ball\n")
    convert(path, tmp_path / "out.jsonl")
    scores = []
    for predictions in (path, tmp_path / "out.jsonl"):
        options = ("--predictions", predictions, "--references", references)
        done = run_here("evaluate", *options, "--no-meteor", "--json")
        assert done.code == 0, done.err
        scores.append(json.loads(done.out)["metrics"])
    assert scores[0] == scores[1]


def test_splits_are_written_as_lists_where_asked_for(tmp_path):
    path = FILES["msr-vtt"]().write(tmp_path)
    result = convert(path, tmp_path / "out.tsv", "--write-splits", tmp_path / "lists")
    assert result["left_out"] == {
        "URLs that the form has no place for": 6,
    }
    assert read_split_lists(tmp_path / "lists") == read_descriptions(path).splits
    result = convert(path, tmp_path / "out2.tsv")
    assert result["left_out"]["splits that the form has no place for"] == 6


def test_a_name_too_long_for_a_file_is_left_out_of_a_folder(tmp_path):
    long = "x" * 300
    path = write(tmp_path / "in.tsv", f"a.gif\tone\n{long}\ttwo\n{long}y\tthree\nb.gif\tfour\n")
    result = convert(path, tmp_path / "out")
    reason = f"captions of GIFs whose names are too long for a file, such as {long}"
    assert result["left_out"] == {reason: 2}
    assert (result["num_gifs"], result["num_captions"]) == (2, 2)
    assert read_descriptions(tmp_path / "out").captions == {"a": ["one"], "b": ["four"]}


def test_no_lists_are_written_where_no_splits_are_named(tmp_path, caplog):
    path = write(tmp_path / "in.tsv", "a.gif\tone\n")
    convert(path, tmp_path / "out.jsonl", "--write-splits", tmp_path / "lists")
    assert f"{path} names no splits; no lists written" in caplog.messages
    assert not (tmp_path / "lists").exists()


def test_lists_of_splits_are_not_overwritten_without_force(tmp_path):
    path = FILES["msr-vtt"]().write(tmp_path)
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "test.txt").write_text("mine\n")
    arguments = ("convert", path, tmp_path / "out.tsv", "--write-splits", lists)
    done = run_here(*arguments)
    assert done.code == 2
    assert f"{lists / 'test.txt'}: exists; name another output" in done.err.replace("\n", " ")
    assert (lists / "test.txt").read_text() == "mine\n"
    assert not (tmp_path / "out.tsv").exists()
    assert run_here(*arguments, "--force").code == 0
    assert (lists / "test.txt").read_text() != "mine\n"


def test_what_is_left_out_is_counted_with_the_reason(tmp_path):
    rows = [
        {"id": "a.gif", "caption": "a cat"},
        {"id": "../b.gif", "caption": "up"},
        {"id": "c\tc.gif", "captions": ["tab", "tab"]},
        {"id": "d.gif", "caption": None},
        {"id": "e.gif", "caption": "half \ud800"},
        {"id": "caf\udce9.gif", "caption": "coffee"},
    ]
    path = write(tmp_path / "in.jsonl", "\n".join(map(json.dumps, rows)))
    done = run_here("convert", path, tmp_path / "out", "--json")
    assert done.code == 1
    assert done.errors == [
        f"{path}:4: no caption",
        f"{path}:5: half a character in a caption (a lone surrogate)",
    ]
    assert "left out: 2 files or records that cannot be used" in done.warnings
    result = json.loads(done.out)
    assert result["problems"] == done.errors
    assert result["left_out"] == {
        "files or records that cannot be used": 2,
        "captions of GIFs whose names are not Unicode": 1,
        "captions of GIFs whose names are no paths in a folder": 1,
    }
    assert (result["num_gifs"], result["num_captions"]) == (2, 3)
    assert {one.name for one in (tmp_path / "out").iterdir()} == {"a.txt", "c\tc.txt"}
    assert not (tmp_path / "b.txt").exists()
    done = run_here("convert", path, tmp_path / "out.tsv", "--json")
    result = json.loads(done.out)
    assert result["left_out"]["captions of GIFs with a tab or a line end in their names"] == 2
    assert (tmp_path / "out.tsv").read_text() == "a.gif\ta cat\n../b.gif\tup\n"


def test_a_single_thing_that_is_left_out_is_counted_in_the_singular(tmp_path):
    image = {"id": 7, "file_name": "a.jpg", "coco_url": "https://x.example/a.jpg", "split": "val"}
    annotations = [{"image_id": 7, "caption": "a cat"}, {"image_id": 7, "caption": None}]
    path = write(tmp_path / "in.json", {"images": [image], "annotations": annotations})
    assert run_here("convert", path, tmp_path / "out.tsv").warnings == [
        "left out: 1 file or record that cannot be used",
        "left out: 1 split that the form has no place for",
        "left out: 1 URL that the form has no place for",
        "left out: 1 id that the form has no place for",
    ]


def test_a_folder_with_text_files_of_other_gifs_is_refused(tmp_path):
    path = write(tmp_path / "in.tsv", "a.gif\ta cat\n")
    output = tmp_path / "out"
    convert(path, output)
    convert(path, output, "--force")
    (output / "b.txt").write_text("a dog\n")
    write(path, "a.gif\ta horse\n")
    done = run_here("convert", path, output, "--force")
    assert done.code == 2
    assert done.error == (
        f"error: {output}: contains 1 .txt file of other GIFs, such as b.txt; name another folder, "
        "or remove them"
    )
    assert (output / "a.txt").read_text() == "a cat\n"


def test_other_languages_are_counted(tmp_path):
    path = FILES["vatex"]().write(tmp_path)
    assert convert(path, tmp_path / "en.tsv")["left_out"] == {"captions in Chinese": 12}
    options = ("--descriptions-format", "vatex-chinese")
    assert convert(path, tmp_path / "zh.tsv", *options)["left_out"] == {"captions in English": 12}


def test_urls_become_names_of_files_where_these_are_unique(tmp_path):
    urls = [
        "https://x.example/a1/giphy.gif",
        "https://x.example/b2/giphy.gif",
        "http://y.example/c.gif",
    ]
    path = write(tmp_path / "in.tsv", "".join(f"{url}\tit moves\n" for url in urls))
    convert(path, tmp_path / "out")
    names = sorted(one.relative_to(tmp_path / "out") for one in (tmp_path / "out").rglob("*.txt"))
    wanted = ["c.txt", "x.example/a1/giphy.txt", "x.example/b2/giphy.txt"]
    assert [one.as_posix() for one in names] == wanted
    convert(path, tmp_path / "out.json")
    images = json.loads((tmp_path / "out.json").read_text())["images"]
    assert [(one["file_name"], one.get("coco_url")) for one in images] == [
        (urls[0], None),
        (urls[1], None),
        ("c.gif", urls[2]),
    ]


def test_images_of_coco_keep_their_ids_urls_and_splits(tmp_path):
    image = {"id": 7, "file_name": "a.jpg", "coco_url": "https://x.example/a.jpg", "split": "val"}
    annotations = [{"id": 1, "image_id": 7, "caption": "a cat"}]
    path = write(tmp_path / "in.json", {"images": [image], "annotations": annotations})
    assert convert(path, tmp_path / "out.json")["left_out"] == {}
    document = json.loads((tmp_path / "out.json").read_text())
    assert (document["images"], document["annotations"]) == ([image], annotations)
    assert convert(path, tmp_path / "out.jsonl")["left_out"] == {
        "URLs that the form has no place for": 1,
        "ids that the form has no place for": 1,
    }


def test_results_under_whole_numbers_keep_these_as_ids_of_images(tmp_path):
    rows = [{"image_id": number, "caption": "a cat"} for number in (104, 100, 102)]
    path = write(tmp_path / "in.json", rows)
    assert convert(path, tmp_path / "out.json")["left_out"] == {}
    document = json.loads((tmp_path / "out.json").read_text())
    assert [image["id"] for image in document["images"]] == [104, 100, 102]
    assert [row["image_id"] for row in document["annotations"]] == [104, 100, 102]


@pytest.mark.parametrize("names", [("7", "a"), ("7", "007"), ("7", "9" * 5000)])
def test_images_without_whole_numbers_of_their_own_are_numbered(tmp_path, names):
    path = write(tmp_path / "in.json", [{"image_id": one, "caption": "a cat"} for one in names])
    convert(path, tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    assert [image["id"] for image in document["images"]] == [1, 2]


def test_a_folder_is_converted_and_an_output_is_not_overwritten(tmp_path):
    folder = tmp_path / "in"
    (folder / "cats").mkdir(parents=True)
    write(folder / "cats" / "a.txt", '"pop", it says\n"quoted"\n')
    output = tmp_path / "out.tsv"
    convert(folder, output)
    assert read_descriptions(output).captions == {"cats/a": ['"pop", it says', '"quoted"']}
    for path in (output, folder):
        done = run_here("convert", folder, path, "--to", "text" if path == folder else "tsv")
        assert done.code == 2
        assert done.error == (
            f"error: {path}: exists; name another output, or overwrite it with --force"
        )
    write(folder / "b.txt", "new\n")
    convert(folder, output, "--force")
    assert list(read_descriptions(output).captions) == ["b", "cats/a"]


def test_what_cannot_be_converted_is_refused_in_a_sentence(tmp_path):
    path = write(tmp_path / "in.tsv", "no row here\n")
    done = run_here("convert", path, tmp_path / "out.jsonl")
    assert done.code == 1
    assert done.error == f"error: {path}:1: not `name<TAB>sentence`"
    assert not (tmp_path / "out.jsonl").exists()
    done = run_here("convert", path, tmp_path / "out.xlsx")
    assert done.code == 2
    assert done.error == (
        f"error: {tmp_path / 'out.xlsx'}: its ending decides no form; choose with --to "
        "text|tsv|jsonl|coco (text for a folder of .txt files)"
    )
    done = run_here("convert", tmp_path / "gone", tmp_path / "out.tsv")
    assert done.error == f"error: {tmp_path / 'gone'}: no such file or folder"


FOR_SHARDS = "--dtype and --chunk-size are for --to shards"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("features", "out"), "features: contains features; give --to npy or --to shards"),
        (
            ("features", "out", "--to", "npy", "--write-splits", "s"),
            "--write-splits and --descriptions-format are for descriptions, not features",
        ),
        (
            ("d.tsv", "d.jsonl", "--dtype", "float16"),
            "--dtype and --chunk-size are for --to shards",
        ),
        (("d.tsv", "d.jsonl", "--chunk-size", 3), "--dtype and --chunk-size are for --to shards"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "recipe.json").write_text("{}")
    (tmp_path / "d.tsv").write_text("a.gif\ta dog\n")
    done = run_here("convert", *arguments)
    assert (done.code, done.error) == (2, f"error: {sentence}")
