import json
import subprocess
import sys

import pytest

import gifdesc
from builders import (
    process_environment,
    run_here,
    run_process,
    tiny_recipe,
    use_tiny_backbone,
    write_model,
)
from gifdesc.config import TrainingConfig
from helpers import draw_broken_gif, draw_gif, truncate

SHORT = ("--beam", 2, "--max-length", 6)


@pytest.fixture
def tiny_backbone(monkeypatch):
    use_tiny_backbone(monkeypatch)


@pytest.fixture
def model_dir(tmp_path, tiny_backbone):  # noqa: ARG001
    return write_model(tmp_path / "model", recipe=tiny_recipe())


@pytest.fixture
def gifs(tmp_path):
    for index, name in enumerate(("b", "a", "deep/c")):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 2 + index)
    return tmp_path / "gifs"


def caption(*arguments, model_dir, stdin=""):
    return run_here("caption", *arguments, "--model", model_dir, *SHORT, stdin=stdin)


def rows_of(done):
    return [json.loads(line) for line in done.out.splitlines()]


def test_one_gif_gives_its_caption_and_nothing_else(gifs, model_dir):
    done = caption(gifs / "a.gif", model_dir=model_dir)
    assert done.code == 0
    [line] = done.out.splitlines()
    assert line
    assert "\t" not in line
    [warning] = done.warnings
    assert "untrained ResNet50" in warning


@pytest.mark.parametrize("way", ["files", "folder", "stdin"])
def test_several_gifs_give_a_line_each_with_their_path(gifs, model_dir, way):
    paths = sorted(map(str, gifs.rglob("*.gif")))
    arguments = {"files": paths, "folder": [gifs], "stdin": ["-"]}[way]
    stdin = "\n".join(paths) if way == "stdin" else ""
    done = caption(*arguments, model_dir=model_dir, stdin=stdin)
    assert done.code == 0
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert [path for path, _ in lines] == paths
    assert [text for _, text in lines] == [
        caption(path, model_dir=model_dir).out.strip() for path in paths
    ]


def test_json_is_one_object_a_line_and_all_that_stdout_holds(gifs, model_dir):
    done = caption(gifs, "--json", "--num-captions", 2, model_dir=model_dir)
    assert done.code == 0
    rows = rows_of(done)
    assert [row["path"] for row in rows] == sorted(map(str, gifs.rglob("*.gif")))
    for row in rows:
        assert set(row) == {
            "path",
            "caption",
            "score",
            "alternatives",
            "num_frames",
            "duration_ms",
            "sampled_frames",
            "sampled_times_ms",
            "low_confidence",
            "words",
        }
        assert len(row["alternatives"]) == 2


def test_every_input_has_one_line_in_input_order_whatever_becomes_of_it(gifs, model_dir, tmp_path):
    empty_dir = tmp_path / "empty"
    empty_dir.mkdir()
    empty_file = tmp_path / "empty.gif"
    empty_file.write_bytes(b"")
    inputs = {
        gifs / "b.gif": None,
        tmp_path / "missing.gif": "no such file or folder",
        draw_broken_gif(tmp_path / "broken.gif"): "not a GIF",
        gifs / "a.gif": None,
        empty_dir: "no GIF in this folder",
        empty_file: "an empty file",
        gifs / "deep" / "c.gif": None,
    }
    done = caption(*inputs, "--json", model_dir=model_dir)
    assert done.code == 1
    rows = rows_of(done)
    assert [row["path"] for row in rows] == list(map(str, inputs))
    for row, (path, reason) in zip(rows, inputs.items(), strict=True):
        if reason is None:
            assert row["caption"] is not None
            assert "error" not in row
        else:
            assert set(row) == {"path", "error"}
            assert reason in row["error"]
            assert f"{path}: {row['error']}" in done.warnings
    assert "Traceback" not in done.err


def test_as_text_a_bad_file_is_on_stderr_alone(gifs, model_dir, tmp_path):
    bad = draw_broken_gif(tmp_path / "bad.gif")
    done = caption(bad, gifs / "a.gif", model_dir=model_dir)
    assert done.code == 1
    [line] = done.out.splitlines()
    assert line.startswith(f"{gifs / 'a.gif'}\t")
    assert any(one.startswith(f"{bad}: not a GIF") for one in done.warnings)


def test_a_truncated_gif_is_captioned_and_said(model_dir, tmp_path):
    cut = truncate(draw_gif(tmp_path / "cut.gif", 6), 60)
    done = caption(cut, "--json", model_dir=model_dir)
    assert done.code == 0
    [row] = rows_of(done)
    assert row["caption"] is not None
    assert f"{cut}: {row['note']}" in done.warnings


