from pathlib import Path

import pytest

from gifdesc.errors import CheckpointError
from gifdesc.model.folder import HISTORY_NAME, kind_of, locate, read_config, read_history
from gifdesc.system.files import write_json_lines


def test_a_folder_is_taken_as_it_is_and_before_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.model.folder.fetch", lambda *_: pytest.fail("asked the hub"))
    monkeypatch.chdir(tmp_path)
    Path("user/model").mkdir(parents=True)
    assert locate("user/model", ["*"]) == Path("user/model")
    assert locate(tmp_path, ["*"]) == tmp_path


@pytest.mark.parametrize("name", ["model", "./user/model", "/user/model", Path("user/model")])
def test_what_is_no_hub_name_is_a_folder_that_is_missing(name, tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.model.folder.fetch", lambda *_: pytest.fail("asked the hub"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="no model folder"):
        locate(name, ["*"])


def test_a_file_of_a_model_is_no_hub_name(tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.model.folder.fetch", lambda *_: pytest.fail("asked the hub"))
    monkeypatch.chdir(tmp_path)
    Path("model").mkdir()
    Path("model/config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"a file; name the folder of the model, model$"):
        locate("model/config.json", ["*"])


def test_a_hub_name_is_fetched(tmp_path, monkeypatch):
    asked = []

    def fetch(*question):
        asked.append(question)
        return tmp_path

    monkeypatch.setattr("gifdesc.model.folder.fetch", fetch)
    monkeypatch.chdir(tmp_path)
    assert locate("user/model", ["*.json"]) == tmp_path
    assert locate("user/model", ["*.json"], "v2") == tmp_path
    assert asked == [("user/model", ["*.json"], None), ("user/model", ["*.json"], "v2")]


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"format_version": 1, "model": {}}, "gifdesc"),
        ({"format_version": 99}, "gifdesc"),
        ({"model_type": "blip"}, "transformers"),
        ({"model_type": 1}, None),
        ({}, None),
    ],
)
def test_whose_model_it_is(config, kind):
    assert kind_of(config) == kind


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_configuration_is_named(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"config\.json: damaged"):
        read_config(tmp_path)


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
