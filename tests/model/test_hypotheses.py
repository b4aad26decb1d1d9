import math

import pytest

from gifdesc.config import DecodingConfig
from gifdesc.model.decoding import is_finished
from gifdesc.model.ranking import Hypothesis, Ranking

END = 9
OF = 7  # a word that a caption should not end in


def ranking(**changes):
    return Ranking(DecodingConfig(**{"num_beams": 3, "num_captions": 2, **changes}), [(OF,)])


def finished(found, best_open, length, **changes):
    config = DecodingConfig(**{"num_beams": 3, "num_captions": 2, **changes})
    return is_finished(found, best_open, length, config)


def said(found):
    return [one.tokens for one in found]


def test_a_score_is_the_mean_with_the_end_token():
    whole = Hypothesis((1, 2), (-1.0, -2.0, -0.3), (), finished=True)
    assert whole.score == pytest.approx(-1.1)
    assert len(whole) == 3
    assert Hypothesis((), (), (), finished=False).score == 0


def test_the_best_come_first_and_no_more_than_are_wanted():
    found = ranking()
    for token, log_prob in ((1, -0.5), (2, -0.1), (3, -0.9)):
        found.add([token, END], [log_prob, 0.0], [], finished=True)
    assert said(found.best()) == [(2,), (1,)]


def test_captions_that_were_cut_come_in_the_order_of_their_scores():
    found = ranking()
    found.add([1, 2], [-0.1, -0.1], [], finished=False)
    found.add([3, END], [-2.0, -2.0], [], finished=True)
    assert said(found.best()) == [(1, 2), (3,)]


def test_the_length_penalty_decides_between_short_and_long():
    def first(penalty):
        found = ranking(length_penalty=penalty)
        found.add([1, END], [-1.0, -1.0], [], finished=True)
        found.add([1, 2, 3, END], [-0.8] * 4, [], finished=True)
        return found.best()[0].tokens

    assert first(0.0) == (1,)  # -2 against -3.2
    assert first(1.0) == (1, 2, 3)  # -1 against -0.8


def test_a_caption_that_hangs_in_the_air_is_there_only_if_all_do():
    found = ranking()
    found.add([1, OF, END], [-0.1] * 3, [], finished=True)
    assert said(found.best()) == [(1, OF)]
    found.add([1, 2, END], [-5.0] * 3, [], finished=True)
    assert said(found.best()) == [(1, 2)]


def test_a_caption_that_is_cut_loses_what_hangs_in_the_air_unless_it_is_all():
    found = ranking()
    found.add([1, OF, OF], [-0.1, -0.2, -0.3], [[0.5], [0.6], [0.7]], finished=False)
    assert found.best() == [Hypothesis((1,), (-0.1, -0.2, -0.3), ((0.5,),), finished=False)]
    alone = ranking()
    alone.add([OF, OF], [-0.1, -0.2], [], finished=False)
    assert said(alone.best()) == [(OF, OF)]


def test_a_caption_that_lost_words_ranks_by_all_that_it_was():
    found = ranking()
    found.add([1, OF, OF], [-0.1, -3.0, -3.0], [], finished=False)
    found.add([2, END], [-1.0, -1.0], [], finished=True)
    assert said(found.best()) == [(2,), (1,)]
    assert [one.score for one in found.best()] == pytest.approx([-1.0, -6.1 / 3])
    found.add([1, END], [-0.1, -9.0], [], finished=True)  # the same words, whole
    assert [one.finished for one in found.best()] == [True, True]


def test_a_caption_that_is_found_twice_counts_once_at_its_best():
    found = ranking()
    for log_prob in (-3.0, -1.0, -2.0):
        found.add([1, END], [log_prob, 0.0], [], finished=True)
    [one] = found.best()
    assert one.log_probs == (-1.0, 0.0)


def test_a_search_ends_when_as_many_captions_as_beams_rank_above_all_open_ones():
    config = {"num_captions": 1, "num_beams": 2, "max_tokens": 10}
    found = ranking(**config)
    found.add([1, END], [-0.5, -0.5], [], finished=True)  # ranks at -0.5
    assert not finished(found, -100.0, 2, **config), "one of two beams is found"
    found.add([2, END], [-1.0, -1.0], [], finished=True)  # ranks at -1
    assert not finished(found, -1.9, 2, **config)
    assert finished(found, -2.0, 2, **config)
    assert not finished(found, -3.9, 4, **config), "at its present length it ranks higher"
    assert finished(ranking(), -math.inf, 5)


def test_an_exact_search_ends_when_no_open_caption_can_still_win():
    config = {"num_captions": 1, "max_tokens": 10, "exact_search": True}
    found = ranking(**config)
    assert not finished(found, -1.0, 2, **config)
    found.add([1, END], [-0.5, -0.5], [], finished=True)  # ranks at -0.5
    assert not finished(found, -4.0, 2, **config)  # might end at -4 / 10
    assert finished(found, -5.5, 2, **config)
