"""Resizing, cutting and normalising, against torchvision's own transforms."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import ResNet50_Weights

from gifdesc.features import preprocessing
from gifdesc.features.backbones.base import fill_colour, network_on_pixels
from gifdesc.features.preprocessing import FrameTransform
from worlds import IMAGENET_MEAN, IMAGENET_STD, backbone_of

SIZES = {
    "square": (64, 64),
    "portrait": (90, 37),
    "landscape": (37, 90),
    "larger": (301, 280),
    "as large": (256, 256),
    "one less": (255, 257),
    "tiny": (3, 5),
    "one pixel": (1, 1),
    "one row": (1, 9),
    "one column": (16, 1),
}
"""Heights and widths of frames."""


normalise = network_on_pixels(backbone_of(nn.Identity()))
"""uint8 (N, 3, h, w) to the floats that the network reads."""


def noise(num_frames: int, height: int, width: int) -> np.ndarray:
    """Frames in which every error of position shows."""
    random = np.random.default_rng(height * 1000 + width)
    return random.integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)


def torchvision_levels(weights: ResNet50_Weights, frames: np.ndarray) -> torch.Tensor:
    """What the weights' own transform gives, one frame at a time, in grey levels 0 to 255."""
    transform = weights.transforms()
    normalised = [transform(torch.from_numpy(frame).permute(2, 0, 1)) for frame in frames]
    mean = torch.tensor(transform.mean).view(3, 1, 1)
    std = torch.tensor(transform.std).view(3, 1, 1)
    return torch.stack([(frame * std + mean) * 255 for frame in normalised])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("weights", "resize_size"),
    [(ResNet50_Weights.IMAGENET1K_V1, 256), (ResNet50_Weights.IMAGENET1K_V2, 232)],
)
def test_frames_are_torchvisions_to_one_grey_level(weights, resize_size, size):
    frames = noise(2, *SIZES[size])
    pixels = FrameTransform(resize_size=resize_size)(frames)
    assert pixels.shape == (2, 3, 224, 224)
    assert pixels.dtype == torch.uint8
    wanted = torchvision_levels(weights, frames)
    assert (pixels.float() - wanted).abs().max() < 1.01
    assert (pixels.float() - wanted).abs().mean() < 0.3


@pytest.mark.parametrize("weights", list(ResNet50_Weights))
def test_frames_are_normalised_as_torchvision_does(weights):
    frames = noise(1, 40, 50)
    pixels = FrameTransform(resize_size=weights.transforms().resize_size[0])(frames)
    wanted = weights.transforms()(torch.from_numpy(frames[0]).permute(2, 0, 1))
    one_level = 1 / 255 / min(IMAGENET_STD)
    assert (normalise(pixels)[0] - wanted).abs().max() < 1.01 * one_level


@pytest.mark.parametrize("shape", [(200, 7), (7, 200), (1, 101), (1, 100)])
def test_the_centre_of_a_long_thin_frame_is_torchvisions_too(shape):
    frames = noise(1, *shape)
    pixels = FrameTransform(resize_size=256)(frames)
    wanted = torchvision_levels(ResNet50_Weights.IMAGENET1K_V1, frames)
    assert (pixels.float() - wanted).abs().max() < 1.01


def test_a_very_long_frame_is_cut_before_it_is_resized(monkeypatch):
    resized = []
    interpolate = preprocessing.interpolate

    def watched(batch, *args, **kwargs):
        resized.append(tuple(batch.shape[2:]))
        return interpolate(batch, *args, **kwargs)

    monkeypatch.setattr(preprocessing, "interpolate", watched)
    # Resized whole it would have 256 x 15,360,000 pixels.
    pixels = FrameTransform(resize_size=256)(np.full((1, 1, 60_000, 3), 99, np.uint8))
    assert pixels.shape == (1, 3, 224, 224)
    assert (pixels == 99).all()
    assert resized == [(1, 16)]


@pytest.mark.parametrize("capability", ["as it is", "DEFAULT"])
@pytest.mark.parametrize("size", [(40, 31), (31, 40), (256, 256), (300, 257), (7, 200), (1, 1)])
def test_frames_are_torchvisions_v2_to_the_byte(monkeypatch, size, capability):
    """Where bytes are resized as bytes, and where they go through floats."""
    from torchvision.transforms.v2 import functional

    if capability != "as it is":
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    frames = noise(2, *size)
    batch = torch.from_numpy(frames).permute(0, 3, 1, 2)
    batch = functional.center_crop(batch, [min(size[0], 16 * size[1]), min(size[1], 16 * size[0])])
    wanted = functional.center_crop(functional.resize(batch, [256], antialias=True), [224, 224])
    assert torch.equal(FrameTransform(resize_size=256)(frames), wanted)


def test_a_crop_that_is_larger_than_the_frame_is_refused():
    with pytest.raises(ValueError, match="resize_size"):
        FrameTransform(resize_size=223)


