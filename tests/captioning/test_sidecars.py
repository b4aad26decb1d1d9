import errno
import os

import pytest

from gif_files import draw_gif
from gifdesc.captioning.sidecars import Sidecars, sidecar_path
from gifdesc.errors import GifdescError


@pytest.fixture
def gif(tmp_path):
    return draw_gif(tmp_path / "jump.v2.GIF", 2)


def test_a_caption_is_written_beside_its_gif(gif):
    assert Sidecars(overwrite=False).write(str(gif), "a café") is None
    assert sidecar_path(gif).name == "jump.v2.txt"
    assert sidecar_path(gif).read_text(encoding="utf-8") == "a café\n"


def test_another_text_is_kept_and_reported_and_an_equal_text_is_not(gif):
    sidecar_path(gif).write_text("a person's words\n")
    careful = Sidecars(overwrite=False)
    assert "exists and was kept" in careful.write(str(gif), "a man")
    assert careful.write(str(gif), "a person's words") is None
    assert sidecar_path(gif).read_text() == "a person's words\n"
    assert Sidecars(overwrite=True).write(str(gif), "a man") is None
    assert sidecar_path(gif).read_text() == "a man\n"
    assert careful.num_failed == 0


def test_no_two_gifs_share_a_sidecar(tmp_path):
    for name in ("a.gif", "a.mp4", "a.WEBM", "b.mp4", "c.v2.mp4", "c.v1.gif"):
        (tmp_path / name).touch()
    names = {path.name: sidecar_path(path).name for path in tmp_path.iterdir()}
    assert names == {
        "a.gif": "a.txt",
        "a.mp4": "a.mp4.txt",
        "a.WEBM": "a.WEBM.txt",
        "b.mp4": "b.txt",
        "c.v2.mp4": "c.v2.txt",
        "c.v1.gif": "c.v1.txt",
    }


def test_of_two_gifs_whose_names_differ_in_case_the_first_has_the_sidecar(tmp_path):
    gifs = [draw_gif(tmp_path / name, 2) for name in ("a.gif", "a.GIF")]
    sidecars = Sidecars(overwrite=True)
    assert sidecars.write(str(gifs[0]), "a man") is None
    if gifs[0].samefile(gifs[1]):
        pytest.skip("this file system ignores case")
    assert "is that of" in sidecars.write(str(gifs[1]), "a dog")
    assert sidecar_path(gifs[0]).read_text() == "a man\n"


def test_an_input_that_is_not_a_file_has_no_sidecar(tmp_path):
    assert "no .txt file was written" in Sidecars(overwrite=True).write("/dev/stdin", "a man")
    assert list(tmp_path.iterdir()) == []


def test_a_sidecar_that_cannot_be_written_counts_and_a_full_disk_stops(gif, monkeypatch):
    def refuse(number):
        def write(*_):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("gifdesc.captioning.sidecars.write_text", write)

    sidecars = Sidecars(overwrite=True)
    refuse(errno.EACCES)
    assert sidecars.write(str(gif), "a man") == f"{sidecar_path(gif)}: cannot be written: " + (
        "permission denied"
    )
    assert sidecars.num_failed == 1
    refuse(errno.ENOSPC)
    with pytest.raises(GifdescError, match="no space left"):
        sidecars.write(str(gif), "a man")
