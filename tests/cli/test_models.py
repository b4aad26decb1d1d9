"""`gifdesc models`, and the completion of names."""

import json
from pathlib import Path

from gifdesc.cli.options import complete_device, complete_model, complete_preset
from gifdesc.model.public_models import PUBLIC_MODELS, RECOMMENDED
from worlds import run_here, run_process


def test_every_model_is_listed_and_the_recommended_one_marked():
    done = run_here("models")
    assert done.code == 0
    for model in PUBLIC_MODELS:
        assert model.name in done.out
        assert model.licence in done.out
    assert f"{RECOMMENDED.short_name}, default" in done.out
    assert done.err == "gifdesc caption funny.gif --model default\n"


def test_as_json():
    [*rows] = json.loads(run_here("models", "--json").out)["models"]
    assert [row["short_name"] for row in rows if row["default"]] == [RECOMMENDED.short_name]
    assert len(rows) == len(PUBLIC_MODELS)


def test_models_and_devices_are_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small").mkdir()
    (Path("small") / "config.json").touch()
    assert complete_model("sm") == ["smolvlm2-256m", "smolvlm2", "small"]
    assert complete_device("c") == ["cpu", "cuda"]
    assert complete_preset("att") == ["attention"]


def test_a_shell_gets_the_completions_of_choices():
    words = {"COMP_WORDS": "gifdesc extract --sampling u", "COMP_CWORD": "3"}
    done = run_process(_GIFDESC_COMPLETE="complete_bash", **words)
    assert (done.code, done.out.split()) == (0, ["uniform"])
