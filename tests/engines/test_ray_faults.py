"""Real Ray that loses actors, nodes and its driver: each input once, and nothing missing."""

import json
import os
import signal
from pathlib import Path

import pytest

from gifdesc.engines.chunk_run import CRASHED
from ray_processes import (
    SECONDS,
    assert_gone,
    environment,
    processes_of,
    started,
    wait_until,
)
from small_work import seen_by

pytest.importorskip("ray")

pytestmark = pytest.mark.slow

RUN = Path(__file__).parents[1] / "support" / "ray_run.py"
NAMES = [f"{number:02d}" for number in range(40)]


@pytest.fixture
def mark(tmp_path):
    yield str(tmp_path)
    for process_id in processes_of(str(tmp_path)):
        os.kill(process_id, signal.SIGKILL)


def ended(process):
    """The names and errors that a run printed at its end."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def num_seen(folder, names):
    return sum(len(seen_by(folder / "seen", name)) for name in names)


def actors_of(mark):
    return [number for number, words in processes_of(mark).items() if "ray::ChunkActor" in words]


def test_a_killed_actor_costs_no_input(tmp_path, mark):
    with started(RUN, tmp_path, 0.2, *NAMES, mark=mark) as process:
        wait_until(lambda: num_seen(tmp_path, NAMES) > 5)
        os.kill(actors_of(mark)[0], signal.SIGKILL)
        assert ended(process) == [[name, None] for name in NAMES]
    # Rows with a record are not processed again: only the row in work, and those read with it.
    assert num_seen(tmp_path, NAMES) <= len(NAMES) + 2
    assert_gone(mark)


def test_a_gif_that_kills_its_worker_fails_alone(tmp_path, mark):
    names = [*NAMES[:10], "deadly1", *NAMES[10:20], "deadly2", "raising", *NAMES[20:25]]
    with started(RUN, tmp_path, 0, *names, mark=mark) as process:
        found = dict(ended(process))
    assert list(found) == names
    assert found["deadly1"] == found["deadly2"] == CRASHED
    assert found["raising"] == "RuntimeError: an odd file"
    assert all(error is None for name, error in found.items() if name in NAMES)
    assert num_seen(tmp_path, NAMES[:25]) == 25
    assert [len(seen_by(tmp_path / "seen", name)) for name in ("deadly1", "deadly2")] == [3, 3]
    assert_gone(mark)


def test_an_error_of_all_rows_ends_the_run_with_its_sentence(tmp_path, mark):
    with started(RUN, tmp_path, 0, "a", "fatal", mark=mark) as process:
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert err.strip().endswith("GifdescError: the disk is full")
    assert_gone(mark)


def test_a_killed_driver_leaves_no_process_and_its_rerun_completes_the_run(tmp_path, mark):
    with started(RUN, tmp_path, 0.2, *NAMES, mark=mark) as process:
        wait_until(lambda: list((tmp_path / "chunks").glob("*.results")))
        process.kill()
        process.wait()
    assert_gone(mark)
    num_before = num_seen(tmp_path, NAMES)
    with started(RUN, tmp_path, 0, *NAMES, mark=mark) as process:
        assert ended(process) == [[name, None] for name in NAMES]
    assert num_seen(tmp_path, NAMES) < num_before + len(NAMES)
    assert_gone(mark)


@pytest.fixture
def two_nodes(mark, monkeypatch):
    """A cluster of two nodes with a core each."""
    for name, value in environment(mark).items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield cluster, cluster.add_node(num_cpus=1)
    cluster.shutdown()
    assert_gone(mark)


@pytest.mark.filterwarnings("ignore")  # of Ray's own code, which runs in this process here
def test_a_node_that_is_removed_costs_no_input(tmp_path, mark, two_nodes, monkeypatch):
    cluster, second = two_nodes
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    with started(RUN, tmp_path, 0.2, *NAMES, mark=mark, address=cluster.address) as process:
        wait_until(lambda: len(actors_of(mark)) == 2 and num_seen(tmp_path, NAMES) > 5)
        cluster.remove_node(second, allow_graceful=False)
        assert ended(process) == [[name, None] for name in NAMES]
    assert num_seen(tmp_path, NAMES) <= len(NAMES) + 5