def test_an_empty_list_on_stdin_is_wrong_usage(model_dir):
    done = caption("-", model_dir=model_dir)
    assert (done.code, done.out) == (2, "")
    assert done.error == "error: -: no path came on stdin"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("x.gif", "--beam", 0),
        ("x.gif", "--max-length", 0),
        ("x.gif", "--beam", 2, "--num-captions", 3),
        ("x.gif", "--greedy"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, tmp_path):
    done = run_here("caption", *arguments, "--model", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("device", ["abacus", "cuda", "mps:1"])
def test_a_device_that_is_not_there_is_exit_code_2(gifs, model_dir, device, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = caption(gifs, "--device", device, model_dir=model_dir)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"error: --device {device}: ")


def test_a_model_of_unknown_features_is_one_sentence(gifs, tmp_path):
    done = caption(gifs, model_dir=write_model(tmp_path / "unknown"))
    assert (done.code, done.out) == (1, "")
    assert "recipe is not known" in done.error


def test_a_model_of_other_weights_is_one_sentence(gifs, tmp_path, tiny_backbone):  # noqa: ARG001
    recipe = tiny_recipe(weights_sha256="e" * 64)
    done = caption(gifs, model_dir=write_model(tmp_path / "other", recipe=recipe))
    assert (done.code, done.out) == (1, "")
    assert "not the weights that the model's features were made with" in done.error


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.safetensors", None, "missing"),
        ("model.safetensors", b"damage", "damaged"),
        ("config.json", b"{", "damaged"),
        ("config.json", b'{"format_version": 99}', "upgrade gifdesc"),
    ],
)
def test_a_model_folder_that_is_not_whole_is_one_sentence(gifs, model_dir, name, content, reason):
    if content is None:
        (model_dir / name).unlink()
    else:
        (model_dir / name).write_bytes(content)
    done = caption(gifs, model_dir=model_dir)
    assert (done.code, done.out) == (1, "")
    assert str(model_dir / name) in done.error
    assert reason in done.error


def test_a_model_trained_on_the_reports_loss_is_warned_of(gifs, tmp_path, tiny_backbone):  # noqa: ARG001
    training = TrainingConfig(objective="reconstruction", best_by="loss")
    model_dir = write_model(tmp_path / "report", recipe=tiny_recipe(), training=training)
    done = caption(gifs / "a.gif", model_dir=model_dir)
    assert any("its captions mean nothing" in one for one in done.warnings)


def test_the_version():
    done = run_process("--version")
    assert (done.code, done.out, done.err) == (0, f"gifdesc {gifdesc.__version__}\n", "")


# The whole way, each command a process of its own, with the real (untrained) ResNet50.


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder in which `extract` and `train` were run with their defaults."""
    home = tmp_path_factory.mktemp("home")
    red, green, blue, yellow = (250, 30, 30), (30, 200, 30), (40, 60, 240), (240, 220, 20)
    (home / "descriptions").mkdir()
    for name, colours, text in (
        ("first", [red, green], "red turns green"),
        ("second", [blue, yellow], "blue turns yellow"),
    ):
        draw_gif(home / "gifs" / f"{name}.gif", colours)
        (home / "descriptions" / f"{name}.txt").write_text(text)
    extracted = run_process("extract", "./gifs", "--weights", "random", "--json", cwd=home)
    assert extracted.code == 0, extracted.err
    assert json.loads(extracted.out)["ok"] == 2
    all_for_training = ("--val-fraction", 0, "--test-fraction", 0)
    options = ("--epochs", 80, "--lr", 0.005, "--schedule", "constant", "--dropout", 0)
    options += ("--fusion", "concat", "--hidden-size", 64)
    trained = run_process("train", *all_for_training, *options, "--json", cwd=home)
    assert trained.code == 0, trained.err
    assert json.loads(trained.out)["train_loss"] < 0.2
    return home


def test_what_was_learnt_is_said_again(home):
    draw_broken_gif(home / "broken.gif")
    paths = ("gifs/second.gif", "broken.gif", "gifs/first.gif")
    done = run_process("caption", *paths, "--json", cwd=home)
    assert done.code == 1
    rows = rows_of(done)
    assert [row["path"] for row in rows] == list(paths)
    assert [row.get("caption") for row in rows] == ["blue turns yellow", None, "red turns green"]
    assert len(done.warnings) == len(done.err.splitlines()) == 2
    assert "Traceback" not in done.err


def test_scores_are_printed_by_a_process_of_its_own(home):
    done = run_process("evaluate", "--split", "train", "--json", cwd=home)
    assert done.code == 0
    result = json.loads(done.out)
    assert (result["num_examples"], result["exact_match"]) == (2, 1.0)
    assert result["blind"]["exact_match"] == 0.0


def test_a_reader_that_has_seen_enough_ends_the_command_quietly(home):
    command = [sys.executable, "-m", "gifdesc", "caption", *["gifs/first.gif"] * 60]
    with subprocess.Popen(
        command,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
    ) as process:
        assert process.stdout.readline() == "gifs/first.gif\tred turns green\n"
        process.stdout.close()
        talk = process.stderr.read()
        assert process.wait() == 0
    assert "Traceback" not in talk
    assert "Broken pipe" not in talk
    assert len(talk.splitlines()) == 1


def test_an_unknown_device_in_a_process_of_its_own(home):
    done = run_process("caption", "gifs/first.gif", "--device", "abacus", cwd=home)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: --device abacus: not a device; use auto, cpu, cuda, cuda:N or mps"
    ]


def test_a_traceback_is_for_those_who_ask(home):
    plain = run_process("caption", "gifs/first.gif", "--model", "nowhere", cwd=home)
    assert plain.err.splitlines() == [
        "error: nowhere: no model folder; train one, or name it with --model"
    ]
    asked = run_process("caption", "gifs/first.gif", "--model", "nowhere", "--debug", cwd=home)
    assert asked.code == plain.code == 1
    assert "Traceback" in asked.err
