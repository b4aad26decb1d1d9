"""What the demo's GIFs show: things and their events, and how a GIF shows them.

A thing is a small coloured shape, plain or with a pattern, with one event ("a red striped ball
moves left"). Some GIFs show two things, one after the other. Left and right, up and down, growing
and shrinking have the same pictures in opposite order, so a captioner that ignores the order cannot
distinguish them. The background becomes lighter from left to right: networks trained on mirrored
photographs, as those of ImageNet are, hardly distinguish the sides of a picture by anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, product
from random import Random

CANVAS_SIZE = 112
"""Width and height of every GIF, in pixels: half the input size of the backbone."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (230, 45, 45),
    "green": (40, 190, 80),
    "blue": (60, 110, 250),
    "yellow": (250, 205, 40),
}
"""Name -> RGB, 0 to 255."""

TEXTURES = ("plain", "striped", "dotted")
"""Names of the textures; stripes and dots are white. A description omits `plain`."""

SHAPES = ("ball", "square", "star", "ring")


@dataclass(frozen=True)
class Stage:
    """One picture of an event.

    Attributes:
        x: where the shape is between the left edge (-1) and the right edge (1); None: at the
            centre of the take.
        y: the same between the upper edge (-1) and the lower edge (1).
        extent: side of the shape relative to its usual size.
        opacity: share of its colour over the background, 0 (invisible) to 1.
    """

    x: float | None = None
    y: float | None = None
    extent: float = 1.0
    opacity: float = 1.0


_SHOWN, _HIDDEN = Stage(), Stage(opacity=0.0)
_PLACES = (-1.0, -0.5, 0.0, 0.5, 1.0)
_GROWTH = tuple(Stage(extent=extent) for extent in (0.5, 0.65, 0.8, 0.95, 1.1))

EVENTS: dict[str, tuple[Stage, ...]] = {
    "moves left": tuple(Stage(x=x) for x in _PLACES[::-1]),
    "moves right": tuple(Stage(x=x) for x in _PLACES),
    "moves up": tuple(Stage(y=y) for y in _PLACES[::-1]),
    "moves down": tuple(Stage(y=y) for y in _PLACES),
    "grows": _GROWTH,
    "shrinks": _GROWTH[::-1],
    "blinks": (_SHOWN, _HIDDEN, _SHOWN, _HIDDEN, _SHOWN),
    "fades": tuple(Stage(opacity=step / 4) for step in (4, 3, 2, 1, 0)),
}
"""Name -> its pictures in order; few, because every distinct picture costs a forward pass."""

_PAIR_SHARE = 0.3

_NUM_FRAMES, _MAX_SAMPLES = (20, 40), 16  # every stage must be in a sampled frame
_DURATIONS_MS = (40, 60, 80, 100, 120)


@dataclass(frozen=True)
class Thing:
    """A key of `COLOURS`, one of `TEXTURES`, one of `SHAPES`, a key of `EVENTS`."""

    colour: str
    texture: str
    shape: str
    event: str

    @property
    def description(self) -> str:
        """A sentence without its full stop, such as "a blue dotted ring moves up"."""
        texture = "" if self.texture == "plain" else f"{self.texture} "
        return f"a {self.colour} {texture}{self.shape} {self.event}"


THINGS = tuple(Thing(*names) for names in product(COLOURS, TEXTURES, SHAPES, EVENTS))
"""Every thing: 4 colours x 3 textures x 4 shapes x 8 events = 384."""


@dataclass(frozen=True)
class Scene:
    """The content of a GIF: one thing, or two of different colours and shapes, in order."""

    things: tuple[Thing, ...]

    @property
    def description(self) -> str:
        """Such as "a red ball blinks", or "a red ball blinks, then a blue striped star grows"."""
        return ", then ".join(thing.description for thing in self.things)

    @property
    def stages(self) -> list[tuple[Thing, Stage]]:
        """The pictures of the GIF in order, each with its thing."""
        return list(
            chain.from_iterable(
                ((thing, stage) for stage in EVENTS[thing.event]) for thing in self.things
            )
        )


@dataclass(frozen=True, kw_only=True)
class Take:
    """The differences between two GIFs of a scene.

    Attributes:
        stage_lengths: number of frames that show each picture of the scene, in order.
        duration_ms: duration of each frame.
        background: grey level of the background at the left edge, 0 to 255.
        size: side of a shape at extent 1, in pixels.
        centre: where a shape is if it does not move, (x, y) in pixels.
    """

    stage_lengths: tuple[int, ...]
    duration_ms: int
    background: int
    size: int
    centre: tuple[int, int]

    @classmethod
    def random(cls, rng: Random, *, num_stages: int) -> Take:
        """A take in which 16 frames, one from each equal segment of the GIF, show every stage.

        Args:
            rng: the source of randomness.
            num_stages: pictures of the scene, 1 to 10.
        """
        num_frames = rng.randint(*_NUM_FRAMES)
        hold = -(-num_frames // _MAX_SAMPLES)  # the widest gap between two sampled frames
        lengths = [hold] * num_stages
        for _ in range(num_frames - hold * num_stages):
            lengths[rng.randrange(num_stages)] += 1
        middle, shift = CANVAS_SIZE // 2, CANVAS_SIZE // 14
        return cls(
            stage_lengths=tuple(lengths),
            duration_ms=rng.choice(_DURATIONS_MS),
            background=rng.randint(10, 45),
            size=rng.randint(round(0.26 * CANVAS_SIZE), round(0.32 * CANVAS_SIZE)),
            centre=(middle + rng.randint(-shift, shift), middle + rng.randint(-shift, shift)),
        )

    def place(self, stage: Stage) -> tuple[float, float]:
        """The centre of the shape at a stage, (x, y) in pixels."""
        reach = (CANVAS_SIZE - self.size) / 2 - 1  # so that no shape reaches the corner pixel
        x, y = (
            still if moved is None else CANVAS_SIZE / 2 + moved * reach
            for still, moved in zip(self.centre, (stage.x, stage.y), strict=True)
        )
        return x, y


def scene_of(index: int, *, seed: int) -> Scene:
    """What GIF `index` of the world `seed` shows, however many GIFs are drawn.

    Every 384 GIFs in a row, counted from a multiple of 384, begin with each of `THINGS` once.
    """
    deck_index, card = divmod(index, len(THINGS))
    deck = list(THINGS)
    Random(f"things {seed} {deck_index}").shuffle(deck)
    first = deck[card]
    rng = Random(f"pair {seed} {index}")
    if rng.random() >= _PAIR_SHARE:
        return Scene((first,))
    others = [t for t in THINGS if t.colour != first.colour and t.shape != first.shape]
    return Scene((first, rng.choice(others)))


def take_of(index: int, *, seed: int) -> Take:
    """Tempo, place, size and background of GIF `index` of the world `seed`."""
    num_stages = len(scene_of(index, seed=seed).stages)
    return Take.random(Random(f"take {seed} {index}"), num_stages=num_stages)
