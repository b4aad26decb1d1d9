"""Folders that gifdesc 0.1.0 wrote, before frames were shown whole, still load and give the same.

`tests/support/earlier` holds drawn GIFs, their descriptions, the features and the model that were
made of them (with `ColourGrid` in place of ResNet50), and what `caption --json` then printed. Its
folder `formats` holds what the code of each format wrote from the same features and descriptions:
models of formats 1 and 2 with run states of format 1, and models of format 3 with run states of
formats 2 and 3.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from gifdesc.data.feature_files import find_features, read_features
from gifdesc.data.manifest import Manifest
from gifdesc.system.tensor_files import read_tensors, save_tensors
from worlds import run_here, use_tiny_backbone

EARLIER = Path(__file__).parent / "support" / "earlier"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    use_tiny_backbone(monkeypatch)
    copy = shutil.copytree(EARLIER, tmp_path / "earlier")
    monkeypatch.chdir(copy)
    return copy


@pytest.mark.usefixtures("folder")
def test_a_model_gives_the_same_captions():
    wanted = [json.loads(line) for line in Path("captions.jsonl").read_text().splitlines()]
    done = run_here("caption", "gifs", "--json", "--device", "cpu")
    assert done.code == 0, done.err
    found = [json.loads(line) for line in done.out.splitlines()]
    assert len(found) == 6
    for row, earlier in zip(found, wanted, strict=True):
        for name in ("path", "caption", "num_frames", "duration_ms", "sampled_frames"):
            assert row[name] == earlier[name]
        assert row["score"] == pytest.approx(earlier["score"], abs=1e-4)
        words, earlier_words = ([word["word"] for word in each["words"]] for each in (row, earlier))
        assert words == earlier_words


def test_features_are_kept_and_made_again_alike_with_their_own_framing(folder):
    options = ("--weights", "random", "--device", "cpu", "--json")
    refused = run_here("extract", "gifs", *options)
    assert refused.code == 1
    assert "--framing crop" in refused.err
    kept = run_here("extract", "gifs", *options, "--framing", "crop")
    assert json.loads(kept.out)["skipped"] == 6, kept.out
    paths = sorted((folder / "features").rglob("*.npy"))
    before = [read_features(path) for path in paths]
    again = run_here("extract", "gifs", *options, "--framing", "crop", "--force")
    assert json.loads(again.out)["ok"] == 6, again.out
    assert len(paths) == 6
    for path, vectors in zip(paths, before, strict=True):
        np.testing.assert_allclose(read_features(path), vectors, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("folder")
def test_a_model_is_scored_on_its_features():
    done = run_here("evaluate", "--split", "train", "--json", "--device", "cpu")
    assert done.code == 0, done.err
    assert json.loads(done.out)["exact_match"] == 1


@pytest.mark.usefixtures("folder")
def test_features_train_a_model():
    done = run_here("train", "--epochs", 1, "--model", "new", "--hidden-size", 8, "--device", "cpu")
    assert done.code == 0, done.err
    assert Path("new/model.safetensors").is_file()


@pytest.mark.usefixtures("folder")
def test_shards_of_format_1_train_a_model_and_keep_their_numbers():
    paths = find_features(Path("shards"), Manifest(Path("shards")).entries)
    assert len(paths) == 6
    for path in paths:
        assert read_features(Path("shards") / path, feature_size=48).shape[0] >= 1
    options = ("--features", "shards", "--model", "new", "--hidden-size", 8, "--device", "cpu")
    done = run_here("train", *options, "--epochs", 1)
    assert done.code == 0, done.err


@pytest.mark.parametrize("version", [1, 2])
def test_models_of_formats_that_are_not_read_ask_for_another_training(folder, version):
    name = f"formats/model-{version}"
    assert json.loads((folder / name / "config.json").read_text())["format_version"] == version
    done = run_here("caption", "gifs", "--model", name, "--device", "cpu")
    assert done.code == 1
    assert f"of format {version}, " in done.err
    assert "train again" in done.err
    resumed = run_here("train", "--resume", "--model", name, "--device", "cpu")
    assert resumed.code == 1
    assert "of an older gifdesc; start again with --force" in resumed.err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("version", [2, 3])
def test_runs_of_every_format_since_caption_and_are_resumed(version):
    model = ("--model", f"formats/run-{version}", "--device", "cpu")
    captioned = run_here("caption", "gifs", "--json", *model)
    assert captioned.code == 0, captioned.err
    assert len(captioned.out.splitlines()) == 6
    resumed = run_here("train", "--resume", "--epochs", 3, *model)
    assert resumed.code == 0, resumed.err
    assert len(Path(f"formats/run-{version}/history.jsonl").read_text().splitlines()) == 3


def write_word_detector(run, value):
    """Give a run the field that only development versions after 0.2.0 wrote."""
    for path in (run / "config.json", run / "last/config.json"):
        config = json.loads(path.read_text())
        config["model"]["word_detector"] = value
        path.write_text(json.dumps(config))
    path = run / "last/state.safetensors"
    with safe_open(path, framework="pt") as file:
        progress = json.loads(file.metadata()["progress"])
    progress["model"]["word_detector"] = value
    tensors = {name: tensor.clone() for name, tensor in read_tensors(path).items()}
    save_tensors(path, tensors, {"progress": json.dumps(progress)})


def test_a_run_that_states_no_word_detector_captions_and_is_resumed(folder):
    write_word_detector(folder / "formats/run-3", value=False)
    model = ("--model", "formats/run-3", "--device", "cpu")
    captioned = run_here("caption", "gifs", *model)
    assert captioned.code == 0, captioned.err
    assert run_here("info", "formats/run-3").code == 0
    resumed = run_here("train", "--resume", "--epochs", 3, *model)
    assert resumed.code == 0, resumed.err
    for name in ("config.json", "last/config.json"):
        assert "word_detector" not in (folder / "formats/run-3" / name).read_text()


def test_a_run_with_a_word_detector_is_trained_again(folder):
    write_word_detector(folder / "formats/run-3", value=True)
    model = ("--model", "formats/run-3", "--device", "cpu")
    for command, name in (
        (("caption", "gifs", *model), "config.json"),
        (("info", "formats/run-3"), "config.json"),
        (("train", "--resume", *model), "last/state.safetensors"),
    ):
        done = run_here(*command)
        assert done.code == 1
        sentence = f"formats/run-3/{name}: its network has a word detector, which"
        assert sentence in " ".join(done.err.split())
        assert "train again with --force" in " ".join(done.err.split())
    trained = run_here("train", "--force", "--epochs", 1, "--hidden-size", 8, *model)
    assert trained.code == 0, trained.err
