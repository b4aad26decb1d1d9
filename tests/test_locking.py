"""One run at a time in a folder."""

import os
import signal
import subprocess
import sys

import pytest

from builders import process_environment
from gifdesc.errors import FeatureError
from gifdesc.locking import locked

HOLD = """
import sys
from pathlib import Path
from gifdesc.locking import locked
with locked(Path(sys.argv[1])):
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
        pytest.raises(FeatureError, match="another gifdesc extract is writing here"),
        locked(features_dir),
    ):
        pytest.fail("both write")
    holder.communicate()
    with locked(features_dir):
        assert features_dir.is_dir()


def test_a_killed_process_leaves_no_lock(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path / "features"):
        pass


def test_what_goes_wrong_within_lets_the_folder_go(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        pass
