"""Worker processes: they end with their owner, and an item that kills one fails alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deadly_work import square
from gifdesc.system import workers
from gifdesc.system.workers import WorkerCrashError, Workers
from worlds import process_environment


@pytest.mark.parametrize("num_workers", [0, 2])
def test_results_are_those_of_the_function(num_workers):
    team = Workers(square, num_workers)
    pending = [team.submit(number) for number in range(8)]
    assert [team.result(each) for each in pending[::-1]] == [n * n for n in range(7, -1, -1)]
    team.close()


def test_an_item_that_kills_its_process_fails_alone():
    team = Workers(square, 1)
    pending = [team.submit(number) for number in (1, 13, 2, 13, 3)]
    found = []
    for each in pending:
        try:
            found.append(team.result(each))
        except WorkerCrashError as error:
            found.append(str(error))
    team.close()
    assert found == [1, workers.CRASHED, 4, workers.CRASHED, 9]


def test_an_item_that_hangs_fails_alone_after_a_time(monkeypatch):
    team = Workers(square, 2)
    monkeypatch.setattr(workers, "_MAX_SECONDS", 1.0)
    pending = [team.submit(number) for number in (17, 2, 3, 4)]
    with pytest.raises(WorkerCrashError) as caught:
        team.result(pending[0])
    assert str(caught.value) == workers.HUNG
    monkeypatch.setattr(workers, "_MAX_SECONDS", 60.0)  # new processes start slowly
    assert [team.result(each) for each in pending[1:]] == [4, 9, 16]
    team.close()


def test_workers_that_hang_end_with_their_owner():
    team = Workers(square, 1)
    team.submit(17)
    team.close()
    assert not workers.active_children()


_OWNER = """
import sys
from gifdesc.system.workers import Workers
from deadly_work import square
if __name__ == "__main__":
    Workers(square, 1)
"""

_SLOW_TORCH = """
import os, pathlib, time
pathlib.Path(os.environ["STARTED"]).write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX processes")
def test_a_worker_whose_parent_dies_while_it_imports_pytorch_ends_at_once(tmp_path):
    script, started = tmp_path / "owner.py", tmp_path / "started"
    script.write_text(_OWNER)
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "torch.py").write_text(_SLOW_TORCH)
    environment = process_environment(STARTED=str(started))
    support = Path(__file__).parents[1] / "support"
    environment["PYTHONPATH"] = (
        f"{modules}{os.pathsep}{support}{os.pathsep}" + (environment["PYTHONPATH"])
    )
    owner = subprocess.Popen([sys.executable, script], env=environment)
    while not (started.is_file() and started.read_text()):
        assert owner.poll() is None
        time.sleep(0.01)
    worker = int(started.read_text())
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 30
    while is_running(worker):
        assert time.monotonic() < deadline, "the worker outlives its parent"
        time.sleep(0.01)


def is_running(pid):
    """Whether a process runs; a zombie, which nobody has waited for, does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_the_message_names_no_option_if_no_process_starts(monkeypatch):
    def start(*_):
        raise OSError

    team = Workers(square, 1)
    pending = team.submit(13)
    monkeypatch.setattr(workers, "_processes", start)
    with pytest.raises(WorkerCrashError) as caught:
        team.result(pending)
    team.close()
    wanted = f"{workers.CRASHED}, and no other starts; free memory and try again"
    assert str(caught.value) == wanted


def test_one_thread_submits_while_another_waits():
    team = Workers(square, 1)
    pending = [team.submit(13)]
    more = threading.Thread(target=lambda: pending.extend(map(team.submit, range(12))))
    more.start()
    with pytest.raises(WorkerCrashError):
        team.result(pending[0])
    more.join()
    assert [team.result(each) for each in pending[1:]] == [n * n for n in range(12)]
    team.close()


def test_a_start_that_is_no_longer_needed_is_given_up():
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(InterruptedError):
        Workers(square, 1, stopped)
    assert not workers.active_children()


def test_zero_workers_are_a_thread_of_this_process():
    executor = workers._executor(0)
    assert isinstance(executor, ThreadPoolExecutor)
    assert executor.submit(os.getpid).result() == os.getpid()
    executor.shutdown()


HOLD_WORKERS = """
import sys
from gifdesc.system import workers
if __name__ == "__main__":
    executor = workers._executor(1)
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_killed_run_leaves_no_worker_process_behind(tmp_path):
    script = tmp_path / "hold.py"
    script.write_text(HOLD_WORKERS)
    pipe = subprocess.PIPE
    environment = process_environment()
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        # A worker has the same pipe for its stdout: it ends when the last one has ended.
        assert process.communicate(timeout=60)[0] == b""


def test_a_worker_process_leaves_an_interrupt_to_its_parent():
    before = signal.getsignal(signal.SIGINT)
    executor = workers._executor(1)
    assert executor.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == before
    executor.shutdown()
