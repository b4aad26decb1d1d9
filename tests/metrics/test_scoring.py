import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.metrics.base import tokenize_examples
from gifdesc.metrics.scoring import ScoreTable, main_metric, metric_maximum, metric_names, score


def table_of(hypotheses: list[str], references: list[list[str]]) -> ScoreTable:
    return ScoreTable.of(tokenize_examples(hypotheses, references))


def test_names_come_in_one_order_and_meteor_is_none() -> None:
    scores = score(["a dog"], [["a dog"]])
    names = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider")
    assert tuple(scores) == metric_names() == names
    assert scores["meteor"] is None
    assert tuple(table_of(["a dog"], [["a dog"]]).examples()[0]) == metric_names()


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
    rows = table_of(hypotheses, references).examples()
    whole = score(hypotheses, references)
    for name in ("rouge_l", "cider"):
        assert whole[name] == pytest.approx(sum(row[name] for row in rows) / len(rows))


def test_a_table_scores_its_examples_together_and_by_themselves() -> None:
    hypotheses = ["a dog runs fast", "a cat"]
    references = [["a dog runs fast"], ["one bird"]]
    table = table_of(hypotheses, references)
    first, second = table.examples()
    assert first["rouge_l"] == pytest.approx(1)
    assert second["rouge_l"] == 0
    assert table.corpus() == score(hypotheses, references)


def test_cider_is_the_main_metric_from_30_examples_on() -> None:
    assert [main_metric(number) for number in (1, 29, 30)] == ["rouge_l", "rouge_l", "cider"]


def test_cider_reaches_10_and_all_else_1() -> None:
    for name in (*metric_names(), "exact_match"):
        assert metric_maximum(name) == (10 if name == "cider" else 1)
