"""From one GIF to its features: against a plain path, frame by frame, and with a small network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from gif_files import COLOURS, draw_gif, truncate
from gifdesc.config import FeatureRecipe
from gifdesc.errors import CheckpointError, FeatureError, UsageError, WeightsError
from gifdesc.features import extractor as extractor_module
from gifdesc.features.backbones.base import Backbone
from gifdesc.features.encoder import TorchEncoder
from gifdesc.features.extractor import FeatureExtractor, extract_features
from gifdesc.features.preprocessing import FrameTransform
from gifdesc.gif.reader import read_gif
from gifdesc.positional import sinusoidal_encoding
from worlds import IMAGENET_MEAN, IMAGENET_STD, backbone_of

SMALL = FrameTransform(resize_size=10, image_size=8)
CPU = torch.device("cpu")


class Pooling(torch.nn.Module):
    """A replacement for ResNet50: 2048 numbers that differ between frames."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(N, 3, h, w) -> (N, 2048)."""
        cells = torch.nn.functional.adaptive_avg_pool2d(frames, (4, 4)).flatten(1)
        return cells.repeat(1, 43)[:, :2048] * torch.linspace(-1, 1, 2048)


class Watched:
    """An encoder that notes how many frames each batch had."""

    batch_frames = 64

    def __init__(self) -> None:
        self.batches: list[int] = []
        self._encoder = TorchEncoder(backbone_of(Pooling()), CPU)

    def submit(self, pixels: np.ndarray):
        """Compute one batch."""
        self.batches.append(len(pixels))
        return self._encoder.submit(pixels)


@pytest.fixture
def watched() -> Watched:
    return Watched()


def make_extractor(encoder: Watched, **recipe: object) -> FeatureExtractor:
    backbone = backbone_of(Pooling(), transform=SMALL)
    made = FeatureRecipe(weights_sha256="5" * 64, gifdesc_version="0.1.0", **recipe)
    return FeatureExtractor(backbone, made, encoder)


def plain_features(path, network, transform: FrameTransform, indices: list[int]) -> np.ndarray:
    """One frame at a time through the network as it is, batch-norm and all; no encoding."""
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (IMAGENET_MEAN, IMAGENET_STD))
    rows = []
    with torch.inference_mode():
        for index in indices:
            frame = read_gif(path).frames[index]
            pixels = transform(np.ascontiguousarray(frame)[None])
            rows.append(network((pixels.float() / 255 - mean) / std)[0].numpy())
    return np.stack(rows)


def assert_close_to_scale(features: np.ndarray, wanted: np.ndarray) -> None:
    assert features.shape == wanted.shape
    assert np.abs(features - wanted).max() < 1e-4 * np.abs(wanted).max()


# Agreement


def test_features_agree_with_a_plain_implementation(random_backbone, tmp_path):
    first = draw_gif(tmp_path / "a.gif", [COLOURS[0], COLOURS[1], COLOURS[0]], size=(9, 7))
    noise = np.random.default_rng(0).integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)
    images = [Image.fromarray(frame) for frame in noise]
    second = tmp_path / "b.gif"
    images[0].save(second, save_all=True, append_images=images[1:], duration=50)
    # A smaller square than 224 for time's sake; the transform itself has tests of its own.
    small = FrameTransform(resize_size=72, image_size=64)
    backbone = backbone_of(random_backbone.network, transform=small)
    recipe = FeatureRecipe(weights_sha256="5" * 64, gifdesc_version="0.1.0")
    extractor = FeatureExtractor(backbone, recipe, TorchEncoder(backbone, CPU))
    together = extractor.encode([extractor.sample(first), extractor.sample(second)])
    for path, features, num_frames in zip((first, second), together, (3, 2), strict=True):
        plain = plain_features(path, backbone.network, extractor.transform, list(range(num_frames)))
        assert features.dtype == np.float32
        assert_close_to_scale(features, plain + sinusoidal_encoding(num_frames, 2048))


def test_features_do_not_depend_on_other_gifs(watched, tmp_path):
    paths = [draw_gif(tmp_path / f"{n}.gif", n, size=(8 + n, 9)) for n in (1, 3, 20, 5)]
    extractor = make_extractor(watched)
    sampled = [extractor.sample(path) for path in paths]
    together = extractor.encode(sampled)
    for one, features in zip(sampled, together, strict=True):
        alone = make_extractor(watched).encode([one])[0]
        np.testing.assert_array_equal(alone, features)


