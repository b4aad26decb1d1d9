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

from gifdesc.data.feature_files import find_features, read_features
from gifdesc.data.manifest import Manifest
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
