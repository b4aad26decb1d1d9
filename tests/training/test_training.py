import hashlib
import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from gifdesc.config import PRESETS, TrainingConfig
from gifdesc.data.dataset import GIFDataset, feature_statistics, iterate_batches, plan_scoring
from gifdesc.data.feature_files import read_features
from gifdesc.data.training_data import prepare_data
from gifdesc.errors import CheckpointError, TrainingError
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.losses import score_tokens, token_loss
from gifdesc.training.folder import read_progress
from gifdesc.training.run import make_tokenizer, train
from training_configs import train_on
from worlds import (
    ALL_FOR_TRAINING,
    CAPTIONS,
    CPU,
    TINY,
    greedy_captions,
    random_features,
    tiny_recipe,
    tiny_tokenizer,
    write_world,
)

SHORT = TrainingConfig(epochs=2, batch_size=4, label_smoothing=0.0, **ALL_FOR_TRAINING)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"), recipe=tiny_recipe())


def run(world, model_dir, config=SHORT, model_config=TINY, **options):
    return train_on(world, model_dir, config, model_config, **options)


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"fusion": "concat", "encoder": "lstm", "decoder": "lstm"},
        {"fusion": "add", "encoder": "rnn", "decoder": "rnn", "bidirectional": False},
        {"fusion": "gate"},
        {"fusion": "attention", "decoder": "lstm", "projection_size": 0, "frame_skip": False},
    ],
    ids=["attention-gru", "concat-lstm", "add-rnn", "gate-gru", "attention-lstm-unprojected"],
)
def test_a_few_captions_are_overfitted(world, tmp_path, variant):
    config = replace(SHORT, epochs=80, learning_rate=2e-2, schedule="constant")
    summary = run(world, tmp_path, config, replace(TINY, **variant))
    assert greedy_captions(tmp_path, summary.data.splits["train"]) == CAPTIONS
    assert summary.history[-1].train_loss < 0.1 < summary.history[0].train_loss


def bits(model_dir):
    names = ("model.safetensors", "last/model.safetensors", "config.json", "tokenizer.json")
    return [(model_dir / name).read_bytes() for name in names]


def test_the_same_seed_gives_the_same_model_to_the_bit(world, tmp_path):
    dropping = replace(TINY, dropout=0.3)
    for name, seed in {"one": 4, "two": 4, "other": 5}.items():
        torch.rand(3)  # what was drawn before has no say
        run(world, tmp_path / name, replace(SHORT, seed=seed), dropping)
    assert bits(tmp_path / "one") == bits(tmp_path / "two")
    assert bits(tmp_path / "one")[0] != bits(tmp_path / "other")[0]


def test_the_callers_random_state_is_unchanged(world, tmp_path):
    torch.manual_seed(7)
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state())
    run(world, tmp_path)
    after = (torch.get_rng_state(), random.getstate(), np.random.get_state())
    assert torch.equal(before[0], after[0])
    assert before[1] == after[1]
    assert str(before[2]) == str(after[2])


def test_the_state_of_an_unused_gpu_is_not_read(world, tmp_path, monkeypatch):
    def touched(*_):
        raise AssertionError("a GPU was asked for its random numbers")

    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    monkeypatch.setattr("torch.cuda.get_rng_state", touched)
    summary = run(world, tmp_path, replace(SHORT, epochs=1))
    assert len(summary.history) == 1


def test_the_models_sizes_and_statistics_come_from_the_training_split(world, tmp_path):
    config = TrainingConfig(epochs=1, val_fraction=0.2, test_fraction=0.2, seed=3)
    summary = run(world, tmp_path, config, replace(TINY, feature_size=5, vocab_size=5))
    data = summary.data
    assert 0 < len(data.splits["train"]) < len(CAPTIONS)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.model.config.feature_size == data.feature_size
    assert checkpoint.model.config.vocab_size == make_tokenizer(data, config).vocab_size
    mean, std = feature_statistics(data.splits["train"], data.feature_size)
    torch.testing.assert_close(checkpoint.model.feature_mean, mean)
    torch.testing.assert_close(checkpoint.model.feature_std, std)
    assert std.min() > 0.1 * std.max()  # too alike for the floor to matter
    assert summary.num_parameters == sum(p.numel() for p in checkpoint.model.parameters())


