"""Options that a run does not use are reported, if they are from the command line."""

import json

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
            "--descriptions-format has no effect for a folder",
        ),
        (
            ("convert", "descriptions", "new.tsv", "--descriptions-format", "tsv"),
            "--descriptions-format has no effect for a folder",
        ),
        (
            (*TRAIN, "--descriptions-format", "tsv"),
            "--descriptions-format has no effect for a folder",
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
        (("check", "gifs/x.gif", "--ext", "mp4"), "--ext has no effect without a folder"),
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
        ("caption", "gifs/x.gif", "gifs", "--ext", "gif"),
        ("extract", "gifs", "-o", "n", "--weights", "random", "--format=shards", "--chunk-size=4"),
        (*TRAIN, "--val-fraction", 0.2),
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
        "--format shards: 1 GIF done before keeps its form; change it with `gifdesc convert`, or "
        "extract again with --force"
    ]
    assert not [line for line in run_here(*extract).warnings if "--format" in line]


@pytest.mark.usefixtures("folder")
def test_nothing_is_pruned_without_a_gif_to_extract():
    done = run_here("extract", "nowhere.gif", "--prune")
    assert done.code == 1
    assert "--prune has no effect without a GIF to extract" in done.warnings
