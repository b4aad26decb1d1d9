"""The bias of words that a caption contains already."""

import pytest
import torch

from gifdesc.model.network import REPETITION_SCALE as SCALE
from gifdesc.model.network import RepetitionBias, first_mentions
from worlds import tiny_model

START, A, CAT, DOG = 0, 1, 2, 3


@pytest.fixture
def bias():
    module = RepetitionBias(5)
    with torch.no_grad():
        module.common.fill_(-0.5)
        module.own[A] = 0.5
    return module


def test_each_word_counts_once_and_the_start_never():
    tokens = torch.tensor([[START, A, CAT, A], [START, DOG, DOG, START]])
    wanted = [[False, True, True, False], [False, True, False, False]]
    assert first_mentions(tokens).tolist() == wanted


def test_words_of_the_caption_get_their_bias_and_no_others(bias):
    tokens = torch.tensor([[START, A, CAT, CAT]])
    found = bias(torch.zeros(1, 5), tokens, first_mentions(tokens))
    assert found.tolist() == [[0, 0, -0.5 * SCALE, 0, 0]]


def test_a_repeated_word_has_the_gradient_of_one_word(bias):
    tokens = torch.tensor([[START, CAT, CAT]])
    bias(torch.zeros(1, 5), tokens, first_mentions(tokens)).sum().backward()
    assert bias.common.grad.tolist() == [SCALE]
    assert bias.own.grad.tolist() == [0, 0, SCALE, 0, 0]


@torch.no_grad()
def test_training_and_decoding_see_the_same_words():
    model = tiny_model(3, feature_size=6, vocab_size=9, repetition_bias=True)
    model.repetition.common.fill_(-0.3)
    model.repetition.own.normal_()
    features, lengths = torch.randn(2, 4, 6), torch.tensor([4, 3])
    tokens = torch.tensor([[0, 5, 6, 5, 7], [0, 8, 8, 8, 5]])
    state = model.start(model.encode(features, lengths)).select(torch.tensor([0, 0, 1, 1]))
    whole = model(features, lengths, tokens)
    for place in range(5):
        logits, state, _ = model.step(tokens[:, place].repeat_interleave(2), state)
        torch.testing.assert_close(logits, whole[:, place].repeat_interleave(2, dim=0))
        order = torch.tensor([1, 0, 3, 2])  # beams move
        state = state.select(order)


@torch.no_grad()
def test_a_strong_bias_ends_repetitions():
    model = tiny_model(3, feature_size=6, vocab_size=9, repetition_bias=True)
    tokens = torch.tensor([[0, 5, 6]])
    before = model(torch.ones(1, 2, 6), torch.tensor([2]), tokens)[0, -1]
    model.repetition.common.fill_(-10.0)
    after = model(torch.ones(1, 2, 6), torch.tensor([2]), tokens)[0, -1]
    assert (before - after).tolist() == pytest.approx([0, 0, 0, 0, 0, 100, 100, 0, 0], abs=1e-4)


def test_training_begins_with_the_shares_of_the_training_captions():
    module = RepetitionBias(4)
    captions, repeating = torch.tensor([0, 996, 96, 9996]), torch.tensor([0, 500, 0, 10])
    module.start_from(captions, repeating)
    shares = torch.tensor([0.04 / 4, 500.04 / 1000, 0.04 / 100, 10.04 / 10000])
    torch.testing.assert_close(module.values, (shares / shares[1]).log())
    assert module.values.argmax() == 1
    assert module.values.max() == 0
