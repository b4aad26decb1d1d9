"""The regression that predicts words from the mean frame."""

import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from gifdesc import TrainingConfig, train_captioner
from gifdesc.config import ModelConfig
from gifdesc.data.dataset import GIFDataset, TokenShares
from gifdesc.data.feature_store import FeatureStore
from gifdesc.data.training_data import prepare_data
from gifdesc.errors import TrainingError
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.word_detector import FIRST_GAIN, WordDetector
from gifdesc.system.signals import Interrupted
from gifdesc.text.tokenizer import CaptionTokenizer
from gifdesc.training import word_detection
from gifdesc.training.word_detection import RidgeSums, fit_word_detector
from worlds import (
    FEATURE_SIZE,
    example,
    random_features,
    tiny_model,
    tiny_recipe,
    write_world,
)

NUM_GIFS, SIZE, VOCABULARY = 30, 6, 12


def world(seed=0, num_gifs=NUM_GIFS, noise=1.0):
    """Mean frames (N, D), and the tokens of captions that they show, as a matrix (N, V)."""
    generator = torch.Generator().manual_seed(seed)
    contains = (torch.rand(num_gifs, VOCABULARY, generator=generator) < 0.3).float()
    patterns = torch.randn(VOCABULARY, SIZE, generator=torch.Generator().manual_seed(99))
    noises = noise * torch.randn(num_gifs, SIZE, generator=generator)
    return contains @ patterns + noises, contains


def shares_of(contains):
    tokens = torch.arange(VOCABULARY).expand(len(contains), -1)
    return TokenShares(tokens, contains)


def fitted(frames, contains):
    detector = WordDetector(SIZE, VOCABULARY)
    sums = RidgeSums(SIZE, VOCABULARY)
    for first in range(0, len(frames), 7):  # in parts
        part = slice(first, first + 7)
        sums.add(frames[part], shares_of(contains[part]))
    sums.fit(detector)
    return detector


def ridge(frames, contains, penalty):
    """A regression by its textbook formula: a function of frames, without the mean shares."""
    mean, mean_shares = frames.mean(dim=0), contains.mean(dim=0)
    centred = (frames - mean).double()
    inverse = torch.linalg.inv(centred.T @ centred + penalty * torch.eye(SIZE).double())
    weight = inverse @ centred.T @ (contains - mean_shares).double()
    return lambda new: ((new - mean).double() @ weight).float(), mean_shares


def detecting_model(tokenizer):
    sizes = {"feature_size": FEATURE_SIZE, "vocab_size": tokenizer.vocab_size}
    return tiny_model(3, **sizes, word_detector=True)


