import json
import logging
import shutil

import huggingface_hub
import pytest
import torch
import transformers
from transformers.utils import logging as transformers_logging

import tiny_models
from gif_files import draw_gif
from gifdesc.captioning.loading import load_captioner
from gifdesc.errors import CheckpointError, HubError, UsageError
from gifdesc.system.model_library import quiet_transformers
from gifdesc.vision_language.captioner import VisionLanguageCaptioner
from gifdesc.vision_language.loading import (
    _dtype_on,
    check_can_caption,
)
from worlds import run_here


@pytest.fixture(scope="module")
def blip_dir(tmp_path_factory):
    return tiny_models.write_blip(tmp_path_factory.mktemp("blip"))


@pytest.fixture
def folder(blip_dir, tmp_path):
    """A copy to damage."""
    return shutil.copytree(blip_dir, tmp_path / "model")


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("family", sorted(tiny_models.FAMILIES))
def test_every_family_is_loaded_as_it_was_saved(tmp_path, family):
    folder = tiny_models.FAMILIES[family](tmp_path)
    loaded = tiny_models.load(folder)
    assert not loaded.model.training
    assert (loaded.device, loaded.dtype) == (torch.device("cpu"), torch.float32)
    assert {one.dtype for one in loaded.model.parameters()} == {torch.float32}
    assert loaded.model_type == json.loads((folder / "config.json").read_text())["model_type"]
    saved = huggingface_hub.serialization.load_state_dict_from_file(folder / "model.safetensors")
    # By content: the library names some weights in files as they were called long ago.
    found = {one.numpy().tobytes() for one in loaded.model.state_dict().values()}
    assert len(saved) > 10
    assert {one.numpy().tobytes() for one in saved.values()} <= found


def test_shared_weights_are_not_missing(tmp_path, monkeypatch):
    plain = tiny_models._qwen_config

    def tied(tokenizer):
        config = plain(tokenizer)
        config["text_config"]["tie_word_embeddings"] = True
        return {**config, "tie_word_embeddings": True}

    monkeypatch.setattr(tiny_models, "_qwen_config", tied)
    folder = tiny_models.write_qwen2_vl(tmp_path)
    saved = huggingface_hub.serialization.load_state_dict_from_file(folder / "model.safetensors")
    assert not any("lm_head" in name for name in saved)
    model = tiny_models.load(folder).model
    assert model.lm_head.weight is model.get_input_embeddings().weight


@pytest.mark.parametrize(
    ("kind", "has_bfloat16", "dtype"),
    [
        ("cpu", True, torch.float32),
        ("mps", True, torch.float32),
        ("cuda", True, torch.bfloat16),
        ("cuda", False, torch.float16),
    ],
)
def test_the_device_decides_the_precision(monkeypatch, kind, has_bfloat16, dtype):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has_bfloat16)
    assert _dtype_on(torch.device(kind)) == dtype


