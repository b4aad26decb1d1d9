"""A drawn world of large shapes, in which untrained features suffice: used by other benchmarks.

A scene is a coloured shape with one event ("a red ball grows"). A growing and a shrinking ball have
the same pictures in opposite order, so a captioner that ignores the order cannot distinguish them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from gifdesc.demo.world import write_gif
from gifdesc.system.files import write_text, writing
from gifdesc.system.waits import wait_for

CANVAS_SIZE = 112
"""Width and height of every GIF, in pixels: half the input size of the backbone."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (225, 35, 40),
    "green": (30, 190, 60),
    "blue": (40, 80, 240),
    "yellow": (245, 215, 40),
}
"""Name -> RGB, 0 to 255."""

SHAPES = ("ball", "cross", "grid")
"""Names of the shapes, which differ as much as possible: untrained features must differ too."""


@dataclass(frozen=True)
class Stage:
    """One picture of an event.

    Attributes:
        extent: side of the shape relative to its full size, 0 (invisible) to 1.
        whiteness: share of white in the colour of the shape, 0 to 1.
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
"""Name -> its pictures in order; few, because every distinct picture costs a forward pass."""

_NUM_FRAMES, _MAX_SAMPLES = (12, 40), 16  # every stage must be in a sampled frame
_DURATIONS_MS = (40, 60, 80, 100, 120)


@dataclass(frozen=True)
class Scene:
    """The content of a GIF: a key of `COLOURS`, one of `SHAPES`, a key of `EVENTS`."""

    colour: str
    shape: str
    event: str

    @property
    def description(self) -> str:
        """The sentence that describes the scene, such as "a blue grid fades to white"."""
        return f"a {self.colour} {self.shape} {self.event}"


SCENES = tuple(Scene(*names) for names in product(COLOURS, SHAPES, EVENTS))
"""Every scene: 4 colours x 3 shapes x 6 events = 72."""


@dataclass(frozen=True, kw_only=True)
class Take:
    """The differences between two GIFs of a scene; they do not depend on the scene.

    Attributes:
        num_frames: frames of the GIF, 12 to 40.
        duration_ms: duration of each frame.
        event_start: index of the first frame that no longer shows the opening stage.
        event_end: index of the first frame of the closing stage. An event of two stages
            changes halfway between `event_start` and `event_end`.
        background: grey level of the background, 0 to 255.
        size: side of the shape at extent 1, in pixels.
        centre: centre of the shape, (x, y) in pixels.
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
        """A take in which 16 frames, one from each equal segment of the GIF, show every stage."""
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
        """The index of the stage in a frame; the first and the last stage are held."""
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


# Shapes made of vertical and horizontal bars: the starts and the thickness, relative to the side.
_BARS = {"cross": ((0.36,), 0.28), "grid": ((0.0, 0.2275, 0.455, 0.6825, 0.91), 0.09)}


def gif_name(index: int) -> str:
    """File name of GIF `index` without suffix; it does not describe the content."""
    return f"world-{index:04d}"


def draw_frames(scene: Scene, take: Take) -> list[Image.Image]:
    """The GIF's frames: `take.num_frames` palette images of `CANVAS_SIZE` x `CANVAS_SIZE`.

    Pillow omits a frame whose palette indices equal those of the previous frame. These GIFs keep
    frames without motion, as recorded GIFs do: entries 0 and 1 of the palette are the same
    background colour, and a corner pixel alternates between them.
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
    """Write `gifs/world-0000.gif` ... and `descriptions/world-0000.txt` ....

    The same seed gives the same files, and more GIFs do not change the first ones.

    Args:
        output_dir: the folder; created if it does not exist.
        num_gifs: the number of GIFs; 72 or more contain every scene.
        seed: seed of the GIFs.

    Returns:
        The scene of every GIF, in the order of the names.

    Raises:
        GifdescError: the folder cannot be written.
        ValueError: `num_gifs` is below 1.
    """
    if num_gifs < 1:
        raise ValueError(f"num_gifs must be at least 1, got {num_gifs}")
    gifs_dir, descriptions_dir = output_dir / "gifs", output_dir / "descriptions"
    names = list(map(gif_name, range(num_gifs)))
    scenes = [scene_of(index, seed=seed) for index in range(num_gifs)]
    with writing(output_dir), wait_for("drawing", unit="GIFs") as advance:
        for index, (name, scene) in enumerate(zip(names, scenes, strict=True)):
            take = take_of(index, seed=seed)
            write_gif(gifs_dir / f"{name}.gif", draw_frames(scene, take), take.duration_ms)
            write_text(descriptions_dir / f"{name}.txt", f"{scene.description}\n")
            advance(index + 1, num_gifs)
    return scenes
