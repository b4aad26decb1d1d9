import math
import subprocess
import sys

import pytest
from PIL import Image

from gifdesc.errors import GifdescError
from gifdesc.pages.charts import best_epoch, describe_history, drawable, history_svg, plot_history
from gifdesc.pages.style import DARK, LIGHT
from svg import drawn_marks, svg_width


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
        "import sys, gifdesc.pages.charts as curves\n"
        "row = {'epoch': 1, 'train_loss': 1.0}\n"
        "from pathlib import Path\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"curves.plot_history([row], Path({str(tmp_path)!r}, 'training.png'))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "training.png").is_file()


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


@pytest.mark.parametrize("is_narrow", [False, True])
@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_curves_on_a_page_are_in_its_themes_colours(theme, is_narrow):
    svg = history_svg(history(3), theme, is_narrow=is_narrow)
    assert drawn_marks(svg, theme.second)
    assert not drawn_marks(svg, (DARK if theme is LIGHT else LIGHT).second)
    assert "script" not in svg
    assert history_svg(history(3), theme, is_narrow=is_narrow) == svg


def test_curves_for_a_telephone_are_narrow():
    assert svg_width(history_svg(history(3), is_narrow=True)) < 300
    assert svg_width(history_svg(history(3))) > 500


def test_rows_keep_the_numbers_that_are_drawn():
    row = {"epoch": 1, "train_loss": None, "val_loss": 2.5, "val_cider": "x", "seconds": 3}
    assert drawable([row]) == [{"epoch": 1, "val_loss": 2.5}]
    row = {"epoch": 2, "train_reward": 1.5, "val_cider": math.nan, "val_token_accuracy": True}
    assert drawable([row]) == [{"epoch": 2, "train_reward": 1.5}]
    assert drawable([{"epoch": 3, "is_best": True}]) == [{"epoch": 3, "is_best": True}]
    assert drawable([{"epoch": "one", "val_loss": 2.5}, {"val_loss": 2.5}]) == []


def test_curves_are_put_into_words():
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


def test_the_best_epoch_is_marked():
    rows = [{**row, "is_best": row["epoch"] < 3} for row in history(4)]
    assert best_epoch(rows) == 2
    assert best_epoch(history(4)) is None
    assert describe_history(rows).endswith(", best epoch 2.")
    svg, plain = history_svg(rows), history_svg(history(4))
    assert drawn_marks(svg, LIGHT.right)
    assert not drawn_marks(plain, LIGHT.right)
