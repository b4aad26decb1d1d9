"""Losses by hand, against PyTorch's own, and the words that scheduled sampling shows."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from gifdesc.data.dataset import Batch
from gifdesc.model.losses import TokenScores, score_tokens, token_loss
from worlds import CPU, tiny_model

PAD, START, END, CAT, DOG = range(5)


class Told(nn.Module):
    """Says what it was told to, whatever it is shown, and remembers what that was."""

    def __init__(self, favourite, certainty=0.5):
        super().__init__()
        logits = torch.full((5,), math.log((1 - certainty) / 4))
        logits[favourite] = math.log(certainty)
        self.logits = nn.Parameter(logits)
        self.shown = None

    def encode(self, features, lengths):
        return features, lengths

    def predict(self, tokens, _memory, places):
        self.shown = tokens.tolist()
        return self.logits.expand(len(places), 5)


def batch_of(*captions):
    """Captions of token ids, padded to the longest; one frame each."""
    width = max(map(len, captions))
    tokens = torch.tensor([[*one, *[PAD] * (width - len(one))] for one in captions])
    mask = torch.tensor([[i < len(one) for i in range(width)] for one in captions])
    lengths = torch.ones(len(captions), dtype=torch.long)
    indices = list(range(len(captions)))
    return Batch(torch.zeros(len(captions), 1, 2), lengths, tokens, mask, indices)


SHORT, LONG = [START, CAT, END], [START, DOG, CAT, CAT, END]


def test_next_token_predicts_each_token_from_those_before_and_leaves_padding_out():
    model = Told(favourite=CAT, certainty=0.5)
    loss = token_loss(model, batch_of(SHORT, LONG), "next_token")
    assert model.shown == [[START, CAT, END, PAD], [START, DOG, CAT, CAT]]
    # Targets: CAT END | DOG CAT CAT END. CAT has 1/2, any other token 1/8.
    assert float(loss.objective.detach()) == float(loss.cross_entropy)
    assert float(loss.cross_entropy) == pytest.approx(3 * math.log(2) + 3 * math.log(8))
    assert (int(loss.num_correct), int(loss.num_tokens)) == (3, 6)


def test_padding_that_could_be_predicted_wins_nothing():
    model = Told(favourite=PAD, certainty=0.96)
    loss = token_loss(model, batch_of(SHORT, LONG), "next_token")
    assert float(loss.objective.detach()) == float(loss.cross_entropy)
    assert float(loss.cross_entropy) == pytest.approx(6 * math.log(100), rel=1e-5)
    assert (int(loss.num_correct), int(loss.num_tokens)) == (0, 6)


def test_reconstruction_shows_the_token_to_predict_and_counts_padding():
    model = Told(favourite=PAD, certainty=0.5)
    loss = token_loss(model, batch_of(SHORT, LONG), "reconstruction")
    assert model.shown == [[START, CAT, END, PAD, PAD], [START, DOG, CAT, CAT, END]]
    # All ten positions: two of padding with 1/2, eight tokens with 1/8.
    assert float(loss.objective.detach()) == float(loss.cross_entropy)
    assert float(loss.cross_entropy) == pytest.approx(2 * math.log(2) + 8 * math.log(8))
    assert (int(loss.num_correct), int(loss.num_tokens)) == (2, 10)


def test_a_loss_is_summed_over_tokens_so_that_batches_add_up():
    model = Told(favourite=CAT)
    together = score_tokens(model, [batch_of(SHORT, LONG)], "next_token", CPU)
    apart = score_tokens(model, [batch_of(SHORT), batch_of(LONG)], "next_token", CPU)
    assert apart.loss == pytest.approx(together.loss)
    assert replace(apart, loss=0.0) == replace(together, loss=0.0)


def test_means_are_per_token():
    scores = TokenScores(6.0, 1, 3) + TokenScores(2.0, 1, 1)
    assert scores == TokenScores(8.0, 2, 4)
    assert (scores.mean_loss, scores.accuracy) == (2.0, 0.5)


def test_no_tokens_have_no_mean():
    assert math.isnan(TokenScores().mean_loss)
    assert math.isnan(TokenScores().accuracy)


def test_scoring_turns_dropout_off_and_back_on():
    model = tiny_model(feature_size=2, vocab_size=5, dropout=0.9).train()
    first, second = (score_tokens(model, [batch_of(LONG)], "next_token", CPU) for _ in range(2))
    assert first == second
    assert model.training
    model.eval()
    score_tokens(model, [batch_of(LONG)], "next_token", CPU)
    assert not model.training


def torch_loss(model, batch, label_smoothing=0.0):
    """PyTorch's own loss of a batch: padding ignored by its index."""
    logits = model(batch.features, batch.lengths, batch.tokens[:, :-1])
    targets = batch.tokens[:, 1:].masked_fill(~batch.token_mask[:, 1:], -100)
    return nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="sum", label_smoothing=label_smoothing
    )


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.7])
def test_label_smoothing_is_torchs_and_the_loss_told_of_is_without_it(label_smoothing):
    model, batch = tiny_model(feature_size=2, vocab_size=5), batch_of(SHORT, LONG)
    loss = token_loss(model, batch, "next_token", label_smoothing=label_smoothing)
    torch.testing.assert_close(loss.objective, torch_loss(model, batch, label_smoothing))
    torch.testing.assert_close(loss.cross_entropy, torch_loss(model, batch).detach())
    assert (loss.objective.requires_grad, loss.cross_entropy.requires_grad) == (True, False)


