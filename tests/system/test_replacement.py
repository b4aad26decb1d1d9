"""Temporary files of killed processes are removed, those of living processes kept; flushes."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from gifdesc.system import replacement
from gifdesc.system.replacement import (
    TemporaryFolder,
    new_temporary_file,
    remove_leftovers,
    replacing,
    sync_files,
)
from worlds import process_environment

pytest.importorskip("fcntl")

_WRITER = """
import sys, tempfile, time
from pathlib import Path
from gifdesc.system.replacement import TemporaryFolder, replacing
folder = TemporaryFolder()
Path(folder.name, "half").touch()
with replacing(Path(sys.argv[1], "file.txt")) as temporary_path:
    temporary_path.write_text("half")
    print(temporary_path.name, folder.name, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def writer(tmp_path, monkeypatch):
    """A process that writes a file, with its temporary file and folder."""
    (tmp_path / "system").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "system"))
    monkeypatch.setattr(replacement, "_searched", set())
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=process_environment(TMPDIR=str(tmp_path / "system")),
    )
    name, folder = process.stdout.readline().split()
    yield process, tmp_path / name, Path(folder)
    process.kill()
    process.communicate()


@pytest.mark.parametrize("is_killed", [False, True])
def test_only_the_files_of_a_dead_process_are_removed(writer, tmp_path, is_killed):
    process, temporary_path, folder = writer
    if is_killed:
        process.kill()
        process.wait()
    (tmp_path / ".tmp-of-somebody-else").touch()
    with replacing(tmp_path / "other.txt"), TemporaryFolder():
        assert temporary_path.exists() != is_killed
        assert folder.exists() != is_killed
    remove_leftovers(tmp_path)
    assert temporary_path.exists() != is_killed
    assert (tmp_path / ".tmp-of-somebody-else").exists()
    assert (tmp_path / "other.txt").exists()
    left = {path.name for path in (tmp_path / "system").iterdir()}
    kept = folder.name.rpartition("-")[0]
    assert left == (set() if is_killed else {folder.name, f"{kept}.lock"})


def test_a_temporary_folder_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with TemporaryFolder() as name:
        Path(name, "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_locks_removes_the_files_of_its_own_folder_only(tmp_path, monkeypatch):
    monkeypatch.setattr(replacement.importlib, "import_module", _fail_to_import)
    monkeypatch.setattr(replacement, "_searched", set())
    left = new_temporary_file(tmp_path)
    locked = tmp_path / f"{replacement._LOCKED_PREFIX}00"
    locked.touch()
    with replacing(tmp_path / "file.txt"):
        pass
    assert left.exists()
    assert locked.exists()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def _fail_to_import(name):
    raise ImportError(name)


@pytest.fixture
def flushed(monkeypatch):
    """The names of the files that are flushed, and the renames, in their order."""
    events = []
    fsync, rename = os.fsync, Path.replace

    def note(descriptor):
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def note_rename(path, target):
        events.append(f"-> {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "replace", note_rename)
    return events


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


@needs_proc
def test_a_file_is_flushed_before_its_rename_and_its_folder_after(tmp_path, flushed):
    with replacing(tmp_path / "file.txt") as temporary_path:
        temporary_path.write_text("x")
    assert flushed == [temporary_path.name, "-> file.txt", tmp_path.name]


@needs_proc
def test_many_files_are_flushed_together(tmp_path, flushed):
    for name in ("a", "b"):
        with replacing(tmp_path / "many" / name, sync=False) as temporary_path:
            temporary_path.write_text("x")
    flushed.clear()
    sync_files([tmp_path / "many" / "a", tmp_path / "many" / "b", tmp_path / "gone" / "c"])
    assert sorted(flushed[:2]) == ["a", "b"]
    assert flushed[2:] == ["many"]


@pytest.mark.parametrize(("code", "is_error"), [("ENOSYS", False), ("EIO", True)])
def test_a_file_system_may_lack_flushes_but_not_fail_them(tmp_path, monkeypatch, code, is_error):
    import errno

    def fail(_descriptor):
        raise OSError(getattr(errno, code), code)

    monkeypatch.setattr(os, "fsync", fail)
    if is_error:
        with pytest.raises(OSError, match="EIO"), replacing(tmp_path / "a"):
            pass
        assert list(tmp_path.iterdir()) == []
        return
    with replacing(tmp_path / "a"):
        pass
    assert (tmp_path / "a").exists()


def test_a_process_that_is_ended_by_force_removes_its_files(tmp_path):
    script = """
import os, signal, sys, time
from pathlib import Path
from gifdesc.system.signals import catch_signals, raising_signals
from gifdesc.system.replacement import replacing
catch_signals()
with raising_signals(lambda: False):
    with replacing(Path(sys.argv[1], "file.txt")):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(600)
        except BaseException:
            time.sleep(600)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=process_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        128 + signal.SIGTERM,
        "warning: stopped by SIGTERM\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file.txt", "a/b/file.txt"])
def test_folders_are_created_but_not_the_folder_that_must_exist(tmp_path, name):
    folder = tmp_path / "folder"
    with pytest.raises(FileNotFoundError), replacing(folder / name, below=folder):
        pass
    assert not folder.exists()
    folder.mkdir()
    with replacing(folder / name, below=folder) as temporary_path:
        temporary_path.write_text("whole")
    assert (folder / name).read_text() == "whole"
