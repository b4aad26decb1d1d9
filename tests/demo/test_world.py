import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gifdesc.demo.world import (
    CANVAS_SIZE,
    COLOURS,
    EVENTS,
    SCENES,
    SHAPES,
    Scene,
    Take,
    draw_frames,
    draw_world,
    gif_name,
    scene_of,
    take_of,
)
from gifdesc.errors import GifdescError


def rgb(frames):
    return np.stack([np.asarray(frame.convert("RGB")) for frame in frames])


def areas(scene, take):
    """Pixels that are not background, frame by frame."""
    frames = rgb(draw_frames(scene, take)).astype(int)
    return (np.abs(frames - take.background).max(axis=3) > 0).sum(axis=(1, 2))


def plain_take(num_frames=20):
    return Take(
        num_frames=num_frames,
        duration_ms=80,
        event_start=num_frames // 10,
        event_end=num_frames - num_frames // 10,
        background=20,
        size=90,
        centre=(56, 56),
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return folder, draw_world(folder, num_gifs=72, seed=3)


def test_the_data_are_gifs_with_one_sentence_each(world):
    folder, scenes = world
    assert len(list((folder / "gifs").iterdir())) == 72
    assert len(list((folder / "descriptions").iterdir())) == 72
    for index, scene in enumerate(scenes):
        text = (folder / "descriptions" / f"{gif_name(index)}.txt").read_text(encoding="utf-8")
        assert text == f"{scene.description}\n"
        assert scene == scene_of(index, seed=3)


def test_a_gif_file_holds_the_frames_that_were_drawn(world):
    folder, scenes = world
    for index, scene in enumerate(scenes):
        take = take_of(index, seed=3)
        with Image.open(folder / "gifs" / f"{gif_name(index)}.gif") as gif:
            frames, durations = [], []
            for frame in ImageSequence.Iterator(gif):
                frames.append(frame.convert("RGB"))
                durations.append(frame.info["duration"])
        assert durations == [take.duration_ms] * take.num_frames
        np.testing.assert_array_equal(rgb(frames), rgb(draw_frames(scene, take)))


def test_the_same_seed_gives_the_same_bytes_in_a_world_of_any_size(tmp_path):
    draw_world(tmp_path / "small", num_gifs=3, seed=5)
    draw_world(tmp_path / "large", num_gifs=6, seed=5)
    draw_world(tmp_path / "other", num_gifs=3, seed=6)
    for path in sorted((tmp_path / "small").rglob("world-*")):
        inside = path.relative_to(tmp_path / "small")
        assert path.read_bytes() == (tmp_path / "large" / inside).read_bytes()
    gifs = [(tmp_path / world / "gifs" / "world-0000.gif") for world in ("small", "other")]
    assert gifs[0].read_bytes() != gifs[1].read_bytes()


def test_drawing_again_over_the_same_world_changes_nothing(tmp_path):
    draw_world(tmp_path, num_gifs=2, seed=0)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    draw_world(tmp_path, num_gifs=2, seed=0)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_names_do_not_describe_the_content():
    assert [gif_name(index) for index in (0, 7, 12345)] == [
        "world-0000",
        "world-0007",
        "world-12345",
    ]


@pytest.mark.parametrize("shape", SHAPES)
def test_growing_is_shrinking_played_backwards(shape):
    # The event must lie in the middle for the two schedules to mirror each other.
    take = plain_take()
    growing = rgb(draw_frames(Scene("red", shape, "grows"), take))
    shrinking = rgb(draw_frames(Scene("red", shape, "shrinks"), take))
    areas_growing = areas(Scene("red", shape, "grows"), take)
    assert (np.diff(areas_growing) >= 0).all()
    assert areas_growing[-1] > 5 * areas_growing[0] > 0
    in_order = [frame for frame, _ in itertools.groupby(growing, key=lambda frame: frame.tobytes())]
    backwards = [
        frame for frame, _ in itertools.groupby(shrinking[::-1], key=lambda frame: frame.tobytes())
    ]
    assert in_order == backwards
    np.testing.assert_array_equal(growing[0], shrinking[-1])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_fills_much_of_the_picture(shape):
    share = areas(Scene("green", shape, "disappears"), plain_take())[0] / CANVAS_SIZE**2
    assert 0.25 < share < 0.6


def test_appearing_disappearing_and_blinking():
    take = plain_take()
    appearing, disappearing, blinking = (
        areas(Scene("yellow", "cross", event), take) > 0
        for event in ("appears", "disappears", "blinks")
    )
    assert list(appearing) == [False] * 10 + [True] * 10
    assert list(disappearing) == [True] * 10 + [False] * 10
    runs = [bool(shown) for shown, _ in itertools.groupby(blinking)]
    assert runs == [True, False, True, False, True, False, True]


def test_fading_ends_white_and_keeps_the_size():
    scene, take = Scene("blue", "ball", "fades to white"), plain_take()
    frames = rgb(draw_frames(scene, take))
    x, y = take.centre
    assert tuple(frames[0, y, x]) == COLOURS["blue"]
    assert tuple(frames[-1, y, x]) == (255, 255, 255)
    assert (np.diff(frames[:, y, x].astype(int).sum(axis=1)) >= 0).all()
    assert len(set(areas(scene, take))) == 1


def test_held_frames_are_equal_so_that_few_are_computed():
    for scene in SCENES[:6]:
        frames = rgb(draw_frames(scene, plain_take(40)))
        distinct = {frame.tobytes() for frame in frames}
        assert len(distinct) == len(set(EVENTS[scene.event])) <= 5


def test_a_world_needs_a_gif(tmp_path):
    with pytest.raises(ValueError, match="at least 1"):
        draw_world(tmp_path, num_gifs=0, seed=0)


def test_a_folder_of_other_gifs_is_refused_and_unchanged(tmp_path):
    draw_world(tmp_path, num_gifs=4, seed=0)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(GifdescError, match=r"world-0002\.gif.*choose an empty folder"):
        draw_world(tmp_path, num_gifs=2, seed=0)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_that_cannot_be_created_is_a_one_sentence_error(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("in the way", encoding="utf-8")
    with pytest.raises(GifdescError, match="cannot be written: "):
        draw_world(file / "world", num_gifs=1, seed=0)
