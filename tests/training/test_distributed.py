"""Several processes train one model as one process does: gloo processes under torchrun."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest
import torch

from gifdesc.errors import UsageError
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.training.distributed import World, is_main_process, joined_world
from gifdesc.training.folder import read_progress
from worlds import process_environment, run_process, tiny_recipe, write_world

OPTIONS = (
    *("--hidden-size", 8, "--epochs", 2, "--batch-size", 5, "--lr", 0.01, "--dropout", 0.3),
    *("--seed", 1, "--val-fraction", 0.3, "--test-fraction", 0, "--label-smoothing", 0.1),
)


NAMES = [f"n{i:02}" for i in range(12)]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    words = ("red", "blue", "ball", "cross", "grows", "shrinks", "fades")
    captions = {
        f"g{i:02}": " ".join(words[(i * k + k) % 7] for k in range(1, 3 + i % 4)) for i in range(23)
    }
    return write_world(tmp_path_factory.mktemp("world"), captions, recipe=tiny_recipe())


def arguments(world, model_dir, *options):
    return [str(a) for a in ("train", *world.options, "--model", model_dir, *OPTIONS, *options)]


def torchrun(world, model_dir, *options, num_processes=2):
    """The command line that starts so many processes of `gifdesc train`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--nproc-per-node", str(num_processes), "--master-port", str(port)),
        *("-m", "gifdesc", *arguments(world, model_dir, *options), "--device", "cpu"),
    ]


def run_together(world, model_dir, *options, num_processes=2):
    return subprocess.run(
        torchrun(world, model_dir, *options, num_processes=num_processes),
        capture_output=True,
        text=True,
        env=process_environment(),
        check=False,
    )


def history_of(model_dir):
    return [json.loads(line) for line in (model_dir / "history.jsonl").read_text().splitlines()]


NUMBERS = ("train_loss", "train_reward", "val_loss", "val_token_accuracy", "val_cider")


def assert_same_history(found, wanted):
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        numbers = {name: other[name] for name in NUMBERS if other[name] is not None}
        assert numbers
        assert {name: row[name] for name in numbers} == pytest.approx(numbers, rel=1e-4)
        assert all(row[name] is None for name in NUMBERS if name not in numbers)
        assert (row["epoch"], row["is_best"]) == (other["epoch"], other["is_best"])
        assert row["learning_rate"] == other["learning_rate"]


@pytest.fixture(scope="module")
def alone(world, tmp_path_factory):
    """What one process gives."""
    model_dir = tmp_path_factory.mktemp("alone") / "model"
    done = run_process(*arguments(world, model_dir, "--scst-epochs", 1, "--json"))
    assert done.code == 0, done.err
    return model_dir, done


def test_two_processes_give_the_losses_of_one(world, tmp_path, alone):
    single_dir, single = alone
    done = run_together(world, tmp_path / "model", "--scst-epochs", 1, "--json")
    assert done.returncode == 0, done.stderr
    history = history_of(tmp_path / "model")
    assert [row["phase"] for row in history] == ["cross_entropy"] * 2 + ["self_critical"]
    assert_same_history(history, history_of(single_dir))
    weights = [load_checkpoint(folder).model for folder in (single_dir, tmp_path / "model")]
    for one, other in zip(*(model.parameters() for model in weights), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    # One process talks.
    result, wanted = json.loads(done.stdout), json.loads(single.out)
    assert done.stdout.count("\n") == 1
    assert result["num_examples"] == wanted["num_examples"]
    assert result["epochs"] == 3
    # Whole lines of epochs: a slow machine also prints lines of the progress inside an epoch.
    epochs = ("epoch 1/3  train loss ", "epoch 3/3  train reward ")
    for line in ("23 GIFs: ", *epochs, "trained 3 epochs"):
        assert done.stderr.count(line) == 1
    assert "Traceback" not in done.stderr
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        path.name for path in single_dir.iterdir()
    }


