"""Short names of public models."""

import re
from pathlib import Path

import pytest

from gifdesc.errors import CheckpointError
from gifdesc.model.folder import check_model_name
from gifdesc.model.public_models import PUBLIC_MODELS, RECOMMENDED, full_name
from gifdesc.system.hub import is_hub_name

PAGE = Path(__file__).parents[2] / "docs" / "public-models.md"


@pytest.mark.parametrize("model", PUBLIC_MODELS, ids=lambda model: model.short_name)
def test_a_short_name_means_a_model_on_the_hub(model):
    assert is_hub_name(model.name)
    assert full_name(model.short_name) == model.name
    check_model_name(model.short_name)


def test_default_is_the_recommended_model():
    assert full_name("default") == RECOMMENDED.name
    assert RECOMMENDED.extra == ""
    assert RECOMMENDED.download_mb == min(model.download_mb for model in PUBLIC_MODELS)


def test_other_names_stay_as_they_are():
    assert full_name("user/model") == "user/model"
    assert full_name(Path("git")) == Path("git")


def test_a_folder_takes_precedence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("default").mkdir()
    assert full_name("default") == "default"


def test_an_unknown_name_is_refused_with_two_commands():
    with pytest.raises(CheckpointError, match="zz: no model folder; use a public model") as caught:
        check_model_name("zz")
    assert [line.split()[:2] for line in caught.value.commands] == [
        ["gifdesc", "caption"],
        ["gifdesc", "extract"],
    ]


def test_the_page_lists_these_models():
    row = r"^\| `(.*)` \| (\S+) \| ([\d.]+) GB \| (.*) \| (.*) \|$"
    rows = re.findall(row, PAGE.read_text(), re.MULTILINE)
    assert [(names.split("`, `")[-1], *rest) for names, *rest in rows] == [
        (one.short_name, one.name, f"{one.download_mb / 1000:.1f}", one.licence, one.shown)
        for one in PUBLIC_MODELS
    ]
