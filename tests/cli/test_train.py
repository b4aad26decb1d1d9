import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from gifdesc.config import DEFAULT_PRESET, PRESETS
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.losses import token_loss
from gifdesc.text.tokenizer import CaptionTokenizer
from training_configs import ALL, SMALL, train_here
from worlds import CAPTIONS, FEATURE_SIZE, process_environment, run_here, write_world


@pytest.fixture
def model_dir(tmp_path):
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--dropout", 1.5), "dropout must be in [0, 1)"),
        (("--warmup", 1), "--warmup must be in [0, 1)"),
        (("--optimizer", "adam", "--weight-decay", 1), "--weight-decay needs the optimizer adamw"),
    ],
)
def test_errors_name_options(world, arguments, sentence):
    done = run_here("train", *world.options, *arguments)
    assert (done.code, done.error) == (2, f"error: {sentence}")


def test_training_writes_a_model_folder_and_reports_every_epoch(world, model_dir):
    done = train_here(world, model_dir, *ALL)
    assert (done.code, done.out) == (0, "")
    assert {path.name for path in model_dir.iterdir()} == {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "history.jsonl",
        "training_data.json",
        "training.png",
        "last",
    }
    with Image.open(model_dir / "training.png") as picture:
        assert picture.width > 100
    assert "epoch 1/2  train loss" in done.err
    assert "epoch 2/2  train loss" in done.err
    assert "6 GIFs: 6 train, 0 val, 0 test" in done.err
    assert "no validation split" in done.err


def test_json_is_one_object_and_all_that_stdout_holds(world, model_dir):
    done = train_here(world, model_dir, *ALL, "--json")
    result = json.loads(done.out)
    assert done.out.count("\n") == 1
    assert (result["epochs"], result["model"]) == (2, str(model_dir))
    assert result["num_examples"] == {"train": 6, "val": 0, "test": 0}
    assert result["problems"] == []


def test_options_reach_the_model(world, model_dir):
    shape = ("--encoder", "lstm", "--decoder", "rnn", "--fusion", "concat", "--hidden-size", 12)
    run = ("--epochs", 1, "--lr", 0.004, "--batch-size", 3, "--seed", 5)
    assert train_here(world, model_dir, *shape, *run, *ALL).code == 0
    checkpoint = load_checkpoint(model_dir)
    model, training = checkpoint.model.config, checkpoint.training
    assert (model.encoder, model.decoder, model.fusion) == ("lstm", "rnn", "concat")
    assert (model.hidden_size, model.embedding_size) == (12, 12)
    assert (training.epochs, training.learning_rate) == (1, 0.004)
    assert (training.batch_size, training.seed) == (3, 5)
    assert (training.val_fraction, training.test_fraction) == (0, 0)


def test_the_report_preset_uses_the_reports_objective(world, model_dir):
    options = ("--preset", "report", "--tokenizer", "corpus", *ALL, "--json")
    done = train_here(world, model_dir, *options)
    assert done.code == 0
    checkpoint = load_checkpoint(model_dir)
    training = checkpoint.training
    assert (training.preset, training.objective) == ("report", "reconstruction")
    assert (training.learning_rate, training.batch_size) == (1e-4, 8)
    assert (checkpoint.model.config.fusion, checkpoint.model.config.decoder) == ("add", "none")


def test_every_bad_file_is_named_and_the_rest_is_used(world, model_dir):
    good = np.ones((3, FEATURE_SIZE), np.float32)
    np.save(world.features_dir / "a.npy", good[0])
    np.save(world.features_dir / "b.npy", good.astype(np.int16))
    np.save(world.features_dir / "c.npy", good * np.nan)
    np.save(world.features_dir / "d.npy", np.array([{}]), allow_pickle=True)
    (world.descriptions_dir / "g.txt").write_text("")
    (world.descriptions_dir / "h.txt").write_bytes(b"\xff\xfe\xfd")
    done = train_here(world, model_dir, *ALL, "--json")
    assert done.code == 1
    result = json.loads(done.out)
    assert result["num_examples"]["train"] == 2
    reasons = {
        "a.npy": "shape (48,)",
        "b.npy": "int16",
        "c.npy": "not finite",
        "d.npy": "not a .npy file of plain numbers",
        "g.txt": "empty",
        "h.txt": "not UTF-8",
    }
    assert len(result["problems"]) == len(reasons)
    for name, reason in reasons.items():
        [problem] = [one for one in result["problems"] if name in one]
        assert reason in problem
        assert problem in done.errors
    assert "Traceback" not in done.err
    load_checkpoint(model_dir)