def test_features_are_not_standardised_if_the_model_is_configured_so(world, tmp_path):
    run(world, tmp_path, model_config=replace(TINY, standardise=False))
    model = load_checkpoint(tmp_path).model
    assert model.feature_mean.abs().sum() == 0
    assert (model.feature_std == 1).all()


def test_the_vocabulary_has_only_words_of_training_captions(world, tmp_path):
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "test.txt").write_text("e\nf\n")
    data = prepare_data(world.features_dir, world.descriptions_dir, SHORT, tmp_path)
    tokenizer = make_tokenizer(data, SHORT)
    ids = tokenizer.encode("the grid fades", 20)
    assert tokenizer.unknown_id in ids
    assert tokenizer.unknown_id not in tokenizer.encode("a red ball shrinks", 20)


@pytest.fixture(scope="module")
def overfitted(tmp_path_factory):
    """A run on captions that have nothing to do with the features: validation gets worse."""
    folder = tmp_path_factory.mktemp("overfitted")
    words = ("red", "blue", "ball", "cross", "grows", "shrinks")
    generator = random.Random(0)
    captions = {f"g{i:02}": " ".join(generator.choices(words, k=4)) for i in range(24)}
    world = write_world(folder, captions)
    config = TrainingConfig(
        epochs=12,
        learning_rate=2e-2,
        batch_size=8,
        schedule="constant",
        best_by="loss",
        val_fraction=0.3,
        test_fraction=0.0,
    )
    model_dir = folder / "model"
    return model_dir, config, run(world, model_dir, config)


def validation_of(model_dir, data, config):
    checkpoint = load_checkpoint(model_dir)
    dataset = GIFDataset(data.splits["val"], checkpoint.tokenizer)
    pad_id = checkpoint.tokenizer.pad_id
    plan = plan_scoring(dataset.token_lengths, config.batch_size)
    batches = iterate_batches(dataset, plan, pad_id=pad_id)
    return score_tokens(checkpoint.model, batches, config.objective, CPU)


def test_the_epoch_of_least_validation_loss_is_kept_and_last_is_the_latest(overfitted):
    model_dir, config, summary = overfitted
    losses = [result.val_loss for result in summary.history]
    best_loss = min(losses)
    assert losses[-1] > best_loss + 0.1  # else this run would show nothing
    kept = validation_of(model_dir, summary.data, config)
    assert kept.mean_loss == pytest.approx(best_loss, abs=1e-5)
    latest = validation_of(model_dir / "last", summary.data, config)
    assert latest.mean_loss == pytest.approx(losses[-1], abs=1e-5)
    assert latest.accuracy == pytest.approx(summary.history[-1].val_token_accuracy)
    best_so_far = [loss == min(losses[: i + 1]) for i, loss in enumerate(losses)]
    assert [result.is_best for result in summary.history] == best_so_far


def test_the_history_has_a_row_for_every_epoch(overfitted):
    model_dir, config, summary = overfitted
    rows = [json.loads(line) for line in (model_dir / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, config.epochs + 1))
    for row, result in zip(rows, summary.history, strict=True):
        assert row == {
            "epoch": result.epoch,
            "phase": "cross_entropy",
            "train_loss": result.train_loss,
            "train_reward": None,
            "val_loss": result.val_loss,
            "val_token_accuracy": result.val_token_accuracy,
            "val_cider": result.val_cider,
            "learning_rate": result.learning_rate,
            "seconds": result.seconds,
            "examples_per_second": result.examples_per_second,
            "is_best": result.is_best,
        }
        assert row["seconds"] > 0
        num_examples = len(summary.data.splits["train"])
        assert row["examples_per_second"] * row["seconds"] == pytest.approx(num_examples)


def test_the_summary_names_the_best_epoch(overfitted):
    model_dir, config, summary = overfitted
    result = summary.to_json()
    best = min(summary.history, key=lambda one: one.val_loss)
    assert result["model"] == str(model_dir)
    assert (result["epochs"], result["best_epoch"]) == (config.epochs, best.epoch)
    assert (result["val_loss"], result["train_loss"]) == (
        best.val_loss,
        summary.history[-1].train_loss,
    )
    assert result["num_examples"] == {n: len(e) for n, e in summary.data.splits.items()}


