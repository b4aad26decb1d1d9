import math

import pytest
import torch

from gifdesc.config import DecodingConfig
from gifdesc.model.ranking import (
    REPETITION_MARGIN,
    FewerRepetitions,
    FilterChain,
    NoDanglingEnd,
    NoRepeatedNgram,
    ends_badly,
    make_filters,
)

END = 0


def ruled_out(one, tokens, vocab_size=6):
    """The next tokens that a filter forbids after each row of tokens."""
    log_probs = torch.zeros(len(tokens), vocab_size)
    one(log_probs, torch.tensor(tokens).reshape(len(tokens), -1))
    assert set(log_probs.unique().tolist()) <= {0.0, -math.inf}
    return [set(row.isinf().nonzero()[:, 0].tolist()) for row in log_probs]


@pytest.mark.parametrize(
    ("size", "tokens", "wanted"),
    [
        (1, [[1, 2, 1]], [{1, 2}]),
        (2, [[1, 2, 1], [1, 2, 3]], [{2}, set()]),
        (2, [[1, 1], [1, 2]], [{1}, set()]),
        (2, [[1, 2, 1, 3, 1]], [{2, 3}]),
        (3, [[1, 2, 3, 1, 2], [1, 2, 3, 2, 1]], [{3}, set()]),
        (3, [[1, 2]], [set()]),
        (2, [[]], [set()]),
    ],
)
def test_no_run_of_tokens_is_said_twice(size, tokens, wanted):
    assert ruled_out(NoRepeatedNgram(size), tokens) == wanted


def test_words_that_captions_rarely_repeat_are_less_probable_once_they_are_there():
    biases = REPETITION_MARGIN * torch.tensor([-9.0, -0.9, 3.0, -4.0, -8.0])
    log_probs = torch.full((2, 5), -1.0)
    FewerRepetitions(biases)(log_probs, torch.tensor([[1, 2, 1], [3, 3, 3]]))
    assert log_probs.tolist() == [[-1] * 5, [-1, -1, -1, -1 - 3 * REPETITION_MARGIN, -1]]


def test_the_end_does_not_follow_an_ending():
    one = NoDanglingEnd(END, ((3,), (4, 5)))
    assert ruled_out(one, [[1, 3], [3, 1], [4, 5], [1, 5]]) == [{END}, set(), {END}, set()]
    assert ruled_out(one, [[3], [5]]) == [{END}, set()]
    assert ruled_out(one, [[]]) == [set()]


def test_a_filter_gives_way_where_nothing_else_is_left_and_only_there():
    chain = FilterChain(END, [1], [NoDanglingEnd(END, ((2,),))])
    logits = torch.tensor([[0.0, 9.0, -math.inf], [0.0, 9.0, 0.0]])
    allowed = chain(logits, torch.tensor([[2], [2]])).isfinite()
    assert allowed.tolist() == [[True, False, False], [False, False, True]]


def test_the_end_is_not_the_first_token_unless_nothing_else_may_be_said():
    chain = FilterChain(END, [1], [])
    logits = torch.tensor([[9.0, 0.0, 0.0], [9.0, 0.0, -math.inf]])
    nothing = torch.empty(2, 0, dtype=torch.long)
    assert chain(logits, nothing).isfinite().tolist() == [
        [False, False, True],
        [True, False, False],
    ]
    assert chain(logits, torch.tensor([[2], [2]])).isfinite()[:, END].all()


def test_what_may_be_said_keeps_its_probability():
    chain = make_filters(
        DecodingConfig(no_repeat_ngram=1), end_id=END, banned_ids=[1], endings=((3,),)
    )
    logits = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    found = chain(logits, torch.tensor([[2, 3]]))
    wanted = logits.log_softmax(dim=-1)
    assert found[0].isfinite().tolist() == [False, False, False, False, True]
    assert found[0, 4] == wanted[0, 4]


def test_captions_that_dangle():
    endings = ((3,), (4, 5))
    assert [ends_badly(tokens, endings) for tokens in ([1, 3], [4, 5], [5], [3, 1], [])] == [
        True,
        True,
        False,
        False,
        False,
    ]
