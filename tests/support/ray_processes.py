"""Real Ray in tests: hard time limits, and the processes that a run leaves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worlds import Outcome, process_environment

SECONDS = 150
"""The hard limit of a test: a run takes some 15 s."""

GONE_SECONDS = 90
"""How long processes may take to end after the run that started them."""

_SUPPORT_DIR = Path(__file__).parent


def environment(mark: str) -> dict[str, str]:
    """The environment of a run: its processes are found by the mark in it."""
    found = process_environment(GIFDESC_TEST_MARK=mark, RAY_USAGE_STATS_ENABLED="0")
    found.pop("RAY_ADDRESS", None)
    found["PYTHONPATH"] = os.pathsep.join([found["PYTHONPATH"], str(_SUPPORT_DIR)])
    return found


def run_with_ray(*arguments: object, mark: str, cwd: Path | None = None) -> Outcome:
    """`gifdesc` as a process, killed after `SECONDS`."""
    done = subprocess.run(
        [sys.executable, "-m", "gifdesc", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(mark),
        cwd=cwd,
        timeout=SECONDS,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def started(
    *command: object, mark: str, address: str | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process, which is killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(mark) | ({} if address is None else {"RAY_ADDRESS": address}),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def processes_of(mark: str) -> dict[int, str]:
    """The command lines of the processes of a run, by process id."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"GIFDESC_TEST_MARK={mark}".encode() in variables and words:
            found[int(folder.name)] = words
    return found


def wait_until(is_true: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait for a condition, or fail."""
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


def assert_gone(mark: str) -> None:
    """Wait until the processes of a run are gone, or fail with their command lines."""
    end = time.monotonic() + GONE_SECONDS
    while left := processes_of(mark):
        assert time.monotonic() < end, left
        time.sleep(0.2)
