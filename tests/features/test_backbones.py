"""Backbones beside ResNet50: other ResNets, EfficientNet-Lite0, models of timm and transformers."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipModel,
    VideoMAEConfig,
    VideoMAEModel,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

from gif_files import draw_gif
from gifdesc.demo.scenes import scene_of, take_of
from gifdesc.demo.world import draw_frames
from gifdesc.errors import CheckpointError, UsageError, WeightsError
from gifdesc.features import encoder
from gifdesc.features.backbones import efficientnet_lite, from_timm, from_transformers
from gifdesc.features.backbones.base import network_on_pixels
from gifdesc.features.backbones.loading import load_backbone
from gifdesc.features.backbones.resnet import RESNETS
from gifdesc.features.encoder import TorchEncoder, choose_precision
from gifdesc.features.extractor import FeatureExtractor
from gifdesc.system.device import has_fast_bfloat16
from gifdesc.system.hub import HubError
from worlds import needs_lite, run_here

TINY = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
VISION = {**TINY, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
TEXT = {**TINY, "num_attention_heads": 2, "vocab_size": 30, "max_position_embeddings": 8}


def pixels(size, num_frames=3):
    numbers = np.random.default_rng(0).integers(0, 256, (num_frames, 3, size, size), np.uint8)
    return torch.from_numpy(numbers)


def normalised(backbone, frames):
    mean = torch.tensor(backbone.mean).view(1, 3, 1, 1)
    std = torch.tensor(backbone.std).view(1, 3, 1, 1)
    return (frames / 255 - mean) / std


def vectors_of(backbone, frames):
    with torch.inference_mode():
        return network_on_pixels(backbone)(frames)


# ResNets


@pytest.mark.parametrize(("name", "size"), [("resnet18", 512), ("resnet34", 512)])
def test_a_smaller_resnet_gives_its_own_vectors(name, size):
    backbone = load_backbone(name, "random")
    frames = pixels(64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        plain = getattr(models, name)().eval()
    plain.fc = nn.Identity()
    mean, std = (
        torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (backbone.mean, backbone.std)
    )
    with torch.inference_mode():
        wanted = plain((frames / 255 - mean) / std)
    found = vectors_of(backbone, frames)
    assert found.shape == (3, size) == (3, backbone.feature_size)
    assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()


def test_weights_of_another_resnet_are_refused(tmp_path):
    torch.save(models.resnet34().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=r"a deeper ResNet than ResNet18: ResNet18 has no place"):
        load_backbone("resnet18", str(tmp_path / "weights.pth"))


@pytest.mark.parametrize("name", ["resnet5", "", "nowhere/at/all"])
def test_a_name_of_no_backbone_is_refused_with_the_names(name):
    with pytest.raises(UsageError, match=r"no backbone of that name; use resnet18, .*lite0"):
        load_backbone(name)


# EfficientNet-Lite0


@pytest.fixture(scope="module")
def lite():
    return load_backbone("efficientnet-lite0")


@needs_lite
def test_the_packages_weights_are_in_the_network_in_their_order(lite):
    path = efficientnet_lite.packaged_weights()
    state = torch.load(path, weights_only=True)
    values = [tensor for name, tensor in state.items() if "num_batches" not in name]
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    own = {name: t for name, t in whole.state_dict().items() if "num_batches" not in name}
    assert len(values) == len(own) == 247
    whole.load_state_dict(dict(zip(own, values, strict=True)), strict=False)
    frames = pixels(224, 2)
    with torch.inference_mode():
        logits = whole((frames.float() - 127) / 128)
        vectors = vectors_of(lite, frames)
        found = lite.classifier(vectors)
    assert vectors.shape == (2, 1280)
    assert (found - logits).abs().max() < 1e-4 * logits.abs().max()
    assert lite.licence == "Apache-2.0"
    assert lite.weights_sha256.startswith("57934424")  # as the file's name


@needs_lite
def test_folded_batch_norms_give_the_same_vectors(lite):
    frames = pixels(96)
    with torch.inference_mode():
        plain = lite.network(normalised(lite, frames))
    folded = network_on_pixels(lite)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert (vectors_of(lite, frames) - plain).abs().max() < 1e-4 * plain.abs().max()


@needs_lite
def test_other_tensors_are_not_taken_for_its_weights(tmp_path):
    torch.save(models.resnet18().state_dict(), tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="not the weights of EfficientNet-Lite0"):
        load_backbone("efficientnet-lite0", str(tmp_path / "weights.pth"))
    with pytest.raises(WeightsError, match="neither a file nor one of imagenet1k, random"):
        load_backbone("efficientnet-lite0", "imagenet1k-v1")


def test_without_the_packages_the_sentence_names_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'gifdesc\[lite\]'"):
        load_backbone("efficientnet-lite0")
    monkeypatch.setitem(__import__("sys").modules, "timm.models", None)
    with pytest.raises(UsageError, match=r"pip install 'gifdesc\[lite\]'"):
        load_backbone("efficientnet-lite0", "random")


@needs_lite
def test_gifs_are_extracted_and_captioned_with_trained_weights(tmp_path, monkeypatch):
    """The whole way; the recipe keeps the backbone, and features of another are refused."""
    monkeypatch.chdir(tmp_path)
    for index, (name, colour) in enumerate(
        {"a": (200, 0, 0), "b": (0, 0, 200), "c": (0, 200, 0)}.items()
    ):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", [colour, (index, 9, 9)])
        path = tmp_path / "descriptions" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"gif number {name}\n")
    done = run_here("extract", "gifs", "--backbone", "efficientnet-lite0", "--device", "cpu")
    assert done.code == 0, done.err
    assert "untrained" not in done.err
    assert np.load("features/a.gif.npy").shape == (2, 1280)
    refused = run_here("extract", "gifs", "--weights", "random", "--device", "cpu")
    assert refused.code == 1
    assert "the same backbone (extract --backbone efficientnet-lite0)" in refused.err
    options = ("--val-fraction", 0, "--test-fraction", 0, "--hidden-size", 16, "--device", "cpu")
    trained = run_here("train", "--epochs", 1, *options)
    assert trained.code == 0, trained.err
    captioned = run_here("caption", "gifs/a.gif", "--device", "cpu")
    assert captioned.code == 0, captioned.err
    assert captioned.out.strip()
    assert "untrained" not in captioned.err


# timm


def test_a_model_of_timm_brings_its_own_preprocessing():
    backbone = load_backbone("timm:vit_tiny_patch16_224.augreg_in21k", "random")
    assert backbone.mean == backbone.std == (0.5, 0.5, 0.5)
    assert backbone.transform.image_size == 224
    assert backbone.transform.interpolation == "bicubic"
    assert vectors_of(backbone, pixels(224, 1)).shape == (1, 192) == (1, backbone.feature_size)


@pytest.fixture
def timm_hub(monkeypatch, tmp_path):
    """A hub that has tiny weights of one model; what was asked for is noted."""
    asked = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        save_file(timm.create_model("test_vit").state_dict(), tmp_path / "model.safetensors")

    def fetch(name, patterns, revision=None):
        asked.append((name, list(patterns), revision))
        return tmp_path

    monkeypatch.setattr(from_timm, "fetch", fetch)
    return asked


def test_pretrained_weights_of_timm_come_through_the_hub(timm_hub):
    backbone = load_backbone("timm:test_vit")
    assert timm_hub == [("timm/test_vit.r160_in1k", ["model.safetensors"], None)]
    size = backbone.transform.image_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        whole = timm.create_model("test_vit").eval()
    frames = pixels(size, 2)
    mean, std = (
        torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (backbone.mean, backbone.std)
    )
    with torch.inference_mode():
        normalised = (frames / 255 - mean) / std
        wanted = whole.forward_head(whole.forward_features(normalised), pre_logits=True)
        logits = whole(normalised)
    found = vectors_of(backbone, frames)
    assert found.shape == (2, backbone.feature_size)
    assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert backbone.weights == "pretrained"
    torch.testing.assert_close(backbone.classifier(found), logits, rtol=1e-3, atol=1e-4)
    assert (len(backbone.labels), backbone.labels[0]) == (1000, "tench, Tinca tinca")


def test_weights_that_are_not_there_end_in_a_sentence(monkeypatch):
    def refuse(name, *_):
        raise HubError(f"{name}: the Hugging Face hub cannot be reached from here")

    monkeypatch.setattr(from_timm, "fetch", refuse)
    monkeypatch.setattr(from_transformers, "fetch", refuse)
    for name in ("timm:test_vit", "hf:openai/clip-vit-base-patch32"):
        with pytest.raises(
            WeightsError, match=r"use --backbone efficientnet-lite0, which needs no"
        ):
            load_backbone(name)


def test_models_that_timm_does_not_have_are_refused(monkeypatch):
    with pytest.raises(UsageError, match=r"timm .* has no model of that name"):
        load_backbone("timm:no_such_model")
    with pytest.raises(UsageError, match="takes pretrained or random"):
        load_backbone("timm:test_vit", "imagenet1k-v1")
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(UsageError, match=r"needs timm: pip install 'gifdesc\[timm\]'"):
        load_backbone("timm:test_vit")


# transformers


def save_tiny(folder: Path, model, processor) -> str:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def tiny_clip():
    config = CLIPConfig(
        vision_config={**VISION, "projection_dim": 8}, text_config={**TEXT, "projection_dim": 8}
    )
    return CLIPModel(config)


SMALL = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
FAMILIES = {
    "clip": (tiny_clip, lambda: CLIPImageProcessor(**SMALL)),
    "vit": (
        lambda: ViTModel(ViTConfig(**VISION)),
        lambda: ViTImageProcessor(size={"height": 32, "width": 32}),
    ),
    "dino": (
        lambda: Dinov2Model(Dinov2Config(**VISION)),
        lambda: CLIPImageProcessor(**SMALL),
    ),
    "siglip": (
        lambda: SiglipModel(SiglipConfig(vision_config=VISION, text_config=TEXT)),
        lambda: ViTImageProcessor(size={"height": 32, "width": 32}),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_vision_model_of_transformers_gives_its_pooled_output(family, tmp_path):
    build, make_processor = FAMILIES[family]
    model, processor = build().eval(), make_processor()
    folder = save_tiny(tmp_path / family, model, processor)
    for name in (f"hf:{folder}", folder):
        backbone = load_backbone(name)
        frames = pixels(32)
        vision = getattr(model, "vision_model", model)
        mean = torch.tensor(processor.image_mean).view(1, 3, 1, 1)
        std = torch.tensor(processor.image_std).view(1, 3, 1, 1)
        with torch.inference_mode():
            wanted = vision(pixel_values=(frames / 255 - mean) / std).pooler_output
        found = vectors_of(backbone, frames)
        assert found.shape == (3, 16) == (3, backbone.feature_size)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
        assert backbone.transform.image_size == 32


def test_a_model_that_reads_videos_or_lacks_pooled_output_is_refused(tmp_path):
    video = VideoMAEModel(VideoMAEConfig(**VISION, num_frames=2))
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    folder = save_tiny(tmp_path / "video", video, processor)
    with pytest.raises(UsageError, match="gives no vector for a picture"):
        load_backbone(folder)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=rf"--backbone {tmp_path}: cannot be loaded"):
        load_backbone(str(tmp_path))
    with pytest.raises(UsageError, match="neither a folder nor a name on the hub"):
        load_backbone("hf:nowhere")


# Half the arithmetic

HAS_BFLOAT16 = has_fast_bfloat16(torch.device("cpu"))


def drawn_frames(size):
    """Scenes of the demo's world, resized."""
    frames = [
        np.asarray(frame.convert("RGB").resize((size, size)))
        for index in range(8)
        for frame in draw_frames(scene_of(index, seed=0), take_of(index, seed=0))[::5]
    ]
    return np.stack(frames).transpose(0, 3, 1, 2)


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this CPU does not compute bfloat16 in hardware")
@pytest.mark.parametrize("name", RESNETS)
def test_features_in_bfloat16_have_a_cosine_of_0_999_to_float32(name):
    backbone = load_backbone(name, "random")
    frames = np.concatenate([drawn_frames(96), pixels(96, 6).numpy()])
    cpu = torch.device("cpu")
    assert choose_precision(backbone, cpu) == "bfloat16"
    exact, fast = (
        torch.from_numpy(TorchEncoder(backbone, cpu, precision).submit(frames)())
        for precision in ("float32", "bfloat16")
    )
    assert not torch.equal(exact, fast)
    assert torch.cosine_similarity(exact, fast).min() >= 0.999


