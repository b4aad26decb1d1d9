import csv
import io
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

import gifdesc
from gif_files import draw_broken_gif, draw_gif, truncate
from gifdesc.config import TrainingConfig
from gifdesc.text.english import to_alt_text
from worlds import (
    process_environment,
    run_here,
    run_process,
    tiny_recipe,
    write_model,
)

SHORT = ("--beam", 2, "--max-length", 6)


@pytest.fixture
def model_dir(model_dir, tiny_backbone):  # noqa: ARG001
    return model_dir


@pytest.fixture
def gifs(tmp_path):
    for index, name in enumerate(("b", "a", "deep/c")):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 2 + index)
    return tmp_path / "gifs"


def caption(*arguments, model_dir, stdin=""):
    return run_here("caption", *arguments, "--model", model_dir, *SHORT, stdin=stdin)


def rows_of(done):
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_single_gif_prints_only_its_caption(gifs, model_dir):
    done = caption(gifs / "a.gif", model_dir=model_dir)
    assert done.code == 0
    [line] = done.out.splitlines()
    assert line
    assert "\t" not in line
    [untrained, doubtful] = done.warnings
    assert "untrained ResNet50" in untrained
    assert doubtful.endswith("a.gif: low confidence: it ran into the length limit")


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
            "low_confidence",
            "alternatives",
            "num_frames",
            "duration_ms",
            "sampled_frames",
            "sampled_times_ms",
            "words",
        }
        assert len(row["alternatives"]) == 2


def test_every_input_has_one_line_in_input_order(gifs, model_dir, tmp_path):
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
            assert f"{path}: {row['error']}" in done.errors
    assert "Traceback" not in done.err


def test_format_text_reports_a_bad_file_only_on_stderr(gifs, model_dir, tmp_path):
    bad = draw_broken_gif(tmp_path / "bad.gif")
    done = caption(bad, gifs / "a.gif", model_dir=model_dir)
    assert done.code == 1
    [line] = done.out.splitlines()
    assert line.startswith(f"{gifs / 'a.gif'}\t")
    assert done.error.startswith(f"error: {bad}: not a GIF")


def test_a_truncated_gif_is_captioned_and_reported(model_dir, tmp_path):
    cut = truncate(draw_gif(tmp_path / "cut.gif", 6), 60)
    done = caption(cut, "--json", model_dir=model_dir)
    assert done.code == 0
    [row] = rows_of(done)
    assert row["caption"] is not None
    assert f"{cut}: {row['note']}" in done.warnings


def test_a_still_picture_is_captioned_and_reported(gifs, model_dir, tmp_path):
    still = draw_gif(tmp_path / "still.gif", 1)
    done = caption(still, gifs / "a.gif", "--json", model_dir=model_dir)
    assert done.code == 0
    assert [row.get("note") for row in rows_of(done)] == ["a still picture (one frame)", None]
    assert [one for one in done.warnings if "still picture" in one] == [
        f"{still}: a still picture (one frame)"
    ]


def test_an_empty_list_on_stdin_is_not_an_error(tmp_path):
    done = caption("-", model_dir=tmp_path / "no model is needed for it")
    assert (done.code, done.out, done.err) == (0, "", "no GIFs: the list on stdin is empty\n")
    output = ("--output", tmp_path / "captions.jsonl")
    assert caption("-", *output, model_dir=tmp_path / "none").err == done.err
    assert list(tmp_path.iterdir()) == []


def test_an_empty_argument_is_wrong_usage(model_dir):
    done = caption("", model_dir=model_dir)
    assert (done.code, done.out) == (2, "")
    assert done.error == (
        "error: an argument is empty (an unset variable?); name a GIF or a folder"
    )


