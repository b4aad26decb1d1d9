"""Errors of the command line: their text, stream and exit code."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer

from gif_files import draw_gif
from gifdesc.cli.console import exit_on_error, info, mute, print_json, print_line, warn
from gifdesc.errors import GifdescError, UsageError
from worlds import process_environment, run_here, run_process


@pytest.fixture
def deaf_stderr(monkeypatch):
    """A stderr whose reader has closed it, as after `2> >(head -1)`."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        yield stream


@pytest.mark.usefixtures("deaf_stderr")
def test_work_continues_when_stderr_is_closed():
    done = []
    with exit_on_error(debug=False):
        for index in range(3):
            warn(f"file {index}")
            info("a line")
            done.append(index)
    assert done == [0, 1, 2]


@pytest.mark.usefixtures("deaf_stderr")
def test_an_error_has_its_exit_code_when_stderr_is_closed():
    with pytest.raises(typer.Exit) as caught, exit_on_error(debug=False):
        raise GifdescError("x: gone")
    assert caught.value.exit_code == 1


def test_work_continues_when_the_disk_of_the_log_is_full(monkeypatch):
    attempts = []

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            attempts.append(text)
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    info("a line")
    assert attempts


def test_work_continues_without_stderr(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)  # as Python has it after `2>&-`
    info("a line")
    print_line("a result")
    assert capsys.readouterr().out == "a result\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (GifdescError("a.gif: not a GIF"), 1, "a.gif: not a GIF"),
        (UsageError("--device tpu: not a device"), 2, "--device tpu: not a device"),
        (PermissionError(13, "Permission denied", "x"), 1, "[Errno 13] Permission denied: 'x'"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_json_prints_an_error_object(capsys, error, code, said):
    with pytest.raises(typer.Exit) as caught, exit_on_error(debug=False, json=True):
        raise error
    assert caught.value.exit_code == code
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": said}
    assert said in err


def test_json_prints_an_error_object_for_a_bad_option(capsys):
    with pytest.raises(typer.BadParameter), exit_on_error(debug=False, json=True):
        raise typer.BadParameter("x: no such preset; choose a, b")
    assert json.loads(capsys.readouterr().out) == {"error": "x: no such preset; choose a, b"}


def test_without_json_stdout_stays_empty(capsys):
    with pytest.raises(typer.Exit), exit_on_error(debug=False):
        raise GifdescError("a.gif: not a GIF")
    assert capsys.readouterr().out == ""


def test_json_without_stdout_is_a_one_sentence_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)  # as Python has it after `>&-`
    with pytest.raises(typer.Exit) as caught, exit_on_error(debug=False, json=True):
        print_json({"ok": 1})
    assert caught.value.exit_code == 1
    said = "error: standard output: closed, so the result cannot be written\n"
    assert capsys.readouterr().err == said


def test_a_line_without_stdout_is_a_one_sentence_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(typer.Exit) as caught, exit_on_error(debug=False):
        print_line("a caption")
    assert caught.value.exit_code == 1
    assert capsys.readouterr().err.startswith("error: standard output: closed")


def test_a_defect_is_a_one_sentence_error_without_traceback(capsys):
    with pytest.raises(typer.Exit) as caught, exit_on_error(debug=False, json=True):
        raise AttributeError("no\nsuch thing")
    out, err = capsys.readouterr()
    assert caught.value.exit_code == 1
    said = "AttributeError: no such thing (this is a defect of gifdesc; --debug shows where)"
    assert err == f"error: {said}\n"
    assert json.loads(out) == {"error": said}


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (MemoryError(), "out of memory: end other programs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), "out of memory: "),
        (
            ImportError("libtorch_cpu.so: failed to map segment from shared object"),
            "out of memory: ",
        ),
        (torch.OutOfMemoryError("CUDA out of memory."), "the GPU is out of memory: "),
        (SystemError("error return without exception set"), "out of memory: "),
        (SystemError("<f> returned NULL without setting an exception"), "out of memory: "),
        (RuntimeError("can't start new thread"), "no further thread can start: end other"),
    ],
)
def test_out_of_memory_is_a_one_sentence_error_with_a_remedy(capsys, error, start):
    with pytest.raises(typer.Exit) as caught, exit_on_error(debug=False):
        raise error
    assert caught.value.exit_code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {start}")