def test_the_precision_follows_the_device(monkeypatch):
    resnet, other = load_backbone("resnet18", "random"), load_backbone("timm:test_vit", "random")
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for has_it, wanted in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(encoder, "has_fast_bfloat16", lambda _, has_it=has_it: has_it)
        assert choose_precision(resnet, cpu) == wanted
        assert choose_precision(resnet, gpu) == ("bfloat16" if has_it else "float16")
        assert choose_precision(other, cpu) == "float32"
        assert choose_precision(resnet, cpu, "float32") == "float32"
    with pytest.raises(UsageError, match="this CPU does not compute it in hardware"):
        choose_precision(resnet, cpu, "bfloat16")
    with pytest.raises(UsageError, match="--precision float16: for GPUs only"):
        choose_precision(resnet, cpu, "float16")
    for device in (cpu, gpu):
        with pytest.raises(UsageError, match="changes the features of timm:test_vit, or was not"):
            choose_precision(other, device, "bfloat16")


@needs_lite
def test_efficientnet_lite0_computes_in_float32(lite, monkeypatch):
    """In bfloat16 the cosine of some frames' vectors is below 0.999 (0.997 on drawn frames)."""
    monkeypatch.setattr(encoder, "has_fast_bfloat16", lambda _: True)
    assert choose_precision(lite, torch.device("cpu")) == "float32"


