"""SIGINT and SIGTERM end every command with one sentence, from the first moment to the last."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from training_configs import ALL, SMALL
from worlds import heed_interrupts, process_environment

BOTH = [signal.SIGINT, signal.SIGTERM]
SENTENCES = {signal.SIGINT: "interrupted", signal.SIGTERM: "stopped by SIGTERM"}


def start(*command):
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=process_environment(),
        preexec_fn=heed_interrupts,
    )


def wait_until_caught(process):
    """Wait until the process has installed its handler for SIGTERM (proc(5))."""
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        (caught,) = (line for line in status.splitlines() if line.startswith("SigCgt:"))
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs the signals that /proc shows"
)


@needs_proc
@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("options", [["extract", "."], ["info", "--json", "."]])
def test_a_signal_in_the_first_moment_is_one_sentence(number, options):
    process = start("-m", "gifdesc", *options)
    wait_until_caught(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    sentence = SENTENCES[number]
    assert (process.returncode, err) == (128 + number, f"warning: {sentence}\n")
    assert out == (json.dumps({"error": sentence}) + "\n" if "--json" in options else "")


def run_patched(patch, *arguments):
    """Run the command line as `__main__` does, after some lines that change its code."""
    script = f"""
from gifdesc.system.signals import catch_signals
catch_signals()
import gc, os, signal, sys, time
{patch}
sys.argv[1:] = {[str(argument) for argument in arguments]}
from gifdesc.cli import main
main()
"""
    process = start("-c", script)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


SWALLOWED = """
def swallow(*_):
    try:
        os.kill(os.getpid(), signal.{name})
        time.sleep(600)
    except BaseException:
        time.sleep(600)
import gifdesc.info.recognition
gifdesc.info.recognition.facts_of = swallow
"""

DROPPED = """
class Cell:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        for _ in range(1000): pass
def drop(*_):
    Cell()
    time.sleep(600)
import gifdesc.info.recognition
gifdesc.info.recognition.facts_of = drop
"""

TURNED = """
def turn(*_):
    try:
        os.kill(os.getpid(), signal.{name})
        time.sleep(600)
    except KeyboardInterrupt:
        raise RecursionError from None
import gifdesc.info.recognition
gifdesc.info.recognition.facts_of = turn
"""


IMPORTED = """
def load(*_):
    import interrupted_module
    time.sleep(600)
import gifdesc.info.recognition
gifdesc.info.recognition.facts_of = load
"""


@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("seconds", [0.1, 600])
def test_a_signal_raises_nothing_inside_an_import(number, seconds, model_dir, tmp_path):
    """An exception inside an import of PyTorch's C++ code would abort the process."""
    limit = "import gifdesc.system.signals as s\ns._IMPORT_SECONDS = 60\n" if seconds < 1 else ""
    done = tmp_path / "done"
    (tmp_path / "interrupted_module.py").write_text(
        "import os, pathlib, time\n"
        "try:\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        f"    time.sleep({seconds})\n"
        f"    pathlib.Path({str(done)!r}).touch()\n"
        "except BaseException as error:\n"
        "    print('inside the import:', repr(error))\n"
    )
    patch = f"sys.path.append({str(tmp_path)!r})\n{limit}{IMPORTED}"
    code, out, err = run_patched(patch, "info", model_dir)
    assert (code, out, err) == (128 + number, "", f"warning: {SENTENCES[number]}\n")
    assert done.exists() == (seconds < 1)


HELD = """
def hold(*_):
    import interrupted_module
    with gifdesc.system.signals.holding_signals() as stop:
        print("held", flush=True)
        time.sleep(600)
import gifdesc.info.recognition, gifdesc.system.signals
gifdesc.system.signals._RAISE_AGAIN_SECONDS = 60
gifdesc.info.recognition.facts_of = hold
"""


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_inside_an_import_does_not_count_twice(number, model_dir, tmp_path):
    """Its owner would take the signal that is sent again for a second one."""
    (tmp_path / "interrupted_module.py").write_text(f"import os; os.kill(os.getpid(), {number:d})")
    patch = f"sys.path.append({str(tmp_path)!r})\n{HELD}"
    code, out, err = run_patched(patch, "info", model_dir)
    assert (code, out, err) == (128 + number, "", f"warning: {SENTENCES[number]}\n")


@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize("patch", [SWALLOWED, DROPPED, TURNED])
def test_a_signal_that_a_library_drops_ends_the_command(number, patch, model_dir):
    patch = patch.replace("{name}", number.name)
    code, out, err = run_patched(patch, "info", model_dir, "--json")
    sentence = SENTENCES[number]
    assert (code, err) == (128 + number, f"warning: {sentence}\n")
    assert json.loads(out) == {"error": sentence}


@pytest.mark.parametrize("number", BOTH)
@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("gifdesc.training.run.feature_statistics", None),
        (
            "gifdesc.training.run.TrainingRun._complete",
            "stopped: all epochs are done; complete the model with the same command and --resume",
        ),
    ],
)
def test_training_ends_while_it_prepares_and_after_its_last_epoch(
    world, tmp_path, number, where, sentence
):
    module = where.partition("run.")[0]
    patch = f"""
def stop(*_):
    os.kill(os.getpid(), signal.{number.name})
    time.sleep(600)
import {module}run
{where} = stop
"""
    options = [*world.options, "--model", tmp_path / "model", *SMALL, *ALL]
    code, out, err = run_patched(patch, "train", *options, "--json")
    sentence = sentence or SENTENCES[number]
    assert code == 128 + number, err
    assert err.endswith(f"warning: {sentence}\n")
    assert "Traceback" not in err
    assert json.loads(out) == {"error": sentence}
    resumed = run_patched("", "train", *options, "--resume")
    assert resumed[0] == 0, resumed[2]
    assert (tmp_path / "model" / "training.png").is_file()
