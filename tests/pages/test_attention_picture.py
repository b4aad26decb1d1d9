from dataclasses import dataclass

import numpy as np
import pytest

from gifdesc.pages.attention import attention_picture, stacked

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


@dataclass(frozen=True)
class Said:
    word: str
    frame_weights: tuple[float, ...] | None
    log_prob: float = -0.1


def plain(*colours, height=30, width=40):
    frames = np.empty((len(colours), height, width, 3), np.uint8)
    frames[:] = np.array(colours, np.uint8)[:, None, None]
    return frames


def draw(words, *colours, caption="a ball"):
    frames = plain(*(colours or (RED, GREEN, BLUE)))
    return np.asarray(attention_picture(frames, caption, words, range(0, 100 * len(frames), 100)))


def blueness(pixels):
    """How far from grey towards the accent's blue, for each pixel."""
    return pixels[:, :, 2].astype(int) - pixels[:, :, 0]


def test_the_frames_are_in_order():
    row = draw([])[90]
    colours = [tuple(row[14 + 150 * place + 70]) for place in range(3)]
    assert colours == [RED, GREEN, BLUE]


def test_each_word_has_a_field_for_each_frame_by_its_weight():
    words = [Said("a", (0.1, 0.8, 0.1)), Said("ball", (0.3, 0.3, 0.4))]
    without, picture = draw([]), draw(words)
    assert picture.shape[0] == without.shape[0] + 2 * 26
    left = picture.shape[1] - 14 - 3 * 150
    rows = [picture.shape[0] - 14 - 26 * 2 + 26 * place + 4 for place in range(2)]
    columns = [left + 150 * place + 10 for place in range(3)]
    fields = [[blueness(picture)[row, column] for column in columns] for row in rows]
    assert fields[0][1] > fields[1][2] > fields[1][0] > fields[0][0] >= 0
    assert fields[0][0] == fields[0][2]
    assert fields[1][0] == fields[1][1]


def test_words_without_weights_have_no_row():
    assert draw([Said("a", None)]).shape == draw([]).shape
    assert draw([Said("a", (1.0,))]).shape == draw([]).shape


@pytest.mark.parametrize(
    "word", ["W" * 400, "\u65e5\u672c", "", "\ud800", "\u0631\u062c\u0644", "<b>"]
)
def test_any_word_and_caption_can_be_drawn(word):
    picture = draw([Said(word, (0.2, 0.3, 0.5))], caption=word * 30)
    assert picture.shape[1] < 14 + 240 + 3 * 150 + 14
    assert (picture[:, -13:] == 255).all()


@pytest.mark.parametrize(("height", "width"), [(1, 900), (900, 1), (10, 10)])
def test_frames_of_any_form_are_drawn(height, width):
    frames = plain(RED, height=height, width=width)
    picture = np.asarray(attention_picture(frames, "x", [Said("x", (1.0,))], [0]))
    assert picture.shape[0] < 500
    assert (picture[:, :, 0].astype(int) > picture[:, :, 1] + 20).any()


def test_sixteen_frames_fit_a_readme():
    weights = (1 / 16,) * 16
    assert draw([Said("alike", weights)], *[RED] * 16).shape[1] < 1200


def test_frames_without_times_are_refused():
    with pytest.raises(ValueError, match="times"):
        attention_picture(plain(RED, GREEN), "x", [], [0])
    with pytest.raises(ValueError, match="0 frames"):
        attention_picture(np.empty((0, 4, 4, 3), np.uint8), "x", [], [])


def test_pictures_are_stacked_at_the_left():
    one = attention_picture(plain(RED), "one", [], [0])
    two = attention_picture(plain(BLUE, BLUE), "two", [], [0, 1])
    both = stacked([one, two])
    assert both.size == (max(one.width, two.width), one.height + two.height)
    np.testing.assert_array_equal(np.asarray(both)[: one.height, : one.width], np.asarray(one))
