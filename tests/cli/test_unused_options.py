"""Options that a run does not use are reported, if they are from the command line."""

import json
from pathlib import Path

import pytest

from gif_files import draw_gif
from worlds import CAPTIONS, run_here, tiny_recipe, write_model, write_world

NAMES = list(CAPTIONS)


@pytest.fixture
def folder(request, tmp_path, monkeypatch):
    """A working folder with a GIF, captions, descriptions, features, split lists and a model."""
    request.getfixturevalue("tiny_backbone")
    monkeypatch.chdir(tmp_path)
    draw_gif(tmp_path / "gifs" / "x.gif")
    lines = (json.dumps({"id": name, "caption": "a red ball"}) + "\n" for name in NAMES)
    (tmp_path / "captions.jsonl").write_text("".join(lines))
    write_world(tmp_path, recipe=tiny_recipe())
    (tmp_path / "splits").mkdir()
    for split, names in {"train": NAMES[:4], "val": NAMES[4:5], "test": NAMES[5:]}.items():
        (tmp_path / "splits" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    rows = [
        {"id": name, "captions": [caption], "split": "train" if name != NAMES[0] else "test"}
        for name, caption in CAPTIONS.items()
    ]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tables").mkdir()
    table = json.dumps([{"videoID": "x", "enCap": ["a red ball"]}])
    (tmp_path / "tables" / "vatex.json").write_text(table)
    write_model(tmp_path / "model", recipe=tiny_recipe())
    return tmp_path


SCORED = ("--predictions", "captions.jsonl", "--references", "captions.jsonl", "--no-meteor")
TRAIN = ("train", "--model", "new", "--epochs", 1)


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [
        (
            ("search", "ball", "--captions", "captions.jsonl", "--model", "m", "--device", "cpu"),
            "--model and --device have no effect with --captions",
        ),
        (
            ("search", "--like", NAMES[0], "--model=m", "--top", 9),
            "--model has no effect with --like",
        ),
        (
            ("search", "--like", NAMES[0], "--device=cpu", "--weights=random", "--top", 9),
            "--weights and --device have no effect for a GIF of the folder",
        ),
        (
            ("evaluate", *SCORED, "--beam", 3, "--max-length", 9, "--split", "val"),
            "--split, --beam and --max-length have no effect with --predictions",
        ),
        (
            ("evaluate", "--references-format", "tsv", "--splits", "splits", "--no-meteor"),
            "--references-format has no effect without --predictions",
        ),
        (
            ("check", "gifs", "--descriptions-format", "tsv"),
            "--descriptions-format has no effect without --descriptions",
        ),
        (
            ("check", "gifs", "--descriptions", "descriptions", "--descriptions-format", "tsv"),
            "--descriptions-format has no effect for a folder of .txt files",
        ),
        (
            ("convert", "descriptions", "new.tsv", "--descriptions-format", "tsv"),
            "--descriptions-format has no effect for a folder of .txt files",
        ),
        (
            (*TRAIN, "--descriptions-format", "tsv"),
            "--descriptions-format has no effect for a folder of .txt files",
        ),
        (
            ("caption", "gifs", "--chunk-size", 4),
            "--chunk-size has no effect without --engine ray",
        ),
        (
            ("caption", "gifs", "--force"),
            "--force has no effect without --output or --write-sidecar",
        ),
        (
            ("caption", "gifs", "--force", "--skip-done", "-o", "new.txt"),
            "--force has no effect with --skip-done",
        ),
        (("caption", "gifs/x.gif", "--ext", "gif"), "--ext has no effect without a folder"),
        (("check", "gifs/*.gif", "--ext", "mp4"), "--ext has no effect without a folder"),
        (("caption", "gifs", "--seed", 0), "--seed has no effect without --sample"),
        (
            ("describe", "gifs", "--model", "model", "-o", "new", "--chunk-size", 4),
            "--chunk-size has no effect without --engine ray",
        ),
        (
            ("extract", "gifs", "-o", "new", "--weights", "random", "--chunk-size", 4),
            "--chunk-size has no effect without --engine ray or --format shards",
        ),
        (
            (*TRAIN, "--splits", "splits", "--val-fraction", 0.2),
            "--val-fraction has no effect with --splits",
        ),
        (
            (*TRAIN, "--descriptions", "own.jsonl", "--split-seed", 2, "--test-fraction", 0.3),
            "--test-fraction and --split-seed have no effect where the descriptions name the "
            "splits",
        ),
        (
            (*TRAIN, "--val-fraction", 0, "--patience", 2, "--best-by", "cider"),
            "--best-by and --patience have no effect without a validation split",
        ),
        (
            (*TRAIN, "--patience", 2, "--best-by", "last"),
            "--patience has no effect with --best-by last",
        ),
        (
            ("demo", "drawn", "--data-only", "--num-gifs", 1, "--device", "cpu"),
            "--device has no effect with --data-only",
        ),
        (("info", "captions.jsonl", "--model", "m"), "--model has no effect for descriptions"),
        (("info", "features", "--model", "m"), "--model has no effect for features"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_options_without_an_effect_are_reported(arguments, warning):
    done = run_here(*arguments)
    has_findings = "--descriptions" in arguments and arguments[0] == "check"
    assert done.code == int(has_findings), done.err
    assert warning in done.warnings


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "ball", "--captions", "captions.jsonl"),
        ("search", "--like", "gifs/x.gif", "--device", "cpu", "--weights", "random"),
        ("search", "ball", "--model", "model"),
        ("evaluate", *SCORED),
        ("caption", "gifs", "--force", "-o", "new.txt"),
        ("caption", "gifs", "--sample", "--seed", 1),
        ("caption", "gifs/x.gif", "--write-sidecar", "-o", "new.txt", "--skip-done", "--force"),
        ("caption", "gifs/x.gif", "gif[s]", "--ext", "gif"),
        ("check", "gifs", "--descriptions", "tables", "--descriptions-format", "vatex"),
        ("extract", "gifs", "-o", "n", "--weights", "random", "--format=shards", "--chunk-size=4"),
        (*TRAIN, "--val-fraction", 0.2, "--best-by", "last"),
        (*TRAIN, "--patience", 2),
        ("info", "gifs/x.gif", "--model", "model"),
    ],
)
def test_options_with_an_effect_and_settings_are_not_reported(folder, monkeypatch, arguments):
    (folder / "gifdesc.toml").write_text(
        'model = "model"\ndevice = "cpu"\nbeam = 2\n[caption]\ntemperature = 0.5\n'
    )
    monkeypatch.setenv("GIFDESC_CHUNK_SIZE", "4")
    done = run_here(*arguments)
    assert done.code == 0, done.err
    assert not [line for line in done.warnings if "no effect" in line]


