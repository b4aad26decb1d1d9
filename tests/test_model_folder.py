from pathlib import Path

import pytest

from gifdesc.errors import CheckpointError
from gifdesc.model_folder import kind_of, locate, read_config


def test_a_folder_is_taken_as_it_is_and_before_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.model_folder.fetch", lambda *_: pytest.fail("asked the hub"))
    monkeypatch.chdir(tmp_path)
    Path("user/model").mkdir(parents=True)
    assert locate("user/model", ["*"]) == Path("user/model")
    assert locate(tmp_path, ["*"]) == tmp_path


@pytest.mark.parametrize("name", ["model", "./user/model", "/user/model", Path("user/model")])
def test_what_is_no_hub_name_is_a_folder_that_is_missing(name, tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.model_folder.fetch", lambda *_: pytest.fail("asked the hub"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="no model folder; train one, or name it with"):
        locate(name, ["*"])


def test_a_hub_name_is_fetched(tmp_path, monkeypatch):
    asked = []

    def fetch(*question):
        asked.append(question)
        return tmp_path

    monkeypatch.setattr("gifdesc.model_folder.fetch", fetch)
    monkeypatch.chdir(tmp_path)
    assert locate("user/model", ["*.json"]) == tmp_path
    assert asked == [("user/model", ["*.json"])]


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