def test_no_thread_of_the_process_group_is_left_when_python_ends(world, tmp_path):
    """One that is left may abort the process while Python shuts down."""
    script = tmp_path / "threads.py"
    script.write_text(
        "import atexit, pathlib\n"
        "from gifdesc.cli import main\n"
        "def report():\n"
        "    names = [p.read_text() for p in pathlib.Path('/proc/self/task').glob('*/comm')]\n"
        "    print('threads:', sorted(name.strip() for name in names))\n"
        "atexit.register(report)\n"
        "main()\n"
    )
    command = torchrun(world, tmp_path / "model")
    place = command.index("-m", 3)
    command[place : place + 2] = [str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=process_environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("threads: ") == 2
    assert "gloo" not in done.stdout


def test_a_damaged_file_that_any_process_reads_is_named_by_the_first(tmp_path):
    """With 3 processes and 3 damaged files, the second or third reads one before the first does."""
    other = write_world(tmp_path / "world", dict.fromkeys(NAMES, "a red ball grows"))
    for name in NAMES[:3]:
        features = np.full((2, 48), np.nan, np.float32)
        np.save(other.features_dir / f"{name}.npy", features)
    script = (
        "import gifdesc.data.training_data as data, gifdesc.data.dataset as statistics\n"
        "data.READ_FIRST_FILES = 0\n"
        "statistics.MAX_FILES = 1\n"
        "from gifdesc.cli import main\n"
        "main()\n"
    )
    (tmp_path / "many.py").write_text(script)
    options = ("--epochs", 1, "--val-fraction", 0, "--json")
    command = torchrun(other, tmp_path / "model", *options, num_processes=3)
    place = command.index("-m", 3)
    command[place : place + 2] = [str(tmp_path / "many.py")]
    done = subprocess.run(
        command, capture_output=True, text=True, env=process_environment(), check=False
    )
    assert done.returncode == 1
    result = json.loads(done.stdout)
    named = sorted(problem.split(": ")[0] for problem in result["problems"])
    assert named == [str(other.features_dir / f"{name}.npy") for name in NAMES[:3]]
    for path in named:
        assert done.stderr.count(f"error: {path}: holds numbers that are not finite") == 1


def test_more_processes_than_examples_of_a_batch(world, tmp_path):
    """The last batch of an epoch has fewer examples than there are processes."""
    options = ("--epochs", 1, "--batch-size", 7)
    together = run_together(world, tmp_path / "three", *options, num_processes=3)
    assert together.returncode == 0, together.stderr
    assert run_process(*arguments(world, tmp_path / "one", *options)).code == 0
    assert_same_history(history_of(tmp_path / "three"), history_of(tmp_path / "one"))


def stop(world, model_dir, number, *options):
    """Start two processes, stop them as a user does once they have saved; what stderr says."""
    process = subprocess.Popen(
        torchrun(world, model_dir, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
        start_new_session=True,
    )
    try:
        while not (model_dir / "history.jsonl").exists():  # an epoch is done
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # a terminal tells all processes
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode != 0
    assert out == ""
    return err


FOR_LONG = ("--epochs", 400, "--schedule", "constant", "--warmup", 0)


def test_ctrl_c_saves_and_names_resume(world, tmp_path):
    err = stop(world, tmp_path, signal.SIGINT, *FOR_LONG)
    assert err.count("continue with the same command and --resume") == 1, err
    progress = read_progress(tmp_path / "last" / "state.safetensors")
    assert [asdict(result) for result in progress.history] == history_of(tmp_path)
    assert len(progress.history) < 400


def test_after_sigterm_the_processes_are_resumed_together(world, tmp_path):
    model_dir = tmp_path / "model"
    err = stop(world, model_dir, signal.SIGTERM, *FOR_LONG)
    assert err.count("continue with the same command and --resume") == 1, err
    longer = ("--epochs", len(history_of(model_dir)) + 1, *FOR_LONG[2:])
    done = run_together(world, model_dir, *longer, "--resume")
    assert done.returncode == 0, done.stderr
    whole = run_process(*arguments(world, tmp_path / "whole", *longer))
    assert whole.code == 0, whole.err
    assert_same_history(history_of(model_dir), history_of(tmp_path / "whole"))


def test_an_error_is_reported_by_one_process(world, tmp_path):
    state_path = tmp_path / "last" / "state.safetensors"
    state_path.parent.mkdir()
    state_path.write_bytes(b"damaged")
    done = run_together(world, tmp_path, "--resume", "--json")
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert list(json.loads(done.stdout)) == ["error"]


def test_without_torchrun_the_world_has_one_process(monkeypatch):
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    device = torch.device("cpu")
    assert is_main_process()
    with joined_world(device) as (found, found_device):
        assert (found, found_device) == (World(rank=0, size=1), device)
        assert found.is_main


def test_one_process_under_torchrun_is_a_world_of_one(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setenv("RANK", "0")
    with joined_world(torch.device("cpu")) as (found, _):
        assert found == World()


def test_only_the_first_process_is_the_main_process(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert not is_main_process()
    assert not World(rank=1, size=2).is_main


def test_a_single_process_sums_nothing():
    tensors = [torch.ones(2), torch.ones(3)]
    World().sum_(tensors)
    assert all((tensor == 1).all() for tensor in tensors)
    assert [World().any(claim, torch.device("cpu")) for claim in (True, False)] == [True, False]


SUMS = """
import torch
from gifdesc.training.distributed import joined_world
with joined_world(torch.device("cpu")) as (world, device):
    tensors = [torch.full((2, 2), world.rank + 1.0), torch.arange(3.0) * 10 ** world.rank]
    world.sum_(tensors)
    world.sum_([])
    claims = [world.any(world.rank == 1, device), world.any(False, device)]
    if world.is_main:
        print([tensor.tolist() for tensor in tensors], claims, world.size)
"""


def run_script(folder, script):
    """Run a script in two processes."""
    (folder / "script.py").write_text(script)
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", str(folder / "script.py")),
        ],
        capture_output=True,
        text=True,
        env=process_environment(),
        check=False,
    )


def test_sums_and_claims_go_over_all_processes(tmp_path):
    done = run_script(tmp_path, SUMS)
    assert done.stdout.strip() == (
        "[[[3.0, 3.0], [3.0, 3.0]], [0.0, 11.0, 22.0]] [True, False] 2"
    ), done.stderr


def test_more_processes_than_gpus_are_refused_in_each_of_them(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for rank in ("0", "1"):
        monkeypatch.setenv("LOCAL_RANK", rank)
        with (
            pytest.raises(UsageError, match="starts 2 processes, and PyTorch finds 1 GPU here"),
            joined_world(torch.device("cuda")),
        ):
            pass


DEAD = """
import os, signal, sys
import torch
from gifdesc.training.distributed import joined_world
from gifdesc.errors import TrainingError
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, which would be faster
with joined_world(torch.device("cpu")) as (world, device):
    world.any(True, device)
    if not world.is_main:
        os._exit(9)
    for ask in (lambda: world.sum_([torch.ones(2)]), lambda: world.any(True, device)):
        try:
            ask()
        except TrainingError as error:
            print(error)
"""


def test_a_dead_process_is_reported_in_one_sentence(tmp_path):
    done = run_script(tmp_path, DEAD)
    sentence = (
        "another process of this run has ended; read its error, and continue with the same command "
        "and --resume"
    )
    assert done.stdout.splitlines() == [sentence] * 2, done.stderr
