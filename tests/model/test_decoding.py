"""Decoding against models made by hand, small enough to try every caption there is."""

import math
from itertools import pairwise, product

import pytest
import torch

from gifdesc.config import DecodingConfig
from gifdesc.model.decoding import beam_search
from markov import END, START, Markov, random_markov
from worlds import CPU, tiny_model


def search(model, num_examples=None, banned_ids=(START,), endings=(), **options):
    return beam_search(
        model,
        model.start(),
        num_examples=num_examples or len(model.log_probs),
        start_id=START,
        end_id=END,
        banned_ids=banned_ids,
        endings=endings,
        config=DecodingConfig(**options),
        device=CPU,
    )


def every_caption(model, example, max_tokens, length_penalty):
    """Every caption of an example that ends, or is cut, best first: (rank, tokens, finished)."""
    words = [token for token in range(model.log_probs.shape[-1]) if token not in (START, END)]
    found = []
    for num_words in range(1, max_tokens + 1):
        finished = num_words < max_tokens
        for said in product(words, repeat=num_words):
            path = (*said, END) if finished else said
            rank = model.total(example, path) / len(path) ** length_penalty
            found.append((rank, said, finished))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("length_penalty", [0.0, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_beam_wide_enough_finds_the_best_of_all_captions(seed, length_penalty):
    model = random_markov(seed, num_examples=2)
    found = search(
        model, num_beams=81, num_captions=10, max_tokens=4, length_penalty=length_penalty
    )
    for example, hypotheses in enumerate(found):
        wanted = every_caption(model, example, 4, length_penalty)[:10]
        assert [(one.tokens, one.finished) for one in hypotheses] == [one[1:] for one in wanted]
        ranks = [sum(one.log_probs) / len(one.log_probs) ** length_penalty for one in hypotheses]
        assert ranks == pytest.approx([rank for rank, _, _ in wanted], abs=1e-5)


def greedy(model, example, max_tokens):
    """The likeliest token, again and again."""
    said, last, log_probs = [], START, []
    for _ in range(max_tokens):
        row = model.next(example, torch.tensor(len(said)), last).clone()
        row[START] = -math.inf
        if not said:
            row[END] = -math.inf  # no caption is empty
        last = int(row.argmax())
        log_probs.append(float(row[last]))
        if last == END:
            return tuple(said), log_probs, True
        said.append(last)
    return tuple(said), log_probs, False


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_of_one_is_greedy(seed):
    model = random_markov(seed, num_examples=3, vocab_size=7)
    for example, [found] in enumerate(search(model, num_beams=1, max_tokens=6)):
        tokens, log_probs, finished = greedy(model, example, 6)
        assert (found.tokens, found.finished) == (tokens, finished)
        assert list(found.log_probs) == pytest.approx(log_probs, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_a_beam_of_one_is_greedy_with_a_caption_model(seed):
    model = tiny_model(seed, feature_size=6, vocab_size=9)
    features = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(seed))
    lengths = torch.tensor([4, 2])
    found = beam_search(
        model,
        model.start(model.encode(features, lengths)),
        num_examples=2,
        start_id=START,
        end_id=END,
        config=DecodingConfig(num_beams=1, max_tokens=8),
        device=CPU,
    )
    for example, [hypothesis] in enumerate(found):
        said = [START]
        while len(said) <= 8 and (len(said) == 1 or said[-1] != END):
            one = slice(example, example + 1)
            logits = model(features[one], lengths[one], torch.tensor([said]))[0, -1]
            if len(said) == 1:
                logits[END] = -math.inf
            said.append(int(logits.argmax()))
        assert list(hypothesis.tokens) == [token for token in said[1:] if token != END]
        assert hypothesis.finished == (said[-1] == END)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_examples_searched_together_are_as_searched_alone(num_beams):
    model = random_markov(11, num_examples=5, vocab_size=6)
    together = search(model, num_beams=num_beams, num_captions=num_beams, max_tokens=7)
    for example, hypotheses in enumerate(together):
        alone = Markov(model.log_probs[example : example + 1].exp())
        [wanted] = search(alone, num_beams=num_beams, num_captions=num_beams, max_tokens=7)
        assert [one.tokens for one in hypotheses] == [one.tokens for one in wanted]
        for one, other in zip(hypotheses, wanted, strict=True):
            assert one.log_probs == pytest.approx(other.log_probs, abs=1e-6)


def test_the_n_best_are_sorted_and_distinct_and_begin_with_the_best():
    model = random_markov(2, num_examples=3, vocab_size=6)
    n_best = search(model, num_beams=6, num_captions=4, max_tokens=6)
    best = search(model, num_beams=6, num_captions=1, max_tokens=6)
    for hypotheses, [first] in zip(n_best, best, strict=True):
        assert len(hypotheses) == 4
        scores = [one.score for one in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert len({one.tokens for one in hypotheses}) == 4
        assert hypotheses[0].tokens == first.tokens


# Token 2 alone has 0.45; 3 and then 2, which is surer a word, has 0.5 * 0.9 * 0.9.
SHORT_OR_SURE = [[[0, 0, 0.5, 0.5], [0, 1, 0, 0], [0, 0.9, 0.1, 0], [0, 0.1, 0.9, 0]]]


def test_scores_are_mean_log_probabilities_with_the_end_token():
    [[longer, shorter]] = search(Markov(SHORT_OR_SURE), num_beams=4, num_captions=2, max_tokens=3)
    assert longer.tokens == (3, 2)
    assert longer.log_probs == pytest.approx((math.log(0.5), math.log(0.9), math.log(0.9)))
    assert longer.score == pytest.approx((math.log(0.5) + 2 * math.log(0.9)) / 3)
    assert shorter.tokens == (2,)
    assert shorter.log_probs == pytest.approx((math.log(0.5), math.log(0.9)))
    assert shorter.score == pytest.approx((math.log(0.5) + math.log(0.9)) / 2)


@pytest.mark.parametrize(("length_penalty", "wanted"), [(0.0, (2,)), (1.0, (3, 2))])
def test_the_length_penalty_decides_between_short_and_sure(length_penalty, wanted):
    model = Markov(SHORT_OR_SURE)
    [[found]] = search(model, num_beams=4, max_tokens=3, length_penalty=length_penalty)
    assert found.tokens == wanted


# The end is likelier than any word, at once and after every word.
SILENT = [[[0, 0.9, 0.06, 0.04], [0, 1, 0, 0], [0, 0.8, 0.1, 0.1], [0, 0.7, 0.2, 0.1]]]


@pytest.mark.parametrize("num_beams", [1, 2, 5])
def test_no_caption_is_empty(num_beams):
    found = search(Markov(SILENT * 3), num_beams=num_beams, num_captions=num_beams, max_tokens=3)
    assert all(one.tokens for hypotheses in found for one in hypotheses)
    assert all(hypotheses[0].tokens == (2,) for hypotheses in found)


def test_a_caption_is_empty_where_the_vocabulary_has_no_word():
    [[found]] = search(Markov([[[0, 1.0], [0, 1.0]]]), num_beams=2, max_tokens=3)
    assert (found.tokens, found.finished) == ((), True)


NEVER_ENDS = [[[0, 0, 0.6, 0.4], [0, 1, 0, 0], [0, 0, 0.3, 0.7], [0, 0, 0.8, 0.2]]]


@pytest.mark.parametrize("num_beams", [1, 4])
def test_a_caption_that_does_not_end_is_cut_at_the_limit(num_beams):
    [[found]] = search(Markov(NEVER_ENDS), num_beams=num_beams, max_tokens=5)
    assert found.tokens == (2, 3, 2, 3, 2)
    assert not found.finished
    assert len(found.log_probs) == 5


@pytest.mark.parametrize(("max_tokens", "finished"), [(2, False), (3, True)])
def test_the_limit_counts_the_end_token(max_tokens, finished):
    two_words = [[[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]]
    [[found]] = search(Markov(two_words), num_beams=2, max_tokens=max_tokens)
    assert found.tokens == (2, 3)
    assert found.finished == finished


def test_finished_and_cut_captions_are_ordered_by_their_scores():
    reluctant = [[[0, 0.01, 0.99], [0, 1, 0], [0, 0.01, 0.99]]]
    [found] = search(Markov(reluctant), num_beams=3, num_captions=3, max_tokens=2)
    assert [(one.tokens, one.finished) for one in found] == [((2, 2), False), ((2,), True)]
    willing = [[[0, 0, 1.0, 0], [0, 1, 0, 0], [0, 0.6, 0, 0.4], [0, 0.5, 0.5, 0]]]
    [found] = search(Markov(willing), num_beams=3, num_captions=3, max_tokens=2)
    assert [(one.tokens, one.finished) for one in found] == [((2,), True), ((2, 3), False)]


# The field's search, plainly


def plain_search(model, example, num_beams, max_tokens, length_penalty):
    """Beam search as transformers does it with early_stopping=False: (best tokens, steps)."""
    beams, found = [(0.0, (START,))], []
    for length in range(1, max_tokens + 1):
        candidates = sorted(
            (
                (total + float(log_prob), (*said, token))
                for total, said in beams
                for token, log_prob in enumerate(
                    model.next(example, torch.tensor(length - 1), said[-1])
                )
                if token != START and not (token == END and len(said) == 1)
            ),
            reverse=True,
        )[: 2 * num_beams]
        found += [
            (total / length**length_penalty, said)
            for total, said in candidates[:num_beams]
            if said[-1] == END or length == max_tokens
        ]
        found = sorted(found, reverse=True)[:num_beams]
        beams = [one for one in candidates if one[1][-1] != END][:num_beams]
        is_full = len(found) == num_beams
        if is_full and beams[0][0] / length**length_penalty <= found[-1][0]:
            break
    return [tuple(token for token in said[1:] if token != END) for _, said in found], length


class Counting(Markov):
    """Counts its steps."""

    num_steps = 0

    def step(self, tokens, state):
        self.num_steps += 1
        return super().step(tokens, state)


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 1.6])
@pytest.mark.parametrize("num_beams", [2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_the_search_is_the_fields(seed, num_beams, length_penalty):
    model = Counting(random_markov(seed, vocab_size=7).log_probs.exp())
    [found] = search(
        model,
        num_beams=num_beams,
        num_captions=num_beams,
        max_tokens=12,
        length_penalty=length_penalty,
    )
    wanted, num_steps = plain_search(model, 0, num_beams, 12, length_penalty)
    assert [one.tokens for one in found] == wanted
    assert model.num_steps == num_steps


def test_an_exact_search_goes_on_as_long_as_an_open_caption_may_win():
    # Two captions end at once; 3 is unlikely, but the longer it is repeated the surer it is.
    late = [
        [
            [0, 0, 0.6, 0, 0.4],
            [0, 1, 0, 0, 0],
            [0, 0.9, 0, 0.1, 0],
            [0, 0.001, 0, 0.999, 0],
            [0, 0.95, 0, 0, 0.05],
        ]
    ]
    options = {"num_beams": 2, "num_captions": 1, "max_tokens": 400}
    usual, exact = Counting(late), Counting(late)
    [[found]] = search(usual, **options)
    assert found.tokens == (2,)
    [[found]] = search(exact, exact_search=True, **options)
    assert len(found.tokens) == 400
    assert usual.num_steps == 2
    assert exact.num_steps == 400


def test_a_caption_that_ends_takes_no_beam_away():
    # After (2, end), (3, 2) and (3, 3), (4, 5) is but the fourth best continuation.
    model = Markov(
        [
            [
                [0, 0, 0.5, 0.3, 0.2, 0],
                [0, 1, 0, 0, 0, 0],
                [0, 0.95, 0.05, 0, 0, 0],
                [0, 0, 0.5, 0.5, 0, 0],
                [0, 0, 0.26, 0, 0, 0.74],
                [0, 0.99, 0, 0, 0, 0.01],
            ]
        ]
    )
    [found] = search(model, num_beams=3, num_captions=3, max_tokens=6)
    assert [one.tokens for one in found] == [(2,), (4, 5), (3, 2)]


# Endings and repetitions


def has_repeated_pair(tokens):
    pairs = list(pairwise(tokens))
    return len(set(pairs)) < len(pairs)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_captions_that_do_not_dangle_are_found(seed):
    model = random_markov(seed, num_examples=2)
    found = search(model, num_beams=81, num_captions=40, max_tokens=4, endings=((2,), (3, 3)))
    for example, hypotheses in enumerate(found):
        wanted = [
            said
            for _, said, finished in every_caption(model, example, 4, 1.0)
            if finished and said[-1:] != (2,) and said[-2:] != (3, 3)
        ]
        assert [one.tokens for one in hypotheses if one.finished] == wanted
        cut = [one.tokens for one in hypotheses if not one.finished]
        assert not any(said[-1:] == (2,) or said[-2:] == (3, 3) for said in cut)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_captions_without_a_repeated_pair_are_found(seed):
    model = random_markov(seed, num_examples=2)
    found = search(model, num_beams=81, num_captions=10, max_tokens=4, no_repeat_ngram=2)
    for example, hypotheses in enumerate(found):
        wanted = [
            said
            for _, said, _ in every_caption(model, example, 4, 1.0)
            if not has_repeated_pair(said)
        ]
        assert [one.tokens for one in hypotheses] == wanted[:10]


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_caption_dangles_where_nothing_else_is_left(num_beams):
    only_one = Markov([[[0, 0, 1.0], [0, 1.0, 0], [0, 1.0, 0]]])
    [[found]] = search(only_one, num_beams=num_beams, max_tokens=4, endings=((2,),))
    assert (found.tokens, found.finished) == ((2,), True)


@pytest.mark.parametrize("num_beams", [1, 4])
def test_a_caption_that_is_cut_loses_what_dangles(num_beams):
    model = Markov(NEVER_ENDS)  # it says 2 3 2 3 ...
    [[found]] = search(model, num_beams=num_beams, max_tokens=6, endings=((3,),))
    assert found.tokens == (2, 3, 2, 3, 2)
    assert len(found.log_probs) == 6, "the score is of all that was said"
    [[found]] = search(model, num_beams=num_beams, max_tokens=5, endings=((2,), (3,)))
    assert found.tokens == (2, 3, 2, 3, 2), "all of it dangles, so it stays"


def test_captions_that_dangle_are_left_out_where_others_are_found():
    # After 2 the end is certain.
    model = Markov([[[0, 0, 0.9, 0.1], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0.9, 0.05, 0.05]]])
    [found] = search(model, num_beams=4, num_captions=2, max_tokens=3, endings=((2,),))
    assert [one.tokens for one in found] == [(3,), (3, 3)]


@pytest.mark.parametrize(
    "senseless",
    [
        {"num_beams": 0},
        {"max_tokens": 0},
        {"num_captions": 0},
        {"num_beams": 2, "num_captions": 3},
        {"no_repeat_ngram": -1},
        {"length_penalty": float("nan")},
    ],
)
def test_senseless_decoding_is_refused(senseless):
    with pytest.raises(ValueError, match="must be"):
        DecodingConfig(**senseless)