@pytest.mark.parametrize("end", [typer.Exit(3), typer.Abort()])
def test_a_deliberate_exit_is_not_an_error(capsys, end):
    with pytest.raises(type(end)) as caught, exit_on_error(debug=True, json=True):
        raise end
    assert caught.value is end
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError("--device tpu: not a device"), 2), (GifdescError("x: gone"), 1), (KeyError(), 1)],
)
def test_debug_prints_the_traceback_with_the_same_exit_code(capsys, error, code):
    with pytest.raises(typer.Exit) as caught, exit_on_error(debug=True):
        raise error
    assert caught.value.exit_code == code
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("Traceback")
    assert last.startswith(f"error: {str(error) or 'KeyError'}")


LOGGED = """
import logging
from gifdesc.cli.console import mute, exit_on_error
long = "memory runs short " * 20
with exit_on_error(debug=False):
    logging.getLogger("gifdesc.training.step").warning("%s [b]%d[/b]", long, 2)
    logging.getLogger("gifdesc.training.step").info("of no concern")
    mute()
    logging.getLogger("gifdesc.training.step").warning("said by another process")
"""


def test_log_messages_are_printed_as_warnings():
    done = subprocess.run(
        [sys.executable, "-c", LOGGED],
        capture_output=True,
        text=True,
        env=process_environment(),
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "warning: " + "memory runs short " * 20 + " [b]2[/b]\n"


def _fail_muted():
    mute()
    raise GifdescError("x.npy: damaged")


def test_a_muted_process_prints_its_error_if_the_main_process_has_not_ended_it(monkeypatch, capsys):
    waited = []

    def sleep(seconds):
        assert capsys.readouterr().err == ""
        waited.append(seconds)

    monkeypatch.setattr("gifdesc.cli.console.time.sleep", sleep)
    with pytest.raises(typer.Exit) as caught, exit_on_error(debug=False):
        _fail_muted()
    assert (caught.value.exit_code, capsys.readouterr().err) == (1, "error: x.npy: damaged\n")
    assert len(waited) == 1


def test_quiet_leaves_errors_and_warnings(tmp_path):
    draw_gif(tmp_path / "a.gif", 2)
    (tmp_path / "b.gif").touch()
    (tmp_path / "c.txt").touch()
    loud = run_here("extract", tmp_path, "--weights", "random", "-o", tmp_path / "f")
    quiet = run_here("extract", tmp_path, "--weights", "random", "-o", tmp_path / "g", "-q")
    assert quiet.code == loud.code == 1
    assert quiet.errors == loud.errors
    assert quiet.warnings == loud.warnings
    rest = set(loud.err.splitlines()) - set(quiet.err.splitlines())
    assert any("1 extracted" in line for line in rest)
    starts = ("error: ", "warning: ")
    assert all(line.startswith(starts) for line in quiet.err.splitlines())


def test_verbose_prints_what_was_chosen(tmp_path):
    draw_gif(tmp_path / "a.gif", 2)
    arguments = ("extract", tmp_path / "a.gif", "--precision", "float32", "-o")
    variables = {"GIFDESC_EXTRACT_WEIGHTS": "random"}
    assert "info: " not in run_process(*arguments, tmp_path / "f", **variables).err
    done = run_process(*arguments, tmp_path / "g", "-v", **variables)
    assert "option: --weights random (from GIFDESC_EXTRACT_WEIGHTS)" in done.err
    assert "info: resnet50: PyTorch on cpu in float32" in done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["--help"], ["info", "--help"], ["--version"]])
def test_help_that_cannot_be_written_is_one_sentence(words):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gifdesc", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=process_environment(),
            check=False,
        )
    wanted = "error: standard output: cannot be written: no space left on device\n"
    assert (done.returncode, done.stderr) == (1, wanted)


def test_a_removed_working_directory_is_one_sentence(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    script = f"import os; os.chdir({str(folder)!r}); os.rmdir({str(folder)!r})\n"
    script += "import sys; sys.argv = ['gifdesc', 'models']; from gifdesc.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=process_environment(),
        check=False,
    )
    wanted = "error: the working directory was removed; change to another\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", wanted)


def test_too_little_memory_for_an_error_in_the_usual_way_is_one_sentence():
    script = """
import gifdesc.cli
def fail():
    raise MemoryError
gifdesc.cli.main = fail
from gifdesc.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=process_environment(),
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: out of memory: ")
    assert done.stderr.count("\n") == 1
