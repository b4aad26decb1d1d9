import pytest

from gifdesc.cli.score_table import print_scores
from gifdesc.evaluation import evaluate_predictions

PEOPLE = {"a": ["a red ball"], "b": ["a blue cross"]}


def test_a_table_has_every_metric_with_what_was_computed(capsys):
    print_scores(evaluate_predictions({"a": "a red ball", "b": "it"}, PEOPLE))
    shown = capsys.readouterr().out
    rows = {words[0]: words for words in map(str.split, shown.splitlines()) if words}
    assert rows["exact_match"][1] == "0.500"
    assert rows["meteor"][1:] == ["-"] * (len(rows["meteor"]) - 1)
    assert shown.startswith("2 GIFs")
    assert "2 distinct of 2 captions" in shown


@pytest.mark.parametrize("difference", [-1e-9, -0.0004, 0.0, 0.0004])
def test_a_difference_that_rounds_to_nothing_has_no_minus(capsys, difference):
    result = evaluate_predictions({"a": "a red ball", "b": "it"}, PEOPLE)
    result.baselines["blind"].update(dict.fromkeys(result.metrics, 0.25))
    result.metrics.update(dict.fromkeys(result.metrics, 0.25 + difference))
    print_scores(result)
    shown = capsys.readouterr().out
    assert "+0.000" in shown
    assert "-0.000" not in shown
