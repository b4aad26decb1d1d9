import itertools
from collections import Counter
from random import Random

import pytest

from gifdesc.demo.world import CANVAS_SIZE, COLOURS, EVENTS, SCENES, SHAPES, Scene, Take, scene_of
from gifdesc.sampling import time_indices, uniform_indices


def test_every_scene_comes_equally_often():
    assert len(SCENES) == len(set(SCENES)) == len(COLOURS) * len(SHAPES) * len(EVENTS) == 72
    counts = Counter(scene_of(index, seed=0) for index in range(3 * 72))
    assert set(counts.values()) == {3}
    assert counts.keys() == set(SCENES)


def test_another_seed_is_another_world():
    seen = {tuple(scene_of(index, seed=seed) for index in range(5)) for seed in range(10)}
    assert len(seen) == 10


def test_a_description_is_one_plain_sentence():
    assert Scene("blue", "grid", "fades to white").description == "a blue grid fades to white"
    assert len({scene.description for scene in SCENES}) == 72


@pytest.mark.parametrize("num_frames", range(12, 41))
@pytest.mark.parametrize("event", EVENTS)
def test_sixteen_sampled_frames_show_every_stage(event, num_frames):
    num_stages = len(EVENTS[event])
    hold = -(-num_frames // 16)
    margins = range(hold, num_frames // 5 + 1)
    for start, end in itertools.product(margins, margins):
        take = Take(
            num_frames=num_frames,
            duration_ms=80,
            event_start=start,
            event_end=num_frames - end,
            background=20,
            size=90,
            centre=(56, 56),
        )
        for indices in (
            uniform_indices(num_frames, 16),
            time_indices([take.duration_ms] * num_frames, 16),
        ):
            stages = [take.stage_index(index, num_stages) for index in indices]
            assert sorted(set(stages)) == list(range(num_stages))
            assert stages == sorted(stages)


def test_a_random_take_keeps_its_promises():
    rng = Random(0)
    takes = [Take.random(rng) for _ in range(500)]
    assert {take.num_frames for take in takes} == set(range(12, 41))
    for take in takes:
        hold = -(-take.num_frames // 16)
        assert hold <= take.event_start <= take.num_frames // 5
        assert hold <= take.num_frames - take.event_end <= take.num_frames // 5
        for middle in take.centre:
            assert middle - take.size / 2 >= 1
            assert middle + take.size / 2 <= CANVAS_SIZE - 1
