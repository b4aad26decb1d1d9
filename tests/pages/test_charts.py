import math

import pytest

from gifdesc.pages.charts import describe_scores, has_numbers, scores_svg
from gifdesc.pages.style import DARK, LIGHT
from svg import drawn_marks, svg_width

SCORES = (
    {"bleu_4": 0.4, "meteor": None, "cider": 3.5},
    {"bleu_4": (0.3, 0.5)},
    {"blind": {"bleu_4": 0.1, "cider": 0.25}, "nearest": {"cider": None}},
)


def drawn_words(svg):
    """The texts of a chart, which matplotlib names before it draws them as paths."""
    start, end = "<!-- ", " -->"
    return [part.split(end)[0] for part in svg.split(start)[1:]]


def test_scores_are_drawn_with_intervals_and_baselines():
    svg = scores_svg(*SCORES)
    words = drawn_words(svg)
    assert {"BLEU-4", "CIDEr", "blind (another GIF)", "score, 95 % interval"} <= set(words)
    assert "METEOR" not in words
    # two scores and the mark of the legend; and one interval, pale
    assert drawn_marks(svg, LIGHT.second) >= 3
    assert svg.count("stroke-opacity: 0.55") == 1


@pytest.mark.parametrize("is_narrow", [False, True])
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_chart_is_in_its_themes_colours_and_the_same_each_time(theme, is_narrow):
    svg = scores_svg(*SCORES, theme, is_narrow=is_narrow)
    assert drawn_marks(svg, theme.second)
    assert not drawn_marks(svg, (DARK if theme is LIGHT else LIGHT).second)
    assert "script" not in svg
    assert scores_svg(*SCORES, theme, is_narrow=is_narrow) == svg


def test_a_chart_for_a_telephone_is_narrow():
    assert svg_width(scores_svg(*SCORES, is_narrow=True)) < 300
    assert svg_width(scores_svg(*SCORES)) > 500


@pytest.mark.parametrize(
    ("scores", "intervals", "others"),
    [
        ({"cider": 0.0}, {}, {}),
        ({"W" * 999: 0.5}, {}, {"M" * 999: {"W" * 999: 0.25}}),
        ({"bleu_1": 1.0}, {"bleu_1": (1.0, 1.0)}, {}),
        ({"bleu_1": math.nan}, {}, {"blind": {"bleu_1": 0.5}}),
        ({"bleu_1": 0.5}, {}, {f"system {n}": {"bleu_1": 0.1} for n in range(9)}),
        ({"a metric <of> mine & $x$ $\\frac$": 0.5}, {}, {}),
    ],
)
def test_any_score_can_be_drawn(scores, intervals, others):
    for is_narrow in (False, True):
        svg = scores_svg(scores, intervals, others, is_narrow=is_narrow)
        assert drawn_marks(svg, LIGHT.rule)


@pytest.mark.parametrize("scores", [{}, {"meteor": None}])
def test_scores_without_a_number_are_not_drawn(scores):
    assert not has_numbers(scores, {}, {})
    with pytest.raises(ValueError, match="without a number"):
        scores_svg(scores, {}, {})


def test_charts_are_put_into_words():
    assert describe_scores(*SCORES) == (
        "BLEU-4 0.400 (95 % interval 0.300 to 0.500); blind (another GIF) 0.100. "
        "CIDEr 3.500; blind (another GIF) 0.250."
    )