def test_pytorch_is_asked_what_the_cpu_computes(monkeypatch):
    cpu = torch.device("cpu")
    for capabilities, wanted in (
        ({"avx512_bf16": True, "avx2": True}, True),
        ({"avx512_bf16": False, "amx_bf16": False, "avx2": True}, False),
        ({"arm_bf16": True}, True),
    ):
        monkeypatch.setattr(
            torch.cpu, "get_capabilities", lambda found=capabilities: found, raising=False
        )
        assert has_fast_bfloat16(cpu) is wanted
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert not has_fast_bfloat16(cpu)
    assert not has_fast_bfloat16(torch.device("mps"))


def test_features_of_two_precisions_may_be_mixed(tmp_path, monkeypatch, tiny_backbone):  # noqa: ARG001
    monkeypatch.setattr(encoder, "has_fast_bfloat16", lambda _: True)
    for name in ("a", "b"):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", 3)
    output = ("--output", tmp_path / "features", "--device", "cpu", "--weights", "random")
    first = run_here("extract", tmp_path / "gifs" / "a.gif", *output, "--precision", "float32")
    assert first.code == 0, first.err
    second = run_here("extract", tmp_path / "gifs", *output, "--precision", "bfloat16")
    assert second.code == 0, second.err
    assert len(list((tmp_path / "features").glob("*.npy"))) == 2


