import json
import os

import numpy as np
import pytest

from gif_files import draw_broken_gif, draw_gif, truncate
from gifdesc.config import to_json
from gifdesc.system.files import write_json
from video_files import draw_video
from worlds import run_here, run_process, tiny_recipe

pytestmark = pytest.mark.usefixtures("tiny_backbone")


@pytest.fixture
def gifs(tmp_path):
    draw_gif(tmp_path / "gifs" / "one.gif", 3)
    draw_gif(tmp_path / "gifs" / "deep" / "two.gif", 20)
    return tmp_path / "gifs"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "features"


def extract(*arguments, output, stdin=""):
    return run_here("extract", *arguments, "--output", output, "--weights", "random", stdin=stdin)


def manifest(output):
    rows = map(json.loads, (output / "manifest.jsonl").read_text().splitlines())
    return {row["source"]: row for row in rows}


def test_a_rerun_names_the_option_that_retries_failed_gifs(gifs, output):
    draw_broken_gif(gifs / "broken.gif")
    sentence = (
        "warning: 1 GIF failed in an earlier run and did not change; retry with --retry-failed"
    )
    assert sentence not in extract(gifs, output=output).err
    again = extract(gifs, output=output)
    assert sentence in again.err.splitlines()
    assert "2 done before, 1 failed" in again.err
    assert sentence not in extract(gifs, "--retry-failed", output=output).err


def test_a_folder_of_gifs_becomes_a_folder_of_features(gifs, output):
    done = extract(gifs, output=output)
    assert (done.code, done.out) == (0, "")
    for name, num_frames in {"one.gif": 3, "deep/two.gif": 16}.items():
        features = np.load(output / f"{name}.npy", allow_pickle=False)
        assert (features.shape, features.dtype) == ((num_frames, 48), np.float32)
    recipe = json.loads((output / "recipe.json").read_text())
    assert (recipe["weights"], recipe["sampling"], recipe["num_frames"]) == (
        "random",
        "uniform",
        16,
    )
    assert set(manifest(output)) == {"one.gif", "deep/two.gif"}
    assert "2 extracted (0 truncated), 0 done before, 0 failed" in done.err
    assert any("untrained" in one for one in done.warnings)


def test_options_reach_the_recipe_and_the_features(gifs, output):
    options = ("--num-frames", 4, "--sampling", "step", "--no-positional-encoding")
    assert extract(gifs, *options, output=output).code == 0
    recipe = json.loads((output / "recipe.json").read_text())
    assert (recipe["num_frames"], recipe["sampling"], recipe["encoding"]) == (4, "step", "none")
    assert np.load(output / "deep" / "two.gif.npy").shape == (4, 48)
    assert manifest(output)["deep/two.gif"]["sampled_frames"] == [0, 5, 10, 15]


def test_a_rerun_skips_finished_gifs_and_extracts_new_ones(gifs, output):
    extract(gifs, output=output)
    before = (output / "one.gif.npy").stat().st_mtime_ns
    draw_gif(gifs / "three.gif", 2)
    again = extract(gifs, "--json", output=output)
    assert again.code == 0
    summary = json.loads(again.out)
    assert (summary["ok"], summary["skipped"], summary["failed"]) == (1, 2, 0)
    assert (output / "one.gif.npy").stat().st_mtime_ns == before
    forced = json.loads(extract(gifs, "--json", "--force", output=output).out)
    assert (forced["ok"], forced["skipped"]) == (3, 0)


def test_json_is_one_object_and_all_that_stdout_holds(gifs, output):
    done = extract(gifs, "--json", output=output)
    summary = json.loads(done.out)
    assert done.out.count("\n") == 1
    assert (summary["ok"], summary["truncated"], summary["failed"]) == (2, 0, 0)
    assert (summary["output"], summary["failures"]) == (str(output), [])
    assert "2 extracted" in done.err


def refuse_to_list(monkeypatch, folder):
    """Let the operating system refuse to list a folder, also to root."""
    scandir = os.scandir

    def refusing(path="."):
        if str(path) == str(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)


