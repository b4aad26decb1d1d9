from itertools import pairwise

import pytest
import torch

from gifdesc.data.dataset import pad_features
from gifdesc.model import likelihood
from gifdesc.model.likelihood import likelihoods
from worlds import random_features, tiny_model

START = 2


@pytest.mark.parametrize(("steps_from", "max_logits"), [(0, 100), (2, 1), (2, 100)])
def test_likelihoods_are_those_of_one_token_after_another(monkeypatch, steps_from, max_logits):
    monkeypatch.setattr(likelihood, "_STEPS_FROM", steps_from)
    monkeypatch.setattr(likelihood, "_MAX_LOGITS", max_logits)
    model = tiny_model(vocab_size=20)
    padded, lengths = pad_features([random_features(3, 0), random_features(5, 1)])
    texts = [[7, 8, 9], [4]]
    with torch.inference_mode():
        found = likelihoods(model, model.encode(padded, lengths), texts, start_id=START)
        for gif in range(2):
            for row, text in enumerate(texts):
                state = model.start(model.encode(padded[gif : gif + 1], lengths[gif : gif + 1]))
                wanted = []
                for shown, token in pairwise([START, *text]):
                    logits, state, _ = model.step(torch.tensor([shown]), state)
                    wanted.append(logits[0].log_softmax(dim=-1)[token])
                wanted = torch.stack(wanted)
                torch.testing.assert_close(found.log_probs[gif, row, : len(text)], wanted)
                torch.testing.assert_close(found.per_token[gif, row], wanted.mean())
    assert found.log_probs[:, 1, 1:].eq(0).all()
    assert found.weights is not None
    assert found.weights.shape == (2, 2, 3, 5)
    torch.testing.assert_close(found.weights.sum(dim=-1), torch.ones(2, 2, 3))
    assert found.weights[0, ..., 3:].eq(0).all()  # the padding of the first GIF


def test_a_model_without_attention_has_no_weights():
    model = tiny_model(vocab_size=20, fusion="add", frame_skip=False)
    padded, lengths = pad_features([random_features(3, 0)])
    with torch.inference_mode():
        memory = model.encode(padded, lengths)
        found = likelihoods(model, memory, [[5, 6]], start_id=START)
    assert found.weights is None
