"""The scenes of the demo's world, and which of its GIFs shows which.

A scene is a coloured shape to which one thing happens ("a red ball grows"). A growing ball and a
shrinking one are the same pictures in opposite order, so a captioner that ignores order cannot
tell them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random

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