def test_without_validation_the_latest_epoch_is_the_best(world, tmp_path):
    summary = run(world, tmp_path)
    assert [(one.val_loss, one.val_token_accuracy) for one in summary.history] == [(None, None)] * 2
    assert all(one.is_best for one in summary.history)
    latest = (tmp_path / "last" / "model.safetensors").read_bytes()
    assert (tmp_path / "model.safetensors").read_bytes() == latest


def test_the_folder_is_complete_when_on_epoch_is_called(world, tmp_path):
    seen = []

    def look(result):
        for folder in (tmp_path, tmp_path / "last"):
            assert load_checkpoint(folder).recipe == tiny_recipe()
        seen.append((result.epoch, len((tmp_path / "history.jsonl").read_text().splitlines())))

    run(world, tmp_path, on_epoch=look)
    assert seen == [(1, 1), (2, 2)]


def test_on_step_is_called_for_every_step(world, tmp_path):
    steps = []
    run(world, tmp_path, on_step=steps.append)
    assert [(one.epoch, one.num_examples) for one in steps] == [(1, 4), (1, 6), (2, 4), (2, 6)]


def test_an_interrupted_run_keeps_the_last_finished_epoch(world, tmp_path):
    def interrupt(step):
        if step.epoch == 3:
            raise KeyboardInterrupt

    config = replace(SHORT, schedule="constant", warmup_fraction=0.0)
    with pytest.raises(KeyboardInterrupt):
        run(world, tmp_path / "cut", replace(config, epochs=9), on_step=interrupt)
    run(world, tmp_path / "two", replace(config, epochs=2))
    assert bits(tmp_path / "cut")[:2] == bits(tmp_path / "two")[:2]
    assert len((tmp_path / "cut" / "history.jsonl").read_text().splitlines()) == 2


def test_a_folder_that_holds_a_model_is_refused_unless_forced(world, tmp_path):
    run(world, tmp_path)
    before = bits(tmp_path)
    another = replace(SHORT, seed=1, epochs=1)
    with pytest.raises(TrainingError, match=r"holds a model already.*--force"):
        run(world, tmp_path, another)
    assert bits(tmp_path) == before
    run(world, tmp_path, another, force=True)
    assert bits(tmp_path)[0] != before[0]
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 1


def rewrite_features(world, value):
    """Give every GIF features of plus or minus a value."""
    for seed, path in enumerate(sorted(world.features_dir.glob("*.npy"))):
        signs = np.where(random_features(4, seed) > 3, 1, -1)
        np.save(path, (value * signs).astype(np.float32))


@pytest.mark.usefixtures("huge_features")
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_epoch_before(tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.data.feature_store.CACHE_BYTES", 0)
    world = write_world(tmp_path / "world")
    rewrite_features(world, 0.01)

    def overflow(_):  # no float holds the sums of these; standardised features are clamped
        rewrite_features(world, 3e38)

    with pytest.raises(
        TrainingError, match=r"loss of step 3 \(epoch 2\) is not finite; a lower --lr usually helps"
    ):
        run(
            world,
            tmp_path / "model",
            model_config=replace(TINY, standardise=False),
            on_epoch=overflow,
        )
    assert len((tmp_path / "model" / "history.jsonl").read_text().splitlines()) == 1
    load_checkpoint(tmp_path / "model")
    load_checkpoint(tmp_path / "model" / "last")


@pytest.mark.usefixtures("huge_features")
def test_a_loss_that_is_not_finite_at_once_leaves_no_model(tmp_path):
    world = write_world(tmp_path / "world")
    rewrite_features(world, 3e38)
    with pytest.raises(TrainingError, match=r"loss of step 1 \(epoch 1\) is not finite"):
        run(world, tmp_path / "model")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "model")


def test_a_model_folder_that_cannot_be_written_is_named(world, tmp_path):
    (tmp_path / "model").write_text("a file where the folder should be")
    with pytest.raises(TrainingError, match="model: cannot be written"):
        run(world, tmp_path / "model")


def test_one_example_is_enough_to_train(tmp_path):
    world = write_world(tmp_path / "world", {"only": "a red ball grows"})
    config = replace(SHORT, epochs=60, learning_rate=2e-2, schedule="constant")
    summary = run(world, tmp_path / "model", config)
    assert greedy_captions(tmp_path / "model", summary.data.splits["train"]) == {
        "only": "a red ball grows"
    }


