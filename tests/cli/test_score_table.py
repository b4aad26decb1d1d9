import pytest

from gifdesc.cli.score_table import print_scores
from gifdesc.evaluation.evaluate import evaluate_predictions

PEOPLE = {"a": ["a red ball"], "b": ["a blue cross"]}


def test_a_table_has_every_metric(capsys):
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


@pytest.mark.parametrize("width", [80, 40])
def test_a_narrow_terminal_gets_every_number_whole(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    result = evaluate_predictions(
        {"a": "a red ball", "b": "it"}, PEOPLE, against={"a": "a ball", "b": "a cross"}
    )
    print_scores(result)
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= width
    for number in (result.metrics["bleu_1"], result.baselines["blind"]["rouge_l"]):
        assert f"{number:.3f}" in shown
    assert "blind" in shown


def test_a_narrow_terminal_names_no_numbers_that_there_are_not(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    result = evaluate_predictions({"a": "a red ball", "b": "it"}, PEOPLE)
    result.metrics["meteor"] = None
    print_scores(result)
    lines = capsys.readouterr().out.splitlines()
    place = lines.index("meteor  -")
    assert not lines[place + 1].startswith(" ")


def test_captions_in_notes_cannot_steer_a_terminal(capsys):
    result = evaluate_predictions({"a": "a red ball", "b": "it"}, PEOPLE)
    result.notes["most-common"] = '"a \x1b[31mred ball" for every GIF'
    print_scores(result)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert r"\x1b[31mred" in shown
