"""A run's state: in and out to the bit, and damaged in many ways."""

import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from gif_files import is_mapped
from gifdesc.config import TrainingConfig
from gifdesc.data.training_data import prepare_data
from gifdesc.errors import CheckpointError
from gifdesc.training.folder import (
    STATE_NAME,
    STATE_VERSION,
    Progress,
    load_state,
    read_progress,
    save_state,
)
from gifdesc.training.results import EpochSums
from gifdesc.training.run import train
from gifdesc.training.step import make_optimizer
from worlds import ALL_FOR_TRAINING, CPU, TINY, epoch_result, tiny_model, write_world

PROGRESS = Progress(
    epoch=3,
    sums=EpochSums(num_batches=2, total=0.1 + 0.2),
    history=[epoch_result(1, val_loss=1 / 3), epoch_result(2, is_best=False)],
    model={"hidden_size": 16},
    training={"seed": 2**62 + 1},
    data_sha256="ab" * 32,
)


def trained(num_steps=3, optimizer_name="adamw", seed=0):
    """A model and its optimizer after some steps."""
    model = tiny_model(seed, vocab_size=9)
    decay = 0.01 if optimizer_name == "adamw" else 0.0
    config = TrainingConfig(optimizer=optimizer_name, weight_decay=decay)
    optimizer = make_optimizer(model, config)
    go_on(model, optimizer, num_steps)
    return model, optimizer


def go_on(model, optimizer, num_steps):
    for step in range(num_steps):
        optimizer.zero_grad()
        for number, parameter in enumerate(model.parameters()):
            generator = torch.Generator().manual_seed(100 * step + number)
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


def test_a_state_that_was_loaded_keeps_no_file_mapped(path):
    model, optimizer = trained()
    save_state(path, PROGRESS, model, optimizer)
    other, other_optimizer = trained(num_steps=0, seed=1)
    read_progress(path)
    load_state(path, other, other_optimizer)
    assert other_optimizer.state_dict()["state"]
    assert not is_mapped(path)


def same_bits(model, other):
    pairs = zip(model.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == name2 and torch.equal(one, two) for (name, one), (name2, two) in pairs)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "last" / "state.safetensors"
    save_state(path, PROGRESS, *trained())
    return path


def test_progress_survives_to_the_bit(path):
    assert read_progress(path) == PROGRESS


@pytest.mark.parametrize("optimizer_name", ["adam", "adamw"])
def test_a_loaded_state_continues_like_the_saved_state(tmp_path, optimizer_name):
    path = tmp_path / "state.safetensors"
    model, optimizer = trained(3, optimizer_name)
    save_state(path, PROGRESS, model, optimizer)
    other, other_optimizer = trained(1, optimizer_name, seed=5)
    load_state(path, other, other_optimizer)
    assert same_bits(model, other)
    for pair in ((model, optimizer), (other, other_optimizer)):
        go_on(*pair, num_steps=2)
    assert same_bits(model, other)


def test_a_state_before_the_first_step_can_be_loaded(tmp_path):
    path = tmp_path / "state.safetensors"
    save_state(path, PROGRESS, *trained(0))
    other, optimizer = trained(0, seed=5)
    load_state(path, other, optimizer)
    assert same_bits(other, trained(0)[0])


def test_statistics_and_weights_are_in_it_and_nothing_pickled(path):
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
    assert {"model.feature_mean", "model.output.weight", "optimizer.0.exp_avg"} <= names
    assert list(path.parent.iterdir()) == [path]


def test_saving_again_replaces_it_whole(path):
    history = [*PROGRESS.history, epoch_result(3)]
    save_state(path, replace(PROGRESS, epoch=4, history=history), *trained(1))
    assert read_progress(path).epoch == 4
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_state_is_named(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.raises(CheckpointError, match="missing; there is no run to resume"):
        read_progress(path)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "no progress", "folder"])