class Crowded(Pooling):
    """A network whose vectors depend on the number of frames in the batch."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(N, 3, h, w) -> (N, 2048)."""
        return super().forward(frames) + len(frames)


def test_features_do_not_depend_on_other_gifs_if_the_network_depends_on_its_batch(tmp_path):
    backbone = backbone_of(Crowded(), transform=SMALL)
    recipe = FeatureRecipe(weights_sha256="5" * 64, gifdesc_version="0.1.0")
    paths = [draw_gif(tmp_path / f"{n}.gif", n, size=(8 + n, 9)) for n in (1, 3, 20, 5)]

    def encode(chosen):
        extractor = FeatureExtractor(backbone, recipe, TorchEncoder(backbone, CPU))
        return extractor.encode([extractor.sample(path) for path in chosen])

    for path, features in zip(paths, encode(paths), strict=True):
        np.testing.assert_array_equal(encode([path])[0], features)


# Frames


@pytest.mark.parametrize("num_frames", [1, 2, 15, 16, 17, 40])
def test_there_is_one_vector_per_sampled_frame_and_none_is_repeated(watched, tmp_path, num_frames):
    extractor = make_extractor(watched)
    sampled = extractor.sample(draw_gif(tmp_path / "a.gif", num_frames))
    assert len(sampled.durations_ms) == num_frames
    assert len(set(sampled.sampled_frames)) == min(num_frames, 16)
    assert extractor.encode([sampled])[0].shape == (min(num_frames, 16), 2048)


@pytest.mark.parametrize(
    ("sampling", "wanted"),
    [("uniform", [0, 2, 4, 6]), ("step", [0, 2, 4, 6]), ("time", [3, 3, 3, 6])],
)
def test_frames_are_sampled_as_the_recipe_says(watched, tmp_path, sampling, wanted):
    # 8 frames, of which the fourth stays for 2 of the 2.8 seconds.
    path = draw_gif(tmp_path / "a.gif", 8, durations_ms=[50, 50, 50, 2000, 50, 50, 500, 50])
    extractor = make_extractor(watched, sampling=sampling, num_frames=4, encoding="none")
    if sampling == "uniform":
        wanted = [1, 3, 5, 7]
    sampled = extractor.sample(path)
    assert list(sampled.sampled_frames) == wanted
    features = extractor.encode([sampled])[0]
    assert_close_to_scale(features, plain_features(path, Pooling(), SMALL, wanted))


def test_under_time_sampling_a_frame_is_repeated_and_computed_once(watched, tmp_path):
    path = draw_gif(tmp_path / "a.gif", 2, durations_ms=[100, 900])
    extractor = make_extractor(watched, sampling="time", num_frames=10, encoding="none")
    sampled = extractor.sample(path)
    assert sampled.sampled_frames == (0,) + (1,) * 9
    features = extractor.encode([sampled])[0]
    assert features.shape == (10, 2048)
    assert watched.batches == [2]
    assert len(np.unique(features, axis=0)) == 2
    np.testing.assert_array_equal(features[1:], np.repeat(features[1:2], 9, axis=0))


def test_equal_frames_are_computed_once_within_a_gif(watched, tmp_path):
    red, green, blue = COLOURS[:3]
    first = draw_gif(tmp_path / "a.gif", [red, green, red, green, red])
    second = draw_gif(tmp_path / "b.gif", [green, blue, green])
    extractor = make_extractor(watched, encoding="none")
    features = extractor.encode([extractor.sample(first), extractor.sample(second)])
    assert watched.batches == [2, 2]
    assert_close_to_scale(features[0], plain_features(first, Pooling(), SMALL, [0, 1, 2, 3, 4]))
    assert_close_to_scale(features[1], plain_features(second, Pooling(), SMALL, [0, 1, 2]))


def test_the_same_bytes_in_another_shape_are_another_frame(watched, tmp_path):
    wide, high = (12, 3), (3, 12)
    first = draw_gif(tmp_path / "a.gif", [COLOURS[0]], size=wide)
    second = draw_gif(tmp_path / "b.gif", [COLOURS[0]], size=high)
    extractor = make_extractor(watched)
    extractor.encode([extractor.sample(first), extractor.sample(second)])
    assert watched.batches == [1, 1]


