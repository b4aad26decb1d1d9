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
    colours = [tuple(row[14 + 126 * place + 60]) for place in range(3)]
    assert colours == [RED, GREEN, BLUE]


def test_each_word_has_a_field_for_each_frame_by_its_weight():
    words = [Said("a", (0.1, 0.8, 0.1)), Said("ball", (0.3, 0.3, 0.4))]
    without, picture = draw([]), draw(words)
    assert picture.shape[0] == without.shape[0] + 2 * 26
    left = picture.shape[1] - 14 - 3 * 126
    rows = [picture.shape[0] - 14 - 26 * 2 + 26 * place + 4 for place in range(2)]
    columns = [left + 126 * place + 10 for place in range(3)]
    fields = [[blueness(picture)[row, column] for column in columns] for row in rows]
    assert fields[0][1] > fields[1][2] > fields[1][0] > fields[0][0] >= 0
    assert fields[0][0] == fields[0][2]
    assert fields[1][0] == fields[1][1]


def test_weights_that_would_be_zero_leave_their_field_empty():
    words = [Said("a", (0.004, 0.005, 0.991))]
    picture = draw(words)
    left, row = picture.shape[1] - 14 - 3 * 126, picture.shape[0] - 14 - 26 + 4
    fields = [tuple(picture[row, left + 126 * place + 10]) for place in range(3)]
    assert fields[0] == (255, 255, 255)
    assert fields[1] != (255, 255, 255)


def test_pictures_share_a_scale():
    words = [Said("a", (0.2, 0.4, 0.4))]
    frames = plain(RED, GREEN, BLUE)
    alone, beside = (
        np.asarray(attention_picture(frames, "x", words, [0, 1, 2], greatest=greatest))
        for greatest in (None, 0.8)
    )
    corner = alone.shape[0] - 14 - 26 + 4, alone.shape[1] - 14 - 126 + 10
    assert blueness(alone)[corner] > blueness(beside)[corner] > 0


def test_many_frames_take_several_rows_each_with_all_words():
    weights = (1 / 10,) * 10
    words = [Said("alike", weights), Said("too", weights)]
    eight = draw([Said("alike", weights[:8])], *[RED] * 8)
    ten = draw(words, *[RED] * 8, GREEN, BLUE)
    assert ten.shape[1] == eight.shape[1]
    left = ten.shape[1] - 14 - 8 * 126
    below = ten.shape[0] - 14 - 2 * 26 - 20 - 40  # among the frames of the second row
    assert [tuple(ten[below, left + 126 * place + 60]) for place in range(2)] == [GREEN, BLUE]
    last = ten.shape[0] - 14 - 26 + 4
    assert blueness(ten)[last, left + 10] > 0
    assert tuple(ten[last, left + 2 * 126 + 10]) == (255, 255, 255)


def test_words_without_weights_have_no_row():
    assert draw([Said("a", None)]).shape == draw([]).shape
    assert draw([Said("a", (1.0,))]).shape == draw([]).shape


@pytest.mark.parametrize(
    "word", ["W" * 400, "\u65e5\u672c", "", "\ud800", "\u0631\u062c\u0644", "<b>"]
)
def test_any_word_and_caption_can_be_drawn(word):
    picture = draw([Said(word, (0.2, 0.3, 0.5))], caption=word * 30)
    assert picture.shape[1] < 14 + 240 + 3 * 126 + 14
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
