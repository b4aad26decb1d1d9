import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gifdesc.demo.scenes import (
    CANVAS_SIZE,
    COLOURS,
    EVENTS,
    SHAPES,
    TEXTURES,
    Scene,
    Take,
    Thing,
    scene_of,
    take_of,
)
from gifdesc.demo.world import draw_frames, draw_world, gif_name
from gifdesc.errors import GifdescError


def rgb(frames):
    return np.stack([np.asarray(frame.convert("RGB")) for frame in frames])


def frames_of(colour, texture, shape, event, take=None):
    """The frames of one thing, RGB."""
    scene = Scene((Thing(colour, texture, shape, event),))
    return rgb(draw_frames(scene, take or plain_take()))


def shown(frames):
    """Whether each pixel of each frame differs from the background of a plain take."""
    background = frames_of("red", "plain", "ball", "fades")[-1]
    return (frames != background).any(axis=3)


def areas(frames):
    """Pixels that are not background, frame by frame."""
    return shown(frames).sum(axis=(1, 2))


def middles(frames):
    """The centre of what is not background, frame by frame: (x, y)."""
    return np.array([np.argwhere(shape).mean(axis=0)[::-1] for shape in shown(frames)])


def plain_take(num_stages=5, frames_per_stage=4):
    return Take(
        stage_lengths=(frames_per_stage,) * num_stages,
        duration_ms=80,
        background=20,
        size=34,
        centre=(56, 56),
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return folder, draw_world(folder, num_gifs=60, seed=3)


def test_the_data_are_gifs_with_one_sentence_each(world):
    folder, scenes = world
    assert len(list((folder / "gifs").iterdir())) == 60
    assert len(list((folder / "descriptions").iterdir())) == 60
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
        assert durations == [take.duration_ms] * sum(take.stage_lengths)
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
@pytest.mark.parametrize(
    ("event", "reverse"),
    [("moves left", "moves right"), ("moves up", "moves down"), ("grows", "shrinks")],
)
def test_an_event_played_backwards_is_its_opposite(shape, event, reverse):
    forwards = frames_of("red", "striped", shape, event)
    backwards = frames_of("red", "striped", shape, reverse)
    np.testing.assert_array_equal(forwards, backwards[::-1])
    assert not np.array_equal(forwards, backwards)


@pytest.mark.parametrize("shape", SHAPES)
def test_growing_multiplies_the_area(shape):
    growing = areas(frames_of("red", "plain", shape, "grows"))
    assert (np.diff(growing) >= 0).all()
    assert growing[-1] > 3 * growing[0] > 0


@pytest.mark.parametrize(
    ("event", "axis", "sign"),
    [("moves left", 0, -1), ("moves right", 0, 1), ("moves up", 1, -1), ("moves down", 1, 1)],
)
def test_a_motion_crosses_the_picture(event, axis, sign):
    centres = middles(frames_of("green", "plain", "ball", event))
    steps = sign * np.diff(centres[:, axis])
    assert (steps >= -1e-9).all()
    assert steps.sum() > 0.6 * CANVAS_SIZE
    np.testing.assert_allclose(centres[:, 1 - axis], centres[0, 1 - axis])


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_small_and_textures_are_white(shape, texture):
    frame = frames_of("blue", texture, shape, "blinks")[:1]
    assert 0.02 < areas(frame)[0] / CANVAS_SIZE**2 < 0.12
    is_white = (frame == 255).all(axis=3).sum()
    is_blue = (frame == COLOURS["blue"]).all(axis=3).sum()
    assert is_white + is_blue == areas(frame)[0]
    assert 0.2 < is_white / is_blue < 1.5 if texture != "plain" else is_white == 0


def test_textures_and_shapes_differ():
    pictures = {
        frames_of("red", texture, shape, "blinks")[0].tobytes()
        for texture in TEXTURES
        for shape in SHAPES
    }
    assert len(pictures) == len(TEXTURES) * len(SHAPES)


def test_blinking():
    is_shown = areas(frames_of("yellow", "dotted", "star", "blinks")) > 0
    assert [bool(run) for run, _ in itertools.groupby(is_shown)] == [True, False, True, False, True]


def test_fading_ends_in_the_background():
    frames = frames_of("blue", "plain", "ball", "fades")
    centre = frames[:, 56, 56].astype(int)
    assert tuple(centre[0]) == COLOURS["blue"]
    distances = np.abs(centre - centre[-1]).sum(axis=1)
    assert (np.diff(distances) <= 0).all()
    assert len(set(centre[-1])) == 1


def test_the_background_is_grey_and_lighter_to_the_right():
    background = frames_of("red", "plain", "ball", "fades")[-1]
    assert (background == background[:1, :, :1]).all()
    levels = background[0, :, 0].astype(int)
    assert levels[0] == 20
    assert (np.diff(levels) >= 0).all()
    assert levels[-1] > levels[0] + 50


def test_two_things_follow_each_other():
    ball = Thing("red", "plain", "ball", "moves left")
    star = Thing("blue", "striped", "star", "grows")
    frames = rgb(draw_frames(Scene((ball, star)), plain_take(num_stages=10, frames_per_stage=2)))
    np.testing.assert_array_equal(
        frames[:10], rgb(draw_frames(Scene((ball,)), plain_take(frames_per_stage=2)))
    )
    np.testing.assert_array_equal(
        frames[10:], rgb(draw_frames(Scene((star,)), plain_take(frames_per_stage=2)))
    )


@pytest.mark.parametrize("event", EVENTS)
def test_held_frames_are_equal_so_that_few_are_computed(event):
    frames = frames_of("red", "plain", "ring", event)
    assert len({frame.tobytes() for frame in frames}) == len(set(EVENTS[event])) <= 5


def test_a_world_needs_a_gif(tmp_path):
    with pytest.raises(ValueError, match="at least 1"):
        draw_world(tmp_path, num_gifs=0, seed=0)


def test_a_folder_of_other_gifs_is_refused_and_unchanged(tmp_path):
    draw_world(tmp_path, num_gifs=4, seed=0)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(GifdescError, match=r"world-0002\.gif.*choose an empty folder"):
        draw_world(tmp_path, num_gifs=2, seed=0)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["model", "features", "descriptions"])
def test_what_is_not_of_a_demo_is_refused_and_unchanged(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine").write_text("mine")
    with pytest.raises(GifdescError, match=f"{name}: is not of this demo"):
        draw_world(tmp_path, num_gifs=1, seed=0)
    assert [path.name for path in tmp_path.rglob("*")] == [name, "mine"]


def test_a_folder_that_cannot_be_created_is_a_one_sentence_error(tmp_path: Path):
    file = tmp_path / "file"
    file.write_text("in the way", encoding="utf-8")
    with pytest.raises(GifdescError, match="cannot be written: "):
        draw_world(file / "world", num_gifs=1, seed=0)