def test_on_a_gpu_gifs_share_batches(watched, tmp_path):
    paths = [draw_gif(tmp_path / f"{n}.gif", n, size=(8 + n, 9)) for n in (3, 5)]
    backbone = backbone_of(Pooling(), transform=SMALL)
    recipe = FeatureRecipe(weights_sha256="5" * 64, gifdesc_version="0.1.0")
    extractor = FeatureExtractor(backbone, recipe, watched, "cuda")
    extractor.encode([extractor.sample(path) for path in paths])
    assert watched.batches == [8]


def test_the_frames_of_a_recent_gif_are_not_computed_again(watched, tmp_path):
    path = draw_gif(tmp_path / "a.gif", COLOURS[:2])
    extractor = make_extractor(watched)
    first, second = extractor.encode([extractor.sample(path), extractor.sample(path)])
    again = extractor.encode([extractor.sample(path)])[0]
    assert watched.batches == [2]
    for features in (second, again):
        np.testing.assert_array_equal(features, first)


def test_many_frames_go_through_the_network_in_batches(watched, tmp_path):
    extractor = make_extractor(watched, num_frames=100)
    paths = [draw_gif(tmp_path / "a.gif", 50, size=(8, 8)), draw_gif(tmp_path / "b.gif", 100)]
    features = extractor.encode([extractor.sample(path) for path in paths])
    assert [len(one) for one in features] == [50, 100]
    assert watched.batches == [50, 64, 36]


def test_nothing_to_encode(watched):
    assert make_extractor(watched).encode([]) == []
    assert watched.batches == []


@pytest.mark.parametrize("num_frames", [1, 5])
def test_the_position_is_added_or_not(watched, tmp_path, num_frames):
    path = draw_gif(tmp_path / "a.gif", num_frames)
    with_encoding, without = (
        extractor.encode([extractor.sample(path)])[0]
        for extractor in (make_extractor(watched), make_extractor(watched, encoding="none"))
    )
    wanted = without + sinusoidal_encoding(num_frames, 2048)
    np.testing.assert_array_equal(with_encoding, wanted)
    assert with_encoding.dtype == without.dtype == np.float32


# What a GIF brings with it


def test_the_good_beginning_of_a_truncated_gif_is_used(watched, tmp_path):
    path = draw_gif(tmp_path / "a.gif", 6)
    extractor = make_extractor(watched, encoding="none")
    whole = extractor.encode([extractor.sample(path)])[0]
    sampled = extractor.sample(truncate(path, 20))
    assert sampled.truncated
    assert len(sampled.durations_ms) == 5
    np.testing.assert_allclose(extractor.encode([sampled])[0], whole[:5], atol=1e-6)


# Made from options and from recipes


@pytest.fixture
def small_backbone(monkeypatch) -> None:
    """Weights of three names that cost nothing, each with its own digest."""
    digests = {"random": "a" * 64, "imagenet1k-v2": "b" * 64, "/elsewhere/my.pth": "c" * 64}

    def load(name: str, weights: str) -> Backbone:
        assert name == "resnet50"
        return backbone_of(
            Pooling(), transform=SMALL, weights=weights, weights_sha256=digests[weights]
        )

    monkeypatch.setattr(extractor_module, "load_backbone", load)


@pytest.mark.usefixtures("small_backbone")
def test_the_size_of_batches_is_an_option():
    assert FeatureExtractor.create(weights="random", device="cpu", batch_frames=3).batch_frames == 3


@pytest.mark.usefixtures("small_backbone")
def test_an_extractor_has_the_recipe_of_its_options():
    extractor = FeatureExtractor.create(
        weights="/elsewhere/my.pth",
        num_frames=4,
        sampling="time",
        encoding="none",
        device="cpu",
        precision="float32",
    )
    recipe = extractor.recipe
    assert (recipe.weights, recipe.weights_sha256) == ("my.pth", "c" * 64)
    assert (recipe.num_frames, recipe.sampling, recipe.encoding) == (4, "time", "none")
    assert (recipe.framing, recipe.image_size, recipe.resize_size) == ("whole", 8, 8)
    assert (recipe.backbone, recipe.dtype, recipe.precision) == ("resnet50", "float32", "float32")


