"""Processes of gifdesc: started by Python as a user does, or forked from one that is warm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

Ended = subprocess.CompletedProcess[str]

_HOOKS = Path(__file__).parent / "hooks"
_SERVER = Path(__file__).parent / "fork_server.py"

_POLL_SECONDS = 0.005


class Process(Protocol):
    """What rounds need of a process; `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, None while the process runs."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""

    def communicate(self, *, timeout: float) -> tuple[str, str]:
        """Wait for the end; the text of stdout and stderr."""


def environment(**changes: str) -> dict[str, str]:
    """This process's environment; the hooks and this checkout's gifdesc come first."""
    import gifdesc

    paths = [_HOOKS, Path(gifdesc.__file__).parents[1], os.environ.get("PYTHONPATH")]
    python_path = os.pathsep.join(str(path) for path in paths if path)
    return {**os.environ, "PYTHONPATH": python_path, **changes}


def start_cold(arguments: list[str], **options: object) -> subprocess.Popen[str]:
    """Start `python -m gifdesc` in a group of its own; options as those of Popen."""
    return start_words([sys.executable, "-m", "gifdesc", *arguments], **options)


def start_words(words: list[str], **options: object) -> subprocess.Popen[str]:
    """Start any program in a group of its own; options as those of Popen."""
    given: dict[str, object] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "stdin": subprocess.DEVNULL,
        "text": True,
        "start_new_session": True,
        "preexec_fn": _hear_interrupts,
        "env": environment(),
    }
    return subprocess.Popen(words, **{**given, **options})  # type: ignore[call-overload, no-any-return]


def _hear_interrupts() -> None:
    """A shell's background process ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Forked:
    """A process that the server has forked; see `Process`."""

    def __init__(self, server: ForkServer, pid: int, streams: tuple[Path, Path]) -> None:
        self.pid = pid
        self._server = server
        self._streams = streams
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, None while the process runs."""
        if self._code is None:
            self._code = self._server.ask({"poll": self.pid})["code"]
        return self._code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def communicate(self, *, timeout: float) -> tuple[str, str]:
        """Wait for the end; the text of stdout and stderr.

        Raises:
            subprocess.TimeoutExpired: it did not end; it is killed.
        """
        due = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > due:
                os.killpg(self.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired("gifdesc", timeout)
            time.sleep(_POLL_SECONDS)
        out, err = (path.read_text(errors="replace") for path in self._streams)
        for path in self._streams:
            path.unlink()
        return out, err


class ForkServer:
    """A running `fork_server.py`.

    Args:
        folder: for the streams of the processes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(_SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_hear_interrupts,
            env=environment(OPENBLAS_NUM_THREADS="1"),  # numpy must not start threads
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def ask(self, request: dict[str, object]) -> dict[str, int]:
        """The answer to a request."""
        self._requests.write(json.dumps(request) + "\n")
        self._requests.flush()
        answer: dict[str, int] = json.loads(self._answers.readline())
        return answer

    def start(self, arguments: list[str], *, script: str = "", **changes: str) -> Forked:
        """Start gifdesc, or a script, with changes to its environment."""
        streams = self._new_file(), self._new_file()
        out, err = map(str, streams)
        request = {"start": arguments, "script": script, "environment": changes}
        return Forked(self, self.ask({**request, "out": out, "err": err})["pid"], streams)

    def _new_file(self) -> Path:
        descriptor, name = tempfile.mkstemp(dir=self._folder)
        os.close(descriptor)
        return Path(name)

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_error: object) -> None:
        """End the server; its processes have ended."""
        self._requests.close()
        self._process.wait()
        self._answers.close()


def group_of(leader: int) -> list[int]:
    """The processes of a group that run; zombies do not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[2]) == leader:
            found.append(int(path.parent.name))
    return found


def wait_until_caught(process: Process) -> None:
    """Wait for the first moment of gifdesc's own code: it catches SIGTERM (proc(5))."""
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            return
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return
