import math

import pytest

from gifdesc.metrics.scoring import metric_label
from gifdesc.pages.style import (
    DARK,
    LIGHT,
    baseline_label,
    drawing,
    empty_figure,
    svg_of,
    value_or_gap,
)


def luminance(colour):
    """Relative luminance of `#rrggbb` (WCAG 2.2, section 6)."""
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_every_ink_has_enough_contrast(theme):
    inks = ("ink", "pale_ink", "accent", "second", "third", "right", "wrong")
    low = {name for name in inks if contrast(getattr(theme, name), theme.paper) < 4.5}
    assert low == set()


def test_scores_and_baselines_have_names_for_people():
    assert metric_label("bleu_4") == "BLEU-4"
    assert metric_label("exact_match") == "exact match"
    assert baseline_label("most_common") == baseline_label("most-common") == "most common caption"
    assert baseline_label("another system") == "another system"


def test_a_drawing_has_its_themes_colours_and_leaves_the_settings_as_they_were():
    import matplotlib

    before = matplotlib.rcParams["text.color"]
    with drawing(DARK):
        assert matplotlib.rcParams["text.color"] == DARK.ink
    assert matplotlib.rcParams["text.color"] == before


def test_a_figure_is_the_same_svg_each_time():
    def drawn():
        with drawing(LIGHT):
            figure = empty_figure(2.0, 1.0)
            figure.add_subplot().plot([1.0, value_or_gap(None), 2.0])
            return svg_of(figure)

    assert drawn() == drawn()
    assert drawn().startswith("<svg")


def test_an_unknown_value_is_a_gap():
    assert math.isnan(value_or_gap(None))
    assert value_or_gap(2) == 2.0
