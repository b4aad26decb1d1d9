"""Sampling against a model made by hand."""

from collections import Counter
from itertools import pairwise

import pytest
import torch

from gifdesc.config import DecodingConfig
from gifdesc.model.decoding import draw, sample_captions
from markov import END, START, Markov, random_markov
from worlds import CPU


def sample(model, num_examples=None, **options):
    return sample_captions(
        model,
        model.start(),
        num_examples=num_examples or len(model.log_probs),
        start_id=START,
        end_id=END,
        banned_ids=(START,),
        config=DecodingConfig(sample=True, **options),
        device=CPU,
    )


def tokens_of(found):
    return [[one.tokens for one in hypotheses] for hypotheses in found]


def test_one_seed_gives_one_caption_and_another_another():
    model = random_markov(3, vocab_size=30)
    first = tokens_of(sample(model, seed=5, max_tokens=20))
    assert tokens_of(sample(model, seed=5, max_tokens=20)) == first
    others = [tokens_of(sample(model, seed=seed, max_tokens=20)) for seed in range(6, 12)]
    assert all(other != first for other in others)


def test_no_sample_is_empty():
    silent = Markov([[[0, 0.98, 0.01, 0.01]] * 4] * 2)
    found = sample(silent, num_captions=20, max_tokens=5, seed=1)
    assert all(one.tokens for hypotheses in found for one in hypotheses)


@pytest.mark.parametrize("num_captions", [1, 4])
def test_examples_sampled_together_are_as_sampled_alone(num_captions):
    model = random_markov(11, num_examples=5, vocab_size=9)
    options = {"num_captions": num_captions, "max_tokens": 8, "seed": 1, "top_p": 0.9}
    together = sample(model, **options)
    for example, hypotheses in enumerate(together):
        alone = Markov(model.log_probs[example : example + 1].exp())
        [wanted] = sample(alone, **options)
        assert [one.tokens for one in hypotheses] == [one.tokens for one in wanted]


def test_the_first_captions_stay_when_more_are_wanted():
    model = random_markov(4, vocab_size=10)
    [one] = sample(model, num_captions=1, max_tokens=8, seed=3)
    [many] = sample(model, num_captions=6, max_tokens=8, seed=3)
    assert one[0].tokens in [other.tokens for other in many]
    ranks = [other.score for other in many if other.finished]
    assert ranks == sorted(ranks, reverse=True)
    assert len({other.tokens for other in many}) == len(many)


def test_tokens_are_drawn_as_often_as_they_are_probable():
    log_probs = torch.tensor([0.1, 0.0, 0.6, 0.3]).log().expand(10_000, 4)
    numbers = torch.arange(10_000) / 10_000
    drawn = Counter(draw(log_probs, numbers, DecodingConfig()).tolist())
    assert drawn.keys() == {0, 2, 3}
    for token, probability in ((0, 0.1), (2, 0.6), (3, 0.3)):
        assert drawn[token] / 10_000 == pytest.approx(probability, abs=1e-3)


@pytest.mark.parametrize(
    ("top_p", "wanted"),
    [(0.5, {2: 1.0}), (0.61, {2: 2 / 3, 3: 1 / 3}), (0.95, {0: 0.1, 2: 0.6, 3: 0.3})],
)
def test_top_p_leaves_the_likeliest(top_p, wanted):
    log_probs = torch.tensor([0.1, 0.0, 0.6, 0.3]).log().expand(9_000, 4)
    numbers = torch.arange(9_000) / 9_000
    drawn = Counter(draw(log_probs, numbers, DecodingConfig(top_p=top_p)).tolist())
    assert {token: count / 9_000 for token, count in drawn.items()} == pytest.approx(
        wanted, abs=1e-3
    )


def test_a_low_temperature_is_greedy_and_a_high_one_is_even():
    log_probs = torch.tensor([0.1, 0.2, 0.4, 0.3]).log().expand(4_000, 4)
    numbers = torch.arange(4_000) / 4_000
    cold = draw(log_probs, numbers, DecodingConfig(temperature=0.01))
    assert set(cold.tolist()) == {2}
    hot = Counter(draw(log_probs, numbers, DecodingConfig(temperature=1000.0)).tolist())
    assert all(count / 4_000 == pytest.approx(0.25, abs=1e-2) for count in hot.values())


def test_log_probabilities_and_weights_are_the_models_own():
    model = random_markov(7, num_examples=2, vocab_size=6)
    found = sample(model, num_captions=3, temperature=2.0, top_p=0.9, max_tokens=6)
    for example, hypotheses in enumerate(found):
        for one in hypotheses:
            path = (START, *one.tokens, END)[: len(one.log_probs) + 1]
            wanted = [
                float(model.next(example, torch.tensor(place), a)[b])
                for place, (a, b) in enumerate(pairwise(path))
            ]
            assert list(one.log_probs) == pytest.approx(wanted, abs=1e-5)
            assert one.weights == tuple(
                (float(example), float(position), float(token))
                for position, token in enumerate(path[: len(one.tokens)])
            )


def test_a_caption_that_does_not_end_is_cut_at_the_limit():
    never = Markov([[[0, 0, 0.6, 0.4], [0, 1, 0, 0], [0, 0, 0.3, 0.7], [0, 0, 0.8, 0.2]]])
    [[found]] = sample(never, max_tokens=5)
    assert len(found.tokens) == 5
    assert not found.finished


@pytest.mark.parametrize(
    "senseless",
    [{"temperature": 0.0}, {"temperature": float("inf")}, {"top_p": 0.0}, {"top_p": 1.5}],
)
def test_senseless_sampling_is_refused(senseless):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        DecodingConfig(sample=True, **senseless)
