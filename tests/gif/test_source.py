"""A file's bytes, or why they cannot be had."""

import os
from pathlib import Path

import pytest

from gif_bytes import TWO
from gifdesc.errors import GifError
from gifdesc.gif.reader import read_gif


def test_an_empty_file(tmp_path):
    path = tmp_path / "clip.gif"
    path.touch()
    with pytest.raises(GifError, match=r"clip\.gif: an empty file"):
        read_gif(path)
    with pytest.raises(GifError, match=r"clip\.gif: an empty file"):
        read_gif(b"", name="clip.gif")


def test_a_missing_file(tmp_path):
    with pytest.raises(GifError, match=r"gone\.gif: no such file"):
        read_gif(tmp_path / "gone.gif")


def test_a_folder(tmp_path):
    with pytest.raises(GifError, match="a folder, not a GIF"):
        read_gif(str(tmp_path))


def test_a_pipe(tmp_path):
    path = tmp_path / "pipe.gif"
    os.mkfifo(path)
    with pytest.raises(GifError, match="not a regular file"):
        read_gif(path)


def test_impossible_names():
    for name in ("a\0b.gif", "x" * 5000 + ".gif"):
        with pytest.raises(GifError, match="cannot be read"):
            read_gif(name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file(tmp_path):
    path = tmp_path / "clip.gif"
    path.write_bytes(TWO)
    path.chmod(0)
    with pytest.raises(GifError, match=r"clip\.gif: permission denied"):
        read_gif(path)


def test_a_path_or_a_string(tmp_path: Path):
    path = tmp_path / "line\nbreak and \udcff.gif"
    path.write_bytes(TWO)
    assert read_gif(path).num_frames == read_gif(str(path)).num_frames == 2