def test_captions_are_cut_to_the_limit(world, tmp_path, monkeypatch):
    widths = spy_on_batches(monkeypatch)
    run(world, tmp_path, replace(SHORT, max_tokens=4))
    assert {width for width, _, _ in widths} == {4}


def spy_on_batches(monkeypatch):
    """(tokens a caption, tokens counted, loss per token) of every batch trained on."""
    seen = []

    def spy(model, batch, objective, **options):
        loss = token_loss(model, batch, objective, **options)
        num_tokens = int(loss.num_tokens)
        per_token = float(loss.cross_entropy) / num_tokens
        seen.append((batch.tokens.shape[1], num_tokens / len(batch.tokens), per_token))
        return loss

    monkeypatch.setattr("gifdesc.training.phases.token_loss", spy)
    return seen


def test_the_reports_recipe_counts_all_128_positions_padding_included(tmp_path, monkeypatch):
    world = write_world(tmp_path / "world", {f"g{i}": "a red ball grows" for i in range(20)})
    preset = PRESETS["report"]
    config = replace(preset.training, tokenizer="corpus", epochs=3)
    batches = spy_on_batches(monkeypatch)
    summary = run(world, tmp_path / "model", config, preset.model)
    assert {(width, counted) for width, counted, _ in batches} == {(128, 128)}
    # What counts is what is shown: an unshifted loss, padding and all, by its definition.
    checkpoint = load_checkpoint(tmp_path / "model")
    model, tokenizer = checkpoint.model, checkpoint.tokenizer
    losses = []
    for example in summary.data.splits["val"]:
        ids = tokenizer.encode(example.captions[0], 128)
        tokens = torch.tensor([ids + [tokenizer.pad_id] * (128 - len(ids))])
        features = torch.from_numpy(read_features(example.features_path))[None]
        with torch.no_grad():
            logits = model(features, torch.tensor([features.shape[1]]), tokens)
        log_probs = logits.log_softmax(dim=-1)
        losses.append(-log_probs[0, torch.arange(128), tokens[0]].mean())
    best = [one for one in summary.history if one.is_best][-1]
    assert best.val_loss == pytest.approx(float(torch.stack(losses).mean()), rel=1e-4)
    assert checkpoint.training.objective == "reconstruction"


def test_the_reports_loss_falls_because_padding_is_easy(tmp_path):
    world = write_world(tmp_path / "world", CAPTIONS)
    preset = PRESETS["report"]
    config = replace(
        preset.training, tokenizer="corpus", epochs=10, learning_rate=1e-3, **ALL_FOR_TRAINING
    )
    summary = run(world, tmp_path / "model", config, preset.model)
    losses = [one.train_loss for one in summary.history]
    assert losses[-1] < 0.2 * losses[0]
    # Low though it is, the model has not learnt to say what it saw.
    assert greedy_captions(tmp_path / "model", summary.data.splits["train"]) != CAPTIONS


def test_a_given_tokenizer_is_used(world, tmp_path):
    tiny_tokenizer().save(tmp_path / "tokenizer")
    config = replace(SHORT, epochs=1, tokenizer=str(tmp_path / "tokenizer"))
    run(world, tmp_path / "model", config)
    assert load_checkpoint(tmp_path / "model").tokenizer.vocab_size == tiny_tokenizer().vocab_size


def test_runs_without_framing_in_their_recipe_are_resumed(tmp_path):
    """A run's digest of its data is that of the versions whose recipes had no framing."""
    world = write_world(tmp_path / "world", recipe=tiny_recipe(framing="crop"))
    path = world.features_dir / "recipe.json"
    before = json.loads(path.read_text())
    del before["framing"]
    path.write_text(json.dumps(before))
    config = TrainingConfig(epochs=1, best_by="loss")
    data = prepare_data(world.features_dir, world.descriptions_dir, config)
    train(data, tmp_path / "model", TINY, config, CPU)
    told = {key: before[key] for key in before if key not in ("weights", "gifdesc_version")}
    digest = hashlib.sha256(json.dumps(told).encode())
    for split in ("train", "val"):
        for one in data.splits[split]:
            digest.update(json.dumps([split, one.name, one.captions]).encode())
    progress = read_progress(tmp_path / "model" / "last" / "state.safetensors")
    assert progress.data_sha256 == digest.hexdigest()
