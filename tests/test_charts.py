import math
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from PIL import Image

from gifdesc.charts import (
    ScoreRow,
    describe_history,
    describe_scores,
    history_svg,
    plot_history,
    scores_svg,
)
from gifdesc.errors import GifdescError
from gifdesc.style import DARK, LIGHT


def history(num_epochs, **changes):
    row = {"train_loss": 2.0, "val_loss": 2.5, "val_token_accuracy": 0.5, **changes}
    return [{"epoch": epoch, **row} for epoch in range(1, num_epochs + 1)]


@pytest.mark.parametrize(
    "rows",
    [
        history(1),
        history(40),
        history(3, val_loss=None, val_token_accuracy=None),
        [{"epoch": 1, "train_loss": 2.0}],
        history(2, train_loss=math.nan, val_loss=None),
        [*history(2), {"epoch": 3, "train_loss": math.inf, "val_loss": 2.0}],
        history(2, train_loss=0.0, val_loss=0.0),
    ],
)
def test_any_history_can_be_drawn(tmp_path, rows):
    path = tmp_path / "training.png"
    plot_history(rows, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        image.load()


@pytest.mark.parametrize(
    ("scores", "num_panels"),
    [
        ({"val_token_accuracy": None}, 1),
        ({"val_token_accuracy": 0.5}, 2),
        ({"val_token_accuracy": None, "val_cider": 2.5}, 2),
        ({"val_token_accuracy": None, "val_cider": None, "train_reward": 1.5}, 2),
        ({"val_token_accuracy": 0.5, "val_cider": 2.5}, 3),
    ],
)
def test_accuracy_and_cider_have_panels_only_where_they_are_known(tmp_path, scores, num_panels):
    plot_history(history(2, **scores), tmp_path / "training.png")
    plot_history(history(2, val_token_accuracy=None), tmp_path / "narrow.png")
    with Image.open(tmp_path / "training.png") as image, Image.open(tmp_path / "narrow.png") as one:
        assert num_panels - 0.5 < image.width / one.width <= num_panels
    drawn = history_svg(history(2, **scores))
    assert ("CIDEr" in drawn) == ("val_cider" in scores)


def test_a_history_needs_an_epoch(tmp_path):
    with pytest.raises(ValueError, match="without epochs"):
        plot_history([], tmp_path / "training.png")


def test_matplotlib_is_loaded_by_drawing_only_and_pyplot_never(tmp_path):
    code = (
        "import sys, gifdesc.charts as charts\n"
        "row = {'epoch': 1, 'train_loss': 1.0}\n"
        "from pathlib import Path\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"charts.plot_history([row], Path({str(tmp_path)!r}, 'training.png'))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_curves_are_the_same_each_time_and_leave_nothing_behind(tmp_path):
    paths = [tmp_path / name for name in ("one.png", "two.png")]
    for path in paths:
        plot_history(history(3), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == paths


def test_curves_that_cannot_be_written_are_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(GifdescError, match="cannot be written"):
        plot_history(history(1), tmp_path / "file" / "picture.png")


SCORES = [
    ScoreRow(metric="bleu_4", value=0.4, interval=(0.3, 0.5), baselines={"blind": 0.1}),
    ScoreRow(metric="meteor", value=None, note="needs Java"),
    ScoreRow(metric="cider", value=3.5, baselines={"blind": 0.25, "nearest": None}),
]


def drawn_marks(svg, colour):
    """How many strokes of a colour a chart has."""
    marks = [one.get("style", "") for one in ElementTree.fromstring(svg).iter()]
    return sum(f"stroke: {colour}" in style for style in marks)


def drawn_words(svg):
    """The texts of a chart, which matplotlib names before it draws them as paths."""
    start, end = "<!-- ", " -->"
    return [part.split(end)[0] for part in svg.split(start)[1:]]


def test_scores_are_drawn_with_intervals_and_baselines():
    svg = scores_svg(SCORES)
    words = drawn_words(svg)
    assert {"BLEU-4", "CIDEr", "blind (another GIF)", "score, 95 % interval"} <= set(words)
    assert "METEOR" not in words
    # two scores and the mark of the legend; and one interval, pale
    assert drawn_marks(svg, LIGHT.second) >= 3
    assert svg.count("stroke-opacity: 0.55") == 1


@pytest.mark.parametrize("is_narrow", [False, True])
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_chart_is_in_its_themes_colours_and_the_same_each_time(theme, is_narrow):
    for svg in (
        scores_svg(SCORES, theme, is_narrow=is_narrow),
        history_svg(history(3), theme, is_narrow=is_narrow),
    ):
        assert drawn_marks(svg, theme.second)
        other = DARK if theme is LIGHT else LIGHT
        assert not drawn_marks(svg, other.second)
        assert "script" not in svg
    assert scores_svg(SCORES, theme) == scores_svg(SCORES, theme)


def test_a_chart_for_a_telephone_is_narrow():
    def width(svg):
        return float(ElementTree.fromstring(svg).get("width").removesuffix("pt"))

    for draw in (
        lambda n: scores_svg(SCORES, is_narrow=n),
        lambda n: history_svg(history(3), is_narrow=n),
    ):
        assert width(draw(True)) < 300 < 500 < width(draw(False))


@pytest.mark.parametrize(
    "rows",
    [
        [ScoreRow(metric="cider", value=0.0)],
        [ScoreRow(metric="W" * 999, value=0.5, baselines={"M" * 999: 0.25})],
        [ScoreRow(metric="bleu_1", value=1.0, interval=(1.0, 1.0))],
        [ScoreRow(metric="bleu_1", value=math.nan, baselines={"blind": 0.5})],
        [ScoreRow(metric="bleu_1", value=0.5, baselines={f"system {n}": 0.1 for n in range(9)})],
        [ScoreRow(metric="a metric <of> mine & $x$ $\\frac$", value=0.5)],
    ],
)
def test_any_score_can_be_drawn(rows):
    for is_narrow in (False, True):
        assert drawn_marks(scores_svg(rows, is_narrow=is_narrow), LIGHT.rule)


@pytest.mark.parametrize("rows", [[], [ScoreRow(metric="meteor", value=None)]])
def test_scores_without_a_number_are_not_drawn(rows):
    with pytest.raises(ValueError, match="without a number"):
        scores_svg(rows)


def test_charts_are_put_into_words():
    assert describe_scores(SCORES) == (
        "BLEU-4 0.400 (95 % interval 0.300 to 0.500); blind (another GIF) 0.100. "
        "CIDEr 3.500; blind (another GIF) 0.250."
    )
    rows = [*history(1), {"epoch": 2, "train_loss": 1.0}]
    assert describe_history(rows) == (
        "2 epochs: training loss from 2.000 to 1.000, validation loss from 2.500 to 2.500, "
        "validation token accuracy from 0.500 to 0.500."
    )
    rows = [{"epoch": 1, "val_cider": 1.0}, {"epoch": 2, "val_cider": 2.0, "train_reward": 3.0}]
    assert describe_history(rows) == (
        "2 epochs: CIDEr of sampled captions from 3.000 to 3.000, "
        "validation CIDEr from 1.000 to 2.000."
    )