def test_a_gif_on_stdin_is_captioned(model_dir, gifs):
    data = (gifs / "a.gif").read_bytes()
    done = caption("-", "--json", model_dir=model_dir, stdin=data)
    assert done.code == 0
    [row] = rows_of(done)
    assert (row["path"], row.get("error")) == ("-", None)
    assert row["caption"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("x.gif", "--beam", 0),
        ("x.gif", "--max-length", 0),
        ("x.gif", "--beam", 2, "--num-captions", 3),
        ("x.gif", "--greedy"),
        ("x.gif", "--format", "xml"),
        ("x.gif", "--json", "--format", "csv"),
        ("x.gif", "--skip-done"),
        ("x.gif", "-0"),
        ("x.gif", "--temperature", 0.5),
        ("x.gif", "--top-p", 0.5),
        ("x.gif", "--sample", "--temperature", 0),
        ("x.gif", "--sample", "--top-p", 0),
        ("x.gif", "--sample", "--beam", 3),
        ("x.gif", "--sample", "--length-penalty", 0.7),
        ("x.gif", "--no-repeat-ngram", -1),
        ("x.gif", "--length-penalty", "nan"),
        ("x.gif", "--alt-text", "--alt-text-length", 0),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, tmp_path):
    done = run_here("caption", *arguments, "--model", tmp_path)
    assert done.code == 2
    assert set(json.loads(done.out or "{}")) == ({"error"} if "--json" in arguments else set())
    assert done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("device", ["abacus", "cuda", "mps:1"])
def test_a_missing_device_is_exit_code_2(gifs, model_dir, device, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = caption(gifs, "--device", device, model_dir=model_dir)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"error: --device {device}: ")


@pytest.mark.parametrize("asked", [("--json",), ("--format", "json")])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--model", "nowhere"), 1), (("--device", "abacus"), 2), (("--beam", 2), 2)],
)
def test_json_is_an_error_object_if_a_run_cannot_start(gifs, asked, arguments, code):
    done = run_here("caption", gifs, *asked, *arguments, "--num-captions", 3)
    assert done.code == code
    [row] = rows_of(done)
    assert set(row) == {"error"}
    assert row["error"] in " ".join(done.err.replace("│", " ").split())


def test_json_has_whole_lines_if_a_run_fails(gifs, model_dir, monkeypatch):
    real = gifdesc.Captioner.caption_many

    def run_dry(captioner, *rest):
        yield from islice(real(captioner, *rest), 1)
        raise MemoryError

    monkeypatch.setattr(gifdesc.Captioner, "caption_many", run_dry)
    done = caption(gifs, "--json", model_dir=model_dir)
    assert done.code == 1
    [row] = rows_of(done)
    assert row["caption"]
    assert done.error.startswith("error: out of memory")


def test_a_model_of_unknown_features_is_a_one_sentence_error(gifs, tmp_path):
    done = caption(gifs, model_dir=write_model(tmp_path / "unknown"))
    assert (done.code, done.out) == (1, "")
    assert "an unknown recipe" in done.error


def test_a_model_of_other_weights_is_a_one_sentence_error(gifs, tmp_path, tiny_backbone):  # noqa: ARG001
    recipe = tiny_recipe(weights_sha256="e" * 64)
    done = caption(gifs, model_dir=write_model(tmp_path / "other", recipe=recipe))
    assert (done.code, done.out) == (1, "")
    assert "not the weights that the features were made with" in done.error


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.safetensors", None, "missing"),
        ("model.safetensors", b"damage", "damaged"),
        ("config.json", b"{", "damaged"),
        ("config.json", b'{"format_version": 99}', "upgrade gifdesc"),
    ],
)
def test_an_incomplete_model_folder_is_a_one_sentence_error(gifs, model_dir, name, content, reason):
    if content is None:
        (model_dir / name).unlink()
    else:
        (model_dir / name).write_bytes(content)
    done = caption(gifs, model_dir=model_dir)
    assert (done.code, done.out) == (1, "")
    assert str(model_dir / name) in done.error
    assert reason in done.error


def test_a_model_trained_on_the_reports_loss_is_a_warning(gifs, tmp_path, tiny_backbone):  # noqa: ARG001
    training = TrainingConfig(objective="reconstruction", best_by="loss")
    model_dir = write_model(tmp_path / "report", recipe=tiny_recipe(), training=training)
    done = caption(gifs / "a.gif", model_dir=model_dir)
    assert any("its captions mean nothing" in one for one in done.warnings)


