import numpy as np
import pytest

from gifdesc.errors import GifdescError
from gifdesc.pages.pictures import SheetRow, contact_sheet, save_picture

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def plain(*colours, height=30, width=40):
    frames = np.empty((len(colours), height, width, 3), np.uint8)
    frames[:] = np.array(colours, np.uint8)[:, None, None]
    return frames


def sheet_of(frames, caption, **options):
    return contact_sheet([SheetRow(frames=frames, caption=caption)], **options)


def pixels(image):
    assert image.mode == "RGB"
    return np.asarray(image)


def test_a_row_shows_the_frames_in_order():
    image = pixels(sheet_of(plain(RED, GREEN, BLUE), "three colours", frame_height=60))
    middle = image[44]
    assert [tuple(middle[x]) for x in (54, 138, 222)] == [RED, GREEN, BLUE]
    assert tuple(image[0, 0]) == (255, 255, 255)


def test_a_row_of_many_frames_covers_all_of_them():
    colours = [(value, 0, 0) for value in range(0, 160, 10)]
    image = pixels(sheet_of(plain(*colours), "", max_frames=4, frame_height=60))
    assert image.shape[1] == 4 * 80 + 3 * 4 + 2 * 14
    assert [image[44, 54 + 84 * place, 0] for place in range(4)] == [20, 60, 100, 140]


def test_a_long_caption_is_wrapped_and_all_of_it_drawn():
    frames = plain(RED)
    short, long = sheet_of(frames, "word"), sheet_of(frames, "word " * 40 + "W" * 200)
    assert long.width == short.width
    assert long.height > short.height + 5 * 22
    ink = (pixels(long) < 128).all(axis=2)
    assert not ink[:, :13].any()
    assert not ink[:, -13:].any()


def test_a_heading_stands_above_the_first_row():
    frames = plain(RED)
    without, with_heading = sheet_of(frames, "word"), sheet_of(frames, "word", heading="All " * 30)
    added = with_heading.height - without.height
    assert added > 2 * 22
    below = pixels(with_heading)[added:]
    assert (below[2:] == pixels(without)[2:]).all()  # all but the line between the two
    assert (pixels(with_heading)[:added] < 128).all(axis=2).any()


@pytest.mark.parametrize(
    "caption",
    ["", "   ", "привет, γειά", "日本語 🎉", "\ud800 broken", "one\ntwo\x00three", "e\u0301"],
)
def test_any_caption_can_be_drawn(caption):
    sheet = contact_sheet([SheetRow(frames=plain(RED), caption=caption, references=[caption])])
    for image in (sheet_of(plain(RED), caption), sheet):
        reds = pixels(image)[:, :, 0] > pixels(image)[:, :, 1] + 20
        assert reds.any()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (3, 700)])
def test_frames_of_any_form_are_fitted(height, width):
    image = sheet_of(plain(RED, height=height, width=width), "x", frame_height=50)
    assert image.height < 150
    assert image.width < 350
    assert (pixels(image)[:, :, 0] > pixels(image)[:, :, 1] + 20).any()


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 4, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 3), np.float32),
    ],
)
def test_arrays_that_are_no_frames_are_refused(frames):
    with pytest.raises(ValueError, match="uint8"):
        sheet_of(frames, "x")


def test_a_row_needs_a_size():
    with pytest.raises(ValueError, match="frame_height"):
        sheet_of(plain(RED), "x", frame_height=0)
    with pytest.raises(ValueError, match="num_samples"):
        sheet_of(plain(RED), "x", max_frames=0)


def test_right_and_wrong_differ_in_more_than_colour():
    cells = []
    for is_right in (True, False, None):
        row = SheetRow(
            frames=plain(RED), caption="a ball", references=["a ball"], is_right=is_right
        )
        cells.append(np.asarray(contact_sheet([row]).convert("L")) < 160)
    right, wrong, unmarked = cells
    assert right.shape == wrong.shape == unmarked.shape
    assert (right ^ wrong).sum() > 50
    assert (right & ~unmarked).sum() > 50


def test_a_contact_sheet_stacks_its_rows():
    row = SheetRow(frames=plain(RED, BLUE), caption="said", references=["one", "two"])
    one, three = contact_sheet([row]), contact_sheet([row] * 3)
    assert three.width == one.width
    assert three.height == 3 * one.height
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([])


def test_pictures_are_the_same_each_time_and_leave_nothing_behind(tmp_path):
    for name in ("one", "two"):
        save_picture(sheet_of(plain(RED), "a red thing"), tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_picture_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    path = tmp_path / "file" / "picture.png"
    with pytest.raises(GifdescError, match="cannot be written"):
        save_picture(sheet_of(plain(RED), "x"), path)
