"""The files of the demo's world: GIFs drawn from scenes, and their descriptions."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

from gifdesc.demo.scenes import CANVAS_SIZE, COLOURS, Scene, Stage, Take, Thing, scene_of, take_of
from gifdesc.errors import GifdescError
from gifdesc.system.files import write_text, writing
from gifdesc.system.replacement import replacing
from gifdesc.system.waits import wait_for

_WHITE = (255, 255, 255)
_BACKGROUND_BANDS, _BAND_STEP = 14, 6  # vertical bands, and how much lighter each is than the last
_STAR_RADII = (0.54, 0.22)  # of its outer and inner corners, relative to the side
_RING_THICKNESS = 0.27  # relative to the side
_PATTERN_STEPS = 4  # stripes, or rows of dots, across the side


def gif_name(index: int) -> str:
    """File name of GIF `index` without suffix; it does not describe the content."""
    return f"world-{index:04d}"


def draw_frames(scene: Scene, take: Take) -> list[Image.Image]:
    """The GIF's frames: palette images of `CANVAS_SIZE` x `CANVAS_SIZE`.

    Pillow omits a frame whose palette indices equal those of the previous frame. These GIFs keep
    frames without motion, as recorded GIFs do: entries 0 and 1 of the palette are the same
    colour, that of the leftmost band, and a corner pixel alternates between them.
    """
    levels = [take.background + _BAND_STEP * band for band in range(_BACKGROUND_BANDS)]
    palette = [level for level in (take.background, *levels) for _ in "RGB"]
    middle_level = levels[_BACKGROUND_BANDS // 2]
    for thing, stage in scene.stages:
        for colour in (COLOURS[thing.colour], _WHITE):
            palette += [
                round(middle_level + stage.opacity * (value - middle_level)) for value in colour
            ]
    background = _background()
    background.putpalette(palette)
    frames: list[Image.Image] = []
    for index, (thing, stage) in enumerate(scene.stages):
        picture = background.copy()
        if stage.opacity > 0:
            _draw_thing(picture, thing, stage, take, entry=1 + _BACKGROUND_BANDS + 2 * index)
        for _ in range(take.stage_lengths[index]):
            frame = picture.copy()
            frame.putpixel((0, 0), len(frames) % 2)
            frames.append(frame)
    return frames


def _background() -> Image.Image:
    """Vertical bands of the palette's entries 1, 2, ..., from left to right."""
    picture = Image.new("P", (CANVAS_SIZE, CANVAS_SIZE))
    pen, width = ImageDraw.Draw(picture), CANVAS_SIZE // _BACKGROUND_BANDS
    for band in range(_BACKGROUND_BANDS):
        left = band * width
        pen.rectangle((left, 0, left + width - 1, CANVAS_SIZE - 1), fill=1 + band)
    return picture


def _draw_thing(
    picture: Image.Image, thing: Thing, stage: Stage, take: Take, *, entry: int
) -> None:
    """Draw a thing in the palette's colour `entry`, its stripes or dots in the next one."""
    side = stage.extent * take.size
    x, y = take.place(stage)
    left, top = x - side / 2, y - side / 2
    silhouette, pattern = Image.new("1", picture.size), Image.new("1", picture.size)
    _draw_shape(ImageDraw.Draw(silhouette), thing.shape, left, top, side)
    _draw_texture(ImageDraw.Draw(pattern), thing.texture, left, top, side)
    picture.paste(entry, mask=silhouette)
    picture.paste(entry + 1, mask=ImageChops.logical_and(silhouette, pattern))