def test_a_pattern_and_a_folder_and_a_list_give_the_same_lines(gifs, model_dir):
    listed = "\0".join(sorted(map(str, gifs.rglob("*.gif"))))
    by_list = caption("-", "-0", "--json", model_dir=model_dir, stdin=listed)
    by_folder = caption(gifs, "--json", model_dir=model_dir)
    by_pattern = caption(gifs / "**" / "*.gif", "--json", model_dir=model_dir)
    assert by_list.out == by_folder.out == by_pattern.out
    assert len(by_list.out.splitlines()) == 3


def test_a_path_with_a_line_end_is_one_line_in_every_format(model_dir, tmp_path):
    odd = draw_gif(tmp_path / "a\nb\tc.gif", 3)
    plain = draw_gif(tmp_path / "d.gif", 3)
    shown = str(tmp_path / r"a\nb\tc.gif")
    for name in ("text", "tsv"):
        done = caption(odd, plain, "--format", name, model_dir=model_dir)
        assert [line.split("\t")[0] for line in done.out.splitlines()] == [shown, str(plain)]
    rows = rows_of(caption(odd, plain, "--format", "json", model_dir=model_dir))
    assert [row["path"] for row in rows] == [str(odd), str(plain)]
    done = caption(odd, plain, "--format", "csv", model_dir=model_dir)
    table = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["path"] for row in table] == [str(odd), str(plain)]


def test_tables_have_a_line_for_each_failure(gifs, model_dir, tmp_path):
    bad = draw_broken_gif(tmp_path / "bad.gif")
    paths = [gifs / "a.gif", bad, gifs / "a.gif"]
    tsv = caption(*paths, "--format", "tsv", model_dir=model_dir)
    assert tsv.code == 1
    lines = [line.split("\t") for line in tsv.out.splitlines()]
    assert [path for path, _ in lines] == list(map(str, paths))
    assert lines[1][1] == ""
    done = caption(*paths, "--format", "csv", model_dir=model_dir)
    table = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["path"] for row in table] == list(map(str, paths))
    assert [row["caption"] for row in table] == [text for _, text in lines]
    assert table[1]["error"].startswith("not a GIF")
    assert float(table[0]["score"]) < 0
    assert (table[0]["num_frames"], table[0]["error"]) == ("3", "")


def test_sampling_is_repeatable_and_does_not_depend_on_other_gifs(gifs, model_dir):
    options = ("--sample", "--temperature", 1.5, "--top-p", 0.9, "--json", "--num-captions", 3)
    options += ("--seed", 3, "--max-length", 8, "--model", model_dir)
    together = rows_of(run_here("caption", gifs, *options))
    assert len({row["caption"] for row in together}) > 1
    for row in together:
        [alone] = rows_of(run_here("caption", row["path"], *options))
        assert alone["caption"] == row["caption"]
        assert [one["caption"] for one in alone["alternatives"]] == [
            one["caption"] for one in row["alternatives"]
        ]
    other = rows_of(run_here("caption", gifs, *options, "--seed", 4))
    assert [row["caption"] for row in other] != [row["caption"] for row in together]


@pytest.mark.parametrize(
    ("arguments", "length"),
    [(("--alt-text",), 125), (("--alt-text", "--alt-text-length", "12"), 12)],
)
def test_alternative_text(gifs, model_dir, arguments, length):
    gif = gifs / "a.gif"
    plain = caption(gif, model_dir=model_dir).out.rstrip("\n")
    assert caption(*arguments, gif, model_dir=model_dir).out == to_alt_text(plain, length) + "\n"
    [row] = rows_of(caption(gif, "--json", *arguments, model_dir=model_dir))
    assert (row["caption"], row["alt_text"]) == (plain, to_alt_text(plain, length))


