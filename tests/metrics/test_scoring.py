import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.metrics.base import tokenize_examples
from gifdesc.metrics.scoring import METRIC_NAMES, ScoreTable, score, score_examples


def test_names_come_in_one_order_and_meteor_is_none() -> None:
    scores = score(["a dog"], [["a dog"]])
    assert tuple(scores) == METRIC_NAMES
    assert scores["meteor"] is None
    assert tuple(score_examples(["a dog"], [["a dog"]])[0]) == METRIC_NAMES


def test_one_example_by_hand() -> None:
    scores = score(["A dog runs."], [["a dog sits"]])
    assert scores["bleu_1"] == pytest.approx(2 / 3)
    assert scores["bleu_2"] == pytest.approx(math.sqrt(2 / 3 * 1 / 2))
    assert scores["rouge_l"] == pytest.approx(2 / 3)
    assert scores["cider"] == 0


def test_chinese_is_scored_by_character() -> None:
    right = score(["一个黄色的球在闪烁"], [["一 个 黄 色 的 球 在 闪 烁。"]])
    assert right["bleu_4"] == pytest.approx(1)
    assert right["rouge_l"] == pytest.approx(1)
    assert score(["一个红色的球在闪烁"], [["一个黄色的球在闪烁"]])["bleu_1"] == pytest.approx(8 / 9)


words = st.sampled_from(["a", "the", "dog", "cat", "runs", "sits", "on", "in", "red"])
captions = st.lists(words, max_size=9).map(" ".join)


@given(
    st.lists(
        st.tuples(captions, st.lists(captions, min_size=1, max_size=3)), min_size=1, max_size=6
    )
)
def test_corpus_scores_of_the_linear_metrics_are_means(corpus: list[tuple[str, list[str]]]) -> None:
    hypotheses, references = map(list, zip(*corpus, strict=True))
    rows = score_examples(hypotheses, references)
    whole = score(hypotheses, references)
    for name in ("rouge_l", "cider"):
        assert whole[name] == pytest.approx(sum(row[name] for row in rows) / len(rows))


def test_a_table_scores_resamples() -> None:
    hypotheses = ["a dog runs fast", "a cat"]
    references = [["a dog runs fast"], ["one bird"]]
    table = ScoreTable.of(tokenize_examples(hypotheses, references))
    assert table.corpus([0, 0])["rouge_l"] == pytest.approx(1)
    assert table.corpus([1])["rouge_l"] == 0
    assert table.corpus([0, 1]) == table.corpus() == score(hypotheses, references)