@pytest.mark.usefixtures("small_backbone")
@pytest.mark.parametrize(("framing", "resize_size"), [("whole", 8), ("pad", 8), ("crop", 10)])
def test_a_recipe_makes_the_same_features_again(tmp_path, framing, resize_size):
    path = draw_gif(tmp_path / "a.gif", 9, durations_ms=[50, 200, 50, 50, 900, 50, 50, 50, 50])
    made = FeatureExtractor.create(
        weights="random", num_frames=4, sampling="time", framing=framing, device="cpu"
    )
    assert (made.recipe.framing, made.recipe.resize_size) == (framing, resize_size)
    again = FeatureExtractor.for_recipe(made.recipe, device="cpu")
    assert again.recipe == made.recipe
    first, second = (one.encode([one.sample(path)])[0] for one in (made, again))
    np.testing.assert_array_equal(first, second)


@pytest.mark.usefixtures("small_backbone")
def test_a_recipe_of_a_gpu_serves_on_a_cpu(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 5)
    made = FeatureExtractor.create(weights="random", device="cpu")
    recipe = replace(made.recipe, precision="bfloat16")
    again = FeatureExtractor.for_recipe(recipe, device="cpu")
    assert again.recipe == recipe
    first, second = (one.encode([one.sample(path)])[0] for one in (made, again))
    np.testing.assert_array_equal(first, second)


@pytest.mark.usefixtures("small_backbone")
def test_a_recipe_of_a_file_needs_that_file():
    recipe = FeatureRecipe(weights="my.pth", weights_sha256="c" * 64, gifdesc_version="0.1.0")
    extractor = FeatureExtractor.for_recipe(recipe, weights="/elsewhere/my.pth", device="cpu")
    assert extractor.recipe is recipe
    with pytest.raises(CheckpointError) as caught:
        FeatureExtractor.for_recipe(recipe, weights="random", device="cpu")
    assert str(caught.value) == (
        "random: not the weights that the features were made with (SHA-256 "
        "aaaaaaaaaaaa..., wanted cccccccccccc...); name the right file with --weights"
    )


@pytest.mark.usefixtures("small_backbone")
def test_a_recipes_file_that_is_elsewhere_is_named_with_its_digest(tmp_path, monkeypatch):
    """A model remembers the file's name; its folder means nothing on another machine."""
    monkeypatch.chdir(tmp_path)
    recipe = FeatureRecipe(weights="my.pth", weights_sha256="c" * 64, gifdesc_version="0.1.0")
    with pytest.raises(WeightsError) as caught:
        FeatureExtractor.for_recipe(recipe, device="cpu")
    assert str(caught.value) == (
        "the features were made with the weights file my.pth (SHA-256 cccccccccccc...); "
        "name that file with --weights"
    )


def test_the_device_is_checked_before_the_weights(monkeypatch):
    monkeypatch.setattr(extractor_module, "load_backbone", lambda *_: pytest.fail("weights read"))
    with pytest.raises(UsageError, match="--device tpu: not a device"):
        FeatureExtractor.create(weights="random", device="tpu")


@pytest.mark.usefixtures("small_backbone")
def test_the_features_of_one_gif_in_one_call(tmp_path):
    path = draw_gif(tmp_path / "a.gif", 5)
    features = extract_features(str(path), weights="random", num_frames=3, device="cpu")
    wanted = plain_features(
        path, Pooling(), SMALL.framed("whole"), [0, 2, 4]
    ) + sinusoidal_encoding(3, 2048)
    assert_close_to_scale(features, wanted)
    import gifdesc

    assert gifdesc.extract_features is extract_features


@pytest.mark.usefixtures("small_backbone")
def test_output_that_cannot_be_used_is_an_error(tmp_path, monkeypatch):
    path = draw_gif(tmp_path / "a.gif", 3)
    monkeypatch.setattr(FeatureExtractor, "encode", lambda *_: [np.full((3, 4), np.nan)])
    with pytest.raises(FeatureError, match=r"a\.gif: the output of the network cannot be used"):
        extract_features(path, weights="random", device="cpu")
    with pytest.raises(FeatureError, match=r"^the output of the network cannot be used"):
        extract_features(path.read_bytes(), weights="random", device="cpu")