def penalty_of(frames, strength):
    centred = frames - frames.mean(dim=0)
    return strength * float(centred.square().sum()) / SIZE


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_the_fit_is_a_ridge_regression(monkeypatch, strength):
    monkeypatch.setattr(word_detection, "_PENALTIES", (strength,))
    frames, contains = world()
    predict, _ = ridge(frames, contains, penalty_of(frames, strength))
    found = fitted(frames, contains)(frames)
    torch.testing.assert_close(found, FIRST_GAIN * predict(frames), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_in_training_a_gif_is_predicted_by_a_fit_to_all_others(monkeypatch, strength):
    monkeypatch.setattr(word_detection, "_PENALTIES", (strength,))
    frames, contains = world()
    found = fitted(frames, contains)(frames, shares_of(contains))
    penalty = penalty_of(frames, strength)
    for left_out in range(NUM_GIFS):
        others = torch.arange(NUM_GIFS) != left_out
        predict, mean_shares = ridge(frames[others], contains[others], penalty)
        # Both are relative to the mean shares of all GIFs.
        wanted = predict(frames[left_out]) + mean_shares - contains.mean(dim=0)
        torch.testing.assert_close(found[left_out], FIRST_GAIN * wanted, atol=1e-4, rtol=1e-4)


def test_the_penalty_is_one_that_predicts_other_gifs_best(monkeypatch):
    frames, contains = world(num_gifs=12, noise=4.0)
    new_frames, new_contains = world(seed=1, num_gifs=2000, noise=4.0)

    def error(detector):
        predicted = detector(new_frames).detach() / FIRST_GAIN + contains.mean(dim=0)
        return float((predicted - new_contains).square().sum())

    chosen = error(fitted(frames, contains))
    errors = []
    for strength in word_detection._PENALTIES:
        monkeypatch.setattr(word_detection, "_PENALTIES", (strength,))
        errors.append(error(fitted(frames, contains)))
    assert chosen < 1.05 * min(errors)
    assert chosen < 0.9 * max(errors)


@pytest.mark.parametrize("num_gifs", [0, 1, 5])
def test_gifs_that_do_not_differ_teach_nothing(num_gifs):
    frames, contains = world(num_gifs=max(1, num_gifs))
    detector = fitted(frames[:1].expand(num_gifs, -1), contains[:num_gifs])
    assert not detector(frames).any()
    assert detector.fit is None


def test_two_gifs_give_finite_numbers():
    frames, contains = world(num_gifs=2)
    detector = fitted(frames, contains)
    assert detector(frames, shares_of(contains)).isfinite().all()


def test_a_gif_of_leverage_one_gains_nothing():
    frames, contains = world(num_gifs=SIZE)
    detector = fitted(frames, contains)
    assert not detector(1e6 * frames, shares_of(contains)).any()


def wide_world(num_gifs=20, size=300):
    """Mean frames of many more features than GIFs, so that a regression can fit them exactly."""
    generator = torch.Generator().manual_seed(0)
    contains = (torch.rand(num_gifs, VOCABULARY, generator=generator) < 0.3).float()
    frames = torch.randn(num_gifs, size, generator=generator)
    return frames, contains


def fitted_wide(frames, contains):
    detector = WordDetector(frames.shape[1], VOCABULARY)
    sums = RidgeSums(frames.shape[1], VOCABULARY)
    sums.add(frames, shares_of(contains))
    sums.fit(detector)
    return detector


@pytest.mark.parametrize("strength", word_detection._PENALTIES)
def test_in_training_no_penalty_shows_the_captions_of_a_gif(monkeypatch, strength):
    monkeypatch.setattr(word_detection, "_PENALTIES", (strength,))
    frames, contains = wide_world()
    detector = fitted_wide(frames, contains)
    found = detector(frames, shares_of(contains)).detach()
    assert found.any(dim=1).all()  # no leverage is too near 1
    for left_out in (0, 7):  # other captions of a GIF change nothing for it
        others = contains.clone()
        others[left_out] = 1 - others[left_out]
        again = fitted_wide(frames, others)(frames, shares_of(others))
        mean_changes = (others - contains).mean(dim=0) * FIRST_GAIN
        torch.testing.assert_close(
            again[left_out] + mean_changes, found[left_out], atol=0.02, rtol=0.02
        )


def test_a_penalty_is_found_for_frames_that_a_regression_fits_exactly():
    frames, contains = wide_world()  # noise, which explains no caption
    found = fitted_wide(frames, contains)(frames).detach() / FIRST_GAIN
    assert found.abs().mean() < 0.5 * (contains - contains.mean(dim=0)).abs().mean()


def test_autocast_does_not_round_the_predictions():
    frames, contains = wide_world()
    detector = fitted_wide(frames, contains)
    wanted = detector(frames, shares_of(contains))
    with torch.autocast("cpu", torch.bfloat16):
        found = detector(frames, shares_of(contains))
    torch.testing.assert_close(found, wanted, atol=0, rtol=0)


@torch.no_grad()
def test_a_token_gains_until_the_caption_contains_it():
    model = tiny_model(3, feature_size=6, vocab_size=9, word_detector=True)
    features, lengths, tokens = torch.randn(1, 4, 6), torch.tensor([4]), torch.tensor([[0, 5, 5]])
    without = model(features, lengths, tokens)
    model.detector.weight[5] = torch.randn(6)
    model.detector.weight[7] = torch.randn(6)
    gained = model(features, lengths, tokens) - without  # (1, 3, V)
    mean = model.standardise(features).mean(dim=1)
    wanted = FIRST_GAIN * (model.detector.weight @ mean[0])
    for place, gains in enumerate(gained[0]):
        assert gains[7] == pytest.approx(float(wanted[7]), abs=1e-4)
        assert gains[5] == pytest.approx(0 if place else float(wanted[5]), abs=1e-4)
    others = [token for token in range(9) if token not in (5, 7)]
    assert gained[..., others].abs().max() < 1e-4


def test_the_detector_is_fitted_to_the_captions_of_the_gifs(tmp_path):
    texts = {"a": ["a cat", "a dog"], "b": ["a cat"], "c": ["a bird"], "d": ["the bird"]}
    tokenizer = CaptionTokenizer.train(text for some in texts.values() for text in some)
    for seed, name in enumerate(texts):
        np.save(tmp_path / f"{name}.npy", random_features(3, seed))
    examples = [example(tmp_path / f"{name}.npy", *some) for name, some in texts.items()]
    dataset = GIFDataset(examples, tokenizer)
    model = detecting_model(tokenizer)
    fit_word_detector(model, dataset, FeatureStore(FEATURE_SIZE))
    fit = model.detector.fit
    token_of = {word: tokenizer.encode(word, 9)[1] for word in ("a", "cat", "dog", "bird", "the")}
    found = {word: float(fit.mean_shares[token]) for word, token in token_of.items()}
    wanted = {"a": 3 / 4, "cat": 1.5 / 4, "dog": 0.5 / 4, "bird": 2 / 4, "the": 1 / 4}
    assert found == pytest.approx(wanted)
    assert float(fit.mean_shares.sum()) == pytest.approx(sum(wanted.values()))
    assert fit.num_gifs == 4
    batch = dataset.batch([0, 1, 2], pad_id=0)  # two captions of `a`, and that of `b`
    shares = dict(zip(batch.known.tokens[0].tolist(), batch.known.shares[0].tolist(), strict=True))
    assert shares == {token_of["a"]: 1, token_of["cat"]: 0.5, token_of["dog"]: 0.5}
    assert batch.known.tokens[1].tolist() == batch.known.tokens[0].tolist()
    assert batch.known.shares[2].tolist().count(0) == 1


def test_a_file_that_cannot_be_used_is_left_out_of_the_fit(tmp_path):
    tokenizer = CaptionTokenizer.train(["a cat", "a dog"])
    for seed in range(3):
        np.save(tmp_path / f"{seed}.npy", random_features(3, seed))
    (tmp_path / "1.npy").write_bytes(b"damaged")
    examples = [
        example(tmp_path / f"{seed}.npy", text)
        for seed, text in enumerate(["a cat", "a dog", "a cat"])
    ]
    dataset = GIFDataset(examples, tokenizer)
    model = detecting_model(tokenizer)
    fit_word_detector(model, dataset, FeatureStore(FEATURE_SIZE))
    assert model.detector.fit.num_gifs == 2
    [dog] = tokenizer.encode("dog", 9)[1:-1]
    assert model.detector.fit.mean_shares[dog] == 0


def test_a_long_gif_does_not_pad_the_others(tmp_path, monkeypatch):
    tokenizer = CaptionTokenizer.train(["a cat"])
    lengths = [1, 50, 2]
    for seed, length in enumerate(lengths):
        np.save(tmp_path / f"{seed}.npy", random_features(length, seed))
    examples = [example(tmp_path / f"{seed}.npy", "a cat") for seed in range(3)]
    model = detecting_model(tokenizer)
    mean_frames, sizes = model.mean_frames, []

    def measured(features, lengths):
        sizes.append(features.shape[0] * features.shape[1])
        return mean_frames(features, lengths)

    monkeypatch.setattr(model, "mean_frames", measured)
    fit_word_detector(model, GIFDataset(examples, tokenizer), FeatureStore(FEATURE_SIZE))
    assert sizes == lengths
    assert model.detector.fit.num_gifs == 3


CONFIG = TrainingConfig(epochs=1, batch_size=8, val_fraction=0, test_fraction=0)


def train_on(tmp_path, config=CONFIG, on_step=lambda _: None, **changes):
    """The model of one epoch on random features."""
    written = write_world(tmp_path, recipe=tiny_recipe())
    data = prepare_data(written.features_dir, written.descriptions_dir, config)
    network = ModelConfig(hidden_size=8, **changes)
    train_captioner(data, tmp_path / "model", network, config, "cpu", on_step=on_step)
    return load_checkpoint(tmp_path / "model").model


def test_a_trained_model_keeps_its_detector(tmp_path):
    detector = train_on(tmp_path, word_detector=True).detector
    assert detector.weight.any()
    assert np.isfinite(detector.weight.numpy()).all()


def test_a_model_has_no_detector_unless_it_is_asked_for(tmp_path):
    assert train_on(tmp_path).detector is None


def test_a_model_that_is_shown_the_tokens_can_have_no_detector(tmp_path):
    config = replace(CONFIG, objective="reconstruction", best_by="loss")
    with pytest.raises(TrainingError, match="leave out --word-detector"):
        train_on(tmp_path, config=config, word_detector=True)
    assert not (tmp_path / "model").exists()


def test_a_stopped_run_with_a_detector_is_resumed_to_the_bit(tmp_path):
    config = replace(CONFIG, epochs=2, batch_size=2)
    whole = train_on(tmp_path / "whole", config=config, word_detector=True)

    def stop(result):
        if result.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        train_on(tmp_path / "stopped", config=config, on_step=stop, word_detector=True)
    folder = tmp_path / "stopped"
    data = prepare_data(folder / "features", folder / "descriptions", config)
    network = ModelConfig(hidden_size=8, word_detector=True)
    train_captioner(data, folder / "model", network, config, "cpu", resume=True)
    resumed = load_checkpoint(folder / "model").model.state_dict()
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.state_dict().items())
