"""What a backbone sees in a GIF, as classes of its own classifier."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from gif_files import draw_gif
from gifdesc.errors import UsageError
from gifdesc.features.backbones.base import Backbone, imagenet_labels, linear_classifier
from gifdesc.features.backbones.loading import load_backbone
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.labels import Labeller
from gifdesc.positional import sinusoidal_encoding
from worlds import backbone_of, needs_lite, run_here


def classifying_backbone() -> Backbone:
    """D = 4; class 1 follows the first number of a vector, class 0 the second."""
    classifier = nn.Linear(4, 3)
    with torch.no_grad():
        classifier.weight.zero_()
        classifier.bias.zero_()
        classifier.weight[1, 0] = classifier.weight[0, 1] = 10.0
    return backbone_of(nn.Identity(), classifier=classifier, labels=("cat", "dog", "mouse"))


@pytest.mark.parametrize("encoding", ["sinusoidal", "none"])
def test_classes_are_the_mean_over_the_frames_without_the_encoding(encoding):
    features = np.zeros((4, 4), np.float32)
    features[:3, 0] = 1.0  # three frames of a dog, one of a cat
    features[3, 1] = 1.0
    if encoding == "sinusoidal":
        features = features + sinusoidal_encoding(4, 4)
    found = Labeller(classifying_backbone(), encoding)(features)
    assert [each.name for each in found] == ["dog", "cat", "mouse"]
    assert [each.probability for each in found] == pytest.approx([0.75, 0.25, 0.0], abs=1e-3)


def test_a_backbone_without_a_trained_classifier_is_refused():
    extractor = FeatureExtractor.create(backbone="resnet18", weights="random", device="cpu")
    with pytest.raises(UsageError, match=r"--labels: resnet18 with the weights random has no"):
        extractor.labeller()


def test_a_resnets_file_brings_its_classifier(tmp_path):
    torch.manual_seed(0)
    whole = models.resnet18().eval()
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    backbone = load_backbone("resnet18", str(tmp_path / "whole.pth"))
    frames = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        found = backbone.classifier(backbone.network(frames))
        torch.testing.assert_close(found, whole(frames), rtol=1e-4, atol=1e-4)
    assert backbone.labels[207] == "golden retriever"


def test_a_file_without_a_classifier_of_known_classes_has_none(tmp_path):
    whole = models.resnet18(num_classes=7)
    torch.save(whole.state_dict(), tmp_path / "seven.pth")
    backbone = load_backbone("resnet18", str(tmp_path / "seven.pth"))
    assert backbone.classifier is None
    assert linear_classifier({"weight": torch.zeros(7, 3), "bias": torch.zeros(8)}, 7) is None


@needs_lite
def test_extract_prints_and_records_them_also_of_finished_gifs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gifs").mkdir()
    for number in range(2):
        draw_gif(tmp_path / "gifs" / f"{number}.gif", 3)
    options = ("--backbone", "efficientnet-lite0", "--device", "cpu")
    plain = run_here("extract", "gifs/0.gif", *options)
    assert (plain.code, plain.out) == (0, "")
    labelled = run_here("extract", "gifs/0.gif", "gifs/1.gif", *options, "--labels")
    assert labelled.code == 0
    lines = [line.split("\t") for line in labelled.out.splitlines()]
    assert sorted(name for name, _ in lines) == ["gifs/0.gif", "gifs/1.gif"]
    manifest = (tmp_path / "features" / "manifest.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in manifest.splitlines()]
    for row, (_, text) in zip(rows, sorted(lines), strict=True):
        assert text == ", ".join(f"{e['label']} {e['probability']:.2f}" for e in row["labels"])
        assert len(row["labels"]) == 3
        assert {each["label"] for each in row["labels"]} <= set(imagenet_labels())
    assert "1 done before" in labelled.err


@needs_lite
def test_damaged_features_of_a_finished_gif_get_no_labels_and_do_not_end_the_run(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        draw_gif(tmp_path / f"{name}.gif", 3)
    run = ("extract", "a.gif", "b.gif", "--backbone", "efficientnet-lite0", "--device", "cpu")
    assert run_here(*run).code == 0
    (tmp_path / "features" / "a.gif.npy").write_bytes(b"damaged")
    done = run_here(*run, "--labels")
    assert (done.code, [line.split("\t")[0] for line in done.out.splitlines()]) == (0, ["b.gif"])
    [message] = [each for each in caplog.messages if "a.gif.npy" in each]
    assert message.endswith("; extract a.gif again with --force")


def test_extract_refuses_labels_of_an_untrained_network_before_any_gif(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw_gif(tmp_path / "a.gif", 2)
    done = run_here("extract", "a.gif", "--weights", "random", "--labels")
    assert done.code == 2
    assert "--labels: resnet50 with the weights random has no trained classifier" in done.err
    assert not (tmp_path / "features").exists()
