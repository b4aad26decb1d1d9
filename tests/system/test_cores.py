"""Cores that a process may use: affinity and the quotas of control groups."""

import os
import subprocess
import sys

import pytest

from gifdesc.system import cores
from gifdesc.system.cores import available_cores, limit_spinning


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 8 cores with its control groups' files under a folder."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cores, "_CGROUP_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "_PROCESS_CGROUP", tmp_path / "self")

    def write(process="", **files):
        (tmp_path / "self").write_text(process)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name.replace("__", "/").replace("max", "cpu.max")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("max 100000\n", 8), ("200000 100000\n", 2), ("150000 100000\n", 2), ("10000 100000\n", 1)],
)
def test_the_quota_of_a_container_counts(machine, text, wanted):
    machine("0::/\n", max=text)
    assert available_cores() == wanted


def test_the_lowest_quota_of_the_parent_groups_counts(machine):
    machine("0::/a/b\n", max="800000 100000", a__max="300000 100000", a__b__max="max 100000")
    assert available_cores() == 3


def test_version_1(machine, tmp_path):
    machine("4:cpu,cpuacct:/box\n3:memory:/box\n")
    folder = tmp_path / "cgroup" / "cpu,cpuacct" / "box"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    (folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert available_cores() == 8
    (folder / "cpu.cfs_quota_us").write_text("250000\n")
    assert available_cores() == 3


def test_without_control_groups_the_affinity_counts(machine, monkeypatch):
    machine("what is this\n", max="nonsense")
    assert available_cores() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert available_cores() == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_threads_spin_a_short_time_unless_the_user_says_how_they_wait(monkeypatch, given, wanted):
    monkeypatch.setattr(os, "environ", dict(given))
    limit_spinning()
    assert os.environ == wanted


def test_the_program_limits_spinning_before_pytorch_is_loaded():
    code = (
        "import os, sys\n"
        "from gifdesc.system import cores\n"
        "def limit_spinning(): print('torch' in sys.modules)\n"
        "cores.limit_spinning = limit_spinning\n"
        "sys.argv = ['gifdesc', '--version']\n"
        "from gifdesc.__main__ import main\n"
        "main()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split()[0] == "False"
