"""The demo's world: its scenes, its drawn GIFs, and the pictures of its results.

A scene is a coloured shape to which one thing happens ("a red ball grows"). A growing ball and a
shrinking one are the same pictures in opposite order, so a captioner that ignores order cannot
tell them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from gifdesc.captioning.captioner import GifCaptioner
from gifdesc.config import TrainingConfig
from gifdesc.data.training_data import prepare_data
from gifdesc.errors import GifdescError
from gifdesc.gif.reader import read_gif
from gifdesc.pages.pictures import SheetRow, contact_sheet, save_picture
from gifdesc.system.files import replacing, write_text, writing
from gifdesc.system.waits import wait_for

CANVAS_SIZE = 112
"""Width and height of every GIF, in pixels: half of what the backbone sees."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (225, 35, 40),
    "green": (30, 190, 60),
    "blue": (40, 80, 240),
    "yellow": (245, 215, 40),
}
"""Name -> RGB, 0 to 255."""

SHAPES = ("ball", "cross", "grid")
"""Names of the shapes, chosen as unlike as possible: untrained features must tell them apart."""


@dataclass(frozen=True)
class Stage:
    """One picture of an event.

    Attributes:
        extent: Side of the shape relative to its full size, 0 (nothing to be seen) to 1.
        whiteness: How far the shape's colour has gone to white, 0 to 1.
    """

    extent: float = 1.0
    whiteness: float = 0.0


_FULL, _NOTHING = Stage(), Stage(extent=0.0)
_GROWTH = tuple(Stage(extent=extent) for extent in (0.4, 0.55, 0.7, 0.85, 1.0))

EVENTS: dict[str, tuple[Stage, ...]] = {
    "grows": _GROWTH,
    "shrinks": _GROWTH[::-1],
    "appears": (_NOTHING, _FULL),
    "disappears": (_FULL, _NOTHING),
    "blinks": (_FULL, *3 * (_NOTHING, _FULL)),
    "fades to white": tuple(Stage(whiteness=step / 4) for step in range(5)),
}
"""Name -> its pictures in order. Few, since every different picture costs a forward pass."""

_NUM_FRAMES, _MAX_SAMPLES = (12, 40), 16  # no stage may fall between two sampled frames
_DURATIONS_MS = (40, 60, 80, 100, 120)


@dataclass(frozen=True)
class Scene:
    """What a GIF shows: a key of `COLOURS`, one of `SHAPES`, a key of `EVENTS`."""

    colour: str
    shape: str
    event: str

    @property
    def description(self) -> str:
        """The one sentence that describes the scene, such as "a blue grid fades to white"."""
        return f"a {self.colour} {self.shape} {self.event}"


SCENES = tuple(Scene(*names) for names in product(COLOURS, SHAPES, EVENTS))
"""Every scene of the world: 4 colours x 3 shapes x 6 events = 72."""


@dataclass(frozen=True, kw_only=True)
class Take:
    """What differs between two GIFs of the same scene; nothing here tells the scene.

    Attributes:
        num_frames: Frames of the GIF, 12 to 40.
        duration_ms: How long each frame is shown.
        event_start: Index of the first frame that no longer shows the opening stage.
        event_end: Index of the first frame of the closing stage. An event of two stages
            changes halfway between `event_start` and `event_end`.
        background: Grey level behind the shape, 0 to 255.
        size: Side of the shape at extent 1, in pixels.
        centre: Where the shape's middle lies, (x, y) in pixels.
    """

    num_frames: int
    duration_ms: int
    event_start: int
    event_end: int
    background: int
    size: int
    centre: tuple[int, int]

    @classmethod
    def random(cls, rng: Random) -> Take:
        """A take of which 16 frames, one from each equal segment of the GIF, show every stage."""
        num_frames = rng.randint(*_NUM_FRAMES)
        hold = -(-num_frames // _MAX_SAMPLES)  # the widest gap between two sampled frames
        latest_start = num_frames // 5
        size = rng.randint(round(0.75 * CANVAS_SIZE), round(0.88 * CANVAS_SIZE))
        room = (CANVAS_SIZE - size) // 2 - 1  # so that no shape reaches the corner pixel
        middle = CANVAS_SIZE // 2
        return cls(
            num_frames=num_frames,
            duration_ms=rng.choice(_DURATIONS_MS),
            event_start=rng.randint(hold, latest_start),
            event_end=num_frames - rng.randint(hold, latest_start),
            background=rng.randint(0, 40),
            size=size,
            centre=(middle + rng.randint(-room, room), middle + rng.randint(-room, room)),
        )

    def stage_index(self, frame_index: int, num_stages: int) -> int:
        """Which of an event's stages a frame shows: the first and the last are held."""
        if num_stages == 2:
            return int(frame_index >= (self.event_start + self.event_end) // 2)
        if frame_index < self.event_start:
            return 0
        if frame_index >= self.event_end:
            return num_stages - 1
        elapsed = frame_index - self.event_start
        return 1 + elapsed * (num_stages - 2) // (self.event_end - self.event_start)


def scene_of(index: int, *, seed: int) -> Scene:
    """What GIF `index` of the world `seed` shows, however many GIFs are drawn.

    Every 72 GIFs in a row, counted from a multiple of 72, show each of `SCENES` once.
    """
    deck_index, card = divmod(index, len(SCENES))
    deck = list(SCENES)
    Random(f"scenes {seed} {deck_index}").shuffle(deck)
    return deck[card]


def take_of(index: int, *, seed: int) -> Take:
    """Tempo, place, size and background of GIF `index` of the world `seed`."""
    return Take.random(Random(f"take {seed} {index}"))


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
    with writing(output_dir):
        _refuse_strangers(gifs_dir, names)
        with wait_for("drawing", unit="GIFs") as advance:
            for index, (name, scene) in enumerate(zip(names, scenes, strict=True)):
                take = take_of(index, seed=seed)
                _write_gif(gifs_dir / f"{name}.gif", draw_frames(scene, take), take.duration_ms)
                write_text(descriptions_dir / f"{name}.txt", f"{scene.description}\n")
                advance(index + 1, num_gifs)
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


def held_out_gifs(world_dir: Path) -> list[Path]:
    """The GIFs of a drawn world that training on it holds out for testing, sorted.

    Args:
        world_dir: with `gifs/` and `descriptions/`, as `demo.draw_world` makes them, and the
            `features/` of these GIFs.

    Raises:
        GifdescError: a folder cannot be used.
    """
    data = prepare_data(
        world_dir / "features", world_dir / "descriptions", TrainingConfig(), needs_training=False
    )
    return [world_dir / "gifs" / f"{one.name}.gif" for one in data.splits["test"]]


def draw_captions(
    captioner: GifCaptioner, paths: Sequence[Path], world_dir: Path, picture_path: Path
) -> None:
    """Draw GIFs of a world as filmstrips, with their captions and their descriptions.

    Args:
        captioner: says it.
        paths: of the GIFs.
        world_dir: holds the true sentences, in `descriptions/`.
        picture_path: where to write the picture.

    Raises:
        OSError: a description cannot be read or the picture written.
    """
    rows = []
    for path, said in zip(paths, captioner.caption_many(paths), strict=True):
        truth_path = world_dir / "descriptions" / f"{path.stem}.txt"
        truth = truth_path.read_text(encoding="utf-8").strip()
        rows.append(
            SheetRow(
                frames=read_gif(path, said.sampled_frames).frames,
                caption=said.caption or "",
                references=[truth],
                is_right=said.caption == truth,
            )
        )
    save_picture(contact_sheet(rows), picture_path)
