"""Runs that are stopped, killed, resumed, cut short by patience, rewarded, or go wrong."""

import json
import math
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import gifdesc.training.run
import worlds
from gifdesc.config import TrainingConfig
from gifdesc.errors import CheckpointError, TrainingError
from gifdesc.model.checkpoint import load_checkpoint, save_weights
from gifdesc.model.confidence import confidence_threshold
from gifdesc.system.signals import Interrupted
from gifdesc.training.distributed import World
from gifdesc.training.run import train
from gifdesc.training.step import Trainer
from gifdesc.training.validation import Validation, Validator
from training_configs import CONFIGS, DROPPING, REWARDED, SHORT, prepare, train_on
from worlds import (
    ALL_FOR_TRAINING,
    CAPTIONS,
    CPU,
    TINY,
    process_environment,
    random_features,
    tiny_recipe,
    write_world,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Captions of words thrown together: a model learns, and soon learns too much."""
    words = ("red", "blue", "ball", "cross", "grows", "shrinks")
    generator = random.Random(0)
    captions = {f"g{i:02}": " ".join(generator.choices(words, k=2 + i % 4)) for i in range(24)}
    return write_world(tmp_path_factory.mktemp("world"), captions, recipe=tiny_recipe())


def run(world, model_dir, config=SHORT, model_config=DROPPING, **options):
    return train_on(world, model_dir, config, model_config, **options)


def stop_at(*steps, number=signal.SIGTERM):
    """An on_step that asks the run to stop at some of its steps, counted from 1."""
    count = 0

    def on_step(_):
        nonlocal count
        count += 1
        if count in steps:
            os.kill(os.getpid(), number)

    return on_step


def rows_of(model_dir):
    """history.jsonl without the times, which are never the same."""
    rows = [json.loads(line) for line in (model_dir / "history.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


TIMES = {"seconds", "examples_per_second"}


def what_counts(model_dir):
    weights = [
        (model_dir / name).read_bytes()
        for name in ("model.safetensors", "last/model.safetensors", "config.json")
    ]
    return weights, rows_of(model_dir)


@pytest.fixture(scope="module")
def unbroken(world, tmp_path_factory):
    """What a run gives that nobody stops, for each of `CONFIGS`; and its number of steps."""
    results = {}

    def of(name):
        if name not in results:
            folder = tmp_path_factory.mktemp(name)
            steps = []
            run(world, folder, CONFIGS[name], on_step=steps.append)
            results[name] = (*what_counts(folder), len(steps))
        return results[name]

    return of


def go_on(world, model_dir, config, **options):
    """Resume until the run is through; the number of times it was stopped."""
    for num_stops in range(100):
        try:
            run(world, model_dir, config, resume=num_stops > 0, **options)
        except Interrupted:
            continue
        return num_stops
    raise AssertionError("it never ends")


@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_that_is_stopped_and_resumed_gives_the_same_to_the_bit(
    world, tmp_path, unbroken, name
):
    weights, rows, num_steps = unbroken(name)
    stops = random.Random(name).sample(range(1, num_steps), 4)
    assert go_on(world, tmp_path, CONFIGS[name], on_step=stop_at(*stops)) == 4
    assert what_counts(tmp_path) == (weights, rows)


def test_a_run_may_be_stopped_at_every_single_step(world, tmp_path, unbroken):
    weights, rows, num_steps = unbroken("rewarded")
    every = stop_at(*range(1, num_steps + 1), number=signal.SIGINT)
    # A stop in an epoch's last step comes before its result.
    assert go_on(world, tmp_path, CONFIGS["rewarded"], on_step=every) == num_steps
    assert what_counts(tmp_path) == (weights, rows)


def test_a_stop_between_epochs_keeps_the_finished_epoch(world, tmp_path, unbroken):
    asked = []

    def on_epoch(result):
        asked.append(result.epoch)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="stopped: epoch 1 is done; continue with") as stop:
        run(world, tmp_path, SHORT, on_epoch=on_epoch)
    assert stop.value.signal_number == signal.SIGTERM
    assert asked == [1]
    run(world, tmp_path, SHORT, resume=True)
    assert what_counts(tmp_path) == unbroken("cross-entropy")[:2]


def test_a_finished_run_has_nothing_left_to_resume(world, tmp_path):
    run(world, tmp_path)
    before = what_counts(tmp_path)
    steps = []
    summary = run(world, tmp_path, resume=True, on_step=steps.append)
    assert steps == []
    assert what_counts(tmp_path) == before
    assert [result.epoch for result in summary.history] == [1, 2, 3]


def test_a_resumed_run_may_have_more_epochs(world, tmp_path):
    config = replace(SHORT, schedule="constant", warmup_fraction=0.0)
    run(world, tmp_path / "once", replace(config, epochs=4))
    run(world, tmp_path / "twice", replace(config, epochs=2))
    run(world, tmp_path / "twice", replace(config, epochs=4), resume=True)
    (once, rows), (twice, resumed_rows) = (what_counts(tmp_path / n) for n in ("once", "twice"))
    assert (once, rows) == (twice, resumed_rows)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
import gifdesc.training.run
from training_configs import CONFIGS, DROPPING
from gifdesc.training.step import Trainer
from gifdesc.training.run import train
from gifdesc.data.training_data import prepare_data
gifdesc.training.run._SAVE_SECONDS = 0.0
config = CONFIGS[{name!r}]
steps = 0
def on_step(_):
    global steps
    steps += 1
    if steps == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
data = prepare_data(Path({features!r}), Path({descriptions!r}), config)
train(data, Path({model!r}), DROPPING, config, torch.device("cpu"), resume=True, on_step=on_step)
"""


@pytest.mark.parametrize(("name", "steps"), [("cross-entropy", [3, 5]), ("rewarded", [11, 4])])
def test_a_killed_run_resumes_from_its_last_save(world, tmp_path, unbroken, name, steps):
    for step in steps:
        script = KILLED.format(
            tests=os.path.dirname(worlds.__file__),  # noqa: PTH120
            name=name,
            step=step,
            features=str(world.features_dir),
            descriptions=str(world.descriptions_dir),
            model=str(tmp_path),
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=process_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
    told = []
    run(world, tmp_path, CONFIGS[name], resume=True, on_step=told.append)
    weights, rows, num_steps = unbroken(name)
    assert what_counts(tmp_path) == (weights, rows)
    # Each step is saved after it was told of: a kill costs the one it falls into.
    assert len(told) == num_steps - sum(step - 1 for step in steps)


@pytest.fixture(scope="module")
def killed_at_the_first_reward(world, tmp_path_factory):
    """A run killed between the first rewarded epoch's best model and its state."""
    folder = tmp_path_factory.mktemp("killed")
    script = KILLED.format(
        tests=os.path.dirname(worlds.__file__),  # noqa: PTH120
        name="rewarded-unscored",
        step=-1,
        features=str(world.features_dir),
        descriptions=str(world.descriptions_dir),
        model=str(folder),
    ).replace("_SAVE_SECONDS = 0.0", "_SAVE_SECONDS = 1e9")
    patch = """
import gifdesc.training.folder
save_state = gifdesc.training.folder.save_state
def kill_or_save(path, progress, model, optimizer):
    if progress.history and progress.history[-1].phase == "self_critical":
        os.kill(os.getpid(), signal.SIGKILL)
    save_state(path, progress, model, optimizer)
gifdesc.training.folder.save_state = kill_or_save
config ="""
    done = subprocess.run(
        [sys.executable, "-c", script.replace("\nconfig =", patch, 1)],
        env=process_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder


def test_a_kill_after_the_first_self_critical_epoch_is_resumed(
    world, unbroken, killed_at_the_first_reward
):
    weights, rows, _ = unbroken("rewarded-unscored")
    assert rows[2]["is_best"]  # the weights to begin with are overwritten
    run(world, killed_at_the_first_reward, CONFIGS["rewarded-unscored"], resume=True)
    assert what_counts(killed_at_the_first_reward) == (weights, rows)


def test_a_started_self_critical_phase_cannot_be_undone(world, tmp_path):
    """Nothing is rewarded yet, but the weights of the last epoch are gone."""
    config = replace(REWARDED, epochs=2)

    def stop_before_the_first_step(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gifdesc.training.phases.SelfCriticalPhase.plan", stop_before_the_first_step)
        with pytest.raises(KeyboardInterrupt):
            run(world, tmp_path, config)
    with pytest.raises(TrainingError, match="self-critical training has begun after epoch 2"):
        run(world, tmp_path, replace(config, epochs=3), resume=True)


def test_every_saved_model_has_a_confidence_threshold(world, tmp_path):
    config = replace(SHORT, val_fraction=0.85)
    found = []

    def look(result):
        if result.is_best:
            checkpoint = load_checkpoint(tmp_path)
            data = prepare(world, config)
            validator = Validator(
                data.splits["val"],
                checkpoint.tokenizer,
                config,
                data.store,
                CPU,
                World(),
                checkpoint.captions,
            )
            validator(checkpoint.model)
            scores = validator.greedy_scores
            found.append((checkpoint.confidence_threshold, confidence_threshold(scores)))

    run(world, tmp_path, config, on_epoch=look)
    assert found
    assert all(threshold == wanted is not None for threshold, wanted in found)


def test_a_finished_run_that_is_resumed_changes_nothing(world, tmp_path):
    run(world, tmp_path)
    (tmp_path / "evaluation.json").write_text("{}")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    run(world, tmp_path, resume=True)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert after == before


def test_the_curves_are_drawn_from_python_and_during_the_run(world, tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.training.folder._DRAW_SECONDS", 0.0)
    path = tmp_path / "training.png"
    seen = []
    run(world, tmp_path, on_epoch=lambda _: seen.append(path.read_bytes()))
    assert len(set(seen)) == SHORT.epochs
    assert path.read_bytes() == seen[-1]
    path.unlink()
    with pytest.raises(Interrupted):
        run(world, tmp_path, replace(SHORT, epochs=5), force=True, on_step=stop_at(10))
    assert path.is_file()


def test_two_runs_never_share_a_folder(world, tmp_path):
    others = []

    def begin_another(_):
        for options in ({}, {"force": True}, {"resume": True}):
            with pytest.raises(TrainingError) as caught:
                run(world, tmp_path, **options)
            others.append(str(caught.value))

    run(world, tmp_path, replace(SHORT, epochs=1), on_step=begin_another)
    assert set(others) == {
        f"{tmp_path}: another gifdesc train is writing here; wait for it, or choose another "
        "folder with --model"
    }
    run(world, tmp_path, replace(SHORT, epochs=1), resume=True)


def test_a_model_finished_by_another_run_meanwhile_is_not_replaced(world, tmp_path, monkeypatch):
    """The folder was empty when this run began to look at it."""
    make = gifdesc.training.run.make_tokenizer

    def make_later(data, config):
        with monkeypatch.context() as patch:
            patch.setattr("gifdesc.training.run.make_tokenizer", make)
            run(world, tmp_path)
        return make(data, config)

    monkeypatch.setattr("gifdesc.training.run.make_tokenizer", make_later)
    with pytest.raises(TrainingError, match="holds a model already"):
        run(world, tmp_path)


def test_a_second_signal_stops_at_once_and_damages_no_file(world, tmp_path, unbroken):
    with pytest.raises(Interrupted):
        run(world, tmp_path, on_step=stop_at(2))

    def twice(_):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as interrupt:
        run(world, tmp_path, resume=True, on_step=twice)
    assert not isinstance(interrupt.value, Interrupted)
    run(world, tmp_path, resume=True)
    assert what_counts(tmp_path) == unbroken("cross-entropy")[:2]


def validating(monkeypatch, *scores):
    """Let the validations give these (CIDEr, loss), one after the other."""
    found = iter(scores)

    def score(_self, _model):
        cider, loss = next(found)
        return Validation(loss=loss, token_accuracy=0.5, cider=cider)

    monkeypatch.setattr("gifdesc.training.validation.Validator.__call__", score)


@pytest.mark.parametrize(
    ("by", "best"), [("cider", [True, False, True, False]), ("loss", [True, True, False, True])]
)
def test_the_epoch_that_is_kept_is_the_best_by_the_score_asked_for(
    world, tmp_path, monkeypatch, by, best
):
    validating(
        monkeypatch, (1.0, 4.0), (0.5, 3.0), (1.0, 3.5), (1.0, 3.0 - 1e-9 if by == "loss" else 3.5)
    )
    kept = []
    summary = run(
        world,
        tmp_path,
        replace(SHORT, epochs=4, best_by=by),
        on_epoch=lambda _: kept.append((tmp_path / "model.safetensors").read_bytes()),
    )
    assert [result.is_best for result in summary.history] == best
    assert [after != before for before, after in zip([b"", *kept], kept, strict=False)] == best
    assert summary.to_json()["best_epoch"] == max(i for i, flag in enumerate(best, 1) if flag)


def test_patience_ends_a_run_and_is_not_lost_by_resuming(world, tmp_path, monkeypatch):
    scores = [(1.0, 3.0), (2.0, 3.0), (1.5, 3.0), (1.9, 2.0), (9.0, 1.0)]
    validating(monkeypatch, *scores)
    config = replace(SHORT, epochs=9, patience=2)

    def stop(result):
        if result.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        run(world, tmp_path, config, on_epoch=stop)
    summary = run(world, tmp_path, config, resume=True)
    assert [result.is_best for result in summary.history] == [True, True, False, False]
    result = summary.to_json()
    assert (result["epochs"], result["best_epoch"], result["val_cider"]) == (4, 2, 2.0)


def test_self_critical_training_begins_with_the_best_epoch(world, tmp_path, monkeypatch):
    validating(monkeypatch, (1.0, 3.0), (2.0, 3.0), (0.5, 3.0), (0.1, 3.0))
    config = replace(SHORT, epochs=3, scst_epochs=1, scst_learning_rate=1e-10, optimizer="adam",
                     weight_decay=0.0)  # fmt: skip
    summary = run(world, tmp_path, config)
    best, last = (load_checkpoint(tmp_path / name).model for name in (".", "last"))
    for one, other in zip(best.parameters(), last.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-7)
    assert [one.phase for one in summary.history] == ["cross_entropy"] * 3 + ["self_critical"]
    rewarded = summary.history[-1]
    assert rewarded.train_loss is None
    assert 0 <= rewarded.train_reward <= 10
    assert rewarded.learning_rate == 1e-10
    assert all(one.train_reward is None for one in summary.history[:3])


def test_self_critical_training_raises_the_reward(tmp_path):
    world = write_world(tmp_path / "world", CAPTIONS)
    config = TrainingConfig(
        epochs=30, learning_rate=0.02, batch_size=3, scst_epochs=30, scst_learning_rate=0.003,
        **ALL_FOR_TRAINING,
    )  # fmt: skip
    summary = run(world, tmp_path / "model", config, TINY)
    rewards = [one.train_reward for one in summary.history[30:]]
    assert sum(rewards[-5:]) / 5 > 1.2 * sum(rewards[:5]) / 5 > 0


def test_after_early_stopping_the_finished_epochs_are_counted(world, tmp_path, monkeypatch):
    validating(monkeypatch, (2.0, 3.0), (1.0, 3.0), (3.0, 3.0))
    config = replace(REWARDED, epochs=9, scst_epochs=1, patience=1)
    summary = run(world, tmp_path, config)
    assert [one.phase for one in summary.history] == ["cross_entropy"] * 2 + ["self_critical"]
    assert summary.to_json()["epochs"] == 3


class Alone(World):
    """One process of two whose partner has nothing to add."""

    def sum_(self, tensors):
        pass

    def any(self, claim, _device):
        return claim

    def gather(self, texts, _device):
        return list(texts)


def test_only_the_first_process_writes(world, tmp_path):
    data = prepare(world, SHORT)
    for rank, name in enumerate(("first", "second")):
        process = Alone(rank=rank, size=2)
        summary = train(data, tmp_path / name, DROPPING, SHORT, CPU, world=process)
        assert len(summary.history) == SHORT.epochs
    load_checkpoint(tmp_path / "first")
    assert not (tmp_path / "second").exists()


def test_a_late_process_removes_no_file(world, tmp_path):
    data = prepare(world, SHORT)
    train(data, tmp_path, DROPPING, SHORT, CPU, world=Alone(rank=0, size=2))
    before = what_counts(tmp_path)
    train(data, tmp_path, DROPPING, SHORT, CPU, world=Alone(rank=1, size=2), force=True)
    assert what_counts(tmp_path) == before


def rewrite_features(world, value, names=None):
    """Give GIFs features of plus or minus a value."""
    for seed, path in enumerate(sorted(world.features_dir.glob("*.npy"))):
        if names is None or path.stem in names:
            signs = np.where(random_features(4, seed) > 3, 1, -1)
            np.save(path, (value * signs).astype(np.float32))


UNCLAMPED = replace(TINY, standardise=False)
"""No float holds the sums of features of 3e38; standardised ones are clamped."""


@pytest.mark.usefixtures("huge_features")
def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.data.feature_store.CACHE_BYTES", 0)
    world = write_world(tmp_path / "world")
    config = replace(SHORT, batch_size=3, **ALL_FOR_TRAINING)
    model_dir = tmp_path / "model"
    rewrite_features(world, 0.01)

    def overflow(_):
        rewrite_features(world, 3e38)

    with pytest.raises(TrainingError, match=r"loss of step 3 \(epoch 2\) is not finite; .*--lr"):
        run(world, model_dir, config, UNCLAMPED, on_epoch=overflow)
    good = what_counts(model_dir), (model_dir / "last" / "state.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=r"loss of step 3 \(epoch 2\) is not finite"):
        run(world, model_dir, config, UNCLAMPED, resume=True)
    assert (
        what_counts(model_dir),
        (model_dir / "last" / "state.safetensors").read_bytes(),
    ) == good
    load_checkpoint(model_dir)
    rewrite_features(world, 0.01)
    assert len(run(world, model_dir, config, UNCLAMPED, resume=True).history) == config.epochs


@pytest.mark.usefixtures("huge_features")
def test_a_validation_loss_that_is_not_finite_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.data.feature_store.CACHE_BYTES", 0)
    world = write_world(tmp_path / "world")
    data = prepare(world, SHORT)
    names = {example.name for example in data.splits["val"]}
    assert names
    model_dir = tmp_path / "model"

    def overflow(_):
        rewrite_features(world, 3e38, names)

    with pytest.raises(TrainingError, match=r"validation loss of epoch 2 is not finite; .*--lr"):
        run(world, model_dir, model_config=UNCLAMPED, on_epoch=overflow)
    assert [row["epoch"] for row in rows_of(model_dir)] == [1]
    load_checkpoint(model_dir)
    load_checkpoint(model_dir / "last")


def test_weights_that_are_not_finite_are_not_kept(world, tmp_path, monkeypatch):
    """The loss may still be finite where its gradient is not."""
    config = replace(SHORT, **ALL_FOR_TRAINING)
    step = Trainer.step
    count = 0

    def diverge(self, *arguments):
        nonlocal count
        count += 1
        sums = step(self, *arguments)
        if count == 2 * 5:  # the last one of the second epoch
            with torch.no_grad():
                self._parameters[0].fill_(math.inf)
        return sums

    monkeypatch.setattr(Trainer, "step", diverge)
    with pytest.raises(TrainingError, match=r"weights in epoch 2 are not finite; .*--lr"):
        run(world, tmp_path, config)
    assert count == 10
    assert [row["epoch"] for row in rows_of(tmp_path)] == [1]
    for folder in (tmp_path, tmp_path / "last"):
        load_checkpoint(folder)


def test_old_weights_are_removed_before_a_new_tokenizer_is_written(world, tmp_path, monkeypatch):
    other = write_world(tmp_path / "other", CAPTIONS)
    config = replace(SHORT, batch_size=2, **ALL_FOR_TRAINING)
    model_dir = tmp_path / "model"
    run(world, model_dir, config)
    with pytest.raises(Interrupted):
        run(other, model_dir, config, force=True, on_step=stop_at(2))
    load_checkpoint(model_dir)  # the old one, until there is a new one

    def die_before_the_weights(path, model):
        if path.parent == model_dir:
            raise OSError("killed")
        save_weights(path, model)

    monkeypatch.setattr("gifdesc.model.checkpoint.save_weights", die_before_the_weights)
    with pytest.raises(TrainingError, match="killed"):
        run(other, model_dir, config, resume=True)
    monkeypatch.undo()
    with pytest.raises(CheckpointError):
        load_checkpoint(model_dir)
    run(other, model_dir, config, resume=True)
    load_checkpoint(model_dir)
