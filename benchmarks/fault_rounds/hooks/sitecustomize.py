"""Faults inside a process that gifdesc cannot see: Python imports this module at its start.

The folder of this module is on PYTHONPATH. The environment chooses the faults; without its
variables, nothing changes:

- FAULTS_FOLDER, FAULTS_STEP: SIGKILL before the file operation of this number below the folder;
  with FAULTS_LOG, a line per operation is appended to that file instead.
- FAULTS_CLOCK: `BACK AFTER`: after so many seconds, the clock goes back by so many seconds.
- FAULTS_HANG, FAULTS_MAX_SECONDS: a worker process that opens a file of this name never continues;
  gifdesc gives a file up after so many seconds, instead of 300.
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CHANGING = {
    "os.chmod": (0,),
    "os.link": (1,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.utime": (0,),
}
"""Audit events of Python, and which of their arguments are the paths that change."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_DESCRIPTORS = ("fsync", "ftruncate", "write")
"""Functions of `os` on an open file, which raise no audit event."""


def install() -> None:
    """Install the faults that the environment chooses."""
    if folder := os.environ.get("FAULTS_FOLDER"):
        step = int(os.environ.get("FAULTS_STEP", "-1"))
        _watch_files(os.path.realpath(folder), step, os.environ.get("FAULTS_LOG"))
    if clock := os.environ.get("FAULTS_CLOCK"):
        back, after = map(float, clock.split())
        _set_clock_back(back, after)
    if name := os.environ.get("FAULTS_HANG"):
        _hang_at(name, float(os.environ["FAULTS_MAX_SECONDS"]))


def _watch_files(folder: str, step: int, log: str | None) -> None:
    """Count the file operations below a folder; end this process before one, or log them."""
    numbers = itertools.count()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log_file = os.open(log, flags) if log else None
    write = os.write

    def note(event: str, *paths: object) -> None:
        names = [os.path.realpath(path) for path in paths if isinstance(path, (str, os.PathLike))]
        inside = [name for name in names if str(name).startswith(folder)]
        if not inside:
            return
        if next(numbers) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        if log_file is not None:
            write(log_file, f"{event} {inside[-1]}\n".encode())

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            note("open", arguments[0])
        elif event in _CHANGING:
            note(event, *(arguments[index] for index in _CHANGING[event]))

    sys.addaudithook(audit)
    for name in _DESCRIPTORS:
        _call_first(name, lambda event, descriptor: note(event, _path_of(descriptor)))


def _call_first(name: str, before: Callable[[str, int], None]) -> None:
    """Let a function of `os` call another first."""
    function = getattr(os, name)

    @functools.wraps(function)
    def wrapped(descriptor: int, *arguments: Any) -> Any:
        before(f"os.{name}", descriptor)
        return function(descriptor, *arguments)

    setattr(os, name, wrapped)


def _path_of(descriptor: int) -> str | None:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return None


def _set_clock_back(back: float, after: float) -> None:
    """Set the clock of this process back after some seconds; new files get its time, too."""
    began = time.monotonic()
    now, now_ns, rename = time.time, time.time_ns, os.replace

    def is_back() -> bool:
        return time.monotonic() - began > after

    def replace(source: Any, target: Any) -> None:
        rename(source, target)
        if is_back():
            status = Path(target).stat()
            os.utime(target, (status.st_atime - back, status.st_mtime - back))

    time.time = lambda: now() - back * is_back()
    time.time_ns = lambda: now_ns() - int(1e9 * back) * is_back()
    os.replace = os.rename = replace  # type: ignore[assignment]


def _hang_at(name: str, max_seconds: float) -> None:
    """Never continue in a worker process that opens a file; shorten the time limit of gifdesc."""
    from multiprocessing import parent_process

    if parent_process() is None:
        from gifdesc.system import workers

        workers._MAX_SECONDS = max_seconds

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(name) and parent_process() is not None:
            time.sleep(3600)

    sys.addaudithook(audit)


install()
