import math
from dataclasses import dataclass

import pytest

from gifdesc.pages.attention import (
    attends,
    describe_attention,
    moment,
    most_attended,
    probability,
    seconds,
)


@dataclass
class Said:
    word: str
    log_prob: float = -0.1
    frame_weights: tuple[float, ...] | None = None


@pytest.mark.parametrize(
    ("weights", "most"),
    [
        ((0.1, 0.8, 0.1), [1]),
        ((0.05, 0.45, 0.05, 0.4, 0.05), [1, 3]),
        ((0.25, 0.25, 0.25, 0.25), []),
        ((0.3, 0.25, 0.25, 0.2), []),
        ((1.0,), [0]),
        ((0.0, 0.0), []),
        ((), []),
        ((0.0,) * 12 + (0.25,) * 4, [12, 13, 14]),
    ],
)
def test_the_frames_that_a_word_attended_to_most(weights, most):
    assert most_attended(weights) == most


def test_attention_is_described_in_words():
    assert describe_attention((0.05, 0.62, 0.33), (0, 400, 12_000)) == (
        "62 % to frame 2 (0.40 s), 33 % to frame 3 (12.0 s)"
    )
    assert describe_attention((0.25,) * 4, (0, 1, 2, 3)) == "about equally to all 4 frames"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([Said("a", frame_weights=(0.5, 0.5))], True),
        ([Said("a", frame_weights=(0.5, 0.5)), Said("b")], False),
        ([Said("a", frame_weights=(1.0,))], False),
        ([Said("a", frame_weights=(math.nan, 1.0))], False),
        ([Said("a", frame_weights=(-0.5, 1.5))], False),
        ([], False),
    ],
)
def test_words_attend_where_each_has_a_weight_for_each_frame(words, expected):
    assert attends(words, 2) is expected


def test_numbers_are_written_for_people():
    assert probability(math.log(0.62)) == "62 %"
    assert probability(-50.0) == "< 1 %"
    assert probability(0.1) == "100 %"
    assert (seconds(2440), moment(40), moment(12_340)) == ("2.4 s", "0.04 s", "12.3 s")
