import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from gif_files import is_mapped
from gifdesc.config import DecodingConfig, TrainingConfig
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.errors import CheckpointError
from gifdesc.model import checkpoint
from gifdesc.model.checkpoint import FORMAT_VERSION, load_checkpoint, save_checkpoint
from gifdesc.system.files import write_json
from gifdesc.text.tokenizer import CaptionTokenizer
from worlds import (
    CAPTIONS,
    process_environment,
    random_features,
    tiny_model,
    tiny_recipe,
    tiny_tokenizer,
    write_model,
)


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "model", recipe=tiny_recipe())


def edit(path, **changes):
    data = json.loads(path.read_text())
    for name, value in changes.items():
        if isinstance(value, dict):
            data[name].update(value)
        else:
            data[name] = value
    path.write_text(json.dumps(data))


def refused(folder):
    """The one sentence that a folder is refused with."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"encoder": "lstm", "decoder": "lstm", "fusion": "add"},
        {"encoder": "rnn", "decoder": "none", "fusion": "concat", "projection_size": 0},
    ],
)
@torch.no_grad()
def test_what_is_loaded_says_what_was_saved(tmp_path, shape):
    tokenizer = tiny_tokenizer()
    model = tiny_model(5, vocab_size=tokenizer.vocab_size, **shape)
    model.set_feature_statistics(torch.full((48,), 3.0), torch.full((48,), 2.0))
    training = TrainingConfig(seed=9, epochs=3, objective="reconstruction", best_by="loss")
    save_checkpoint(tmp_path, model, tokenizer, tiny_recipe(), training)
    found = load_checkpoint(tmp_path)
    features = torch.from_numpy(random_features(4, seed=0))[None]
    tokens = torch.tensor([tokenizer.encode("a red ball grows", 20)])
    arguments = features, torch.tensor([4]), tokens
    assert torch.equal(found.model(*arguments), model(*arguments))
    assert not found.model.training
    assert (found.model.config, found.recipe, found.training) == (
        model.config,
        tiny_recipe(),
        training,
    )


def test_a_model_that_was_loaded_keeps_no_file_mapped(folder):
    checkpoint = load_checkpoint(folder)
    assert checkpoint.model is not None
    assert not is_mapped(folder / "model.safetensors")


def test_loading_a_model_does_not_load_the_compiler_of_pytorch(folder):
    script = f"""
import sys
from gifdesc.model.checkpoint import load_checkpoint
load_checkpoint({str(folder)!r})
print("torch" in sys.modules, "torch._dynamo" in sys.modules)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, capture_output=True, text=True, env=process_environment(), check=True
    )
    assert done.stdout == "True False\n"


def test_the_tokenizer_travels_along(folder):
    found, wanted = load_checkpoint(folder).tokenizer, tiny_tokenizer()
    for caption in [*CAPTIONS.values(), "A RED, unheard of café!"]:
        ids = wanted.encode(caption, 40)
        assert found.encode(caption, 40) == ids
        assert found.decode(ids) == wanted.decode(ids)
    assert found.banned_ids == wanted.banned_ids


def test_an_unknown_recipe_stays_unknown(tmp_path):
    assert load_checkpoint(write_model(tmp_path, recipe=None)).recipe is None


def test_the_folder_states_its_format_and_its_maker(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["format_version"] == FORMAT_VERSION
    assert config["gifdesc_version"]
    assert config["features"]["weights_sha256"] == tiny_recipe().weights_sha256


def test_nothing_but_the_models_files_is_left_in_the_folder(folder):
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert refused(tmp_path / "nowhere").startswith(f"{tmp_path / 'nowhere'}: no model folder")


def test_a_folder_that_is_removed_while_it_is_written_does_not_look_complete(tmp_path, monkeypatch):
    folder = tmp_path / "model"

    def remove(path, content):
        shutil.rmtree(folder)
        write_json(path, content)

    monkeypatch.setattr(checkpoint, "write_json", remove)
    with pytest.raises(FileNotFoundError, match="removed while the model was written"):
        write_model(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert refused(folder) == f"{folder / name}: missing; this is no complete model folder"


def test_a_missing_tokenizer_is_named(folder):
    (folder / "tokenizer.json").unlink()
    assert refused(folder).startswith(f"{folder}: no tokenizer here")
    assert "tokenizer.json" in refused(folder)


@pytest.mark.parametrize(
    "damage",
    [b"", b"\x00" * 7, b"no weights at all, just a text that goes on", "cut", "header"],
    ids=["empty", "zeros", "text", "cut", "header"],
)
def test_damaged_weights_are_named(folder, damage):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    if damage == "cut":
        damage = whole[:-100]
    elif damage == "header":
        damage = whole[:20] + b"\xff\xfe{{" + whole[24:]
    path.write_bytes(damage)
    assert refused(folder).startswith(f"{path}: damaged")


def test_a_pointer_in_place_of_the_weights_is_named(folder):
    path = folder / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    assert refused(folder) == f"{path}: a Git LFS pointer, not the weights; fetch the file itself"


def test_a_model_of_any_size_is_refused_before_it_takes_memory(folder):
    size = 2**20  # 24 TiB of weights
    edit(folder / "config.json", model={"hidden_size": size, "embedding_size": size})
    assert (
        refused(folder) == f"{folder / 'model.safetensors'}: does not fit the folder's config.json"
    )


def test_weights_of_another_model_are_named(folder):
    edit(folder / "config.json", model={"hidden_size": 32, "embedding_size": 32})
    assert (
        refused(folder) == f"{folder / 'model.safetensors'}: does not fit the folder's config.json"
    )


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b'{"format_version": "1"}']
)
def test_a_damaged_configuration_is_named(folder, damage):
    path = folder / "config.json"
    path.write_bytes(damage)
    assert refused(folder).startswith(f"{path}: damaged")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": None}, "ModelConfig must be a JSON object"),
        ({"model": {"encoder": "transformer"}}, "encoder"),
        ({"model": {"hidden_size": 17}}, "hidden_size"),
        ({"model": {"hidden_size": "16"}}, "hidden_size"),
        ({"model": {"layers": 3}}, "unknown field 'layers'"),
        ({"training": {"epochs": -1}}, "epochs"),
        ({"training": []}, "TrainingConfig must be a JSON object"),
        ({"features": {"sampling": "backwards"}}, "sampling"),
        ({"features": 7}, "FeatureRecipe must be a JSON object"),
        ({"confidence_threshold": "low"}, "confidence_threshold"),
        ({"confidence_threshold": True}, "confidence_threshold"),
        ({"confidence_threshold": float("nan")}, "confidence_threshold"),
    ],
)
def test_a_senseless_configuration_is_named_with_its_field(folder, changes, named):
    edit(folder / "config.json", **changes)
    message = refused(folder)
    assert message.startswith(f"{folder / 'config.json'}: damaged")
    assert named in message


