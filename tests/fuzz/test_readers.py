"""Readers of files that strangers make: changed bytes give an answer, within seconds.

The full form with coverage is `benchmarks/fuzz.py`.
"""

import importlib.util
import random
import re
import subprocess
import sys

import pytest

import fuzz
from fuzz import READERS
from worlds import process_environment


@pytest.mark.parametrize("name", READERS)
def test_changed_files_give_an_answer(name):
    assert fuzz.run_plain(name, num_inputs=150, seed=17) == 150


def test_gifs_are_changed_by_their_structure():
    data = fuzz.seeds_of("gif")[2]
    chance = random.Random(1)
    changed = {fuzz.mutate_gif(data, chance) for _ in range(100)}
    assert len(changed) > 90
    assert sum(one.startswith(b"GIF89a") for one in changed) > 90


@pytest.mark.parametrize("name", READERS)
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: pip install '.[dev]' brings it on Linux",
)
def test_inputs_by_coverage_give_an_answer(name, tmp_path):
    done = subprocess.run(
        [sys.executable, fuzz.__file__, name, "--seconds", "15", "--seed", "17"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=process_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stdout
    inputs = int(re.search(r": (\d+) inputs in ", done.stdout)[1])
    assert inputs > 100, done.stdout