def test_weights_from_before_safetensors_are_read(folder):
    state = tiny_models.load(folder).model.state_dict()
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    again = tiny_models.load(folder).model.state_dict()
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_a_pickle_that_would_run_code_is_refused(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "was-run"), "w")

    torch.save({"weight": Trap()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="its model cannot be loaded"):
        tiny_models.load(folder)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "has no model_type"),
        ({"model_type": 3}, "has no model_type"),
        ({"model_type": "bert"}, "a model of type bert cannot describe pictures; choose another"),
        ({"model_type": "vit", "architectures": ["ViTForImageClassification"]}, r"vit \(ViTFor"),
        ({"model_type": "clip"}, "a model of type clip cannot describe pictures"),
        (
            {"model_type": "blip", "architectures": ["BlipForQuestionAnswering"]},
            r"blip \(BlipForQuestionAnswering\) cannot describe",
        ),
        ({"model_type": "blip", "architectures": ["BlipForImageTextRetrieval"]}, "cannot describe"),
        ({"model_type": "newest_of_all"}, "has no model type newest_of_all; upgrade transformers"),
        ({"model_type": "mine", "auto_map": {"AutoModel": "x.Y"}}, "needs its own program code"),
    ],
)
def test_a_model_that_cannot_caption_is_refused(config, said):
    with pytest.raises(CheckpointError, match=f"^m: .*{said}") as caught:
        check_can_caption(config, "m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("family", sorted(tiny_models.FAMILIES))
def test_a_model_that_can_caption_is_accepted(tmp_path, family):
    config = json.loads((tiny_models.FAMILIES[family](tmp_path) / "config.json").read_text())
    check_can_caption(config, "m")
    check_can_caption({"model_type": config["model_type"]}, "m")


@pytest.mark.parametrize("kind", ["bert", "vit"])
def test_a_complete_folder_of_another_kind_is_a_one_sentence_error(tmp_path, kind):
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    small |= {"intermediate_size": 8}
    if kind == "bert":
        model = transformers.BertModel(transformers.BertConfig(vocab_size=9, **small))
        tiny_models.bert_tokenizer().save_pretrained(tmp_path)
    else:
        config = transformers.ViTConfig(image_size=8, patch_size=4, **small)
        model = transformers.ViTForImageClassification(config)
    model.save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match=f"a model of type {kind}.* cannot describe"
    ) as caught:
        tiny_models.load(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ")


def test_code_of_a_model_is_not_run(folder, tmp_path):
    (folder / "mine.py").write_text(f"open({str(tmp_path / 'was-run')!r}, 'w')")
    auto_map = {"AutoModelForImageTextToText": "mine.Mine", "AutoProcessor": "mine.Mine"}
    edit(folder / "config.json", auto_map=auto_map)
    edit(folder / "processor_config.json", auto_map=auto_map)
    tiny_models.load(folder)  # transformers' own code is used instead
    edit(folder / "config.json", model_type="mine")
    with pytest.raises(CheckpointError, match="which gifdesc does not run"):
        tiny_models.load(folder)
    assert not (tmp_path / "was-run").exists()


def test_a_model_that_lacks_weights_is_refused(folder):
    state = huggingface_hub.serialization.load_state_dict_from_file(folder / "model.safetensors")
    kept = {name: one for name, one in state.items() if not name.startswith("text_decoder.cls")}
    assert len(kept) < len(state)
    huggingface_hub.save_torch_state_dict(kept, folder, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks \d weights .* text_decoder\.cls"):
        tiny_models.load(folder)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.safetensors", None, "its model cannot be loaded"),
        ("model.safetensors", b"damage", "its model cannot be loaded"),
        ("processor_config.json", None, "no processor for pictures and words|processor cannot"),
        ("processor_config.json", b"{", "its processor cannot be loaded"),
        ("tokenizer.json", b"{", "its processor cannot be loaded"),
        ("config.json", None, "config.json: missing"),
        ("config.json", b"{", "config.json: damaged"),
        ("config.json", b"[]", "config.json: damaged"),
    ],
)
def test_a_damaged_folder_is_a_one_sentence_error(folder, name, content, said):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as caught:
        tiny_models.load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    folder = tiny_models.write_smolvlm(tmp_path)
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    with pytest.raises(CheckpointError, match="not installed: Package `num2words` is required"):
        tiny_models.load(folder)


class Hub:
    """A hub with one model; requests are recorded, and only requested files are returned."""

    def __init__(self, model_dir, cache):
        self.model_dir = model_dir
        self.cache = cache
        self.asked = []

    def download(self, name, *, allow_patterns, local_files_only):
        assert (name, local_files_only) == ("someone/model", False)
        self.asked.append(allow_patterns)
        for path in self.model_dir.iterdir():
            if any(path.match(pattern) for pattern in allow_patterns):
                self.cache.mkdir(exist_ok=True)
                shutil.copy(path, self.cache)
        return str(self.cache)


@pytest.fixture
def hub(folder, tmp_path, monkeypatch):
    one = Hub(folder, tmp_path / "cache")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", one.download)
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: True)
    return one


