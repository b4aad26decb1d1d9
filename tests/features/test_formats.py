"""A clip gives nearly the same feature file in every format that people call a GIF.

Compression itself changes features: those of a trained backbone more than those of a random one,
which hardly differ between frames.
"""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gifdesc.features.extractor import FeatureExtractor
from gifdesc.features.frames import sample_source
from video_files import draw_video
from worlds import needs_lite


def scene(num_frames):
    """A ball that rolls over a meadow while the sun sets."""
    frames = []
    for index in range(num_frames):
        picture = Image.new("RGB", (224, 224), (120, 180, 230))
        drawing = ImageDraw.Draw(picture)
        drawing.rectangle((0, 150, 224, 224), fill=(70, 140, 60))
        drawing.rectangle((150, 110 - index * 2, 190, 150), fill=(240, 220, 60))
        drawing.polygon([(20, 150), (60, 90), (100, 150)], fill=(90, 70, 60))
        drawing.ellipse((10 + index * 6, 60, 70 + index * 6, 120), fill=(220, 60, 40))
        frames.append(np.asarray(picture))
    return frames


FRAMES = scene(24)


def draw_pillow(path, form, frames=FRAMES, **options):
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(path, form, save_all=True, append_images=images[1:], duration=80, **options)
    return path


def draw_clip(folder):
    """The clip in each format; the suffixes are its formats."""
    times_ms = [80 * index for index in range(len(FRAMES))]
    return [
        draw_pillow(folder / "clip.gif", "GIF", loop=0),
        draw_pillow(folder / "clip.webp", "WEBP", quality=85),
        draw_pillow(folder / "clip.apng", "PNG"),
        draw_pillow(folder / "clip.avif", "AVIF"),
        draw_video(folder / "clip.mp4", FRAMES, times_ms=times_ms),
        draw_video(folder / "clip.mov", FRAMES, times_ms=times_ms),
        draw_video(folder / "clip.mkv", FRAMES, times_ms=times_ms),
        draw_video(
            folder / "clip.avi", FRAMES, times_ms=times_ms, codec="mpeg4",
            options={"b": "4M", "qmax": "3"},
        ),
        draw_video(
            folder / "clip.webm", FRAMES, times_ms=times_ms, codec="libvpx-vp9",
            options={"crf": "24", "b": "0"},
        ),
    ]  # fmt: skip


def cosine(first, second):
    return float((first * second).sum() / np.linalg.norm(first) / np.linalg.norm(second))


@pytest.mark.parametrize("sampling", ["uniform", "time"])
@pytest.mark.parametrize(
    ("backbone", "weights"),
    [
        ("resnet18", "random"),
        pytest.param("efficientnet-lite0", None, marks=needs_lite),
    ],
)
def test_the_features_of_all_formats_of_a_clip_agree(tmp_path, backbone, weights, sampling):
    extractor = FeatureExtractor.create(
        backbone=backbone,
        weights=weights,
        num_frames=8,
        sampling=sampling,
        device="cpu",
        precision="float32",
    )
    found = {}
    for path in draw_clip(tmp_path):
        gif = sample_source(path, extractor.recipe, extractor.transform)
        assert (len(gif.durations_ms), gif.truncated, gif.note) == (24, None, None), path
        assert sum(gif.durations_ms) == pytest.approx(24 * 80, abs=24), path
        found[path.suffix] = (gif.sampled_frames, extractor.encode([gif])[0])
    wanted_indices, wanted = found[".gif"]
    assert len(wanted_indices) == 8
    for suffix, (indices, features) in found.items():
        assert indices == wanted_indices, suffix
        assert cosine(features, wanted) >= 0.98, suffix
    if weights is None:  # the bound means something: another frame is further away
        assert cosine(wanted[0], wanted[-1]) < 0.9
