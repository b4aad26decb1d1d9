import json
import shutil
import sys

import huggingface_hub
import pytest

import tiny_models
from gif_files import draw_gif
from gifdesc.captioning.captioner import Captioner
from gifdesc.captioning.loading import load_captioner
from gifdesc.config import TrainingConfig
from gifdesc.errors import CheckpointError, GifdescError, HubError, UsageError
from gifdesc.vision_language.captioner import VisionLanguageCaptioner
from worlds import tiny_recipe, write_model

pytestmark = pytest.mark.usefixtures("tiny_backbone")


@pytest.fixture(scope="module")
def vlm_dir(tmp_path_factory):
    return tiny_models.write_git(tmp_path_factory.mktemp("vlm"))


def test_the_configuration_decides_the_kind_of_captioner(model_dir, vlm_dir, tmp_path):
    gif = draw_gif(tmp_path / "x.gif", 3)
    for folder, kind in ((model_dir, Captioner), (vlm_dir, VisionLanguageCaptioner)):
        captioner = load_captioner(str(folder), device="cpu")
        assert type(captioner) is kind
        assert captioner.caption(gif).caption
        assert [one.caption for one in captioner.caption_many([gif])]


def test_warnings_about_a_model_are_reported(tmp_path, model_dir, vlm_dir):
    [sentence] = load_captioner(model_dir, device="cpu").warnings
    assert "untrained ResNet50" in sentence
    training = TrainingConfig(objective="reconstruction", best_by="loss")
    folder = write_model(tmp_path / "report", recipe=tiny_recipe(), training=training)
    assert "its captions mean nothing" in load_captioner(folder, device="cpu").warnings[1]
    assert load_captioner(vlm_dir, device="cpu").warnings == ()


def test_a_models_configuration_is_read_once(model_dir):
    opened = []
    is_recording = True

    def record(event, arguments):  # an audit hook stays for good
        if is_recording and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(record)
    load_captioner(model_dir, device="cpu")
    is_recording = False
    assert opened.count(str(model_dir / "config.json")) == 1
    assert opened.count(str(model_dir / "model.safetensors")) >= 1


def test_a_prompt_is_used(vlm_dir, tmp_path):
    gif = draw_gif(tmp_path / "x.gif", 3)
    usual, other = (
        load_captioner(vlm_dir, device="cpu", prompt=prompt).caption(gif).score
        for prompt in (None, "a man waves the dog")
    )
    assert usual != other


def test_options_that_a_model_does_not_support_are_refused(model_dir, vlm_dir):
    with pytest.raises(UsageError, match="--prompt: only a vision-language model"):
        load_captioner(model_dir, device="cpu", prompt="a")
    with pytest.raises(UsageError, match="--weights: a vision-language model has its own weights"):
        load_captioner(vlm_dir, device="cpu", weights="x.pth")
    with pytest.raises(UsageError, match="--device abacus"):
        load_captioner("nowhere", device="abacus")


def test_an_unknown_kind_of_folder_is_a_one_sentence_error(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json: missing"):
        load_captioner(tmp_path, device="cpu")
    (tmp_path / "config.json").write_text(json.dumps({"name": "something else"}))
    with pytest.raises(CheckpointError, match=r"states no format_version .* and no model_type"):
        load_captioner(tmp_path, device="cpu")


@pytest.mark.parametrize("kind", ["gifdesc", "transformers"])
def test_both_kinds_come_from_the_hub(kind, model_dir, vlm_dir, monkeypatch, tmp_path):
    here = model_dir if kind == "gifdesc" else vlm_dir
    cache = tmp_path / "cache"
    cache.mkdir()

    def snapshot_download(name, *, allow_patterns, local_files_only):
        assert (name, local_files_only) == ("someone/model", False)
        for path in here.iterdir():
            if any(path.match(pattern) for pattern in allow_patterns):
                shutil.copy(path, cache)
        return str(cache)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: True)
    gif = draw_gif(tmp_path / "x.gif", 3)
    found = load_captioner("someone/model", device="cpu").caption(gif)
    assert found == load_captioner(here, device="cpu").caption(gif)


@pytest.mark.parametrize("name", ["someone/model", "nowhere", "./some/where"])
def test_a_missing_model_is_a_one_sentence_error(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: False)
    with pytest.raises(GifdescError, match=f"^{name}: no(t a folder,)? ") as caught:
        load_captioner(name, device="cpu")
    assert isinstance(caught.value, HubError if name == "someone/model" else CheckpointError)
