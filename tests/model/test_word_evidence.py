"""Scores of the words that single frames show."""

import math

import pytest
import torch

from gifdesc.model import fusion
from gifdesc.model.fusion import SHARPNESS, WordEvidence, with_gains
from worlds import tiny_model


def evidence_of(num_tokens=5, frame_size=4):
    torch.manual_seed(2)
    return WordEvidence(frame_size, num_tokens)


@torch.no_grad()
def test_a_single_frame_gives_its_own_scores():
    evidence = evidence_of()
    frames = torch.randn(2, 1, 4)
    found = evidence(frames, torch.ones(2, 1, dtype=torch.bool))
    torch.testing.assert_close(found, evidence.scores(frames)[:, 0])


@torch.no_grad()
def test_the_score_is_the_smooth_maximum_of_the_frames():
    evidence = evidence_of()
    frames = 3 * torch.randn(1, 6, 4)
    [found] = evidence(frames, torch.ones(1, 6, dtype=torch.bool))
    for token in range(5):
        scores = evidence.scores(frames)[0, :, token].tolist()
        mean = sum(math.exp(SHARPNESS * score) for score in scores) / 6
        assert float(found[token]) == pytest.approx(math.log(mean) / SHARPNESS, abs=1e-5)
        assert max(scores) - math.log(6) / SHARPNESS - 1e-5 <= float(found[token]) <= max(scores)


@torch.no_grad()
def test_padding_does_not_count():
    evidence = evidence_of()
    frames = torch.randn(2, 5, 4)
    frames[1, 3:] = 1e4
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    together = evidence(frames, mask)
    alone = evidence(frames[1:, :3], mask[1:, :3])
    torch.testing.assert_close(together[1:], alone)


@pytest.mark.parametrize("is_training", [False, True])
def test_many_scores_are_computed_in_parts(monkeypatch, is_training):
    def gradient_of(found):
        return torch.autograd.grad(found.square().sum(), evidence.scores.weight)[0]

    evidence = evidence_of()
    frames, mask = torch.randn(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)
    whole = evidence(frames, mask)
    shapes = []
    evidence.scores.register_forward_hook(lambda *call: shapes.append(tuple(call[1][0].shape)))
    monkeypatch.setattr(fusion, "MAX_PREPARED_NUMBERS", 3 * 5 * 5 - 1)  # tokens, frames, GIFs
    with torch.set_grad_enabled(is_training):
        found = evidence(frames, mask)
    torch.testing.assert_close(found, whole)
    assert shapes == [(2, 5, 4), (1, 5, 4)]
    if is_training:
        torch.testing.assert_close(gradient_of(found), gradient_of(whole))


@torch.no_grad()
def test_a_token_gains_until_the_caption_contains_it():
    logits, gains = torch.zeros(2, 4), torch.tensor([[1.0, 2, 3, 4], [5, 6, 7, 8]])
    tokens = torch.tensor([[0, 2, 2], [0, 1, 3]])
    counts = torch.tensor([[False, True, False], [False, True, False]])
    found = with_gains(logits, gains, tokens, counts)
    assert found.tolist() == [[1, 2, 0, 4], [5, 0, 7, 8]]


@torch.no_grad()
def test_the_logits_of_a_model_gain_until_the_caption_contains_the_token():
    model = tiny_model(3, feature_size=6, vocab_size=9, repetition_bias=False, unsaid_words=False)
    features, lengths, tokens = torch.randn(1, 4, 6), torch.tensor([4]), torch.tensor([[0, 5, 7]])
    without = model(features, lengths, tokens)
    model.evidence.scores.bias[5] += 30
    gained = model(features, lengths, tokens) - without
    assert gained[0, 0, 5] == pytest.approx(30, abs=1e-3)
    assert gained[0, 1:, 5].abs().max() < 1e-4


def test_the_evidence_reads_what_did_not_pass_through_the_encoder():
    model = tiny_model(3, feature_size=6, vocab_size=9)
    memory = model.encode(torch.randn(2, 4, 6), torch.tensor([4, 4]))
    model._gains(memory).sum().backward()
    assert model.projection.weight.grad.abs().sum() > 0
    assert all(not parameter.grad.any() for parameter in model.encoder.parameters())


def test_without_skipped_frames_the_evidence_reads_the_encoder():
    model = tiny_model(3, feature_size=6, vocab_size=9, frame_skip=False)
    assert model.evidence.scores.in_features == model.config.hidden_size
    memory = model.encode(torch.randn(2, 4, 6), torch.tensor([4, 4]))
    model._gains(memory).sum().backward()
    assert all(parameter.grad.any() for parameter in model.encoder.parameters())
