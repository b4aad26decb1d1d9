"""Frame sampling: values worked by hand, and what holds for every GIF."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.sampling import sampler, start_times_ms, step_indices, time_indices, uniform_indices

BY_INDEX = [uniform_indices, step_indices]
num_frames_strategy = st.integers(0, 3000)
num_samples_strategy = st.integers(1, 40)


@pytest.mark.parametrize("indices", BY_INDEX)
@pytest.mark.parametrize("num_frames", [0, 1, 2, 5, 15, 16])
def test_a_short_gif_gives_every_frame_once(indices, num_frames):
    assert indices(num_frames, 16) == list(range(num_frames))


# Segment i of 16 covers frames i * n / 16 to (i + 1) * n / 16; its centre is (2i + 1) * n / 32.
@pytest.mark.parametrize(
    ("num_frames", "wanted"),
    [
        (32, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31]),
        (17, [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16]),
        (48, [1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 34, 37, 40, 43, 46]),
        (20, [0, 1, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 15, 16, 18, 19]),
    ],
)
def test_uniform_takes_the_centres_of_equal_segments(num_frames, wanted):
    assert uniform_indices(num_frames, 16) == wanted


def test_uniform_of_one_sample_is_the_middle_frame():
    assert uniform_indices(9, 1) == [4]


@pytest.mark.parametrize("num_frames", range(17, 32))
def test_step_loses_the_end_of_17_to_31_frames(num_frames):
    # 31 // 16 is 1: the first 16 frames, whatever follows.
    assert step_indices(num_frames, 16) == list(range(16))


@pytest.mark.parametrize(
    ("num_frames", "wanted"),
    [
        (32, list(range(0, 32, 2))),
        (47, list(range(0, 32, 2))),
        (48, list(range(0, 48, 3))),
        (100, list(range(0, 96, 6))),
    ],
)
def test_step_takes_every_step_th_frame(num_frames, wanted):
    assert step_indices(num_frames, 16) == wanted


@pytest.mark.parametrize("indices", BY_INDEX)
@given(num_frames=num_frames_strategy, num_samples=num_samples_strategy)
def test_index_sampling_gives_ascending_frames_in_range_without_repeats(
    indices, num_frames, num_samples
):
    sampled = indices(num_frames, num_samples)
    assert len(sampled) == min(num_frames, num_samples)
    assert sampled == sorted(set(sampled))
    assert set(sampled) <= set(range(num_frames))


@given(num_frames=st.integers(1, 3000), num_samples=num_samples_strategy)
def test_uniform_takes_one_frame_from_each_segment(num_frames, num_samples):
    sampled = uniform_indices(num_frames, num_samples)
    for i, index in enumerate(sampled):  # segment i is [i * n / k, (i + 1) * n / k)
        assert i * num_frames <= index * len(sampled) + len(sampled) - 1
        assert index * len(sampled) < (i + 1) * num_frames


@given(num_frames=st.integers(1, 3000), num_samples=num_samples_strategy)
def test_uniform_is_nearly_symmetric(num_frames, num_samples):
    sampled = uniform_indices(num_frames, num_samples)
    before, after = sampled[0], num_frames - 1 - sampled[-1]
    assert abs(before - after) <= 1


def test_time_follows_unequal_delays():
    # 0-100 ms, 100-200 ms, 200-1000 ms; span centres at 125, 375, 625, 875 ms.
    assert time_indices([100, 100, 800], 4) == [1, 2, 2, 2]


def test_time_picks_a_frame_that_stays_more_than_once():
    assert time_indices([10, 990], 5) == [1, 1, 1, 1, 1]
    assert time_indices([70], 3) == [0, 0, 0]


def test_time_skips_what_is_gone_in_no_time():
    assert time_indices([0, 50, 0, 50, 0], 4) == [1, 1, 3, 3]


def test_at_the_moment_of_change_the_next_frame_is_on_screen():
    # One span over 100 + 100 ms: its centre is the very moment the second frame appears.
    assert time_indices([100, 100], 1) == [1]


def test_without_any_duration_frames_count_as_equally_long():
    assert time_indices([0, 0, 0, 0], 4) == [0, 1, 2, 3]
    assert time_indices([0] * 32, 16) == time_indices([10] * 32, 16)


def test_time_of_no_frames_is_none():
    assert time_indices([], 16) == []


@given(
    num_frames=st.integers(1, 400), num_samples=num_samples_strategy, delay_ms=st.integers(1, 999)
)
def test_time_of_equal_delays_takes_the_uniform_centres(num_frames, num_samples, delay_ms):
    wanted = [(2 * i + 1) * num_frames // (2 * num_samples) for i in range(num_samples)]
    assert time_indices([delay_ms] * num_frames, num_samples) == wanted


@given(
    durations_ms=st.lists(st.integers(0, 70_000), min_size=1, max_size=60),
    num_samples=num_samples_strategy,
)
def test_time_gives_the_frames_shown_at_the_centres(durations_ms, num_samples):
    sampled = time_indices(durations_ms, num_samples)
    assert len(sampled) == num_samples
    assert sampled == sorted(sampled)
    shown_ms = durations_ms if any(durations_ms) else [1] * len(durations_ms)
    for i, index in enumerate(sampled):  # start <= centre < end, in whole numbers
        centre = (2 * i + 1) * sum(shown_ms)
        assert 2 * num_samples * sum(shown_ms[:index]) <= centre
        assert centre < 2 * num_samples * sum(shown_ms[: index + 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uniform_indices(-1, 16), "num_frames must be 0 or more, not -1"),
        (lambda: uniform_indices(5, 0), "num_samples must be 1 or more, not 0"),
        (lambda: step_indices(-2, 16), "num_frames must be 0 or more, not -2"),
        (lambda: step_indices(5, -1), "num_samples must be 1 or more, not -1"),
        (lambda: time_indices([1], 0), "num_samples must be 1 or more, not 0"),
        (lambda: time_indices([5, -1], 4), "duration cannot be negative"),
    ],
)
def test_impossible_numbers_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [
        ("uniform", [1, 3, 5]),
        ("step", [0, 2, 4]),
        ("time", [0, 0, 1]),
    ],
)
def test_a_sampler_by_name(sampling, wanted):
    assert sampler(sampling, 3)([500, 100, 10, 10, 10, 10]) == wanted


def test_an_unknown_sampler_names_the_known():
    with pytest.raises(ValueError, match="one of uniform, step, time, not 'random'"):
        sampler("random", 3)


def test_a_frame_comes_on_screen_when_those_before_it_are_done():
    assert start_times_ms([100, 0, 250, 70], [0, 1, 2, 3]) == (0, 100, 100, 350)
    assert start_times_ms([100, 0, 250, 70], [3, 0, 0]) == (350, 0, 0)
    assert start_times_ms([], []) == ()


def test_a_frame_that_is_not_there_has_no_time():
    with pytest.raises(IndexError):
        start_times_ms([100, 50], [2])
