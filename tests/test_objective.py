import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from builders import CAPTIONS, CPU, dataset_of, tiny_model, tiny_tokenizer
from gifdesc.dataset import Batch
from gifdesc.objective import TokenScores, iterate_batches, score_tokens, token_loss

PAD, START, END, CAT, DOG = range(5)


class Told(nn.Module):
    """Gives the logits it was told to, and remembers what it was shown."""

    def __init__(self, favourite, certainty=0.5):
        super().__init__()
        self.favourite = favourite
        others = (1 - certainty) / 4
        self.certain, self.other = math.log(certainty), math.log(others)
        self.shown = None

    def forward(self, _features, _lengths, tokens):
        self.shown = tokens.tolist()
        logits = torch.full((*tokens.shape, 5), self.other)
        logits[..., self.favourite] = self.certain
        return logits


def batch_of(*captions):
    """Captions of token ids, padded to the longest; one frame each."""
    width = max(map(len, captions))
    tokens = torch.tensor([[*one, *[PAD] * (width - len(one))] for one in captions])
    mask = torch.tensor([[i < len(one) for i in range(width)] for one in captions])
    lengths = torch.ones(len(captions), dtype=torch.long)
    return Batch(torch.zeros(len(captions), 1, 2), lengths, tokens, mask)


SHORT, LONG = [START, CAT, END], [START, DOG, CAT, CAT, END]


def test_next_token_predicts_each_token_from_those_before_and_leaves_padding_out():
    model = Told(favourite=CAT, certainty=0.5)
    loss, num_correct, num_tokens = token_loss(model, batch_of(SHORT, LONG), "next_token")
    assert model.shown == [[START, CAT, END, PAD], [START, DOG, CAT, CAT]]
    # Targets: CAT END | DOG CAT CAT END. CAT has 1/2, any other token 1/8.
    assert float(loss) == pytest.approx(3 * math.log(2) + 3 * math.log(8))
    assert (int(num_correct), int(num_tokens)) == (3, 6)


def test_padding_that_could_be_predicted_wins_nothing():
    model = Told(favourite=PAD, certainty=0.96)
    loss, num_correct, num_tokens = token_loss(model, batch_of(SHORT, LONG), "next_token")
    assert float(loss) == pytest.approx(6 * math.log(100), rel=1e-5)
    assert (int(num_correct), int(num_tokens)) == (0, 6)


def test_reconstruction_shows_the_token_to_predict_and_counts_padding():
    model = Told(favourite=PAD, certainty=0.5)
    loss, num_correct, num_tokens = token_loss(model, batch_of(SHORT, LONG), "reconstruction")
    assert model.shown == [[START, CAT, END, PAD, PAD], [START, DOG, CAT, CAT, END]]
    # All ten positions: two of padding with 1/2, eight tokens with 1/8.
    assert float(loss) == pytest.approx(2 * math.log(2) + 8 * math.log(8))
    assert (int(num_correct), int(num_tokens)) == (2, 10)


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


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return dataset_of(CAPTIONS, tmp_path_factory.mktemp("objective"), tiny_tokenizer())


def captions_in(batches, tokenizer):
    return [
        tokenizer.decode(row[mask][1:-1].tolist())
        for batch in batches
        for row, mask in zip(batch.tokens, batch.token_mask, strict=True)
    ]


def test_batches_hold_every_caption_once_in_order(dataset):
    batches = list(iterate_batches(dataset, 4, pad_id=PAD, pad_to=None))
    assert [len(batch.tokens) for batch in batches] == [4, 2]
    assert captions_in(batches, tiny_tokenizer()) == list(CAPTIONS.values())


def test_a_generator_shuffles_the_same_way_each_time_and_another_way_the_next_epoch(dataset):
    tokenizer = tiny_tokenizer()

    def two_epochs():
        generator = torch.Generator().manual_seed(0)
        return [
            captions_in(
                iterate_batches(dataset, 4, pad_id=PAD, pad_to=None, generator=generator),
                tokenizer,
            )
            for _ in range(2)
        ]

    first, second = two_epochs()
    assert sorted(first) == sorted(second) == sorted(CAPTIONS.values())
    assert first != second
    assert first != list(CAPTIONS.values())
    assert two_epochs() == [first, second]


def test_batches_are_filled_up_to_a_wanted_length(dataset):
    for batch in iterate_batches(dataset, 4, pad_id=PAD, pad_to=20):
        assert batch.tokens.shape[1] == batch.token_mask.shape[1] == 20
        assert (batch.tokens[~batch.token_mask] == PAD).all()
