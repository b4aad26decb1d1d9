import io
import subprocess
import sys
from pathlib import Path

import pytest

from builders import process_environment
from gifdesc.errors import GifdescError
from gifdesc.standard_output import write_standard_output

FULL = Path("/dev/full")


def test_text_and_bytes_come_out_as_they_are(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    write_standard_output("a café\n")
    write_standard_output("no utf-8: \udcff\n")
    write_standard_output(b"\xfe\0")
    assert out.buffer.getvalue() == "a café\n".encode() + b"no utf-8: \xff\n\xfe\0"


def test_what_the_encoding_lacks_is_a_question_mark(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    write_standard_output("a café\n")
    assert out.buffer.getvalue() == b"a caf?\n"


def test_a_closed_stdout_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(GifdescError, match="standard output: closed"):
        write_standard_output("a\n")


WRITE = """
from gifdesc.errors import GifdescError
from gifdesc.standard_output import write_standard_output
try:
    write_standard_output("a\\n")
except GifdescError as error:
    raise SystemExit(f"said: {error}")
"""


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, a disk that is full")
def test_a_full_disk_is_said_once_and_not_again_when_python_exits():
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