def test_a_newer_format_asks_for_an_upgrade(folder):
    edit(folder / "config.json", format_version=FORMAT_VERSION + 1, model={"unheard_of": 1})
    message = refused(folder)
    assert message.startswith(f"{folder / 'config.json'}: of format {FORMAT_VERSION + 1}")
    assert "upgrade gifdesc" in message


def test_an_older_format_asks_for_another_training(folder):
    edit(folder / "config.json", format_version=FORMAT_VERSION - 1)
    assert "; train again" in refused(folder)


def test_a_tokenizer_of_another_size_is_named(folder):
    CaptionTokenizer.train(["quite", "other words", "than those"]).save(folder)
    message = refused(folder)
    assert message.startswith(f"{folder}: its tokenizer has ")
    assert "from different training runs" in message


@pytest.mark.parametrize("damage", [b"", b"{", b"{}", b'{"version": "1.0"}', b"[1, 2]"])
def test_a_damaged_tokenizer_is_named(folder, damage):
    (folder / "tokenizer.json").write_bytes(damage)
    assert refused(folder).startswith(f"{folder}: ")


def test_saving_anew_replaces_the_model(folder):
    before = load_checkpoint(folder)
    other = tiny_model(8, vocab_size=before.tokenizer.vocab_size)
    save_checkpoint(folder, other, before.tokenizer, None, replace(before.training, seed=1))
    after = load_checkpoint(folder)
    assert torch.equal(after.model.output.weight, other.output.weight)
    assert (after.recipe, after.training.seed) == (None, 1)


@pytest.mark.parametrize("threshold", [None, -1.25])
def test_the_threshold_of_doubtful_captions_travels_along(folder, threshold):
    one = load_checkpoint(folder)
    save_checkpoint(folder, one.model, one.tokenizer, one.recipe, one.training, threshold)
    assert load_checkpoint(folder).confidence_threshold == threshold


def test_an_older_folder_has_no_threshold(folder):
    path = folder / "config.json"
    data = json.loads(path.read_text())
    del data["confidence_threshold"]
    path.write_text(json.dumps(data))
    assert load_checkpoint(folder).confidence_threshold is None


def test_a_model_of_transformers_is_said_to_be_one(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "blip"}')
    with pytest.raises(CheckpointError, match=r"a model of transformers \(blip\), not one that"):
        load_checkpoint(tmp_path)


def test_a_folder_from_before_loads_with_the_old_limit_and_one_pass_an_epoch(tmp_path):
    folder = write_model(tmp_path / "model", recipe=tiny_recipe())
    config = json.loads((folder / "config.json").read_text())
    del config["captions"], config["training"]["passes"]
    config["training"] |= {"batch_size": 32, "epochs": 20, "best_by": "cider"}
    (folder / "config.json").write_text(json.dumps(config))
    found = load_checkpoint(folder)
    assert found.captions is None
    assert found.decoding().max_tokens == 40
    assert found.decoding(DecodingConfig(max_tokens=7)).max_tokens == 7
    assert (found.training.passes, found.training.batch_size) == (1, 32)


def test_what_the_training_captions_are_like_comes_back(tmp_path):
    folder = write_model(tmp_path / "model", recipe=tiny_recipe())
    one = load_checkpoint(folder)
    captions = CaptionStatistics(longest=80, repeats=2, repeated_pairs=0.5, ends=("an", "was"))
    save_checkpoint(folder, one.model, one.tokenizer, one.recipe, one.training, None, captions)
    found = load_checkpoint(folder)
    assert found.captions == captions
    assert found.decoding().max_tokens == 120
    config = json.loads((folder / "config.json").read_text())
    config["captions"]["longest"] = 0
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(folder)
