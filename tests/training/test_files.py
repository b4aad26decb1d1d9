"""The files of a run in its model folder, after each epoch and after failures."""

import json
import sys
from dataclasses import asdict

import pytest
import torch

from gifdesc.config import TrainingConfig
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.data.training_data import prepare_data
from gifdesc.data.training_record import TrainingRecord, read_record
from gifdesc.errors import TrainingError
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.training.folder import Progress, TrainingFiles, read_progress
from gifdesc.training.run import train
from gifdesc.training.step import make_optimizer
from worlds import (
    ALL_FOR_TRAINING,
    CPU,
    TINY,
    epoch_result,
    tiny_model,
    tiny_recipe,
    tiny_tokenizer,
    write_model,
    write_world,
)

TOKENIZER = tiny_tokenizer()
CONFIG = TrainingConfig(seed=7)
CAPTIONS = CaptionStatistics(longest=6, repeats=1, repeated_pairs=0.0)
RECORD = TrainingRecord(frozenset({"gif:1"}), frozenset())
LATER_RECORD = TrainingRecord(frozenset({"gif:2"}), frozenset({"gif:3"}))
PROGRESS = Progress(epoch=3, model={}, training={}, data_sha256="ab" * 32)


@pytest.fixture
def files(tmp_path):
    return TrainingFiles(tmp_path, TOKENIZER, tiny_recipe(), CONFIG, CAPTIONS, RECORD)


def model_of(seed):
    return tiny_model(seed, vocab_size=TOKENIZER.vocab_size)


def history(*are_best):
    return [
        epoch_result(number, train_loss=3 / number, is_best=is_best)
        for number, is_best in enumerate(are_best, 1)
    ]


def seed_in(folder):
    """Which of some models a folder holds."""
    found = load_checkpoint(folder).model.state_dict()
    [seed] = [
        seed
        for seed in range(5)
        if all(torch.equal(found[name], one) for name, one in model_of(seed).state_dict().items())
    ]
    return seed


def test_the_best_epochs_model_stays_and_last_is_the_latest(files, tmp_path):
    files.save_epoch(model_of(1), history(True), -1.5)
    assert (seed_in(tmp_path), seed_in(tmp_path / "last")) == (1, 1)
    files.save_epoch(model_of(2), history(True, False), None)
    assert (seed_in(tmp_path), seed_in(tmp_path / "last")) == (1, 2)
    assert load_checkpoint(tmp_path).confidence_threshold == -1.5
    files.save_epoch(model_of(3), history(True, False, True), -0.5)
    assert (seed_in(tmp_path), seed_in(tmp_path / "last")) == (3, 3)
    found = load_checkpoint(tmp_path)
    assert found.confidence_threshold == -0.5
    assert (found.recipe, found.training) == (tiny_recipe(), CONFIG)
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        asdict(result) for result in history(True, False, True)
    ]


def test_the_threshold_of_the_kept_model_is_replaced_at_the_end(files, tmp_path):
    files.save_epoch(model_of(1), history(True), -1.5)
    files.save_epoch(model_of(2), history(True, False), None)
    files.save_threshold(-0.25)
    assert (seed_in(tmp_path), seed_in(tmp_path / "last")) == (1, 2)
    assert load_checkpoint(tmp_path).confidence_threshold == -0.25


def test_the_weights_of_the_run_before_go_with_the_first_epoch_only(files, tmp_path):
    write_model(tmp_path, seed=4)
    files.save_epoch(model_of(1), history(False), None)
    assert not (tmp_path / "model.safetensors").exists()
    files.save_epoch(model_of(2), history(False, True), None)
    files.save_epoch(model_of(3), history(False, True, False), None)
    assert seed_in(tmp_path) == 2


def test_the_state_is_saved_beside_the_latest_model(files, tmp_path):
    model = model_of(1)
    files.save_state(PROGRESS, model, make_optimizer(model, CONFIG))
    assert read_progress(tmp_path / "last" / "state.safetensors") == PROGRESS


def test_both_models_have_the_statistics_of_the_training_captions(files, tmp_path):
    files.save_epoch(model_of(0), history(True), None)
    for folder in (tmp_path, tmp_path / "last"):
        assert load_checkpoint(folder).captions == CAPTIONS


@pytest.mark.parametrize("resumed", [False, True])
def test_both_models_record_the_gifs_of_the_run(tmp_path, resumed):
    for record, is_later in ((RECORD, False), (LATER_RECORD, resumed)):
        files = TrainingFiles(tmp_path, TOKENIZER, None, CONFIG, CAPTIONS, record, resumed=is_later)
        files.save_epoch(model_of(1), history(True), None)
    wanted = RECORD.joined(LATER_RECORD) if resumed else LATER_RECORD
    assert read_record(tmp_path) == read_record(tmp_path / "last") == wanted


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "model").write_text("a file where the folder should be")
    files = TrainingFiles(tmp_path / "model", TOKENIZER, None, CONFIG, CAPTIONS, RECORD)
    model = model_of(1)
    with pytest.raises(TrainingError, match="model: cannot be written: "):
        files.save_epoch(model, history(True), None)
    with pytest.raises(TrainingError, match="model: cannot be written: "):
        files.save_state(PROGRESS, model, make_optimizer(model, CONFIG))


def test_the_same_curves_are_drawn_once(files, tmp_path):
    picture = tmp_path / "training.png"
    files.draw([])
    assert not picture.exists()
    files.draw(history(True))
    picture.unlink()
    files.draw(history(True))
    assert not picture.exists()
    files.draw(history(True, True))
    assert picture.is_file()


@pytest.mark.parametrize(("seconds", "is_drawn"), [(-1.0, True), (1e9, False)])
def test_an_epoch_is_drawn_once_enough_time_has_passed(
    files, tmp_path, monkeypatch, seconds, is_drawn
):
    monkeypatch.setattr("gifdesc.training.folder._DRAW_SECONDS", seconds)
    files.save_epoch(model_of(1), history(True), None)
    assert (tmp_path / "training.png").is_file() == is_drawn


def test_a_picture_that_cannot_be_drawn_ends_no_run(tmp_path, monkeypatch, caplog):
    world = write_world(tmp_path / "world")
    config = TrainingConfig(epochs=2, **ALL_FOR_TRAINING)
    model_dir = tmp_path / "model"

    def run(**options):
        data = prepare_data(world.features_dir, world.descriptions_dir, config)
        return train(data, model_dir, TINY, config, CPU, **options)

    (model_dir / "training.png").mkdir(parents=True)
    assert len(run().history) == config.epochs
    (model_dir / "training.png").rmdir()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run(force=True)
    assert not (model_dir / "training.png").exists()
    problems = [record.getMessage() for record in caplog.records if "png" in record.getMessage()]
    assert len(problems) == 2
    assert "training.png: cannot be written: " in problems[0]
    assert "training.png: not drawn: " in problems[1]
