"""Runs that are resumed or refused, before any file is written."""

import errno
import os
import random
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from gifdesc.config import PRESETS, ModelConfig, TrainingConfig, to_json
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.data.training_data import prepare_data
from gifdesc.errors import CheckpointError, TrainingError
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.network import CaptionModel
from gifdesc.system.files import write_json
from gifdesc.system.json_files import from_json
from gifdesc.system.signals import Interrupted
from gifdesc.training.folder import load_state, read_progress, save_state
from gifdesc.training.resume import check_folder, choose_configs, stored_configs
from gifdesc.training.run import train
from gifdesc.training.step import make_optimizer
from training_configs import train_on
from worlds import ALL_FOR_TRAINING, CAPTIONS, CPU, TINY, tiny_recipe, write_model

CONFIG = TrainingConfig(epochs=2, batch_size=4, passes=1, best_by="last", **ALL_FOR_TRAINING)


@pytest.fixture
def model_dir(tmp_path, world):
    folder = tmp_path / "model"
    run(world, folder)
    return folder


def run(world, model_dir, config=CONFIG, model_config=TINY, **options):
    return train_on(world, model_dir, config, model_config, **options)


def files_of(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused(world, model_dir, config=CONFIG, model_config=TINY):
    """The sentence that resuming is refused with; nothing is changed."""
    before = files_of(model_dir)
    with pytest.raises(TrainingError) as caught:
        run(world, model_dir, config, model_config, resume=True)
    assert files_of(model_dir) == before
    message = str(caught.value)
    assert "\n" not in message
    assert "--force" in message
    return message


def test_other_features_are_refused(world, model_dir):
    for path in world.features_dir.glob("*.npy"):
        np.save(path, np.load(path)[:, :40])
    assert refused(world, model_dir).startswith(
        "--resume: the features have 40 numbers a frame, the run's had 48; "
    )


def test_features_of_another_recipe_are_refused(world, model_dir):
    recipe = tiny_recipe(num_frames=8)
    write_json(world.features_dir / "recipe.json", to_json(recipe))
    assert "the features, GIFs or descriptions differ from those" in refused(world, model_dir)


def weights_after_another_epoch(world, model_dir, copy_dir):
    """The weights of the run's copy, resumed for one epoch more."""
    shutil.copytree(model_dir, copy_dir)
    run(world, copy_dir, replace(CONFIG, epochs=3), resume=True)
    return (copy_dir / "model.safetensors").read_bytes()


def test_features_of_another_gifdesc_version_are_accepted(world, model_dir, tmp_path):
    wanted = weights_after_another_epoch(world, model_dir, tmp_path / "before")
    recipe = tiny_recipe(gifdesc_version="9.9.9", weights="by-another-name")
    write_json(world.features_dir / "recipe.json", to_json(recipe))
    assert weights_after_another_epoch(world, model_dir, tmp_path / "after") == wanted
    assert (model_dir / "model.safetensors").read_bytes() != wanted


def test_another_vocabulary_is_refused(world, model_dir):
    (world.descriptions_dir / "a.txt").write_text("an aardvark appears")
    assert "the vocabulary has " in refused(world, model_dir)


def test_other_captions_of_the_same_words_are_refused(world, model_dir):
    texts = [(world.descriptions_dir / f"{name}.txt") for name in "ab"]
    first, second = (path.read_text() for path in texts)
    texts[0].write_text(second)
    texts[1].write_text(first)
    assert "the features, GIFs or descriptions differ from those" in refused(world, model_dir)


def test_other_gifs_are_refused(world, model_dir):
    (world.features_dir / "a.npy").rename(world.features_dir / "z.npy")
    (world.descriptions_dir / "a.txt").rename(world.descriptions_dir / "z.txt")
    assert "the features, GIFs or descriptions differ from those" in refused(world, model_dir)


def test_gifs_of_other_content_under_the_same_names_are_refused(world, tmp_path):
    manifest = Manifest(world.features_dir)
    names = sorted(path.stem for path in world.features_dir.glob("*.npy"))
    lines = {
        name: ManifestEntry(
            source=name, status="ok", sha256=f"{place:064x}", features=f"{name}.npy"
        )
        for place, name in enumerate(names)
    }
    manifest.add(*lines.values())
    run(world, tmp_path / "model")
    weights_after_another_epoch(world, tmp_path / "model", tmp_path / "copy")
    manifest.add(replace(lines["a"], sha256="f" * 64))
    message = refused(world, tmp_path / "model")
    assert "the features, GIFs or descriptions differ from those" in message
    (world.features_dir / "manifest.jsonl").unlink()  # then nothing is known of the content
    weights_after_another_epoch(world, tmp_path / "model", tmp_path / "other")


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.5},
        {"batch_size": 3},
        {"seed": 7},
        {"label_smoothing": 0.25},
        {"schedule": "constant"},
        {"max_grad_norm": 1.0},
        {"best_by": "loss"},
        {"max_tokens": 64},
        {"scheduled_sampling": 0.5},
        {"preset": "mean"},
    ],
)
def test_another_setting_of_the_run_is_refused_by_name(world, model_dir, changes):
    [(name, value)] = changes.items()
    message = refused(world, model_dir, replace(CONFIG, **changes))
    shown = {"learning_rate": "--lr", "preset": "--preset"}.get(name, name)
    assert f"the run was started with {shown} {getattr(CONFIG, name)}, not {value}" in message


