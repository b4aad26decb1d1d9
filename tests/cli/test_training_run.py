"""The messages of a training run on stderr."""

import json
import sys

import numpy as np
import pytest

from training_configs import ALL, train_here
from worlds import FEATURE_SIZE, run_here, tiny_recipe, write_world


@pytest.fixture
def model_dir(tmp_path):
    return tmp_path / "model"


def test_unpaired_files_are_counted_and_listed_once(world, model_dir):
    (world.descriptions_dir / "a.txt").rename(world.descriptions_dir / "z.txt")
    done = train_here(world, model_dir, *ALL)
    assert done.code == 0
    assert "1 feature file without description: a" in done.warnings
    assert "1 description without feature file: z" in done.warnings


def test_features_without_a_recipe_are_used_and_reported_once(tmp_path, model_dir):
    done = train_here(write_world(tmp_path / "elsewhere"), model_dir, *ALL)
    assert done.code == 0
    assert len([one for one in done.warnings if "no recipe.json" in one]) == 1


def test_resuming_a_finished_run_reports_that_it_is_finished(world, model_dir):
    train_here(world, model_dir, *ALL)
    done = train_here(world, model_dir, *ALL, "--resume")
    assert done.code == 0
    wanted = "no epoch is left (done before: 2 epochs; --epochs asks for more), kept epoch 2"
    assert f"{wanted} -> {model_dir}" in done.err


def test_captions_beyond_the_limit_are_counted_and_reported(world, model_dir):
    for name in "ab":
        (world.descriptions_dir / f"{name}.txt").write_text("ball " * 200 + "\n")
    done = train_here(world, model_dir, *ALL, "--json")
    assert done.code == 0
    assert json.loads(done.out)["num_cut_captions"] == 2
    assert done.warnings.count("2 captions longer than 128 tokens: cut to that length") == 1


def test_a_single_epoch_is_one(world, model_dir):
    done = train_here(world, model_dir, *ALL, "--epochs", 1)
    assert f"trained 1 epoch, kept epoch 1 -> {model_dir}" in done.err


def test_a_run_is_reported_epoch_by_epoch(world, model_dir):
    split = ("--val-fraction", 0.4, "--test-fraction", 0, "--seed", 2, "--best-by", "cider")
    done = train_here(world, model_dir, *split, "--scst-epochs", 1)
    assert done.code == 0, done.err
    first, second, third = (line for line in done.err.splitlines() if line.startswith("epoch "))
    for line in (first, second):
        assert "train loss " in line
        assert " pairs/s" in line
    assert "train reward " in third
    assert " GIFs/s" in third
    for line in (first, second, third):
        assert "val loss " in line
        assert "val CIDEr " in line
    assert first.endswith("best")


SENTENCES = (
    "a small dog shakes water off its fur",
    "a cat stares into the camera",
    "a man waves at his webcam",
    "a young man nods in front of a wall",
    "an actor bows to the crowd",
    "a man turns around on his chair",
    "a woman with long hair is singing",
    "two boys are jumping on a bed",
    "a player throws a ball into the hoop",
    "a girl claps her hands three times",
    "a man in a suit taps the table",
    "a cartoon bear holds two friends",
    "a nurse touches a shoulder",
    "a blonde woman shrugs in a hallway",
    "a boy in a red vest looks around",
    "a man at the table talks about a cat",
    "a man in a grey suit winks",
    "a manager shouts at everyone",
    "a man with wide eyes laughs",
    "a driver looks at his hands",
)


@pytest.mark.parametrize("held_out", [(), ALL])
def test_twenty_gifs_and_ten_epochs_give_the_training_captions_back(tmp_path, model_dir, held_out):
    captions = {f"{number:02}": one for number, one in enumerate(SENTENCES)}
    world = write_world(tmp_path / "world", captions, recipe=tiny_recipe())
    options = (*world.options, "--model", model_dir)
    done = run_here("train", *options, *held_out, "--epochs", 10, "--hidden-size", 128, "--json")
    assert done.code == 0, done.err
    row = json.loads(done.out)
    num_pairs = row["num_examples"]["train"]
    assert row["epochs"] == 10
    assert row["num_steps"] >= 300
    assert f"{num_pairs} (GIF, caption) pairs: 10 epochs of 4 passes, batches of" in done.err
    assert not [one for one in done.warnings if "steps" in one]
    done = run_here("evaluate", *options, "--split", "train", "--no-meteor", "--json")
    assert json.loads(done.out)["exact_match"] == 1.0


