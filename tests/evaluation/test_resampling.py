import random

import numpy as np
import pytest

from gifdesc.evaluation.bootstrap import differences, intervals, resampled_scores, two_sided_p_value
from gifdesc.metrics import ScoreTable, score, tokenize_examples
from gifdesc.metrics.base import Metric, mean

NAMES = {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"}
SHARE = Metric(names=("share",), labels=("share",), statistics=None, summarize=mean)


def corpus(num_examples, *, seed=0, num_right=5):
    """Captions of 7 words of which `num_right` are the reference's."""
    generator = random.Random(seed)
    words = [f"w{chr(97 + i)}" for i in range(26)]
    references = [generator.choices(words, k=7) for _ in range(num_examples)]
    hypotheses = [one[:num_right] + generator.choices(words, k=7 - num_right) for one in references]
    return [" ".join(one) for one in hypotheses], [[" ".join(one)] for one in references]


def table_of(*arguments, **options):
    return ScoreTable.of(tokenize_examples(*corpus(*arguments, **options)))


def shares(values):
    """A table of one metric, the mean of some numbers."""
    return ScoreTable(len(values), ((SHARE, [(float(value),) for value in values]),))


def resample_of(table, indices):
    """The table of a resample, its document frequencies those of all examples."""
    columns = [(metric, [rows[index] for index in indices]) for metric, rows in table.columns]
    return ScoreTable(len(indices), tuple(columns))


def test_resamples_are_scored_as_the_table_scores_them(monkeypatch):
    table = table_of(9)
    drawn = []
    generator = np.random.default_rng(7)
    picked = generator.integers(9, size=(20, 9))
    monkeypatch.setattr(
        "gifdesc.evaluation.bootstrap._draw",
        lambda _random, count, num_examples: np.array(
            [np.bincount(row, minlength=num_examples) for row in picked[len(drawn) :][:count]],
            float,
        ),
    )
    [draws] = resampled_scores([table], num_resamples=20)
    assert set(draws) == NAMES
    for row, indices in enumerate(picked.tolist()):
        wanted = resample_of(table, indices).corpus()
        assert {name: draws[name][row] for name in NAMES} == pytest.approx(
            {name: wanted[name] for name in NAMES}, abs=1e-9
        )


def test_each_resample_has_as_many_examples_as_there_are():
    from gifdesc.evaluation.bootstrap import _draw

    counts = _draw(np.random.default_rng(0), 300, 40)
    assert counts.shape == (300, 40)
    assert (counts.sum(axis=1) == 40).all()
    assert counts.mean() == 1
    assert counts.var() == pytest.approx(1 - 1 / 40, rel=0.05)


def test_the_same_seed_gives_the_same_and_pieces_change_nothing(monkeypatch):
    table = table_of(12)
    [first] = resampled_scores([table], num_resamples=50)
    [again] = resampled_scores([table], num_resamples=50)
    [other] = resampled_scores([table], num_resamples=50, seed=1)
    assert all((first[name] == again[name]).all() for name in NAMES)
    assert not (first["rouge_l"] == other["rouge_l"]).all()
    monkeypatch.setattr("gifdesc.evaluation.bootstrap._CHUNK_NUMBERS", 100)
    [pieces] = resampled_scores([table], num_resamples=50)
    for name in NAMES:
        assert pieces[name] == pytest.approx(first[name])


def test_an_interval_is_as_wide_as_theory_says():
    values = np.random.default_rng(3).normal(5, 2, size=400)
    [draws] = resampled_scores([shares(values)])
    low, high = intervals(draws)["share"]
    half_width = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half_width, abs=0.05)
    assert high == pytest.approx(values.mean() + half_width, abs=0.05)


def test_a_score_is_within_its_interval():
    hypotheses, references = corpus(60)
    [draws] = resampled_scores([ScoreTable.of(tokenize_examples(hypotheses, references))])
    scores = score(hypotheses, references)
    for name, (low, high) in intervals(draws).items():
        assert low < scores[name] < high


def test_a_better_system_is_found_to_be_better():
    better, worse = table_of(80, num_right=6), table_of(80, num_right=4)
    draws = resampled_scores([better, worse])
    found = differences(better, worse, *draws)
    assert set(found) == NAMES
    for name, one in found.items():
        assert one.score == worse.corpus()[name]
        assert one.difference == better.corpus()[name] - one.score > 0
        assert 0 < one.interval[0] < one.difference < one.interval[1]
        assert one.p_value == pytest.approx(2 / 1001)
    back = differences(worse, better, *draws[::-1])
    assert back["cider"].p_value == found["cider"].p_value
    assert back["cider"].difference == -found["cider"].difference


def test_a_system_does_not_differ_from_itself():
    table = table_of(30)
    for one in differences(table, table, *resampled_scores([table, table])).values():
        assert (one.difference, one.interval, one.p_value) == (0, (0, 0), 1)


def test_p_values_of_systems_that_are_alike_are_spread_evenly():
    generator = np.random.default_rng(0)
    p_values = []
    for seed in range(200):
        gaps = shares(generator.normal(size=50)), shares(generator.normal(size=50))
        draws = resampled_scores(gaps, num_resamples=200, seed=seed)
        p_values.append(differences(*gaps, *draws)["share"].p_value)
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.10
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    ("gaps", "p_value"),
    [([1.0] * 99, 0.02), ([-1.0] * 99, 0.02), ([0.0] * 99, 1.0), ([1.0] * 80 + [-1.0] * 19, 0.4)],
)
def test_p_values_by_hand(gaps, p_value):
    assert two_sided_p_value(np.array(gaps)) == pytest.approx(p_value)


def test_only_tables_of_the_same_examples_are_compared():
    with pytest.raises(ValueError, match="the same examples"):
        resampled_scores([table_of(3), table_of(4)])