@pytest.mark.parametrize(
    "changes", [{"dropout": 0.25}, {"fusion": "gate"}, {"hidden_size": 18}, {"frame_skip": False}]
)
def test_another_model_is_refused_by_name(world, model_dir, changes):
    [(name, value)] = changes.items()
    message = refused(world, model_dir, model_config=replace(TINY, **changes))
    shown = {"hidden_size": "--hidden-size"}.get(name, name)
    assert f"the run was started with {shown} {getattr(TINY, name)}, not {value}" in message


def test_other_split_lists_are_refused_in_words(world, model_dir, tmp_path):
    (tmp_path / "train.txt").write_text("\n".join(CAPTIONS))
    data = prepare_data(world.features_dir, world.descriptions_dir, CONFIG, tmp_path)
    with pytest.raises(TrainingError, match="--resume: the run was started with other split lists"):
        train(data, model_dir, TINY, CONFIG, CPU, resume=True)


@pytest.mark.parametrize(
    "changes", [{"epochs": 3}, {"patience": 5}, {"precision": "float32"}, {"scst_epochs": 1}]
)
def test_epochs_patience_and_precision_may_change(world, model_dir, changes):
    summary = run(world, model_dir, replace(CONFIG, **changes), resume=True)
    longer = changes.get("epochs", 2) + changes.get("scst_epochs", 0)
    assert len(summary.history) == longer


def test_a_run_is_resumed_by_its_own_settings_where_none_are_given(world, model_dir):
    data = prepare_data(world.features_dir, world.descriptions_dir, CONFIG)
    longer = replace(CONFIG, epochs=3)
    assert len(train(data, model_dir, None, longer, CPU, resume=True).history) == 3
    again = train(data, model_dir, None, None, CPU, resume=True)
    assert (len(again.history), again.config.seed) == (3, CONFIG.seed)


def test_a_run_is_not_cut_to_fewer_epochs_than_it_has_done(world, model_dir):
    message = refused(world, model_dir, replace(CONFIG, epochs=1))
    assert "2 epochs of cross-entropy are done or under way, more than --epochs 1" in message


def test_epochs_cannot_change_after_self_critical_training_began(world, tmp_path):
    config = replace(CONFIG, scst_epochs=1, scst_samples=2)
    run(world, tmp_path / "model", config)
    message = refused(world, tmp_path / "model", replace(config, epochs=3))
    assert "self-critical training has begun after epoch 2" in message
    summary = run(world, tmp_path / "model", replace(config, scst_epochs=2), resume=True)
    assert [one.phase for one in summary.history][2:] == ["self_critical"] * 2


@pytest.mark.parametrize("resume", [False, True])
def test_without_a_run_a_new_run_begins(tmp_path, resume):
    assert check_folder(tmp_path / "nowhere", force=False, resume=resume) is None
    (tmp_path / "empty").mkdir()
    assert check_folder(tmp_path / "empty", force=False, resume=resume) is None


def test_a_folder_with_a_run_needs_force_or_resume(model_dir):
    with pytest.raises(TrainingError, match="holds a model already; continue with --resume, "):
        check_folder(model_dir, force=False, resume=False)
    assert check_folder(model_dir, force=True, resume=False) is None
    assert check_folder(model_dir, force=False, resume=True).epoch == 3