@pytest.mark.usefixtures("folder")
def test_shards_alone_have_a_chunk_size():
    done = run_here("convert", "features", "new", "--to", "npy", "--chunk-size", 5)
    assert (done.code, done.error) == (2, "error: --dtype and --chunk-size are for --to shards")


def test_a_form_that_finished_gifs_do_not_have_is_reported(folder):
    extract = ("extract", "gifs", "-o", "new", "--weights", "random")
    assert run_here(*extract).code == 0
    draw_gif(folder / "gifs" / "y.gif")
    done = run_here(*extract, "--format", "shards")
    assert done.code == 0
    assert [line for line in done.warnings if "--format" in line] == [
        "--format shards: 1 GIF done before keeps its form; extract again with --force, or convert "
        "all into another folder with `gifdesc convert`"
    ]
    assert not [line for line in run_here(*extract).warnings if "--format" in line]


def test_gifs_in_shards_are_reported_where_files_are_asked_for(folder):
    draw_gif(folder / "gifs" / "y.gif")
    extract = ("extract", "gifs", "-o", "new", "--weights", "random")
    assert run_here(*extract, "--format", "shards").code == 0
    done = run_here(*extract, "--format", "npy")
    assert [line for line in done.warnings if "--format" in line] == [
        "--format npy: 2 GIFs done before keep their form; extract again with --force, or convert "
        "all into another folder with `gifdesc convert`"
    ]
    assert run_here(*extract, "--format", "npy", "--force").code == 0
    done = run_here(*extract, "--format", "npy")
    assert not [line for line in done.warnings if "--format" in line]


@pytest.mark.usefixtures("folder")
def test_nothing_is_pruned_where_no_gif_is_found():
    done = run_here("extract", "nowhere.gif", "--prune")
    assert done.code == 1
    assert "--prune removed nothing, because no GIF was found (is a disk missing?)" in done.warnings


