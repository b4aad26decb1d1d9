"""One run at a time in a folder."""

import errno
import os
import shutil
import signal
import subprocess
import sys

import pytest

from gifdesc.errors import FeatureError
from gifdesc.system.locking import locked, try_lock
from worlds import process_environment

BUSY = FeatureError("busy")

HOLD = """
import sys
from pathlib import Path
from gifdesc.errors import FeatureError
from gifdesc.system.locking import locked
with locked(Path(sys.argv[1]), FeatureError("busy")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that has the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "features")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=process_environment(),
    )
    with process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_another_process_keeps_a_run_out_until_it_ends(tmp_path, holder):
    features_dir = tmp_path / "features"
    with (
        pytest.raises(FeatureError, match="busy"),
        locked(features_dir, BUSY),
    ):
        pytest.fail("both write")
    holder.communicate()
    with locked(features_dir, BUSY):
        assert features_dir.is_dir()


def test_a_killed_process_leaves_no_lock(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path / "features", BUSY):
        pass


def test_an_error_releases_the_lock(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path, BUSY):
        raise KeyError
    with locked(tmp_path, BUSY):
        pass


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError()]
)
def test_work_is_done_without_locks(tmp_path, monkeypatch, caplog, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with locked(tmp_path, BUSY):
        assert "has no locks" in caplog.text


def test_a_lock_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(OSError, match="No space"), locked(tmp_path, BUSY):
        pytest.fail("the lock was not to be had")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fcntl")
def test_an_open_file_is_locked_until_it_is_closed(tmp_path):
    path = tmp_path / "captions.txt"
    with path.open("ab", buffering=0) as first, path.open("ab", buffering=0) as second:
        assert try_lock(first)
        assert not try_lock(second)
        first.close()
        assert try_lock(second)


def test_a_file_is_used_unlocked_where_nothing_can_be_locked(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with (tmp_path / "captions.txt").open("ab", buffering=0) as file:
        assert try_lock(file)


def run_in(folder, during):
    """A run in whose middle something happens to its folder."""
    with locked(folder, BUSY):
        during(folder)


def come_back(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def come_back_with_another_run(folder):
    shutil.rmtree(folder)
    with locked(folder, BUSY):
        pass


def fail_to_write(folder):
    shutil.rmtree(folder)
    (folder / "file").write_text("late")


@pytest.mark.skipif(os.name == "nt", reason="Windows removes no folder whose files are open")
@pytest.mark.parametrize(
    "during", [shutil.rmtree, come_back, come_back_with_another_run, fail_to_write]
)
def test_a_folder_that_is_removed_during_a_run_is_an_error_of_the_run(tmp_path, during):
    with pytest.raises(FeatureError, match=r"features: was removed .* run the command again"):
        run_in(tmp_path / "features", during)


def test_a_lock_that_is_removed_alone_is_no_error(tmp_path):
    run_in(tmp_path / "features", lambda folder: (folder / ".lock").unlink())


def test_a_run_that_fails_keeps_its_own_error(tmp_path):
    def fail(folder):
        shutil.rmtree(folder)
        raise ValueError("of the run")

    with pytest.raises(ValueError, match="of the run"):
        run_in(tmp_path / "features", fail)


def test_a_run_whose_folder_cannot_be_written_keeps_its_own_error(tmp_path):
    def fail(_folder):
        raise OSError(errno.ENOSPC, "disk full")

    with pytest.raises(OSError, match="disk full"):
        run_in(tmp_path / "features", fail)