def test_a_single_example_is_enough(tmp_path, model_dir):
    done = train_here(write_world(tmp_path / "one", {"only": "a red ball grows"}), model_dir)
    assert done.code == 0
    assert "1 GIF: 1 train, 0 val, 0 test" in done.err


def test_a_folder_with_a_model_is_refused_without_force(world, model_dir):
    train_here(world, model_dir, *ALL)
    done = train_here(world, model_dir, *ALL, "--seed", 1)
    assert (done.code, done.out) == (1, "")
    assert "holds a model already" in done.error
    assert load_checkpoint(model_dir).training.seed == 0
    assert train_here(world, model_dir, *ALL, "--seed", 1, "--force").code == 0
    assert load_checkpoint(model_dir).training.seed == 1


@pytest.mark.parametrize(
    ("number", "step_index", "done", "has_model"),
    [
        (signal.SIGINT, 1, "1 of 3 steps of epoch 1 are done", False),
        (signal.SIGTERM, 3, "3 of 3 steps of epoch 1 are done", False),
        (signal.SIGINT, 5, "2 of 3 steps of epoch 2 are done", True),
    ],
)
def test_an_interrupted_run_reports_its_progress_and_can_be_resumed(
    world, model_dir, monkeypatch, number, step_index, done, has_model
):
    options = (*ALL, "--batch-size", 2)
    calls = []

    def interrupted(*arguments, **named):
        calls.append(arguments)
        if len(calls) == step_index:
            os.kill(os.getpid(), number)
        return token_loss(*arguments, **named)

    monkeypatch.setattr("gifdesc.training.phases.token_loss", interrupted)
    stopped = train_here(world, model_dir, *options)
    assert (stopped.code, stopped.out) == (128 + number, "")
    assert len(calls) == step_index
    assert stopped.warnings[-1] == f"stopped: {done}; continue with the same command and --resume"
    assert (model_dir / "training.png").is_file() == has_model
    assert (model_dir / "model.safetensors").is_file() == has_model
    resumed = train_here(world, model_dir, *options, "--resume", "--json")
    assert resumed.code == 0
    assert json.loads(resumed.out)["epochs"] == 2
    assert len(calls) == 6
    load_checkpoint(model_dir)
    assert (model_dir / "training.png").is_file()


@pytest.mark.usefixtures("huge_features")
def test_a_loss_that_is_not_finite_is_a_one_sentence_error(world, model_dir):
    for path in world.features_dir.glob("*.npy"):
        signs = np.where(np.load(path) > 3, 1, -1)
        np.save(path, (3e38 * signs).astype(np.float32))
    done = train_here(world, model_dir, *ALL)
    assert (done.code, done.out) == (1, "")
    assert "the loss of step 1 (epoch 1) is not finite; a lower --lr usually helps" in done.error


def test_features_that_would_hide_all_others_are_refused(world, model_dir):
    path = world.features_dir / "a.npy"
    features = np.load(path)
    features[0, 0] = 1e30
    np.save(path, features)
    done = train_here(world, model_dir, *ALL)
    assert done.code == 1
    assert f"{path}: holds numbers beyond 1e+15; extract it again with --force" in done.err
    load_checkpoint(model_dir)


def test_missing_folders_are_named(world, model_dir, tmp_path):
    nowhere = tmp_path / "nowhere"
    for option in ("--features", "--descriptions"):
        done = train_here(world, model_dir, option, nowhere)
        assert done.code == 1
        assert done.error.startswith(f"error: {nowhere}: no such f")
    assert not model_dir.exists()