def test_every_kind_of_bad_input_is_reported_and_does_not_stop_the_others(
    gifs, output, tmp_path, monkeypatch
):
    empty_file = gifs / "empty.gif"
    empty_file.write_bytes(b"")
    closed_dir = gifs / "closed"
    closed_dir.mkdir()
    empty_dir = tmp_path / "empty"
    empty_dir.mkdir()
    missing = tmp_path / "missing.gif"
    broken = draw_broken_gif(gifs / "broken.gif")
    headless = gifs / "headless.gif"
    headless.write_bytes(b"GIF89a")
    refuse_to_list(monkeypatch, closed_dir)
    done = extract(missing, gifs, empty_dir, "--json", output=output)
    assert done.code == 1
    summary = json.loads(done.out)
    assert (summary["ok"], summary["failed"]) == (2, 6)
    errors = {row["path"]: row["error"] for row in summary["failures"]}
    assert set(errors) == set(
        map(str, (empty_file, closed_dir, empty_dir, missing, broken, headless))
    )
    for path, reason in {
        missing: "no such file or folder",
        empty_dir: "no GIF in this folder",
        closed_dir: "cannot be read: permission denied",
        empty_file: "an empty file",
        broken: "not a GIF",
    }.items():
        assert reason in errors[str(path)]
        assert f"{path}: {errors[str(path)]}" in done.errors
    assert all(error and "\n" not in error for error in errors.values())
    assert "Traceback" not in done.err
    statuses = {row["status"] for row in manifest(output).values()}
    assert statuses == {"ok", "failed"}
    assert len(list(output.rglob("*.npy"))) == 2


def test_the_beginning_of_a_truncated_gif_is_used_and_reported(gifs, output):
    truncate(gifs / "deep" / "two.gif", 200)
    done = extract(gifs, "--json", output=output)
    assert done.code == 0
    summary = json.loads(done.out)
    assert (summary["ok"], summary["truncated"], summary["failed"]) == (1, 1, 0)
    entry = manifest(output)["deep/two.gif"]
    assert entry["status"] == "truncated"
    assert 0 < entry["num_frames"] < 20
    assert f"{gifs / 'deep' / 'two.gif'}: {entry['error']}" in done.warnings


def test_paths_may_come_on_stdin(gifs, output):
    listed = f"{gifs / 'one.gif'}\n\n{gifs / 'deep'}\n"
    assert extract("-", output=output, stdin=listed).code == 0
    assert len(manifest(output)) == 2


def test_gifs_are_named_by_patterns_lists_and_folders_and_done_once(gifs, output):
    listed = f"{gifs / 'one.gif'}\0{gifs / 'deep' / 'two.gif'}\0"
    inputs = (gifs / "*.gif", "-", gifs / "deep", gifs / "one.gif")
    done = extract(*inputs, "-0", "--json", output=output, stdin=listed)
    assert done.code == 0
    assert json.loads(done.out)["ok"] == 2
    assert set(manifest(output)) == {"one.gif", "deep/two.gif"}


def test_an_empty_list_on_stdin_is_not_an_error(output):
    done = extract("-", "--json", output=output, stdin="\n")
    assert done.code == 0
    counts = json.loads(done.out)
    assert {name: counts[name] for name in ("ok", "truncated", "skipped", "failed")} == {
        **{"ok": 0, "truncated": 0, "skipped": 0, "failed": 0}
    }
    assert not output.exists()


def test_wrong_paths_before_a_good_one_are_reported_once(gifs, output, tmp_path):
    done = extract(tmp_path / "missing.gif", gifs / "one.gif", "--json", output=output)
    assert done.code == 1
    assert done.errors == [f"{tmp_path / 'missing.gif'}: no such file or folder"]
    assert {name: json.loads(done.out)[name] for name in ("ok", "failed")} == {"ok": 1, "failed": 1}


def test_wrong_paths_are_reported_before_the_weights_are_loaded(output, tmp_path):
    done = extract(tmp_path / "missing", "--weights", "gone.pth", output=output)
    assert done.code == 1
    assert done.err.splitlines()[0] == f"error: {tmp_path / 'missing'}: no such file or folder"
    assert "weights" not in done.err
    assert not output.exists()


@pytest.mark.parametrize(
    ("option", "field"),
    [
        (("--num-frames", 8), "num_frames 16, not 8"),
        (("--sampling", "time"), "sampling uniform, not time"),
        (("--no-positional-encoding",), "encoding sinusoidal, not none"),
    ],
)
def test_a_folder_of_another_recipe_is_refused_with_the_field(gifs, output, option, field):
    extract(gifs, output=output)
    done = extract(gifs, *option, output=output)
    assert (done.code, done.out) == (1, "")
    assert done.error.startswith(f"error: {output}: its features were made with {field}")


def test_a_folder_of_features_from_elsewhere_is_not_mixed_with(gifs, output):
    output.mkdir()
    np.save(output / "gif_7_features_with_pe.npy", np.ones((2, 48), np.float32))
    done = extract(gifs, output=output)
    assert done.code == 1
    assert "holds feature files without recipe.json" in done.error