def test_a_run_whose_best_epoch_was_removed_is_not_resumed(model_dir, tmp_path):
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        folder = shutil.copytree(model_dir, tmp_path / name)
        (folder / name).unlink()
        wanted = f"{name}/{name}: missing, so the best epoch of the run is lost; .* --force"
        with pytest.raises(CheckpointError, match=wanted):
            check_folder(folder, force=False, resume=True)
        assert check_folder(folder, force=True, resume=False) is None


def test_a_run_whose_folder_is_removed_ends_at_once_and_can_be_run_again(world, tmp_path):
    folder = tmp_path / "model"
    with pytest.raises(TrainingError, match="was removed during the run; run the command again"):
        run(world, folder, on_epoch=lambda _: shutil.rmtree(folder))
    assert not folder.exists()
    assert len(run(world, folder).history) == CONFIG.epochs


def test_a_folder_with_a_model_and_no_run_cannot_be_resumed(tmp_path):
    write_model(tmp_path)
    with pytest.raises(TrainingError, match="holds a model already; replace it with --force, or"):
        check_folder(tmp_path, force=False, resume=False)
    with pytest.raises(TrainingError, match="holds a model but no run to resume"):
        check_folder(tmp_path, force=False, resume=True)


def test_a_damaged_run_is_named_and_can_be_replaced(world, model_dir):
    path = model_dir / "last" / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    for ask in (
        lambda: check_folder(model_dir, force=False, resume=True),
        lambda: stored_configs(model_dir),
    ):
        with pytest.raises(CheckpointError, match="damaged; start again with --force"):
            ask()
    run(world, model_dir, force=True)
    assert read_progress(path).epoch == 3


def choose(resumed_dir=None, preset=None, **options):
    model = {name: value for name, value in options.items() if hasattr(ModelConfig(), name)}
    training = {name: value for name, value in options.items() if name not in model}
    return choose_configs(resumed_dir, preset, model_options=model, training_options=training)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_taken_as_it_is(name):
    assert choose(preset=name) == (PRESETS[name].model, PRESETS[name].training)


def test_without_a_preset_the_default_is_taken():
    assert choose() == choose(preset="attention")


def test_options_replace_the_presets():
    model, training = choose(preset="mean", dropout=0.75, epochs=3, seed=4)
    assert (model.dropout, training.epochs, training.seed) == (0.75, 3, 4)
    assert (model.encoder, training.preset) == ("none", "mean")


ENCODERS = DECODERS = ("none", "rnn", "gru", "lstm")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_sensible_combination_is_a_model(preset):
    for encoder in ENCODERS:
        for decoder in DECODERS:
            for fusion in ("add", "concat", "gate", "attention"):
                options = {"encoder": encoder, "decoder": decoder, "fusion": fusion}
                for sizes in ({}, {"hidden_size": 10}):
                    model, _ = choose(preset=preset, **options, **sizes)
                    for name, value in {**options, **sizes}.items():
                        assert getattr(model, name) == value
                    if sizes:
                        assert model.embedding_size == 10
                        assert model.projection_size in (0, 10)


def test_a_senseless_combination_is_refused():
    with pytest.raises(ValueError, match="even hidden_size"):
        choose(hidden_size=7)
    with pytest.raises(ValueError, match="cannot caption"):
        choose(preset="report", scst_epochs=3)


def test_dependent_settings_follow_an_option_unless_given():
    assert choose(objective="reconstruction")[1].best_by == "loss"
    assert choose(optimizer="adam")[1].weight_decay == 0
    for senseless in (
        {"objective": "reconstruction", "best_by": "cider"},
        {"optimizer": "adam", "weight_decay": 0.1},
    ):
        with pytest.raises(ValueError, match=r"reconstruction|adamw"):
            choose(**senseless)


def test_a_resumed_run_keeps_its_settings(world, model_dir):
    model, training = choose(model_dir)
    assert replace(model, feature_size=48, vocab_size=1) == replace(
        TINY, feature_size=48, vocab_size=1
    )
    assert training == CONFIG
    assert choose(model_dir, "attention", epochs=9)[1] == replace(CONFIG, epochs=9)
    run(world, model_dir, *reversed(choose(model_dir)), resume=True)


def test_another_preset_replaces_the_settings_of_the_run(model_dir):
    assert choose(model_dir, "mean")[1].preset == "mean"


def test_a_missing_run_changes_no_settings(tmp_path):
    assert stored_configs(tmp_path) is None
    assert choose(tmp_path / "nowhere") == choose()