def test_empty_folders_are_named(world, model_dir, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no feature files here" in train_here(world, model_dir, "--features", empty).error
    assert "no descriptions here" in train_here(world, model_dir, "--descriptions", empty).error


def test_a_training_split_without_examples_is_a_one_sentence_error(world, model_dir, tmp_path):
    (tmp_path / "train.txt").write_text("elsewhere\n")
    done = train_here(world, model_dir, "--splits", tmp_path)
    assert done.code == 1
    assert f"none of its {len(CAPTIONS)} examples is in the training split" in done.error


@pytest.mark.parametrize("device", ["abacus", "cuda", "cuda:1"])
def test_a_missing_device_is_exit_code_2(world, model_dir, device, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = train_here(world, model_dir, "--device", device)
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"error: --device {device}: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--preset", "best"),
        ("--encoder", "transformer"),
        ("--fusion", "multiply"),
        ("--hidden-size", 7),
        ("--epochs", 0),
        ("--lr", 0),
        ("--lr", -1),
        ("--lr", "nan"),
        ("--lr", "1e38"),
        ("--val-fraction", 0.5, "--test-fraction", 0.5),
        ("--val-fraction", -0.1),
        ("--test-fraction", "nan"),
        ("--epochs", "many"),
        ("x",),
    ],
)
def test_wrong_usage_is_exit_code_2(world, model_dir, arguments):
    done = train_here(world, model_dir, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert done.err
    assert not model_dir.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--preset", "best"), "--preset best: not one of attention, mean, report"),
        (("--resume", "--force"), "--resume continues a run, --force replaces it: choose one"),
    ],
)
def test_wrong_usage_is_reported_before_missing_folders(tmp_path, arguments, sentence):
    done = run_here("train", "--features", tmp_path / "gone", *arguments)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_an_unavailable_tokenizer_is_a_one_sentence_error(world, model_dir, monkeypatch, tmp_path):
    def no_network(*_, **__):
        raise OSError("no network")

    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    done = train_here(world, model_dir, "--tokenizer", "no-such/tokenizer-anywhere")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith("error: --tokenizer no-such/tokenizer-anywhere: ")
    assert "use --tokenizer corpus" in done.error


def test_a_resumed_run_keeps_its_options(world, model_dir):
    settings = ("--fusion", "gate", "--lr", 0.004, "--seed", 3, "--dropout", 0.1, *ALL)
    assert train_here(world, model_dir, *settings).code == 0
    options = (*world.options, "--model", model_dir, "--epochs", 3, "--resume", "--json")
    done = run_here("train", *options)
    assert done.code == 0, done.err
    assert json.loads(done.out)["epochs"] == 3
    assert "epoch 3/3  train loss" in done.err
    assert "epoch 2/3" not in done.err
    checkpoint = load_checkpoint(model_dir)
    assert (checkpoint.model.config.fusion, checkpoint.training.seed) == ("gate", 3)
    assert checkpoint.training.val_fraction == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--lr", 0.5), "the run was started with --lr"),
        (("--batch-size", 3), "the run was started with --batch-size"),
        (("--fusion", "gate"), "the run was started with fusion attention, not gate"),
        (("--preset", "mean"), "the run was started with --preset attention, not mean"),
        (("--hidden-size", 10), "the run was started with --hidden-size 8, not 10"),
        (("--epochs", 1), "2 epochs of cross-entropy are done"),
    ],
)
def test_a_different_run_is_not_resumed_and_nothing_is_changed(world, model_dir, arguments, named):
    train_here(world, model_dir, *ALL)
    before = {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file()}
    done = train_here(world, model_dir, *ALL, *arguments, "--resume")
    assert (done.code, done.out) == (1, "")
    assert named in done.error
    assert {path: path.read_bytes() for path in model_dir.rglob("*") if path.is_file()} == before


def test_a_damaged_state_alone_is_replaced_with_force(world, model_dir):
    (model_dir / "last").mkdir(parents=True)
    (model_dir / "last" / "state.safetensors").write_bytes(b"damaged")
    assert "damaged; start again with --force" in train_here(world, model_dir, *ALL).error
    assert train_here(world, model_dir, *ALL, "--force").code == 0
    load_checkpoint(model_dir)


def test_resuming_an_empty_folder_starts_a_run(world, model_dir):
    done = train_here(world, model_dir, *ALL, "--resume")
    assert done.code == 0
    assert f"{model_dir}: holds no run to resume, so a new run begins" in done.warnings
    load_checkpoint(model_dir)


def test_resuming_and_replacing_exclude_each_other(world, model_dir):
    train_here(world, model_dir, *ALL)
    done = train_here(world, model_dir, *ALL, "--resume", "--force")
    assert (done.code, done.out) == (2, "")
    assert "choose one" in " ".join(done.err.split())


