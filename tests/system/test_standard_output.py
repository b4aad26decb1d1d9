import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gifdesc.errors import GifdescError
from gifdesc.system.process import write_standard_output
from worlds import process_environment

FULL = Path("/dev/full")


def test_text_and_bytes_are_written_unchanged(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    write_standard_output("a café\n")
    write_standard_output("no utf-8: \udcff\n")
    write_standard_output(b"\xfe\0")
    assert out.buffer.getvalue() == "a café\n".encode() + b"no utf-8: \xff\n\xfe\0"


def test_characters_outside_the_encoding_are_question_marks(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    write_standard_output("a café\n")
    assert out.buffer.getvalue() == b"a caf?\n"


def test_a_closed_stdout_is_a_one_sentence_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(GifdescError, match="standard output: closed"):
        write_standard_output("a\n")


WRITE = """
from gifdesc.errors import GifdescError
from gifdesc.system.process import write_standard_output
try:
    write_standard_output("a\\n")
except GifdescError as error:
    raise SystemExit(f"said: {error}")
"""


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, a disk that is full")
def test_a_full_disk_is_reported_once():
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", WRITE],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=process_environment(),
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "said: standard output: cannot be written: no space left on device\n"


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("a\tb\n", "a\tb\n"),
        ("red \x1b[31m\r\x07\x9b\n", "red \\x1b[31m\\r\\x07\\x9b\n"),
        ("over \u202eright\n", "over \\u202eright\n"),
        ("caf\udce9.gif\n", "caf\\xe9.gif\n"),
        (b"one.gif\0two\x1b.gif\0", "one.gif\ntwo\\x1b.gif\n"),
        ("\u0928\u094d\u200d \U0001f469\u200d\U0001f4bb \u200f\u05d0 \u3000\n",) * 2,
    ],
)
def test_a_terminal_gets_no_control_codes_and_a_pipe_gets_all(monkeypatch, data, shown):
    for kind, wanted in (
        (Terminal, shown.encode()),
        (io.TextIOWrapper, data if isinstance(data, bytes) else os.fsencode(data)),
    ):
        out = kind(io.BytesIO(), encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", out)
        write_standard_output(data)
        assert out.buffer.getvalue() == wanted


def test_a_styled_table_keeps_its_colours(monkeypatch):
    out = Terminal(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    write_standard_output("\x1b[1mbold\x1b[0m\n", is_styled=True)
    assert out.buffer.getvalue() == b"\x1b[1mbold\x1b[0m\n"