def test_each_word_is_explained_on_a_page(gifs, model_dir, tmp_path):
    page = tmp_path / "explained.html"
    done = caption(gifs, "--explain", page, model_dir=model_dir)
    assert done.code == 0
    assert len(done.out.splitlines()) == 3
    text = page.read_text(encoding="utf-8")
    for line in done.out.splitlines():
        assert Path(line.split("\t")[0]).name in text
    assert f"-> {page}" in done.err


def test_an_explanation_of_another_kind_is_refused_at_once(gifs, model_dir):
    done = caption(gifs, "--explain", "explained.pdf", model_dir=model_dir)
    assert (done.code, done.out) == (2, "")
    assert "explained.pdf" in done.error


# Files


@pytest.mark.parametrize("name", ["text", "json", "tsv", "csv"])
def test_a_file_of_captions_is_continued_after_a_kill_anywhere(gifs, model_dir, tmp_path, name):
    odd = draw_gif(tmp_path / 'odd "a\n,b".gif', 3)
    bad = draw_broken_gif(tmp_path / "bad.gif")
    inputs = [gifs / "a.gif", odd, gifs / "a.gif", gifs]
    inputs += [] if name == "text" else [bad]
    file = tmp_path / "new" / "captions"
    # On a GPU, GIFs share batches.
    options = ("--format", name, "--output", file, "--device", "cpu")
    done = caption(*inputs, *options, model_dir=model_dir)
    assert done.out == ""
    assert done.code == (name != "text")
    whole = file.read_bytes()
    for num_bytes in {*range(0, len(whole), max(1, len(whole) // 5)), len(whole) - 1, len(whole)}:
        file.write_bytes(whole[:num_bytes])
        again = caption(*inputs, *options, "--skip-done", model_dir=model_dir)
        assert "Traceback" not in again.err
        assert file.read_bytes() == whole


def test_a_finished_file_loads_no_model(gifs, model_dir, tmp_path):
    file = tmp_path / "captions.jsonl"
    assert caption(gifs, "--json", "--output", file, model_dir=model_dir).code == 0
    before = file.read_bytes()
    nowhere = tmp_path / "nowhere"
    done = caption(gifs, "--json", "--output", file, "--skip-done", model_dir=nowhere)
    assert (done.code, file.read_bytes()) == (0, before)
    assert "3 lines there before" in done.err


def test_an_existing_file_is_not_overwritten_without_force(gifs, model_dir, tmp_path):
    file = tmp_path / "captions.txt"
    file.write_text("precious\n")
    done = caption(gifs, "--output", file, model_dir=model_dir)
    assert (done.code, file.read_text()) == (2, "precious\n")
    assert "--skip-done" in done.error
    assert caption(gifs, "--output", file, "--force", model_dir=tmp_path / "no").code == 1
    assert file.read_text() == "precious\n", "what is there stays until the model is loaded"
    assert caption(gifs, "--output", file, "--force", model_dir=model_dir).code == 0
    assert len(file.read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("json", "a.gif\ta caption\n"),
        ("json", "[1]\n"),
        ("tsv", '{"path": "a.gif"}\n'),
        ("csv", "path,caption\na.gif,x\n"),
    ],
)
def test_a_file_of_another_format_is_refused_and_kept(gifs, model_dir, tmp_path, name, content):
    file = tmp_path / "captions"
    file.write_text(content)
    options = ("--format", name, "--output", file, "--skip-done")
    done = caption(gifs, *options, model_dir=model_dir)
    assert (done.code, file.read_text()) == (1, content)
    assert f"--output {file}: line 1 is not" in done.error


FULL = Path("/dev/full")
needs_full_disk = pytest.mark.skipif(
    not FULL.exists(), reason="needs /dev/full, a disk that is full"
)


@needs_full_disk
def test_a_full_disk_ends_in_one_sentence(gifs, model_dir):
    done = caption(gifs, "--output", FULL, model_dir=model_dir)
    assert done.code == 1
    assert done.error.startswith(f"error: --output {FULL}: cannot be written: no space left")


def test_sidecars_are_written_beside_the_gifs_and_existing_files_are_kept(gifs, model_dir):
    (gifs / "a.txt").write_text("what a person wrote\n")
    done = caption(gifs, "--write-sidecar", "--format", "tsv", model_dir=model_dir)
    assert done.code == 0
    said = dict(line.split("\t") for line in done.out.splitlines())
    assert (gifs / "b.txt").read_text() == said[str(gifs / "b.gif")] + "\n"
    assert (gifs / "deep" / "c.txt").read_text() == said[str(gifs / "deep" / "c.gif")] + "\n"
    assert (gifs / "a.txt").read_text() == "what a person wrote\n"
    kept = f"{gifs / 'a.txt'}: exists and was kept; overwrite it with --force"
    assert [one for one in done.warnings if "exists and was kept" in one] == [kept]
    done = caption(gifs, "--write-sidecar", "--force", "--alt-text", model_dir=model_dir)
    assert (gifs / "a.txt").read_text() == to_alt_text(said[str(gifs / "a.gif")]) + "\n"


def test_a_sidecar_that_cannot_be_written_does_not_stop_the_run(gifs, model_dir):
    (gifs / "a.txt").mkdir()
    done = caption(gifs, "--write-sidecar", "--force", model_dir=model_dir)
    assert done.code == 1
    assert len(done.out.splitlines()) == 3
    assert (gifs / "b.txt").is_file()
    assert done.error.startswith(f"error: {gifs / 'a.txt'}: cannot be written")


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


def test_a_trained_model_captions_its_training_gifs(home):
    draw_broken_gif(home / "broken.gif")
    paths = ("gifs/second.gif", "broken.gif", "gifs/first.gif")
    done = run_process("caption", *paths, "--json", cwd=home)
    assert done.code == 1
    rows = rows_of(done)
    assert [row["path"] for row in rows] == list(paths)
    assert [row.get("caption") for row in rows] == ["blue turns yellow", None, "red turns green"]
    assert (len(done.warnings), len(done.errors), len(done.err.splitlines())) == (1, 1, 2)
    assert "Traceback" not in done.err


def test_scores_are_printed_by_a_process_of_its_own(home):
    done = run_process("evaluate", "--split", "train", "--json", cwd=home)
    assert done.code == 0
    result = json.loads(done.out)
    assert (result["num_examples"], result["exact_match"]) == (2, 1.0)
    assert result["blind"]["exact_match"] == 0.0


def test_a_closed_pipe_ends_the_command_quietly(home):
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
        messages = process.stderr.read()
        assert process.wait() == 0, messages
    assert "Traceback" not in messages
    assert "Broken pipe" not in messages
    assert len(messages.splitlines()) == 1


def test_a_reader_sees_each_caption_before_the_next_path_is_known(home):
    """`tail -f paths | gifdesc caption -` answers at once."""
    command = [sys.executable, "-m", "gifdesc", "caption", "-"]
    with subprocess.Popen(
        command,
        cwd=home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
    ) as process:
        for name, text in (("first", "red turns green"), ("second", "blue turns yellow")):
            process.stdin.write(f"gifs/{name}.gif\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"gifs/{name}.gif\t{text}\n"
        process.stdin.close()
        assert process.wait() == 0


@pytest.mark.parametrize(("cut", "code"), [(0, 0), (30, 0), (None, 1)])
def test_a_gif_is_read_from_stdin(home, cut, code):
    data = (home / "gifs" / "first.gif").read_bytes()
    data = b"" if cut is None else data[: len(data) - cut]
    done = subprocess.run(
        [sys.executable, "-m", "gifdesc", "caption", "/dev/stdin", "--json"],
        cwd=home,
        input=data,
        capture_output=True,
        env=process_environment(),
        check=False,
    )
    assert done.returncode == code, done.stderr
    [row] = [json.loads(line) for line in done.stdout.splitlines()]
    assert row["path"] == "/dev/stdin"
    if code:
        assert row["error"] == "empty: no bytes were read"
    else:
        assert row["caption"]
        assert ("note" in row) == bool(cut)


def test_a_single_gif_is_captioned_without_slow_imports(home):
    script = """
import sys
sys.argv[1:] = ["caption", "gifs/first.gif"]
import gifdesc.cli
try:
    gifdesc.cli.main()
except SystemExit as end:
    assert not end.code
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=home,
        capture_output=True,
        text=True,
        env=process_environment(),
        check=True,
    )
    said, modules = done.stdout.splitlines()
    assert said == "red turns green"
    slow = {"transformers", "matplotlib", "huggingface_hub", "openvino", "scipy", "pandas", "av"}
    slow |= {"gifdesc.metrics", "timm"}
    assert slow.isdisjoint(modules.split())


@needs_full_disk
def test_a_full_disk_behind_stdout_ends_in_one_sentence(home):
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gifdesc", "caption", "gifs/first.gif"],
            cwd=home,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=process_environment(),
            check=False,
        )
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert errors == ["error: standard output: cannot be written: no space left on device"]


def test_an_unknown_device_in_a_process_of_its_own(home):
    done = run_process("caption", "gifs/first.gif", "--device", "abacus", cwd=home)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: --device abacus: not a device; use auto, cpu, cuda, cuda:N or mps"
    ]


def test_debug_prints_the_traceback(home):
    plain = run_process("caption", "gifs/first.gif", "--model", "nowhere", cwd=home)
    assert plain.err.splitlines() == [
        "error: nowhere: no model folder; use a public model (downloaded once, 707 MB), or train "
        "your own:",
        "  gifdesc caption funny.gif --model default",
        "  gifdesc extract ./gifs && gifdesc train && gifdesc caption funny.gif",
    ]
    asked = run_process("caption", "gifs/first.gif", "--model", "nowhere", "--debug", cwd=home)
    assert asked.code == plain.code == 1
    assert "Traceback" in asked.err


@pytest.mark.parametrize(
    ("name", "options", "beginning"),
    [
        ("out.jsonl", (), '{"path": '),
        ("out.JSON", (), '{"path": '),
        ("out.csv", (), "path,caption,"),
        ("out.tsv", (), "a.gif\t"),
        ("out.txt", (), "a.gif\t"),
        ("out.csv", ("--format", "json"), '{"path": '),
        ("out.csv", ("--json",), '{"path": '),
    ],
)
def test_the_suffix_of_the_output_chooses_the_format(
    gifs, model_dir, monkeypatch, name, options, beginning
):
    monkeypatch.chdir(gifs)
    done = caption("a.gif", "-o", name, *options, model_dir=model_dir)
    assert (done.code, done.out) == (0, "")
    assert (gifs / name).read_text().startswith(beginning)


def test_an_unknown_format_is_wrong_usage(gifs, model_dir):
    done = caption(gifs, "--format", "xml", model_dir=model_dir)
    assert (done.code, done.out) == (2, "")
    assert done.error == "error: --format xml: not one of text, json, tsv, csv"


def test_captions_into_a_file_show_progress(gifs, model_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.cli.progress._LINE_INTERVAL_SECONDS", 0.0)
    draw_broken_gif(gifs / "z.gif")
    done = caption(gifs, "-o", tmp_path / "captions.txt", model_dir=model_dir)
    counts = [line for line in done.err.splitlines() if "captioned, " in line][:4]
    assert counts == [
        "1 captioned, 0 failed so far",
        "2 captioned, 0 failed so far",
        "3 captioned, 0 failed so far",
        "3 captioned, 1 failed so far",
    ]
    assert done.code == 1


def test_captions_on_a_terminal_show_no_progress(gifs, model_dir, monkeypatch):
    monkeypatch.setattr("gifdesc.cli.progress._LINE_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(sys.modules["gifdesc.cli.caption"], "is_terminal", lambda: True)
    done = caption(gifs, model_dir=model_dir)
    assert done.code == 0
    assert "captioned" not in done.err