NO_REWARD = "--scst-epochs: every training GIF has the same captions"


def test_captions_that_are_all_the_same_can_be_learnt(tmp_path, model_dir):
    same = write_world(tmp_path / "same", dict.fromkeys("abcdefghijkl", "a red ball"))
    done = train_here(same, model_dir, "--scst-epochs", 1, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["val_cider"] in (None, 0)
    load_checkpoint(model_dir)
    assert any(line.startswith(NO_REWARD) for line in done.warnings)
    unlike = write_world(tmp_path / "unlike", {name: f"a {name} ball" for name in "abcdefghijkl"})
    done = train_here(unlike, model_dir, "--scst-epochs", 1, "--force")
    assert not any(line.startswith(NO_REWARD) for line in done.warnings)


def test_a_single_example_can_be_rewarded(tmp_path, model_dir):
    one = write_world(tmp_path / "one", {"only": "a red ball grows"})
    done = train_here(one, model_dir, "--scst-epochs", 1)
    assert done.code == 0, done.err
    assert "epoch 3/3  train reward 0.0000" in done.err
    assert NO_REWARD in done.err


@pytest.mark.parametrize("preset", ["attention", "mean"])
@pytest.mark.parametrize("fusion", ["add", "concat", "gate", "attention"])
def test_presets_and_fusions_go_together(world, model_dir, preset, fusion):
    shape = ("--preset", preset, "--fusion", fusion, "--decoder", "gru", "--hidden-size", 12)
    done = train_here(world, model_dir, *shape, "--epochs", 1, *ALL)
    assert done.code == 0, done.err
    model = load_checkpoint(model_dir).model.config
    assert (model.fusion, model.decoder, model.hidden_size) == (fusion, "gru", 12)


def test_every_setting_of_the_training_reaches_the_run(world, model_dir):
    settings = {
        "--optimizer": ("optimizer", "adam"),
        "--schedule": ("schedule", "constant"),
        "--warmup": ("warmup_fraction", 0.5),
        "--label-smoothing": ("label_smoothing", 0.25),
        "--scheduled-sampling": ("scheduled_sampling", 0.5),
        "--best-by": ("best_by", "loss"),
        "--patience": ("patience", 3),
        "--precision": ("precision", "float32"),
        "--scst-epochs": ("scst_epochs", 1),
        "--objective": ("objective", "next_token"),
    }
    options = [one for name, (_, value) in settings.items() for one in (name, value)]
    done = train_here(world, model_dir, *options, "--dropout", 0.125, *ALL)
    assert done.code == 0, done.err
    checkpoint = load_checkpoint(model_dir)
    found = {name: getattr(checkpoint.training, name) for name, _ in settings.values()}
    assert found == dict(settings.values())
    assert checkpoint.training.weight_decay == 0  # Adam's
    assert checkpoint.model.config.dropout == 0.125


def test_running_out_of_memory_is_reported_once_and_changes_no_result(
    world, model_dir, monkeypatch, caplog
):
    most = []

    def exhausted(model, batch, *arguments, **named):
        if len(batch.tokens) > 3:
            most.append(len(batch.tokens))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return token_loss(model, batch, *arguments, **named)

    options = (*ALL, "--dropout", 0.3, "--batch-size", 6, "--json")
    whole = json.loads(train_here(world, model_dir, *options).out)
    monkeypatch.setattr("gifdesc.training.phases.token_loss", exhausted)
    done = train_here(world, model_dir, *options, "--force")
    assert done.code == 0, done.err
    assert most == [6]
    said = [record.getMessage() for record in caplog.records]  # pytest captures the log
    assert said == ["out of memory: continuing with batches of 3 examples"]
    assert json.loads(done.out)["train_loss"] == pytest.approx(whole["train_loss"], rel=1e-5)


STEADY = ("--schedule", "constant", "--warmup", 0, *ALL)


@contextmanager
def long_training(world, model_dir):
    """A process that would train for long, in its second epoch."""
    options = (*SMALL, *STEADY, "--epochs", 4000)
    arguments = [str(a) for a in ("train", *world.options, "--model", model_dir, *options)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gifdesc", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
    )
    try:
        while "epoch 2/" not in (line := process.stderr.readline()):
            assert line, "it ended by itself"
        yield process
    finally:
        process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_process_saves_and_can_be_resumed(world, model_dir, number, code):
    with long_training(world, model_dir) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert err.count("continue with the same command and --resume") == 1
    num_epochs = len((model_dir / "history.jsonl").read_text().splitlines())
    longer = ("--epochs", num_epochs + 1, *STEADY, "--resume")
    done = train_here(world, model_dir, *longer, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["epochs"] == num_epochs + 1


@pytest.mark.parametrize("is_hasty", [False, True])
def test_repeated_ctrl_c_prints_one_sentence(world, model_dir, is_hasty):
    with long_training(world, model_dir) as process:
        process.send_signal(signal.SIGINT)
        said = ""
        while not is_hasty and "warning: " not in said:
            said = process.stderr.readline()
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.001)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, "")
    warnings = [line for line in (said + err).splitlines() if not line.startswith("epoch ")]
    assert len(warnings) == 1, warnings
    assert warnings[0].startswith(("warning: stopped: ", "warning: interrupted"))


