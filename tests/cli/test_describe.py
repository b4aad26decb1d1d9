import json
import re

import pytest

import tiny_models
from gif_files import draw_broken_gif, draw_gif
from worlds import ALL_FOR_TRAINING, run_here, run_process, use_tiny_backbone

SHORT = ("--max-length", 6)


@pytest.fixture(scope="module")
def vlm_dir(tmp_path_factory):
    return tiny_models.write_git(tmp_path_factory.mktemp("vlm"))


@pytest.fixture
def gifs(tmp_path):
    for index, name in enumerate(("a", "b", "deep/c")):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 2 + index)
    return tmp_path / "gifs"


def describe(*arguments, vlm_dir):
    return run_here("describe", *arguments, "--model", vlm_dir, *SHORT)


def test_descriptions_are_written_and_counted(gifs, vlm_dir, tmp_path):
    draw_broken_gif(gifs / "broken.gif")
    out = tmp_path / "words"
    done = describe(gifs, "-o", out, "--json", vlm_dir=vlm_dir)
    assert done.code == 1
    result = json.loads(done.out)
    failure = {"path": str(gifs / "broken.gif"), "error": "not a GIF (it starts like text)"}
    assert result == {
        "ok": 3,
        "skipped": 0,
        "failed": 1,
        "output": str(out),
        "failures": [failure],
    }
    assert f"{failure['path']}: {failure['error']}" in done.errors
    assert "3 described, 0 done before, 1 failed" in done.err
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.txt")} == {
        "a.txt", "b.txt", "deep/c.txt",
    }  # fmt: skip
    row = json.loads(run_here("caption", gifs / "a.gif", "--model", vlm_dir, "--beam", 1, *SHORT,
                              "--json").out)  # fmt: skip
    assert (out / "a.txt").read_text() == row["caption"] + "\n"


def test_a_rerun_skips_described_gifs(gifs, vlm_dir, tmp_path):
    out = tmp_path / "words"
    assert describe(gifs / "a.gif", "-o", out, vlm_dir=vlm_dir).code == 0
    done = describe(gifs / "a.gif", gifs / "b.gif", "-o", out, "--json", vlm_dir=vlm_dir)
    assert done.code == 0
    assert {key: json.loads(done.out)[key] for key in ("ok", "skipped", "failed")} == {
        "ok": 1,
        "skipped": 1,
        "failed": 0,
    }
    done = describe(gifs / "a.gif", "-o", out, "--force", "--json", vlm_dir=vlm_dir)
    assert json.loads(done.out)["ok"] == 1


def test_without_json_stdout_is_empty_and_the_folder_is_descriptions(gifs, vlm_dir, monkeypatch):
    monkeypatch.chdir(gifs.parent)
    done = describe("gifs", vlm_dir=vlm_dir)
    assert (done.code, done.out) == (0, "")
    assert (gifs.parent / "descriptions" / "deep" / "c.txt").is_file()


def test_several_descriptions_of_each(gifs, vlm_dir, tmp_path):
    out = tmp_path / "words"
    done = describe(gifs, "-o", out, "--beam", 3, "--num-captions", 3, vlm_dir=vlm_dir)
    assert done.code == 0
    assert len((out / "a.txt").read_text().splitlines()) == 3