def test_frames_of_a_gif_do_not_affect_each_other():
    frames = noise(3, 20, 30)
    transform = FrameTransform(resize_size=24, image_size=16)
    apart = torch.cat([transform(frames[[index]]) for index in range(3)])
    assert torch.equal(transform(frames), apart)


def test_one_colour_stays_that_colour():
    frames = np.tile(np.array([10, 200, 99], np.uint8), (1, 33, 44, 1))
    pixels = FrameTransform(resize_size=256)(frames)
    assert pixels.amin(dim=(0, 2, 3)).tolist() == [10, 200, 99]
    assert pixels.amax(dim=(0, 2, 3)).tolist() == [10, 200, 99]


def test_frames_need_not_be_contiguous():
    frames = noise(4, 12, 12)[::2, :, ::-1]
    transform = FrameTransform(resize_size=16, image_size=16)
    assert torch.equal(transform(frames.copy()), transform(np.ascontiguousarray(frames)))
    pixels = transform(frames.copy())
    assert pixels.is_contiguous(memory_format=torch.channels_last)


def test_normalised_values_worked_by_hand():
    pixels = torch.tensor([0, 255, 128], dtype=torch.uint8).view(1, 3, 1, 1)
    wanted = [(0 - 0.485) / 0.229, (1 - 0.456) / 0.224, (128 / 255 - 0.406) / 0.225]
    torch.testing.assert_close(normalise(pixels).flatten(), torch.tensor(wanted))


def test_the_constants_are_torchvisions():
    for weights in ResNet50_Weights:
        assert weights.transforms().mean == list(IMAGENET_MEAN)
        assert weights.transforms().std == list(IMAGENET_STD)
        assert weights.transforms().crop_size == [FrameTransform(resize_size=256).image_size]


# The framings


def marked(height: int, width: int) -> np.ndarray:
    """A grey frame with a red bar at its left edge and a green bar at its right edge."""
    frame = np.full((1, height, width, 3), 128, np.uint8)
    frame[:, :, : width // 8] = (255, 0, 0)
    frame[:, :, -(width // 8) :] = (0, 255, 0)
    return frame


def test_a_whole_frame_is_resized_to_the_square_as_torchvision_does():
    from torchvision.transforms.v2 import functional

    frames = noise(2, 90, 160)
    transform = FrameTransform(resize_size=256).framed("whole")
    batch = torch.from_numpy(frames).permute(0, 3, 1, 2)
    assert torch.equal(transform(frames), functional.resize(batch, [224, 224], antialias=True))


@pytest.mark.parametrize(("height", "width"), [(90, 160), (160, 90), (50, 50), (1, 9), (3000, 2)])
def test_pad_keeps_the_aspect_ratio_on_the_mean_colour(height, width):
    frames = noise(2, height, width)
    colour = fill_colour(IMAGENET_MEAN)
    assert colour == (124, 116, 104)
    pixels = FrameTransform(resize_size=256, fill_colour=colour).framed("pad")(frames)
    assert pixels.shape == (2, 3, 224, 224)
    inner = [max(1, round(224 * side / max(height, width))) for side in (height, width)]
    mean = torch.tensor([124, 116, 104], dtype=torch.uint8)
    assert normalise(mean.view(1, 3, 1, 1)).abs().max() < 0.01
    border = torch.ones(224, 224, dtype=torch.bool)
    top, left = ((224 - side) // 2 for side in inner)
    border[top : top + inner[0], left : left + inner[1]] = False
    assert (pixels[:, :, border] == mean[:, None]).all()
    picture = pixels[:, :, top : top + inner[0], left : left + inner[1]]
    whole = FrameTransform(framing="whole", resize_size=8, image_size=8)(frames).float()
    shrunk = torch.nn.functional.interpolate(
        picture.float(), (8, 8), mode="bilinear", antialias=True
    )
    if min(height, width) >= 8:
        assert (shrunk - whole).abs().mean() < 3


@pytest.mark.parametrize(("framing", "sees_the_sides"), [("whole", 1), ("pad", 1), ("crop", 0)])
def test_only_a_crop_loses_the_sides_of_a_wide_frame(framing, sees_the_sides):
    pixels = FrameTransform(resize_size=256).framed(framing)(marked(90, 160))
    red, green, _ = pixels[0].float()
    assert ((red - green > 200).any(), (green - red > 200).any()) == (sees_the_sides,) * 2


def test_a_very_long_frame_takes_no_more_memory_than_the_square():
    frames = np.full((1, 1, 60_000, 3), 99, np.uint8)
    for framing in ("whole", "pad"):
        pixels = FrameTransform(resize_size=256).framed(framing)(frames)
        assert pixels.shape == (1, 3, 224, 224)
        assert (pixels == 99).all(dim=1).any()