SETTINGS = """\
dtype = "float16"
chunk-size = 4
ray-address = "head:6379"
descriptions-format = "jsonl"
[search]
captions = "captions.jsonl"
exact = true
weights = "random"
[caption]
model = "model"
skip-done = true
weights-per-word = true
fields = "path,caption"
format = "text"
[evaluate]
retrieval = true
gifs = "gifs"
[train]
case = "lower"
"""


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (
            ("convert", "captions.jsonl", "new.tsv", "--chunk-size", 4),
            "--dtype and --chunk-size are for --to shards",
        ),
        (
            ("convert", "features", "new", "--to", "npy", "--dtype", "float16"),
            "--dtype and --chunk-size are for --to shards",
        ),
        (
            ("convert", "features", "new", "--to", "npy", "--descriptions-format", "tsv"),
            "--write-splits and --descriptions-format are for descriptions",
        ),
        (("caption", "gifs", "--ray-address", "head:1"), "--ray-address is for --engine ray"),
        (("caption", "gifs", "--skip-done"), "--skip-done continues a file"),
        (("caption", "gifs", "--weights-per-word"), "--weights-per-word is for --json without"),
        (("caption", "gifs", "--fields", "path"), "--fields is for --format json"),
        (("caption", "gifs", "--json", "--format", "csv"), "--json is --format json"),
        (("search", "--like", NAMES[0], "--captions", "captions.jsonl"), "--like takes the place"),
        (("search", "--like", NAMES[0], "--exact"), "--like compares with all GIFs"),
        (("search", "ball", "--weights", "random"), "--weights goes with --like"),
        (("search", "ball", "--captions", "captions.jsonl", "--exact"), "--captions needs no"),
        (("evaluate", *SCORED, "--retrieval"), "--retrieval needs a model"),
        (("evaluate", *SCORED, "--gifs", "gifs"), "--gifs is for --html and --picture"),
        (
            (*TRAIN, "--tokenizer", "words", "--case", "lower"),
            "--case goes with --tokenizer corpus",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused_and_settings_are_left_out(folder, arguments, refusal):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "ball"]
    (folder / "words").mkdir()
    (folder / "words" / "vocab.txt").write_text("".join(f"{word}\n" for word in vocabulary))
    done = run_here(*arguments)
    assert done.code == 2
    assert refusal in done.error
    (folder / "gifdesc.toml").write_text(SETTINGS)
    last = arguments.index(next(each for each in reversed(arguments) if str(each)[:2] == "--"))
    assert run_here(*arguments).code == 2  # from the command line, still
    done = run_here(*arguments[:last])
    assert done.code == 0, done.err


@pytest.mark.usefixtures("folder")
def test_a_query_without_quotes_is_explained():
    done = run_here("search", "red", "ball")
    assert (done.code, done.error) == (
        1,
        "error: ball: no such folder; make features with `gifdesc extract ./gifs`, or write "
        "several words in quotes: 'red ball'",
    )


def test_of_two_options_that_exclude_each_other_the_command_lines_counts(folder, monkeypatch):
    draw_gif(folder / "gifs" / "still.gif", 1)
    monkeypatch.setenv("GIFDESC_JSON", "1")
    listed = run_here("check", "gifs", "--list", "still")
    assert (listed.code, listed.out) == (1, "gifs/still.gif\n")
    assert run_here("check", "gifs", "--list", "still", "--json").code == 2
    monkeypatch.setenv("GIFDESC_CHECK_LIST", "still")
    assert run_here("check", "gifs").code == 2
    shown = json.loads(run_here("check", "gifs", "--json").out)
    assert [Path(found["path"]).name for found in shown["findings"]] == ["still.gif"]


@pytest.mark.usefixtures("folder")
def test_a_setting_to_resume_or_to_replace_gives_way_to_the_other(monkeypatch):
    assert run_here(*TRAIN).code == 0
    monkeypatch.setenv("GIFDESC_FORCE", "1")
    resumed = run_here("train", "--model", "new", "--epochs", 2, "--resume")
    assert resumed.code == 0
    assert "epoch 2/2" in resumed.err
    assert "epoch 1/2" not in resumed.err
