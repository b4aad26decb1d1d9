"""A minute of faults at random moments; benchmarks/faults.py has them all, and for longer."""

import random
import sys
import time

import pytest

import faults

_SECONDS = 10.0
"""No round begins later than this after the first; the preparation takes as long again."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the harness reads /proc")


def test_nothing_is_lost_at_random_moments(tmp_path):
    seed = random.SystemRandom().randrange(10**6)
    world = faults.prepare(tmp_path, num_gifs=8)
    names = list(faults.ROUNDS)
    random.Random(seed).shuffle(names)
    until = time.monotonic() + _SECONDS
    passed, failed = faults.run_rounds(world, seed, names=tuple(names), until=until, num_rounds=1)
    assert failed == [], f"repeat by `python benchmarks/faults.py --seed {seed}`"
    assert passed.total() > 0
