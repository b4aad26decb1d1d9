"""Slots of shared memory: what a process puts in comes out, and nothing is left behind."""

import shutil
import subprocess
import sys
from collections import namedtuple
from multiprocessing import get_context
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import pytest

from gifdesc.system import shared_memory
from gifdesc.system.shared_memory import SharedSlots, open_slots, put
from worlds import process_environment


def test_an_array_of_another_process_comes_out_as_it_was_put_in():
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    slots = SharedSlots(3, 64)
    taken = [slots.take() for _ in range(4)]
    assert sorted(taken[:3]) == [0, 1, 2]
    assert taken[3] is None
    process = get_context("spawn").Process(target=put, args=(slots.name, 1, 64, array))
    process.start()
    process.join()
    np.testing.assert_array_equal(slots.get(1, (3, 4, 5)), array)
    assert not slots.get(0, (64,)).any()
    assert not slots.get(2, (64,)).any()
    slots.free(1)
    assert slots.take() == 1
    slots.close()


def test_a_copy_stays_as_it_was():
    slots = SharedSlots(1, 4)
    put(slots.name, 0, 4, np.ones(4, np.uint8))
    copy = slots.get(0, (4,))
    put(slots.name, 0, 4, np.zeros(4, np.uint8))
    slots.close()
    assert copy.tolist() == [1, 1, 1, 1]


def test_closed_memory_is_gone():
    slots = SharedSlots(1, 4)
    slots.close()
    with pytest.raises(FileNotFoundError):
        SharedMemory(slots.name)


@pytest.mark.parametrize(("free", "num_slots"), [(2000, 8), (1000, 5), (199, None)])
def test_at_most_half_of_the_free_memory_is_used(monkeypatch, tmp_path, free, num_slots):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(5000, 0, free))
    monkeypatch.setattr(shared_memory, "_SHARED_FOLDER", tmp_path)
    slots = open_slots(8, 100)
    if num_slots is None:
        assert slots is None
        return
    assert [slots.take() is not None for _ in range(9)] == [n < num_slots for n in range(9)]
    slots.close()


def test_a_system_without_shared_memory_is_no_error(monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(shared_memory, "SharedMemory", refuse)
    assert open_slots(2, 10) is None


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare (util-linux)")
def test_memory_that_another_program_fills_meanwhile_is_no_bus_error():
    script = """
import shutil
from collections import namedtuple
from gifdesc.system.shared_memory import open_slots
shutil.disk_usage = lambda _: namedtuple("usage", "free")(1 << 30)  # as before it was filled
assert open_slots(4, 1 << 20) is None
"""
    mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm || exit 99"
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", f'{mount}; exec "$0" -c "$1"', sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        env=process_environment(),
    )
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip("no file system can be mounted here")
    assert (done.returncode, done.stderr) == (0, "")
