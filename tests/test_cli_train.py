import json
import os
import signal
import socket

import numpy as np
import pytest
from PIL import Image

from builders import CAPTIONS, FEATURE_SIZE, run_here, tiny_recipe, write_world
from gifdesc.checkpoint import load_checkpoint
from gifdesc.objective import token_loss

SMALL = ("--hidden-size", 8, "--epochs", 2)
ALL = ("--val-fraction", 0, "--test-fraction", 0)


@pytest.fixture
def world(tmp_path):
    return write_world(tmp_path / "world", recipe=tiny_recipe())


@pytest.fixture
def model_dir(tmp_path):
    return tmp_path / "model"


def train(world, model_dir, *arguments):
    return run_here("train", *world.options, "--model", model_dir, *SMALL, *arguments)


def test_training_writes_a_model_folder_and_tells_of_every_epoch(world, model_dir):
    done = train(world, model_dir, *ALL)
    assert (done.code, done.out) == (0, "")
    assert {path.name for path in model_dir.iterdir()} == {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "history.jsonl",
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
    done = train(world, model_dir, *ALL, "--json")
    result = json.loads(done.out)
    assert done.out.count("\n") == 1
    assert (result["epochs"], result["model"]) == (2, str(model_dir))
    assert result["num_examples"] == {"train": 6, "val": 0, "test": 0}
    assert result["problems"] == []


def test_options_reach_the_model(world, model_dir):
    shape = ("--encoder", "lstm", "--decoder", "rnn", "--fusion", "concat", "--hidden-size", 12)
    run = ("--epochs", 1, "--lr", 0.004, "--batch-size", 3, "--seed", 5)
    assert train(world, model_dir, *shape, *run, *ALL).code == 0
    checkpoint = load_checkpoint(model_dir)
    model, training = checkpoint.model.config, checkpoint.training
    assert (model.encoder, model.decoder, model.fusion) == ("lstm", "rnn", "concat")
    assert (model.hidden_size, model.embedding_size) == (12, 12)
    assert (training.epochs, training.learning_rate) == (1, 0.004)
    assert (training.batch_size, training.seed) == (3, 5)
    assert (training.val_fraction, training.test_fraction) == (0, 0)


def test_the_reports_preset_trains_by_the_reports_objective(world, model_dir):
    options = ("--preset", "report", "--tokenizer", "corpus", *ALL, "--json")
    done = train(world, model_dir, *options)
    assert done.code == 0
    checkpoint = load_checkpoint(model_dir)
    training = checkpoint.training
    assert (training.preset, training.objective) == ("report", "reconstruction")
    assert (training.learning_rate, training.batch_size) == (1e-4, 8)
    assert (checkpoint.model.config.fusion, checkpoint.model.config.decoder) == ("add", "none")


def test_every_bad_file_is_named_and_the_rest_is_used(world, model_dir):
    good = np.ones((3, FEATURE_SIZE), np.float32)
    np.save(world.features_dir / "a.npy", good[0])
    np.save(world.features_dir / "b.npy", good.astype(np.float16))
    np.save(world.features_dir / "c.npy", good * np.nan)
    np.save(world.features_dir / "d.npy", np.array([{}]), allow_pickle=True)
    (world.descriptions_dir / "g.txt").write_text("")
    (world.descriptions_dir / "h.txt").write_bytes(b"\xff\xfe\xfd")
    done = train(world, model_dir, *ALL, "--json")
    assert done.code == 1
    result = json.loads(done.out)
    assert result["num_examples"]["train"] == 2
    reasons = {
        "a.npy": "shape (48,)",
        "b.npy": "float16",
        "c.npy": "not finite",
        "d.npy": "not a .npy file of plain numbers",
        "g.txt": "empty",
        "h.txt": "not UTF-8",
    }
    assert len(result["problems"]) == len(reasons)
    for name, reason in reasons.items():
        [problem] = [one for one in result["problems"] if name in one]
        assert reason in problem
        assert problem in done.warnings
    assert "Traceback" not in done.err
    load_checkpoint(model_dir)


def test_what_has_no_partner_is_counted_and_listed_once(world, model_dir):
    (world.descriptions_dir / "a.txt").rename(world.descriptions_dir / "z.txt")
    done = train(world, model_dir, *ALL)
    assert done.code == 0
    assert "1 feature file without description: a" in done.warnings
    assert "1 description without feature file: z" in done.warnings


def test_features_without_a_recipe_are_used_and_said_once(tmp_path, model_dir):
    done = train(write_world(tmp_path / "elsewhere"), model_dir, *ALL)
    assert done.code == 0
    assert len([one for one in done.warnings if "no recipe.json" in one]) == 1


def test_one_single_example_is_enough(tmp_path, model_dir):
    done = train(write_world(tmp_path / "one", {"only": "a red ball grows"}), model_dir)
    assert done.code == 0
    assert "1 GIF: 1 train, 0 val, 0 test" in done.err


def test_a_folder_that_holds_a_model_is_refused_unless_forced(world, model_dir):
    train(world, model_dir, *ALL)
    done = train(world, model_dir, *ALL, "--seed", 1)
    assert (done.code, done.out) == (1, "")
    assert "holds a model already" in done.error
    assert load_checkpoint(model_dir).training.seed == 0
    assert train(world, model_dir, *ALL, "--seed", 1, "--force").code == 0
    assert load_checkpoint(model_dir).training.seed == 1


@pytest.mark.parametrize(
    ("number", "step_index", "done", "has_model"),
    [
        (signal.SIGINT, 1, "1 of 3 steps of epoch 1 are done", False),
        (signal.SIGTERM, 3, "3 of 3 steps of epoch 1 are done", False),
        (signal.SIGINT, 5, "2 of 3 steps of epoch 2 are done", True),
    ],
)
def test_an_interrupted_run_says_how_far_it_came_and_goes_on(
    world, model_dir, monkeypatch, number, step_index, done, has_model
):
    options = (*ALL, "--batch-size", 2)
    calls = []

    def interrupted(*arguments, **named):
        calls.append(arguments)
        if len(calls) == step_index:
            os.kill(os.getpid(), number)
        return token_loss(*arguments, **named)

    monkeypatch.setattr("gifdesc.phases.token_loss", interrupted)
    stopped = train(world, model_dir, *options)
    assert (stopped.code, stopped.out) == (128 + number, "")
    assert len(calls) == step_index
    assert stopped.warnings[-1] == f"stopped: {done}; go on with --resume"
    assert (model_dir / "training.png").is_file() == has_model
    assert (model_dir / "model.safetensors").is_file() == has_model
    resumed = train(world, model_dir, *options, "--resume", "--json")
    assert resumed.code == 0
    assert json.loads(resumed.out)["epochs"] == 2
    assert len(calls) == 6
    load_checkpoint(model_dir)
    assert (model_dir / "training.png").is_file()


def test_a_loss_that_is_not_finite_is_one_sentence(world, model_dir):
    for path in world.features_dir.glob("*.npy"):
        signs = np.where(np.load(path) > 3, 1, -1)
        np.save(path, (3e38 * signs).astype(np.float32))
    done = train(world, model_dir, *ALL)
    assert (done.code, done.out) == (1, "")
    assert "the loss of step 1 (epoch 1) is not finite; a lower --lr usually helps" in done.error


def test_missing_folders_are_named(world, model_dir, tmp_path):
    nowhere = tmp_path / "nowhere"
    for option in ("--features", "--descriptions"):
        done = train(world, model_dir, option, nowhere)
        assert done.code == 1
        assert done.error.startswith(f"error: {nowhere}: no such f")
    assert not model_dir.exists()


def test_empty_folders_are_named(world, model_dir, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no feature files here" in train(world, model_dir, "--features", empty).error
    assert "no descriptions here" in train(world, model_dir, "--descriptions", empty).error


def test_a_training_split_without_examples_is_one_sentence(world, model_dir, tmp_path):
    (tmp_path / "train.txt").write_text("elsewhere\n")
    done = train(world, model_dir, "--splits", tmp_path)
    assert done.code == 1
    assert f"none of its {len(CAPTIONS)} examples is in the training split" in done.error


@pytest.mark.parametrize("device", ["abacus", "cuda", "cuda:1"])
def test_a_device_that_is_not_there_is_exit_code_2(world, model_dir, device, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = train(world, model_dir, "--device", device)
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
    done = train(world, model_dir, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert done.err
    assert not model_dir.exists()


def test_a_tokenizer_that_cannot_be_had_is_one_sentence(world, model_dir, monkeypatch, tmp_path):
    def no_network(*_, **__):
        raise OSError("no network")

    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    done = train(world, model_dir, "--tokenizer", "no-such/tokenizer-anywhere")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith("error: --tokenizer no-such/tokenizer-anywhere: ")
    assert "use --tokenizer corpus" in done.error