def test_a_run_of_few_steps_is_a_warning_with_a_remedy(world, model_dir):
    done = train_here(world, model_dir, *ALL, "--batch-size", 4)
    assert [one for one in done.warnings if "optimizer step" in one] == [
        "4 optimizer steps in all: few models write whole sentences after fewer than 300; give "
        "more --epochs or a smaller --batch-size, or leave both out"
    ]
    assert "batches of" not in done.err, "both were given"


def test_a_run_of_few_steps_in_batches_of_one_cannot_have_smaller_ones(world, model_dir):
    done = train_here(world, model_dir, *ALL, "--batch-size", 1, "--epochs", 1)
    assert [one for one in done.warnings if "optimizer step" in one] == [
        "6 optimizer steps in all: few models write whole sentences after fewer than 300; give "
        "more --epochs or more data, or leave --epochs out"
    ]


def test_few_validation_gifs_choose_no_epoch_and_that_is_reported(world, model_dir):
    done = train_here(world, model_dir, "--val-fraction", 0.4, "--test-fraction", 0, "--seed", 2)
    assert "too few to choose an epoch, so the last is kept (or use --best-by cider)" in done.err
    assert "kept epoch 2" in done.err
    more = ("--val-fraction", 0.4, "--test-fraction", 0, "--seed", 2, "--force", "--patience", 1)
    done = train_here(world, model_dir, *more)
    assert "few to choose an epoch, but --patience needs its CIDEr (--best-by cider)" in done.err


def test_tensorboard_gets_the_curves(world, model_dir, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    done = train_here(world, model_dir, *ALL, "--tensorboard", tmp_path / "runs")
    assert done.code == 0, done.err
    [events] = (tmp_path / "runs").iterdir()
    assert events.name.startswith("events.out.tfevents")
    assert b"train_loss" in events.read_bytes()


def test_without_tensorboard_the_error_names_the_package_to_install(
    world, model_dir, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    done = train_here(world, model_dir, *ALL, "--tensorboard", tmp_path / "runs")
    assert (done.code, done.out) == (2, "")
    assert "pip install 'gifdesc[tensorboard]'" in done.error
    assert not model_dir.exists()


@pytest.mark.parametrize(("weights", "num_said"), [("random", 1), ("resnet50-0676ba61.pth", 0)])
def test_features_of_an_untrained_network_are_a_warning(tmp_path, model_dir, weights, num_said):
    world = write_world(tmp_path / "world", recipe=tiny_recipe(weights=weights))
    done = train_here(world, model_dir, *ALL)
    assert done.code == 0, done.err
    said = "the features come from an untrained ResNet50 (random weights)"
    assert done.warnings.count(said) == num_said


def test_the_splits_are_counted_and_a_missing_validation_split_is_reported(
    world, model_dir, tmp_path
):
    (tmp_path / "train.txt").write_text("a\nb\nc\n")
    (tmp_path / "val.txt").write_text("d\n")
    (tmp_path / "test.txt").write_text("e\n")
    held_out = train_here(world, model_dir, "--splits", tmp_path).err.splitlines()
    everything = train_here(world, model_dir, *ALL, "--force").err.splitlines()
    lack = "no validation split: the last epoch is kept as the best"
    assert "5 GIFs: 3 train, 1 val, 1 test" in held_out
    assert lack not in held_out
    assert "6 GIFs: 6 train, 0 val, 0 test" in everything
    assert lack in everything


def test_a_bad_file_is_reported_once_whenever_it_is_found(world, model_dir, monkeypatch):
    monkeypatch.setattr("gifdesc.data.training_data.READ_FIRST_FILES", 0)
    np.save(world.features_dir / "a.npy", np.ones(FEATURE_SIZE, np.float32))  # seen at once
    np.save(world.features_dir / "c.npy", np.full((3, FEATURE_SIZE), np.nan, np.float32))
    done = train_here(world, model_dir, *ALL, "--json")
    assert done.code == 1
    known, found_later = json.loads(done.out)["problems"]
    assert "a.npy" in known
    assert "c.npy" in found_later
    assert done.errors == [known, found_later]
    assert not [one for one in done.warnings if ".npy" in one]
