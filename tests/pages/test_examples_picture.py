from dataclasses import replace

import pytest
from PIL import Image

from evaluation_pages import evaluation_of, example
from gif_files import draw_broken_gif, draw_gif
from gifdesc.errors import GifdescError, UsageError
from gifdesc.pages.examples import TRAINED_ON_THESE, ExamplesPicture, chosen_examples
from gifdesc.pages.pictures import contact_sheet


def scored(num_right, num_wrong):
    """Right captions of the score 1, and wrong ones of 0.5 and less."""
    right = [
        example(f"right {n}", "a ball", None, scores={"rouge_l": 1.0, "exact_match": 1.0})
        for n in range(num_right)
    ]
    wrong = [
        example(f"wrong {n}", "a cat", None, scores={"rouge_l": 0.5 / (1 + n), "exact_match": 0.0})
        for n in range(num_wrong)
    ]
    return [*right, *wrong]


@pytest.mark.parametrize(
    ("num_right", "num_wrong", "expected"),
    [(10, 10, (3, 3)), (10, 1, (5, 1)), (2, 10, (2, 4)), (0, 10, (0, 6)), (1, 1, (1, 1))],
)
def test_half_of_the_examples_are_wrong_as_far_as_there_are_so_many(num_right, num_wrong, expected):
    names = [one.name for one in chosen_examples(scored(num_right, num_wrong), "rouge_l")]
    assert tuple(sum(kind in name for name in names) for kind in ("right", "wrong")) == expected
    assert names == sorted(names, key=lambda name: name.split()[0])


def test_wrong_examples_are_spread_over_the_scores():
    names = [one.name for one in chosen_examples(scored(0, 60), "rouge_l", 3)]
    assert names == ["wrong 10", "wrong 30", "wrong 50"]


def test_a_picture_leaves_out_gifs_that_cannot_be_shown(tmp_path):
    gifs = tmp_path / "gifs"
    draw_gif(gifs / "right 0.gif", 4)
    draw_gif(gifs / "wrong 0.gif", 4)
    draw_broken_gif(gifs / "wrong 1.gif")
    picture = ExamplesPicture(tmp_path / "examples.png", gifs)
    assert picture.write(evaluation_of(scored(1, 5))).num_shown == 2
    with Image.open(tmp_path / "examples.png") as image:
        assert image.format == "PNG"
        colours = {colour for _, colour in image.convert("RGB").getcolors(100_000)}
    assert {(26, 127, 55), (180, 35, 24)} <= colours  # right and wrong are marked


@pytest.mark.parametrize(("split", "heading"), [("test", ""), ("train", TRAINED_ON_THESE)])
def test_a_picture_says_that_the_model_was_trained_on_its_gifs(
    tmp_path, monkeypatch, split, heading
):
    draw_gif(tmp_path / "gifs" / "right 0.gif", 4)
    headings = []

    def sheet(rows, *, heading):
        headings.append(heading)
        return contact_sheet(rows, heading=heading)

    monkeypatch.setattr("gifdesc.pages.examples.contact_sheet", sheet)
    result = replace(evaluation_of(scored(1, 0)), split=split)
    ExamplesPicture(tmp_path / "x.png", tmp_path / "gifs").write(result)
    assert headings == [heading]


def test_nothing_is_judged_where_no_caption_equals_a_reference(tmp_path):
    draw_gif(tmp_path / "gifs" / "wrong 0.gif", 4)
    ExamplesPicture(tmp_path / "x.png", tmp_path / "gifs").write(evaluation_of(scored(0, 1)))
    with Image.open(tmp_path / "x.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(100_000)}
    assert (180, 35, 24) not in colours


def test_wrong_names_are_reported_before_any_work(tmp_path):
    with pytest.raises(UsageError, match=r"a picture is a \.png file"):
        ExamplesPicture(tmp_path / "x.jpg", tmp_path)
    with pytest.raises(GifdescError, match="no such folder"):
        ExamplesPicture(tmp_path / "x.png", tmp_path / "gifs")
    (tmp_path / "file").touch()
    with pytest.raises(GifdescError, match="cannot be written"):
        ExamplesPicture(tmp_path / "file" / "x.png", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(GifdescError, match="none of the GIFs can be shown"):
        ExamplesPicture(tmp_path / "x.png", tmp_path / "empty").write(evaluation_of(scored(1, 1)))