def test_a_model_on_the_hub_is_downloaded(hub):
    assert tiny_models.load("someone/model").name == "someone/model"
    assert len(hub.asked) == 2
    assert not (hub.cache / "pytorch_model.bin").exists()


def test_old_weights_are_downloaded_only_without_others(hub, folder):
    torch.save(tiny_models.load(folder).model.state_dict(), folder / "pytorch_model.bin")
    tiny_models.load("someone/model")
    assert not (hub.cache / "pytorch_model.bin").exists()
    shutil.rmtree(hub.cache)
    (folder / "model.safetensors").unlink()
    tiny_models.load("someone/model")
    assert (hub.cache / "pytorch_model.bin").exists()


def test_only_the_configuration_of_a_model_that_cannot_caption_is_downloaded(hub, folder):
    edit(folder / "config.json", model_type="bert")
    with pytest.raises(CheckpointError, match="someone/model: a model of type bert"):
        tiny_models.load("someone/model")
    assert hub.asked == [["config.json"]]


def test_without_a_network_the_error_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: False)
    with pytest.raises(HubError, match="someone/model: not a folder, and it cannot be downloaded"):
        tiny_models.load("someone/model")


def test_the_library_is_quiet_during_loading_and_unchanged_afterwards(monkeypatch):
    transformers_logging.set_verbosity_warning()
    with quiet_transformers():
        assert transformers_logging.get_verbosity() == logging.ERROR
        assert not transformers_logging.is_progress_bar_enabled()
    assert transformers_logging.get_verbosity() == logging.WARNING
    assert transformers_logging.is_progress_bar_enabled()
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    logging.getLogger().manager._clear_cache()
    with quiet_transformers():
        assert transformers_logging.get_verbosity() == logging.WARNING
    monkeypatch.undo()
    logging.getLogger().manager._clear_cache()


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def commits(folder, tmp_path, monkeypatch):
    """A hub whose cache keeps commits as the real one does; notes which were asked for."""
    cache = tmp_path / "models--someone--model" / "snapshots" / COMMIT
    shutil.copytree(folder, cache)
    asked = []

    def download(_name, *, allow_patterns, local_files_only, revision=None):  # noqa: ARG001
        asked.append(revision)
        return str(cache)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: True)
    return asked


@pytest.mark.parametrize("revision", [None, "v2"])
def test_all_files_are_of_one_commit(commits, revision):
    captioner = load_captioner("someone/model", device="cpu", revision=revision)
    assert captioner.commit == COMMIT
    assert commits[0] == revision
    assert set(commits[1:]) == {COMMIT}


def test_a_folder_has_no_revision(folder):
    assert tiny_models.load(folder).commit is None
    with pytest.raises(UsageError, match="is a folder, which has no revisions"):
        VisionLanguageCaptioner.from_pretrained(folder, device="cpu", revision="v2")


@pytest.mark.usefixtures("commits")
def test_the_commit_is_reported_and_kept_with_descriptions(tmp_path):
    draw_gif(tmp_path / "gifs" / "a.gif", 2)
    options = ("--model", "someone/model", "--device", "cpu", "--max-length", 4)
    output = tmp_path / "descriptions"
    done = run_here("describe", tmp_path / "gifs", *options, "-o", output, "--revision", "v2")
    assert done.code == 0, done.err
    assert f"someone/model: commit {COMMIT}" in " ".join(done.err.split())
    origin = json.loads((output / "origin.json").read_text())
    assert (origin["model"], origin["commit"]) == ("someone/model", COMMIT)
    done = run_here("caption", tmp_path / "gifs", *options)
    assert f"someone/model: commit {COMMIT}" in " ".join(done.err.split())
    (output / "origin.json").write_text(json.dumps({**origin, "commit": COMMIT[::-1]}))
    done = run_here("describe", tmp_path / "gifs", *options, "-o", output)
    assert "its descriptions have another commit" in done.error
    assert "--revision" in done.error
    del origin["commit"]
    (output / "origin.json").write_text(json.dumps(origin))
    assert run_here("describe", tmp_path / "gifs", *options, "-o", output).code == 0