def test_an_output_that_cannot_be_written_is_named(gifs, output):
    output.write_text("a file where the folder should be")
    done = extract(gifs, output=output)
    assert done.code == 1
    assert str(output) in done.error


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("abacus", "not a device; use auto, cpu, cuda, cuda:N or mps"),
        ("cpu:1", "not a device"),
        ("cuda", "PyTorch finds no CUDA GPU here; use auto or cpu"),
        ("cuda:3", "PyTorch finds no CUDA GPU here; use auto or cpu"),
    ],
)
def test_a_missing_device_is_a_one_sentence_error_with_exit_code_2(
    gifs, output, device, reason, monkeypatch
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = extract(gifs, "--device", device, output=output)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"error: --device {device}: ")
    assert reason in done.error
    assert not output.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--nonsense", "x.gif"),
        ("x.gif", "--sampling", "backwards"),
        ("x.gif", "--num-frames", "0"),
        ("x.gif", "--num-frames", "many"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, output):
    done = extract(*arguments, output=output)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert not output.exists()


def test_missing_weights_are_a_one_sentence_error(gifs, tmp_path, monkeypatch):
    monkeypatch.undo()
    done = run_process(
        "extract", gifs, "--weights", "nowhere.pth", "--output", tmp_path / "f", cwd=tmp_path
    )
    assert (done.code, done.out) == (1, "")
    assert done.error == (
        "error: --weights nowhere.pth: neither a file nor one of "
        "imagenet1k-v1, imagenet1k-v2, random"
    )
    assert len(done.err.splitlines()) == 1


def test_json_is_an_error_object_if_a_run_cannot_begin(gifs, output):
    output.write_text("a file where the folder should be")
    done = extract(gifs, "--json", output=output)
    assert done.code == 1
    assert done.error == f"error: {json.loads(done.out)['error']}"


def test_debug_shows_the_traceback(gifs, output):
    output.mkdir()
    (output / "recipe.json").write_text("no json")
    assert "not a recipe of this gifdesc" in extract(gifs, output=output).error
    asked = extract(gifs, "--debug", output=output)
    assert asked.code == 1
    assert "Traceback" in asked.err
    assert "not a recipe of this gifdesc" in asked.err.splitlines()[-1]


def test_control_codes_in_names_are_escaped_in_warnings(tmp_path, output):
    for name in (b"li\nne.gif", b"esc\x1b[31m.gif", b"caf\xe9.gif", b"[b]old.gif"):
        draw_broken_gif(tmp_path / "gifs" / os.fsdecode(name))
    done = extract(tmp_path / "gifs", output=output)
    assert [line.partition(": ")[0].rpartition("/")[2] for line in done.errors] == [
        "[b]old.gif",
        r"caf\xe9.gif",
        r"esc\x1b[31m.gif",
        r"li\nne.gif",
    ]


def test_a_folder_of_another_backbone_is_refused_before_weights_are_read(tmp_path, monkeypatch):
    draw_gif(tmp_path / "gifs" / "a.gif", 2)
    recipe = tiny_recipe(backbone="efficientnet-lite0")
    write_json(tmp_path / "features" / "recipe.json", to_json(recipe))
    monkeypatch.setattr(
        "gifdesc.features.extractor.load_backbone", lambda *_: pytest.fail("weights were read")
    )
    done = run_here("extract", tmp_path / "gifs", "--output", tmp_path / "features")
    assert done.code == 1
    assert "the same backbone (extract --backbone efficientnet-lite0)" in done.err


def test_a_gif_and_a_video_of_one_name_keep_two_features(tmp_path, output):
    draw_gif(tmp_path / "gifs" / "funny.gif", 3)
    draw_video(tmp_path / "gifs" / "funny.mp4", 5)
    done = extract(tmp_path / "gifs", output=output)
    assert (done.code, done.out) == (0, "")
    assert np.load(output / "funny.gif.npy").shape == (3, 48)
    assert np.load(output / "funny.mp4.npy").shape == (5, 48)
    entry = manifest(output)["funny.mp4"]
    assert (entry["num_frames"], entry["duration_ms"], entry["status"]) == (5, 500, "ok")
    only = extract(tmp_path / "gifs", "--ext", "mp4", output=tmp_path / "videos")
    assert only.code == 0
    assert set(manifest(tmp_path / "videos")) == {"funny.mp4"}


def test_an_unknown_ending_is_wrong_usage(gifs, output):
    done = extract(gifs, "--ext", "txt", output=output)
    assert done.code == 2
    assert "no GIF ends in '.txt'" in done.err