def test_a_resumed_run_does_not_depend_on_the_order_of_the_files(world, model_dir, tmp_path):
    """Features and captions are found in an order of their own."""
    wanted = weights_after_another_epoch(world, model_dir, tmp_path / "before")
    paths = sorted(world.features_dir.glob("*.npy"))
    contents = {path: path.read_bytes() for path in paths}
    for path in random.Random(1).sample(paths, len(paths)):
        path.unlink()
        path.write_bytes(contents[path])
    assert weights_after_another_epoch(world, model_dir, tmp_path / "after") == wanted


# Killed while it writes


class Killed(BaseException):
    """What ends a process at once: no handler of the program's sees it."""


def with_renames(monkeypatch, act):
    """Call `act` with the number of each file that is about to take its place."""
    count = 0
    replace_file = os.replace

    def counting(source, target):
        nonlocal count
        count += 1
        act(count)
        replace_file(source, target)

    monkeypatch.setattr("os.replace", counting)
    monkeypatch.setattr("gifdesc.system.files.os.replace", counting)


@pytest.mark.parametrize("kind", ["killed", "full"])
def test_a_first_epoch_killed_at_any_file_is_resumed_or_begun(world, tmp_path, monkeypatch, kind):
    config = replace(CONFIG, epochs=1)
    numbers = []
    with monkeypatch.context() as patched:
        with_renames(patched, numbers.append)
        run(world, tmp_path / "whole", config)
    wanted = weights_of(tmp_path / "whole")
    num_files = numbers[-1] - 1  # the last one is a picture, whose loss is only warned of
    assert num_files > 8

    for number in range(1, num_files + 1):
        folder = tmp_path / str(number)

        def strike(count, number=number):
            if kind == "killed" and count == number:
                raise Killed
            if kind == "full" and count >= number:
                raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patched:
            with_renames(patched, strike)
            with pytest.raises((Killed, TrainingError)):
                run(world, folder, config)
        if not (folder / "config.json").exists():
            check_folder(folder, force=False, resume=False)  # a plain run may begin again
        run(world, folder, config, resume=True)
        for name, tensor in weights_of(folder).items():
            assert torch.equal(tensor, wanted[name]), (number, name)


def weights_of(folder):
    return load_checkpoint(folder).model.state_dict()


def test_a_replacing_run_is_not_taken_for_the_old_run(world, tmp_path, model_dir, monkeypatch):
    """Killed at its second file, it is itself what goes on, not the run that it was to replace."""
    config = replace(CONFIG, seed=5)
    run(world, tmp_path / "whole", config)

    def strike(count):
        if count == 2:
            raise Killed

    with monkeypatch.context() as patched:
        with_renames(patched, strike)
        with pytest.raises(Killed):
            run(world, model_dir, config, force=True)
    run(world, model_dir, config, resume=True)
    wanted = weights_of(tmp_path / "whole")
    assert all(torch.equal(one, wanted[name]) for name, one in weights_of(model_dir).items())


# What follows the data


def test_a_resumed_run_keeps_the_sizes_it_chose(world, tmp_path):
    config = TrainingConfig(epochs=3, val_fraction=0.0, test_fraction=0.0)
    run(world, tmp_path / "whole", config)
    chosen = load_checkpoint(tmp_path / "whole").training
    assert (chosen.batch_size, chosen.passes) == (1, 8)

    def strike(result):
        if result.epoch == 2 and result.num_examples == 20:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        run(world, tmp_path / "stopped", config, on_step=strike)
    run(world, tmp_path / "stopped", config, resume=True)
    wanted = weights_of(tmp_path / "whole")
    found = weights_of(tmp_path / "stopped")
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in found.items())
    # Of more epochs other batches would be chosen; the run keeps its own.
    run(world, tmp_path / "stopped", replace(config, epochs=4), resume=True)
    longer = load_checkpoint(tmp_path / "stopped").training
    assert (longer.batch_size, longer.passes, longer.epochs) == (1, 8, 4)


def test_a_run_without_passes_in_its_settings_is_resumed(world, model_dir):
    """Its state does not state them: an epoch was one pass."""
    path = model_dir / "last" / "state.safetensors"
    progress = read_progress(path)
    training = {name: value for name, value in progress.training.items() if name != "passes"}
    older = replace(progress, training=training)
    model = CaptionModel(from_json(ModelConfig, progress.model))
    optimizer = make_optimizer(model, CONFIG)
    load_state(path, model, optimizer)
    save_state(path, older, model, optimizer)
    run(world, model_dir, replace(CONFIG, epochs=3), resume=True)
    assert load_checkpoint(model_dir).training.passes == 1
