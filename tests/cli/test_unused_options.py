"""Options that a run does not use are reported, if they are from the command line."""

import json

import pytest

from gif_files import draw_gif
from worlds import run_here, tiny_recipe, write_model, write_world


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with a GIF, captions, descriptions and features."""
    monkeypatch.chdir(tmp_path)
    draw_gif(tmp_path / "gifs" / "a.gif")
    lines = (json.dumps({"id": name, "caption": "a red ball"}) + "\n" for name in ("a", "b"))
    (tmp_path / "captions.jsonl").write_text("".join(lines))
    write_world(tmp_path, recipe=tiny_recipe())
    write_model(tmp_path / "model", recipe=tiny_recipe())
    return tmp_path


SCORED = ("--predictions", "captions.jsonl", "--references", "captions.jsonl", "--no-meteor")


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [
        (
            ("search", "ball", "--captions", "captions.jsonl", "--model", "m", "--device", "cpu"),
            "--model, --device have no effect with --captions",
        ),
        (("search", "--like", "red", "--model=m"), "--model has no effect with --like"),
        (
            ("evaluate", *SCORED, "--split", "val", "--beam", 3),
            "--split, --beam have no effect with --predictions",
        ),
        (
            ("evaluate", "--references-format", "tsv", "--split", "train", "--no-meteor"),
            "--references-format has no effect without --predictions",
        ),
        (
            ("check", "gifs", "--descriptions-format", "tsv"),
            "--descriptions-format has no effect without --descriptions",
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
            ("extract", "gifs", "-o", "new", "--weights", "random", "--chunk-size", 4),
            "--chunk-size has no effect without --engine ray or --format shards",
        ),
        (
            ("demo", "drawn", "--data-only", "--num-gifs", 1, "--device", "cpu"),
            "--device has no effect with --data-only",
        ),
        (("info", "captions.jsonl", "--model", "m"), "--model has no effect here: it is for a GIF"),
        (
            ("info", "gifs/a.gif", "--model", "m"),
            "m: no such folder, so the frames are those of the default recipe",
        ),
    ],
)
@pytest.mark.usefixtures("here", "tiny_backbone")
def test_options_without_an_effect_are_reported(arguments, warning):
    assert warning in run_here(*arguments).warnings


@pytest.mark.usefixtures("here")
def test_fractions_beside_split_lists_are_reported(here):
    for name in ("train", "val", "test"):
        (here / f"{name}.txt").write_text("")
    (here / "train.txt").write_text("red\n")
    done = run_here("train", "--splits", ".", "--val-fraction", 0.2, "--epochs", 1, "--model", "m")
    assert "--val-fraction has no effect with --splits" in done.warnings


@pytest.mark.usefixtures("here", "tiny_backbone")
def test_options_with_an_effect_and_settings_are_not_reported(here):
    (here / "gifdesc.toml").write_text('model = "model"\ndevice = "cpu"\nbeam = 2\n')
    for arguments in (
        ("search", "ball", "--captions", "captions.jsonl"),
        ("search", "--like", "red", "--device", "cpu"),
        ("search", "ball", "--model", "model"),
        ("evaluate", *SCORED),
        ("caption", "gifs", "--force", "-o", "new.txt"),
        ("extract", "gifs", "-o", "n", "--weights", "random", "--format=shards", "--chunk-size=4"),
        ("info", "gifs/a.gif", "--model", "model"),
    ):
        done = run_here(*arguments)
        assert not [line for line in done.warnings if "no effect" in line or "no such" in line]
