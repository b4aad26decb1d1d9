import pytest

from gifdesc.files import write_json_lines
from gifdesc.training_history import HISTORY_NAME, read_history


def test_a_history_is_read_as_it_was_written(tmp_path):
    rows = [{"epoch": 1, "train_loss": None, "is_best": False}, {"epoch": 2, "val_loss": 2.5}]
    write_json_lines(tmp_path / HISTORY_NAME, rows)
    assert read_history(tmp_path) == rows


@pytest.mark.parametrize("content", [None, b"no json\nx\n", b"[1]\n{}\n", b"\xff\n{}\n"])
def test_a_history_that_cannot_be_read_has_no_rows(tmp_path, content):
    if content is not None:
        (tmp_path / HISTORY_NAME).write_bytes(content)
    assert read_history(tmp_path) == []


def test_a_line_that_a_killed_run_cut_off_is_left_out(tmp_path):
    (tmp_path / HISTORY_NAME).write_text('{"epoch": 1}\n{"epo', encoding="utf-8")
    assert read_history(tmp_path) == [{"epoch": 1}]
