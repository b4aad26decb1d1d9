import math

import pytest

from gifdesc.metrics.base import TokenizedCaption, TokenizedExample
from gifdesc.metrics.bleu import bleu, bleu_statistics


def example(hypothesis: str, *references: str) -> TokenizedExample:
    return TokenizedExample(TokenizedCaption(hypothesis), tuple(map(TokenizedCaption, references)))


def scores(*examples: TokenizedExample) -> tuple[float, ...]:
    totals = tuple(map(sum, zip(*bleu_statistics(examples), strict=True)))
    return bleu(totals, len(examples))


def test_clips_counts_as_in_papineni_2002_section_2_1() -> None:
    # The paper's own example: of seven "the", two are in a reference, so precision is 2/7.
    statistics = bleu_statistics(
        [
            example(
                "the the the the the the the",
                "the cat is on the mat",
                "there is a cat on the mat",
            )
        ]
    )
    assert statistics == [(2, 0, 0, 0, 7, 6, 5, 4, 7, 7)]
    assert scores(
        example("the the the the the the the", "the cat is on the mat", "there is a cat on the mat")
    )[0] == pytest.approx(2 / 7, abs=1e-9)


def test_precisions_and_brevity_penalty_by_hand() -> None:
    # 3 of 4 words, 1 of 3 bigrams, no trigram; 4 words against 5: penalty exp(1 - 5/4).
    first, second, third, fourth = scores(example("a dog runs fast", "a dog that runs far"))
    penalty = math.exp(-1 / 4)
    assert first == pytest.approx(3 / 4 * penalty, abs=1e-8)
    assert second == pytest.approx(math.sqrt(3 / 4 * 1 / 3) * penalty, abs=1e-8)
    assert third == pytest.approx((3 / 4 * 1 / 3 * 1e-15 / 2) ** (1 / 3) * penalty, abs=1e-8)
    assert 0 < fourth < third


def test_corpus_score_is_of_summed_counts() -> None:
    pair = (example("a dog", "a dog"), example("a big cat", "one red bird"))
    assert scores(*pair)[0] == pytest.approx(2 / 5, abs=1e-9)


@pytest.mark.parametrize(
    ("references", "closest"),
    [(("a b", "a b c d"), 2), (("a b c d", "a b"), 2), (("a", "a b c d"), 4), (("",), 0)],
)
def test_reference_length_is_the_closest_and_on_a_tie_the_shorter(
    references: tuple[str, ...], closest: int
) -> None:
    assert bleu_statistics([example("x y z", *references)])[0][-1] == closest


def test_a_perfect_match_is_1_where_it_is_long_enough() -> None:
    assert scores(example("a dog runs fast", "a dog runs fast")) == pytest.approx(
        (1,) * 4, abs=1e-8
    )
    short = scores(example("a dog", "a dog"))
    assert short[:2] == pytest.approx((1, 1), abs=1e-8)
    assert short[2] == pytest.approx(1e-6 ** (1 / 3), rel=1e-6)


def test_an_empty_caption_scores_0() -> None:
    assert scores(example("", "a dog")) == pytest.approx((0,) * 4, abs=1e-12)


def test_words_are_parted_at_any_white_space() -> None:
    assert scores(example("3\u00a01/2 cups", "3 1/2 cups"))[2] == pytest.approx(1, abs=1e-8)
