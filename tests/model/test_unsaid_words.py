"""Words that the frames show and a caption does not contain yet."""

import math

import pytest
import torch

from gifdesc.model.fusion import UnsaidWords
from worlds import tiny_model

SURE = 60.0
TOKENS = torch.tensor([[0, 5, 7, 5], [0, 3, 4, 6], [0, 7, 7, 7], [0, 8, 1, 2]])


def model_that_is_sure_of(tokens, **changes):
    """A model for which every frame shows these tokens, and no other one."""
    model = tiny_model(3, feature_size=6, vocab_size=9, **changes)
    with torch.no_grad():
        model.evidence.scores.weight.zero_()
        model.evidence.scores.bias.fill_(-SURE)
        model.evidence.scores.bias[tokens] = SURE
    return model


def model_that_sees_differences():
    """A model for which the frames of each GIF show other tokens, some surely and some not."""
    model = tiny_model(3, feature_size=6, vocab_size=9)
    with torch.no_grad():
        model.evidence.scores.weight.mul_(20)
        model.unsaid_words.shift.zero_()
        model.embedding.weight.mul_(10)
    return model


@torch.no_grad()
def test_tokens_count_by_how_surely_the_frames_show_them():
    unsaid, embeddings = UnsaidWords(3, 2), torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    unsaid.shift.copy_(torch.tensor([0.0, 1.0, -SURE]))
    found = unsaid.total(torch.tensor([[0.0, 1.0, 0.0]]), embeddings)
    assert found.tolist() == [[0.5, pytest.approx(1 / (1 + math.exp(-2)))]]


@torch.no_grad()
def test_a_token_counts_until_its_first_mention():
    model = model_that_is_sure_of([5, 7])
    state = model.start(model.encode(torch.randn(1, 4, 6), torch.tensor([4])))
    both, last = model.embedding.weight[[5, 7]].sum(dim=0), model.embedding.weight[7]
    left = []
    for token in (0, 5, 3, 5, 7):
        _, state, _ = model.step(torch.tensor([token]), state)
        left.append(state.unsaid[0])
    for found, expected in zip(left, (both, last, last, last, 0 * last), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_whole_captions_agree_with_single_steps():
    model = model_that_sees_differences()
    features, lengths = torch.randn(2, 4, 6), torch.tensor([4, 2])
    memory = model.encode(features, lengths)
    whole = model.predict(TOKENS, memory, torch.arange(TOKENS.numel())).view(*TOKENS.shape, -1)
    state = model.start(memory).select(torch.tensor([0, 0, 1, 1]))
    for place in range(TOKENS.shape[1]):
        logits, state, _ = model.step(TOKENS[:, place], state)
        torch.testing.assert_close(whole[:, place], logits, atol=1e-5, rtol=0)


@torch.no_grad()
def test_several_captions_of_a_gif_are_predicted_as_if_each_had_it_alone():
    model = model_that_sees_differences()
    features, lengths = torch.randn(2, 4, 6), torch.tensor([4, 2])
    places = torch.tensor([1, 4, 7, 15])
    together = model.predict(TOKENS, model.encode(features, lengths), places)
    rows = torch.tensor([0, 0, 1, 1])
    alone = model.predict(TOKENS, model.encode(features[rows], lengths[rows]), places)
    torch.testing.assert_close(together, alone)


@torch.no_grad()
def test_a_token_changes_the_decoders_input_until_the_caption_contains_it():
    """Beside the token's own gain, which the next token's logits have in any case."""
    told = model_that_is_sure_of([5])
    model = model_that_is_sure_of([5])
    model.unsaid_words.input.weight.zero_()
    features, lengths = torch.randn(1, 4, 6), torch.tensor([4])
    found = told(features, lengths, TOKENS[:1]) - model(features, lengths, TOKENS[:1])
    assert found[0, 0].abs().max() > 1e-3
    # Without a memory of its own, the decoder would have forgotten it.
    forgetful = {"decoder": "none", "hidden_size": 8, "embedding_size": 8}
    told, model = (model_that_is_sure_of([5], **forgetful) for _ in range(2))
    model.unsaid_words.input.weight.zero_()
    found = told(features, lengths, TOKENS[:1]) - model(features, lengths, TOKENS[:1])
    assert found[0, 0].abs().max() > 1e-3
    assert found[0, 1:].abs().max() < 1e-5


def test_the_sums_do_not_train_the_embeddings():
    model = tiny_model(3, feature_size=6, vocab_size=9)
    memory = model.encode(torch.randn(1, 4, 6), torch.tensor([4]))
    model.predict(TOKENS[:1], memory, torch.arange(4)).sum().backward()
    is_shown = model.embedding.weight.grad.any(dim=1)
    assert is_shown.nonzero()[:, 0].tolist() == sorted(set(TOKENS[0].tolist()))
    assert model.unsaid_words.shift.grad.all()
    assert model.unsaid_words.input.weight.grad.any()


@pytest.mark.parametrize("vocab_size", [50, 900, 30_522])
def test_at_first_a_gif_shows_few_tokens_of_any_vocabulary(vocab_size):
    shown = torch.sigmoid(UnsaidWords(vocab_size, 2).shift.detach()).sum()
    assert float(shown) == pytest.approx(2.0, rel=0.05)


def test_a_model_without_word_evidence_has_no_unsaid_words():
    assert tiny_model(word_evidence=False).unsaid_words is None
    assert tiny_model(unsaid_words=False).unsaid_words is None