def test_a_damaged_state_is_named(path, damage):
    whole = path.read_bytes()
    if damage == "no progress":
        save_file({"model.x": torch.zeros(1)}, path)
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"empty": b"", "cut": whole[:-50], "text": b"no state at all"}[damage])
    with pytest.raises(CheckpointError, match="damaged; start again with --force") as caught:
        read_progress(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    "progress",
    [
        "",
        "[]",
        "{}",
        "null",
        f'{{"format_version": {STATE_VERSION}}}',
        '{"format_version": "1"}',
        f'{{"format_version": {STATE_VERSION}, "model": {{}}, "training": {{}}, "layers": 3}}',
    ],
)
def test_metadata_that_is_no_progress_is_reported(path, progress):
    save_file({"model.x": torch.zeros(1)}, path, {"progress": progress})
    with pytest.raises(CheckpointError, match="damaged; start again with --force"):
        read_progress(path)


@pytest.mark.parametrize(("phase", "total"), [("cross_entropy", 7.25), ("self_critical", -7.25)])
def test_sums_of_the_format_before_are_read(path, phase, total):
    """In it, `loss` is the negated reward in self-critical training."""
    sums = {"num_batches": 2, "num_examples": 9, "loss": 7.25, "num_correct": 3.0}
    row = {
        "format_version": 2,
        "epoch": 3,
        "sums": {**sums, "num_tokens": 31.0, "seconds": 1.5},
        "history": [asdict(epoch_result(1)), asdict(epoch_result(2))],
        "model": {},
        "training": {},
        "data_sha256": "",
        "phase": phase,
        "scaler": {},
    }
    save_file({}, path, {"progress": json.dumps(row)})
    found = read_progress(path)
    assert found.sums == EpochSums(
        num_batches=2, num_examples=9, total=total, count=31.0, seconds=1.5
    )
    assert found.history == [epoch_result(1), epoch_result(2)]
    save_file({}, path, {"progress": json.dumps({**row, "sums": {}})})
    assert read_progress(path).sums == EpochSums()


def test_an_older_state_asks_for_a_new_start(path):
    save_file({}, path, {"progress": '{"format_version": 1}'})
    with pytest.raises(CheckpointError, match="of an older gifdesc; start again with --force"):
        read_progress(path)


def test_a_newer_state_asks_for_an_upgrade(path):
    save_file({}, path, {"progress": f'{{"format_version": {STATE_VERSION + 1}}}'})
    with pytest.raises(CheckpointError, match="of a newer gifdesc; upgrade gifdesc"):
        read_progress(path)


def test_a_state_of_another_model_is_named(path):
    model = tiny_model(vocab_size=10)
    with pytest.raises(CheckpointError, match="damaged"):
        load_state(path, model, make_optimizer(model, TrainingConfig()))


def test_a_tensor_that_belongs_to_nothing_is_named(path):
    save_file({"elsewhere.x": torch.zeros(1)}, path, {"progress": "{}"})
    with pytest.raises(CheckpointError, match="damaged"):
        load_state(path, *trained())


def test_a_state_that_cannot_be_written_leaves_the_one_before(path, monkeypatch):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_state(path, replace(PROGRESS, epoch=9), *trained())
    assert read_progress(path) == PROGRESS
    assert list(path.parent.iterdir()) == [path]


def test_the_gradient_scale_of_float16_goes_on(tmp_path, monkeypatch):
    """Stands in for a GPU: on the CPU a scale that grows after every second step."""
    made = []

    def scaler(*_):
        made.append(torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2))
        return made[-1]

    monkeypatch.setattr("gifdesc.training.step.make_scaler", scaler)
    world = write_world(tmp_path / "world")
    config = TrainingConfig(epochs=3, batch_size=3, passes=1, best_by="last", **ALL_FOR_TRAINING)

    def run(folder, config, **options):
        data = prepare_data(world.features_dir, world.descriptions_dir, config)
        train(data, folder, TINY, config, CPU, **options)
        return read_progress(folder / "last" / STATE_NAME).scaler

    whole = run(tmp_path / "whole", config)
    assert whole["scale"] == 4.0 * 2**3, "six steps"
    first = run(tmp_path / "parts", replace(config, epochs=1))
    assert first["scale"] == 8.0
    assert run(tmp_path / "parts", config, resume=True) == whole


def test_without_float16_there_is_no_gradient_scale(tmp_path):
    world = write_world(tmp_path / "world")
    config = TrainingConfig(epochs=1, batch_size=3, **ALL_FOR_TRAINING)
    data = prepare_data(world.features_dir, world.descriptions_dir, config)
    train(data, tmp_path / "model", TINY, config, CPU)
    assert read_progress(tmp_path / "model" / "last" / STATE_NAME).scaler == {}
