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
    names = list(faults.ROUNDS)
    random.Random(seed).shuffle(names)
    results = faults.Results()
    with faults.prepared(tmp_path) as world:
        rounds = faults.in_turns(names, 1, start=seed)
        until = time.monotonic() + _SECONDS
        faults.run_rounds(world, seed, rounds, results, until=until)
    assert results.failed == [], f"the seed is {seed}"
    assert results.passed.total() > 0
