"""A small world of drawn GIFs with descriptions, in which the order of the frames matters."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from gifdesc.errors import GifdescError
from gifdesc.files import reason, replacing, write_text
from gifdesc.scenes import CANVAS_SIZE, COLOURS, EVENTS, Scene, Take, scene_of, take_of
from gifdesc.waits import wait_for

# Shapes made of bars, upright and level: where each begins and how thick it is, in sides.
_BARS = {"cross": ((0.36,), 0.28), "grid": ((0.0, 0.2275, 0.455, 0.6825, 0.91), 0.09)}


def gif_name(index: int) -> str:
    """File name of GIF `index` without its ending; it says nothing of the content."""
    return f"world-{index:04d}"


def draw_frames(scene: Scene, take: Take) -> list[Image.Image]:
    """The GIF's frames: `take.num_frames` palette images of `CANVAS_SIZE` x `CANVAS_SIZE`.

    Pillow leaves out a frame whose palette indices equal those of the frame before. Here a GIF
    keeps the frames in which nothing moves, as recorded ones do: entries 0 and 1 of the palette
    are the same background, and one corner pixel takes turns between them.
    """
    stages = EVENTS[scene.event]
    palette = [take.background] * 6
    for stage in stages:
        palette += [round(c + stage.whiteness * (255 - c)) for c in COLOURS[scene.colour]]
    pictures: list[Image.Image] = []
    for entry, stage in enumerate(stages, start=2):
        picture = Image.new("P", (CANVAS_SIZE, CANVAS_SIZE), 0)
        picture.putpalette(palette)
        if stage.extent > 0:
            _draw_shape(picture, scene.shape, take.centre, stage.extent * take.size, entry)
        pictures.append(picture)
    frames = []
    for frame_index in range(take.num_frames):
        frame = pictures[take.stage_index(frame_index, len(stages))].copy()
        frame.putpixel((0, 0), frame_index % 2)
        frames.append(frame)
    return frames


def _draw_shape(
    picture: Image.Image, shape: str, centre: tuple[int, int], side: float, entry: int
) -> None:
    pen = ImageDraw.Draw(picture)
    left, top = centre[0] - side / 2, centre[1] - side / 2
    right, bottom = left + side - 1, top + side - 1
    if shape == "ball":
        pen.ellipse((left, top, right, bottom), fill=entry)
        return
    offsets, thickness = _BARS[shape]
    for offset in offsets:
        start, end = offset * side, (offset + thickness) * side - 1
        pen.rectangle((left + start, top, left + end, bottom), fill=entry)
        pen.rectangle((left, top + start, right, top + end), fill=entry)


def draw_world(output_dir: Path, *, num_gifs: int, seed: int) -> list[Scene]:
    """Write the world: `gifs/world-0000.gif` ... and `descriptions/world-0000.txt` ....

    The same seed gives the same files, and a GIF is the same in a larger world.

    Args:
        output_dir: Folder of the world; made if it is not there.
        num_gifs: How many GIFs; from 72 on every scene is in.
        seed: Which world.

    Returns:
        The scene of every GIF, in the order of the names.

    Raises:
        GifdescError: the folder cannot be written, or holds GIFs that are not of this world.
        ValueError: fewer than one GIF is asked for.
    """
    if num_gifs < 1:
        raise ValueError(f"num_gifs must be at least 1, got {num_gifs}")
    gifs_dir, descriptions_dir = output_dir / "gifs", output_dir / "descriptions"
    names = list(map(gif_name, range(num_gifs)))
    scenes = [scene_of(index, seed=seed) for index in range(num_gifs)]
    try:
        _refuse_strangers(gifs_dir, names)
        with wait_for("drawing", unit="GIFs") as advance:
            for index, (name, scene) in enumerate(zip(names, scenes, strict=True)):
                take = take_of(index, seed=seed)
                _write_gif(gifs_dir / f"{name}.gif", draw_frames(scene, take), take.duration_ms)
                write_text(descriptions_dir / f"{name}.txt", f"{scene.description}\n")
                advance(index + 1, num_gifs)
    except OSError as error:
        message = f"{output_dir}: the demo's GIFs cannot be written there ({reason(error)})"
        raise GifdescError(message) from error
    return scenes


def _refuse_strangers(gifs_dir: Path, names: list[str]) -> None:
    found = {path.name for path in gifs_dir.glob("*.gif") if not path.name.startswith(".")}
    strangers = found - {f"{name}.gif" for name in names}
    if strangers:
        raise GifdescError(
            f"{gifs_dir}: holds GIFs that this world does not have ({min(strangers)}, "
            f"{len(strangers)} in all); choose an empty folder"
        )


def _write_gif(path: Path, frames: list[Image.Image], duration_ms: int) -> None:
    options = {"save_all": True, "append_images": frames[1:], "duration": duration_ms, "loop": 0}
    with replacing(path) as temporary_path:
        # Not optimised: an optimised palette would lose its double entry.
        frames[0].save(temporary_path, format="GIF", optimize=False, **options)