# Wrong folders


def test_a_model_without_the_weights_of_its_pooler_is_refused(tmp_path):
    """transformers would fill them with other random numbers each time."""
    processor = ViTImageProcessor(size={"height": 32, "width": 32})
    model = ViTModel(ViTConfig(**VISION), add_pooling_layer=False)
    folder = save_tiny(tmp_path / "vit", model, processor)
    with pytest.raises(UsageError, match=r"lacks the weights of pooler\.dense"):
        load_backbone(folder)


def test_a_model_of_text_is_refused_by_what_it_reads(tmp_path):
    model = BertModel(BertConfig(**TINY, num_attention_heads=2, vocab_size=30))
    model.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="reads input_ids, not pictures alone"):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_mean": None}, "image_mean is not three numbers"),
        ({"image_mean": [0.5]}, "image_mean is not three numbers"),
        ({"image_std": [0.5, 0.5, 0]}, "image_std is not above 0"),
        ({"size": {"longest_edge": 32}}, "size states no square"),
        ({"resample": 0}, "resample is neither bilinear nor bicubic"),
        ({"do_rescale": False}, "pixels are not scaled"),
        ({"size": {"height": 64, "width": 64}}, "gives no vector for a picture of 64 x 64"),
    ],
)
def test_a_preprocessing_that_gifdesc_does_not_have_is_named(tmp_path, changes, reason):
    build, make_processor = FAMILIES["vit"]
    folder = Path(save_tiny(tmp_path / "vit", build(), make_processor()))
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(UsageError, match=reason):
        load_backbone(str(folder))


@pytest.mark.parametrize("name", ["hf:", "timm:", "a" * 5000, f"hf:{'a' * 5000}"])
def test_names_of_nothing_are_wrong_usage(name):
    with pytest.raises(UsageError, match="--backbone"):
        load_backbone(name)


def test_loading_a_folder_prints_nothing(tmp_path, capfd):
    build, make_processor = FAMILIES["vit"]
    folder = save_tiny(tmp_path / "vit", build(), make_processor())
    capfd.readouterr()
    load_backbone(folder)
    assert capfd.readouterr() == ("", "")


def test_the_folder_of_a_models_backbone_may_move(tmp_path, monkeypatch):
    build, make_processor = FAMILIES["vit"]
    folder = Path(save_tiny(tmp_path / "vit", build(), make_processor()))
    monkeypatch.chdir(tmp_path)
    recipe = FeatureExtractor.create(backbone="vit", device="cpu").recipe
    monkeypatch.chdir(folder)
    with pytest.raises(
        WeightsError, match=r"the folder vit \(SHA.*name that folder with --weights"
    ):
        FeatureExtractor.for_recipe(recipe, device="cpu")
    moved = FeatureExtractor.for_recipe(recipe, weights=str(folder), device="cpu")
    assert moved.recipe == recipe
    other = Path(save_tiny(tmp_path / "other", build(), make_processor()))
    with pytest.raises(CheckpointError, match="not the weights that the features"):
        FeatureExtractor.for_recipe(recipe, weights=str(other), device="cpu")


@needs_lite
def test_a_model_whose_backbone_needs_an_extra_names_the_backbone(monkeypatch):
    recipe = FeatureExtractor.create(
        backbone="efficientnet-lite0", weights="random", device="cpu"
    ).recipe
    monkeypatch.setitem(__import__("sys").modules, "timm.models", None)
    with pytest.raises(UsageError, match="need the backbone efficientnet-lite0: needs"):
        FeatureExtractor.for_recipe(recipe, device="cpu")
