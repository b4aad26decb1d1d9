"""The processor cores that this process may use, and how its threads wait for each other."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_PROCESS_CGROUP = Path("/proc/self/cgroup")
_CGROUP_ROOT = Path("/sys/fs/cgroup")

_SPIN_COUNT = 1000
"""Turns of the loop in which a waiting thread of OpenMP keeps its core; libgomp's own number for
more threads than cores, where its usual number is 300,000 (GCC's libgomp manual, GOMP_SPINCOUNT).
benchmarks/busy.py measures both."""


def available_cores() -> int:
    """The cores that the operating system lets this process use, 1 or more.

    The lowest of the CPU affinity of the process and the quotas of its control groups (cgroup v2,
    `cpu.max`; v1, `cpu.cfs_quota_us`), which containers set. A quota of 1.5 cores counts as 2.
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        num_cores = len(os.sched_getaffinity(0))
    else:
        num_cores = os.cpu_count() or 1
    return max(1, min([num_cores, *map(math.ceil, _quotas())]))


def limit_spinning() -> None:
    """Let PyTorch's waiting threads give their cores to other programs after a short time.

    PyTorch's wheels contain libgomp, whose threads keep their cores while they wait: beside another
    busy program, training then takes many times as long. libgomp reads the variable when PyTorch is
    loaded. A user who has set how threads wait keeps that setting.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(_SPIN_COUNT))


def _quotas() -> Iterator[float]:
    """The quotas, in cores, of the control groups of this process and of their parents."""
    groups = {"": "/"}  # controllers -> group; version 2 has a single unnamed entry
    with suppress(OSError, ValueError):
        for line in _PROCESS_CGROUP.read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            groups[controllers] = group
    for controllers, group in groups.items():
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounted = _CGROUP_ROOT / controllers
        path = PurePosixPath(group.lstrip("/"))
        for folder in (path, *path.parents):
            with suppress(OSError, ValueError, ZeroDivisionError):
                if (quota := _quota_of(mounted / folder)) > 0:
                    yield quota


def _quota_of(folder: Path) -> float:
    """The quota of a control group in cores, 0 if it has none.

    Raises:
        OSError, ValueError, ZeroDivisionError: the file is missing or invalid.
    """
    version_2 = folder / "cpu.max"
    if version_2.exists():
        quota, period = version_2.read_text(encoding="ascii").split()
        return 0.0 if quota == "max" else int(quota) / int(period)
    quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
    period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
    return max(0.0, int(quota) / int(period))