def test_help_shows_the_values_of_the_default_preset():
    shown = " ".join(run_here("train", "--help").out.split())
    preset = PRESETS[DEFAULT_PRESET]
    for option, value in {
        "--epochs": "follows the data",
        "--batch-size": "follows the data",
        "--lr": preset.training.learning_rate,
        "--weight-decay": preset.training.weight_decay,
        "--warmup": preset.training.warmup_fraction,
        "--best-by": preset.training.best_by,
        "--val-fraction": preset.training.val_fraction,
        "--seed": preset.training.seed,
        "--fusion": preset.model.fusion,
        "--hidden-size": preset.model.hidden_size,
    }.items():
        _, _, after = shown.partition(f" {option} ")
        assert after.partition("[default: ")[2].startswith(f"{value}]"), option


@pytest.mark.parametrize(
    ("case", "said", "first"),
    [
        ("auto", "kept, each caption begins with a capital", "Ein Ball"),
        ("lower", "lowered", "ein ball"),
        ("keep", "all kept as they are", "Ein Ball"),
    ],
)
def test_the_run_reports_how_it_treats_capitals(tmp_path, model_dir, case, said, first):
    german = write_world(tmp_path / "german", dict.fromkeys("abcdef", "Ein Ball"))
    done = train_here(german, model_dir, "--case", case, "--epochs", 1)
    assert done.code == 0
    assert f"capitals: {said} (--case)" in done.err
    tokenizer = CaptionTokenizer.load(model_dir)
    assert tokenizer.decode(tokenizer.encode("Ein Ball", 9)) == first


def test_captions_without_capitals_report_nothing(world, model_dir):
    assert "capitals:" not in train_here(world, model_dir).err


def test_words_missing_from_another_vocabulary_are_reported(world, tmp_path, model_dir):
    CaptionTokenizer.train(["a red ball grows"]).save(tmp_path)
    done = train_here(world, model_dir, "--tokenizer", tmp_path)
    [warning] = [one for one in done.warnings if "--tokenizer" in one]
    assert "has no token for some words of" in warning


def test_case_is_only_for_the_corpus_vocabulary(world, tmp_path, model_dir):
    CaptionTokenizer.train(["a red ball grows"]).save(tmp_path)
    done = train_here(world, model_dir, "--tokenizer", tmp_path, "--case", "keep")
    assert done.code == 2
    assert "--case goes with --tokenizer corpus" in done.err


@pytest.mark.parametrize(
    ("precision", "is_fast", "reason"),
    [
        ("bfloat16", False, "this CPU has no bfloat16 in hardware"),
        ("bfloat16", True, None),
        ("float16", True, "float16 is meant for GPUs"),
        ("float32", False, None),
    ],
)
def test_16_bits_without_hardware_are_reported(
    world, model_dir, monkeypatch, precision, is_fast, reason
):
    monkeypatch.setattr("gifdesc.cli.training_run.has_fast_bfloat16", lambda _device: is_fast)
    done = train_here(world, model_dir, *ALL, "--precision", precision, "--device", "cpu")
    assert done.code == 0, done.err
    found = [line for line in done.warnings if line.startswith("--precision")]
    wanted = [f"--precision {precision}: {reason}; training may be slower than with float32"]
    assert found == (wanted if reason else [])
