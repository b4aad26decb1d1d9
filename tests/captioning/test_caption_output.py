import os
from pathlib import Path

import pytest

from gif_files import is_mapped
from gifdesc.captioning.lines import CaptionLines
from gifdesc.captioning.output import CaptionFile
from gifdesc.errors import GifdescError, UsageError
from gifdesc.gif.sources import CaptionInput


def test_lines_are_in_the_file_at_once_and_nothing_before_it_is_entered(tmp_path):
    path = tmp_path / "new" / "captions"
    file = CaptionFile(path, CaptionLines("tsv"))
    assert not path.parent.exists()
    with file:
        file.begin()
        for number in range(3):
            file.write(f"{number}.gif\ta\n")
            assert len(path.read_text().splitlines()) == number + 1


def test_each_line_of_a_file_counts_for_one_input(tmp_path):
    path = tmp_path / "captions"
    path.write_bytes(b"a.gif\tx\nb.gif\ty\na.gif\tx\nc.gif\tha")
    inputs = [CaptionInput(f"{name}.gif") for name in "aaabc"]
    with CaptionFile(path, CaptionLines("tsv"), skip_done=True) as file:
        assert list(file.undone(iter(inputs))) == [inputs[2], inputs[4]]
        assert file.num_done == 3
        file.begin()
        file.write("c.gif\thalf\n")
    assert path.read_bytes() == b"a.gif\tx\nb.gif\ty\na.gif\tx\nc.gif\thalf\n"


def test_an_existing_file_is_refused_or_overwritten(tmp_path):
    path = tmp_path / "captions"
    path.write_text("a.gif\tx\n")
    with pytest.raises(UsageError, match=r"--skip-done.*--force"):
        CaptionFile(path, CaptionLines("tsv")).__enter__()
    with CaptionFile(path, CaptionLines("tsv"), overwrite=True) as file:
        assert path.read_text() == "a.gif\tx\n", "kept until the first caption is about to come"
        file.begin()
        assert path.read_text() == ""


def test_an_empty_file_may_be_written(tmp_path):
    path = tmp_path / "captions"
    path.touch()
    with CaptionFile(path, CaptionLines("csv")) as file:
        file.begin()
        file.write("x\n")
    assert path.read_text().splitlines()[1] == "x"


def test_a_line_that_does_not_fit_on_the_disk_leaves_whole_lines(tmp_path, monkeypatch):
    path = tmp_path / "captions"
    with CaptionFile(path, CaptionLines("tsv")) as file:
        file.begin()
        file.write("a.gif\tx\n")
        real = file._file

        class Full:
            """Takes four bytes more and then no more."""

            def __init__(self):
                self.room = 4

            def write(self, data):
                if not self.room:
                    raise OSError(28, os.strerror(28))
                self.room = 0
                return real.write(data[:4])

            def __getattr__(self, name):
                return getattr(real, name)

        monkeypatch.setattr(file, "_file", Full())
        with pytest.raises(GifdescError, match="no space left on device; its lines are whole"):
            file.write("b.gif\ty\n")
        monkeypatch.undo()
    assert path.read_text() == "a.gif\tx\n"


def test_a_second_run_into_the_same_file_is_refused(tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "captions"
    with CaptionFile(path, CaptionLines("tsv")) as first:
        first.begin()
        first.write("a.gif\tx\n")
        with pytest.raises(GifdescError, match="another run is writing it"):
            CaptionFile(path, CaptionLines("tsv"), skip_done=True).__enter__()
    assert path.read_text() == "a.gif\tx\n"


@pytest.mark.parametrize("where", ["folder", "below a file"])
def test_a_file_that_cannot_be_written_is_named(tmp_path, where):
    path = tmp_path
    if where == "below a file":
        Path(tmp_path / "file").touch()
        path = tmp_path / "file" / "captions"
    with pytest.raises(GifdescError, match=f"--output {path}: cannot be"):
        CaptionFile(path, CaptionLines("tsv")).__enter__()


def test_lines_of_another_run_are_not_cut_off(tmp_path):
    """A run reads the existing lines after it has locked the file."""
    path = tmp_path / "captions"
    late = CaptionFile(path, CaptionLines("tsv"), skip_done=True)
    with CaptionFile(path, CaptionLines("tsv")) as first:
        first.begin()
        first.write("a.gif\tx\n")
    with late:
        assert list(late.undone(iter([CaptionInput("a.gif")]))) == []
        late.begin()
        late.write("b.gif\ty\n")
    assert path.read_text() == "a.gif\tx\nb.gif\ty\n"


def test_a_run_waiting_for_its_model_keeps_others_out(tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "captions"
    with (
        CaptionFile(path, CaptionLines("tsv")),
        pytest.raises(GifdescError, match="another run is writing it"),
    ):
        CaptionFile(path, CaptionLines("tsv")).__enter__()


def test_a_run_that_could_not_begin_leaves_no_file(tmp_path):
    path = tmp_path / "captions"
    with CaptionFile(path, CaptionLines("csv")):
        assert path.exists()
    assert not path.exists()
    path.touch()
    with CaptionFile(path, CaptionLines("csv")):
        pass
    assert path.exists(), "not ours to remove"


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_file_that_is_removed_during_the_run_ends_it(tmp_path, is_replaced):
    path = tmp_path / "out.tsv"
    with CaptionFile(path, CaptionLines("tsv")) as sink:
        sink.begin()
        sink.write("a\tone\n")
        path.unlink()
        if is_replaced:
            path.write_text("somebody else's\n")
        with pytest.raises(GifdescError, match="was removed or replaced during the run"):
            sink.write("b\ttwo\n")
    assert path.exists() == is_replaced
    if is_replaced:
        assert path.read_text() == "somebody else's\n"


def test_an_empty_file_is_removed_where_open_files_cannot_be(tmp_path, monkeypatch):
    unlink = Path.unlink

    def unlink_as_windows(path, missing_ok=False):
        if is_mapped(path):
            raise PermissionError(13, "The process cannot access the file", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_as_windows)
    with CaptionFile(tmp_path / "captions.txt", CaptionLines("text")):
        pass
    assert list(tmp_path.iterdir()) == []