def test_gradients_are_those_of_the_plain_loss():
    model, batch = tiny_model(feature_size=2, vocab_size=5), batch_of(SHORT, LONG)
    parameters = list(model.parameters())
    found = torch.autograd.grad(token_loss(model, batch, "next_token").objective, parameters)
    wanted = torch.autograd.grad(torch_loss(model, batch), parameters)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_a_word_that_is_replaced_is_the_models_own_after_the_true_words_before():
    model = Told(favourite=DOG)
    replaced = torch.tensor([[False, True, True, False], [False, False, True, True]])
    loss = token_loss(model, batch_of(SHORT, LONG), "next_token", replaced=replaced)
    assert model.shown == [[START, DOG, DOG, PAD], [START, DOG, DOG, DOG]]
    # What is to be predicted stays: CAT END | DOG CAT CAT END, DOG with 1/2 and others with 1/8.
    assert float(loss.cross_entropy) == pytest.approx(math.log(2) + 5 * math.log(8))


def test_replacing_nothing_changes_nothing():
    model, batch = tiny_model(feature_size=2, vocab_size=5), batch_of(SHORT, LONG)
    with_none = token_loss(model, batch, "next_token")
    nothing = token_loss(model, batch, "next_token", replaced=torch.zeros(2, 4, dtype=torch.bool))
    assert torch.equal(with_none.objective, nothing.objective)


def test_the_models_own_words_are_its_likeliest_and_no_gradient_goes_through_them():
    model, batch = tiny_model(feature_size=2, vocab_size=5), batch_of(LONG)
    replaced = torch.tensor([[False, True, True, True]])
    said = model(batch.features, batch.lengths, batch.tokens[:, :-1]).argmax(dim=-1)  # (1, 4)
    shown = torch.cat([batch.tokens[:, :1], said[:, :-1]], dim=1)
    logits = model(batch.features, batch.lengths, shown)
    wanted = nn.functional.cross_entropy(logits[0], batch.tokens[0, 1:], reduction="sum")
    loss = token_loss(model, batch, "next_token", replaced=replaced)
    torch.testing.assert_close(loss.objective, wanted)
    parameters = list(model.parameters())
    found = torch.autograd.grad(loss.objective, parameters)
    for one, other in zip(found, torch.autograd.grad(wanted, parameters), strict=True):
        torch.testing.assert_close(one, other)
