from collections import Counter
from random import Random

import pytest

from gifdesc.demo.scenes import (
    CANVAS_SIZE,
    COLOURS,
    EVENTS,
    SHAPES,
    TEXTURES,
    THINGS,
    Scene,
    Take,
    Thing,
    scene_of,
    take_of,
)
from gifdesc.sampling import time_indices, uniform_indices


def test_every_thing_begins_equally_many_gifs():
    num_kinds = len(COLOURS) * len(TEXTURES) * len(SHAPES) * len(EVENTS)
    assert len(THINGS) == len(set(THINGS)) == num_kinds == 384
    counts = Counter(scene_of(index, seed=0).things[0] for index in range(2 * 384))
    assert set(counts.values()) == {2}
    assert counts.keys() == set(THINGS)


def test_some_gifs_show_two_things_of_different_colours_and_shapes():
    scenes = [scene_of(index, seed=0) for index in range(1000)]
    pairs = [scene.things for scene in scenes if len(scene.things) == 2]
    assert {len(scene.things) for scene in scenes} == {1, 2}
    assert 250 < len(pairs) < 350
    for first, second in pairs:
        assert first.colour != second.colour
        assert first.shape != second.shape


def test_another_seed_is_another_world():
    seen = {tuple(scene_of(index, seed=seed) for index in range(5)) for seed in range(10)}
    assert len(seen) == 10


def test_a_description_is_one_plain_sentence():
    ball = Thing("red", "plain", "ball", "moves left")
    star = Thing("blue", "striped", "star", "fades")
    assert Scene((ball,)).description == "a red ball moves left"
    assert Scene((ball, star)).description == (
        "a red ball moves left, then a blue striped star fades"
    )
    assert len({thing.description for thing in THINGS}) == 384


@pytest.mark.parametrize("num_stages", [1, 5, 10])
def test_sixteen_sampled_frames_show_every_stage(num_stages):
    rng = Random(0)
    seen = set()
    for _ in range(1000):
        take = Take.random(rng, num_stages=num_stages)
        shown = [i for i, length in enumerate(take.stage_lengths) for _ in range(length)]
        seen.add(len(shown))
        for indices in (
            uniform_indices(len(shown), 16),
            time_indices([take.duration_ms] * len(shown), 16),
        ):
            stages = [shown[index] for index in indices]
            assert sorted(set(stages)) == list(range(num_stages))
            assert stages == sorted(stages)
    assert seen == set(range(20, 41))


def test_no_shape_reaches_the_corner_pixel():
    for index in range(500):
        scene, take = scene_of(index, seed=1), take_of(index, seed=1)
        for _, stage in scene.stages:
            for middle in take.place(stage):
                half = stage.extent * take.size / 2
                assert middle - half >= 1
                assert middle + half <= CANVAS_SIZE - 1


@pytest.mark.parametrize(
    ("event", "reverse"),
    [("moves left", "moves right"), ("moves up", "moves down"), ("grows", "shrinks")],
)
def test_opposite_events_have_the_same_pictures_in_opposite_order(event, reverse):
    assert EVENTS[event] == EVENTS[reverse][::-1] != EVENTS[reverse]