def _draw_shape(pen: ImageDraw.ImageDraw, shape: str, left: float, top: float, side: float) -> None:
    box = (left, top, left + side - 1, top + side - 1)
    if shape == "square":
        pen.rectangle(box, fill=1)
    elif shape == "star":
        corners = []
        for corner in range(10):
            radius, angle = _STAR_RADII[corner % 2] * side, corner * math.pi / 5
            corners.append(
                (
                    left + side / 2 + radius * math.sin(angle),
                    top + side / 2 - radius * math.cos(angle),
                )
            )
        pen.polygon(corners, fill=1)
    else:
        pen.ellipse(box, fill=1)
        if shape == "ring":
            inset = _RING_THICKNESS * side
            pen.ellipse((left + inset, top + inset, box[2] - inset, box[3] - inset), fill=0)


def _draw_texture(
    pen: ImageDraw.ImageDraw, texture: str, left: float, top: float, side: float
) -> None:
    step = side / _PATTERN_STEPS
    if texture == "striped":
        for row in range(_PATTERN_STEPS):
            stripe_top = top + (row + 0.25) * step
            pen.rectangle((left, stripe_top, left + side, stripe_top + 0.45 * step), fill=1)
    elif texture == "dotted":
        radius = 0.28 * step
        for row in range(_PATTERN_STEPS):
            for column in range(_PATTERN_STEPS + 1):
                x = left + (column + 0.25 + 0.5 * (row % 2)) * step
                y = top + (row + 0.5) * step
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)


def draw_world(output_dir: Path, *, num_gifs: int, seed: int) -> list[Scene]:
    """Write `gifs/world-0000.gif` ... and `descriptions/world-0000.txt` ....

    The same seed gives the same files, and more GIFs do not change the first ones.

    Args:
        output_dir: the folder; created if it does not exist.
        num_gifs: the number of GIFs; 384 or more contain every thing.
        seed: seed of the GIFs.

    Returns:
        The scene of every GIF, in the order of the names.

    Raises:
        GifdescError: the folder cannot be written, or has other GIFs.
        ValueError: `num_gifs` is below 1.
    """
    if num_gifs < 1:
        raise ValueError(f"num_gifs must be at least 1, got {num_gifs}")
    gifs_dir, descriptions_dir = output_dir / "gifs", output_dir / "descriptions"
    names = list(map(gif_name, range(num_gifs)))
    scenes = [scene_of(index, seed=seed) for index in range(num_gifs)]
    with writing(output_dir):
        _check_only_demo_gifs(gifs_dir, names)
        if not any(gifs_dir.glob("*.gif")):
            _check_is_new(output_dir)
        with wait_for("drawing", unit="GIFs") as advance:
            for index, (name, scene) in enumerate(zip(names, scenes, strict=True)):
                take = take_of(index, seed=seed)
                write_gif(gifs_dir / f"{name}.gif", draw_frames(scene, take), take.duration_ms)
                write_text(descriptions_dir / f"{name}.txt", f"{scene.description}\n")
                advance(index + 1, num_gifs)
    return scenes


def _check_only_demo_gifs(gifs_dir: Path, names: list[str]) -> None:
    found = {path.name for path in gifs_dir.glob("*.gif") if not path.name.startswith(".")}
    others = found - {f"{name}.gif" for name in names}
    if others:
        raise GifdescError(
            f"{gifs_dir}: has GIFs that are not of this demo ({min(others)}, "
            f"{len(others)} in all); choose an empty folder"
        )


def _check_is_new(output_dir: Path) -> None:
    """Without the demo's GIFs, what the demo would replace belongs to the user."""
    for name in ("model", "features", "descriptions"):
        if (output_dir / name).is_dir() and any((output_dir / name).iterdir()):
            raise GifdescError(f"{output_dir / name}: is not of this demo; choose an empty folder")


def write_gif(path: Path, frames: list[Image.Image], duration_ms: int) -> None:
    """Write palette images as a GIF that repeats, each shown for so many milliseconds."""
    options = {"save_all": True, "append_images": frames[1:], "duration": duration_ms, "loop": 0}
    with replacing(path) as temporary_path:
        # Without optimisation, which would remove the double entry of the palette.
        frames[0].save(temporary_path, format="GIF", optimize=False, **options)
