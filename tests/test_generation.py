import numpy as np
import pytest
import torch

from builders import CPU, random_features, tiny_model, tiny_tokenizer
from gifdesc.config import DecodingConfig
from gifdesc.decoding import Hypothesis
from gifdesc.generation import generate

FEATURES = [random_features(num_frames, seed=num_frames) for num_frames in (4, 1, 6)]


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def model_for(tokenizer, **changes):
    return tiny_model(1, vocab_size=tokenizer.vocab_size, **changes)


def say(model, tokenizer, features=FEATURES, **options):
    return generate(model, tokenizer, features, DecodingConfig(**options), CPU)


@pytest.mark.parametrize("num_beams", [1, 4])
def test_gifs_captioned_together_are_as_captioned_alone(tokenizer, num_beams):
    model = model_for(tokenizer)
    together = say(model, tokenizer, num_beams=num_beams, max_tokens=8)
    for features, [found] in zip(FEATURES, together, strict=True):
        [[alone]] = say(model, tokenizer, [features], num_beams=num_beams, max_tokens=8)
        assert found.caption == alone.caption
        assert found.score == pytest.approx(alone.score, abs=1e-5)
        for word, wanted in zip(found.words, alone.words, strict=True):
            assert word.word == wanted.word
            assert word.log_prob == pytest.approx(wanted.log_prob, abs=1e-5)
            assert word.frame_weights == pytest.approx(wanted.frame_weights, abs=1e-5)


def test_every_word_looks_at_the_gifs_own_frames(tokenizer):
    for features, [found] in zip(
        FEATURES, say(model_for(tokenizer), tokenizer, max_tokens=6), strict=True
    ):
        assert found.words
        for word in found.words:
            assert len(word.frame_weights) == len(features)
            assert sum(word.frame_weights) == pytest.approx(1, abs=1e-5)


def test_a_model_that_does_not_attend_gives_no_frame_weights(tokenizer):
    found = say(model_for(tokenizer, fusion="concat"), tokenizer, max_tokens=6)
    words = [word for [one] in found for word in one.words]
    assert words
    assert {word.frame_weights for word in words} == {None}


def test_no_gif_gives_no_caption(tokenizer):
    assert say(model_for(tokenizer), tokenizer, []) == []


def test_no_caption_holds_padding_start_unknown_or_mask(tokenizer):
    model = model_for(tokenizer)
    with torch.no_grad():
        model.output.bias[list(tokenizer.banned_ids)] = 100.0
    for [found] in say(model, tokenizer, num_beams=3, max_tokens=6):
        assert "[" not in found.caption
        assert not any(word.word.startswith("[") for word in found.words)


def test_alternatives_come_best_first(tokenizer):
    for found in say(model_for(tokenizer), tokenizer, num_beams=5, num_captions=5, max_tokens=5):
        assert len(found) == 5
        scores = [one.score for one in found]
        assert scores == sorted(scores, reverse=True)


def test_a_words_pieces_are_joined_their_log_probabilities_summed_their_weights_averaged(
    tokenizer, monkeypatch
):
    pieces = ("##e", "##d")
    ids = tokenizer.encode("a grows", 10)[1:-1]
    vocabulary = tokenizer._backend.get_vocab()
    tokens = (*ids, *(vocabulary[piece] for piece in pieces))
    assert len(ids) == 2
    hypothesis = Hypothesis(
        tokens=tokens,
        log_probs=(-1.0, -0.5, -0.25, -0.125, -2.0),
        weights=((0.5, 0.5, 0.0), (1.0, 0.0, 0.0), (0.4, 0.6, 0.0), (0.1, 0.9, 0.0)),
        finished=True,
    )
    monkeypatch.setattr("gifdesc.generation.beam_search", lambda *_, **__: [[hypothesis]])
    two_frames = np.zeros((2, 48), np.float32)
    [[found]] = say(model_for(tokenizer), tokenizer, [two_frames])
    assert found.caption == "a growsed"
    assert found.score == pytest.approx(-3.875 / 5)
    first, second = found.words
    assert (first.word, first.log_prob, first.frame_weights) == ("a", -1.0, (0.5, 0.5))
    assert (second.word, second.log_prob) == ("growsed", -0.875)
    assert second.frame_weights == pytest.approx((0.5, 0.5))