def test_descriptions_of_two_models_are_not_mixed(gifs, vlm_dir, tmp_path):
    out = tmp_path / "words"
    describe(gifs / "a.gif", "-o", out, vlm_dir=vlm_dir)
    done = describe(gifs, "-o", out, "--prompt", "a dog", vlm_dir=vlm_dir)
    assert (done.code, done.out) == (1, "")
    assert "its descriptions have another prompt" in done.error


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("x.gif",), 2),
        (("--model", "x"), 2),
        (("x.gif", "--model", "nowhere"), 1),
        (("x.gif", "--model", "nowhere", "--device", "abacus"), 2),
        (("x.gif", "--model", "nowhere", "--num-captions", 2), 2),
    ],
)
def test_wrong_usage_and_missing_models(arguments, code, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = run_here("describe", *arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err
    assert "Traceback" not in done.err


def test_a_small_captioner_is_trained_on_the_descriptions_of_a_large_model(
    gifs, vlm_dir, monkeypatch
):
    """describe, extract, train, evaluate and caption, each with its defaults."""
    use_tiny_backbone(monkeypatch)
    monkeypatch.chdir(gifs.parent)
    assert describe("gifs", vlm_dir=vlm_dir).code == 0
    assert run_here("extract", "gifs", "--weights", "random").code == 0
    fractions = [
        word
        for name, value in ALL_FOR_TRAINING.items()
        for word in (f"--{name.replace('_', '-')}", value)
    ]
    size = ("--epochs", 150, "--lr", 0.02, "--hidden-size", 32)
    trained = run_here("train", *fractions, *size, "--json")
    assert trained.code == 0, trained.err
    assert json.loads(trained.out)["without_description"] == 0
    scored = run_here("evaluate", "--split", "train", "--json")
    assert scored.code == 0, scored.err
    result = json.loads(scored.out)
    assert result["num_examples"] == 3
    assert result["exact_match"] == 1.0
    for name in ("a", "b", "deep/c"):
        said = run_here("caption", gifs / f"{name}.gif").out
        wanted = (gifs.parent / f"descriptions/{name}.txt").read_text()
        # The random model writes punctuation in unusual places, which has no spaces before it.
        assert "".join(said.split()) == "".join(wanted.split())


def test_a_process_prints_only_its_summary(gifs, vlm_dir):
    """No progress bars, no advice from the libraries."""
    home = gifs.parent
    done = run_process("describe", "gifs", "--model", vlm_dir, *SHORT, "--json", cwd=home)
    assert done.code == 0, done.err
    assert json.loads(done.out)["ok"] == 3
    *lines, last = done.err.splitlines()
    assert lines == [
        f"loading {vlm_dir} ...",
        "3 described, 0 done before, 0 failed -> descriptions",
    ]
    assert re.fullmatch(r"took \d+(\.\d)? s; next: gifdesc extract gifs", last)


def test_what_comes_next_keeps_another_folder_of_descriptions(gifs, vlm_dir, monkeypatch):
    monkeypatch.chdir(gifs.parent)
    done = run_here("describe", "gifs", "--model", vlm_dir, *SHORT, "-o", "my texts")
    assert "next: gifdesc extract gifs && gifdesc train --descriptions 'my texts'" in done.err


def test_a_public_model_captions_in_a_process(gifs, tmp_path):
    draw_broken_gif(gifs / "broken.gif")
    model_dir = tiny_models.write_smolvlm(tmp_path / "smolvlm")
    options = ("--model", model_dir, "--beam", 2, "--num-captions", 2, *SHORT, "--json")
    done = run_process("caption", "gifs", *options, "--prompt", "what moves", cwd=gifs.parent)
    assert done.code == 1
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["path"] for row in rows] == [
        "gifs/a.gif", "gifs/b.gif", "gifs/broken.gif", "gifs/deep/c.gif",
    ]  # fmt: skip
    assert ["error" in row for row in rows] == [False, False, True, False]
    loading, failed = done.err.splitlines()
    assert loading == f"loading {model_dir} ..."
    assert failed.startswith("error: gifs/broken.gif: ")


@pytest.mark.parametrize("kind", ["bert", "missing", "offline"])
def test_a_model_that_cannot_be_used_is_a_one_sentence_error(gifs, kind, tmp_path):
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text('{"model_type": "bert"}')
    name = {"bert": "./bert", "missing": "missing", "offline": "someone/model"}[kind]
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    done = run_process("caption", gifs / "a.gif", "--model", name, cwd=tmp_path, **environment)
    assert (done.code, done.out) == (1, "")
    assert done.error.startswith(f"error: {name}: ")
    others = [line for line in done.err.splitlines() if line != done.error]
    assert all(line.startswith("  gifdesc ") for line in others)  # what to do instead


def test_json_is_an_error_object_if_a_run_cannot_start(gifs):
    done = run_here("describe", gifs, "--model", "nowhere", "--json")
    assert done.code == 1
    assert json.loads(done.out) == {"error": done.error.removeprefix("error: ")}


def test_gifs_are_named_by_patterns_lists_and_folders_and_done_once(gifs, vlm_dir, tmp_path):
    out = tmp_path / "words"
    inputs = (gifs / "**/*.gif", "-", gifs / "deep")
    options = ("--model", vlm_dir, *SHORT, "-o", out, "--json")
    done = run_here("describe", *inputs, "-0", *options, stdin=f"{gifs / 'a.gif'}\0")
    assert done.code == 0
    assert json.loads(done.out)["ok"] == 3
    assert {path.name for path in out.rglob("*.txt")} == {"a.txt", "b.txt", "c.txt"}


def test_an_empty_list_needs_no_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run_here("describe", "-", "--model", "nowhere", "--json", stdin="\n")
    assert done.code == 0
    assert json.loads(done.out)["ok"] == 0
