"""What came of a demonstration: which GIFs were held out, and a picture of what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gifdesc.captioners import GifCaptioner
from gifdesc.config import TrainingConfig
from gifdesc.gif import read_gif
from gifdesc.pictures import SheetRow, contact_sheet, save_picture
from gifdesc.splits import hash_split


def held_out_gifs(world_dir: Path, *, seed: int) -> list[Path]:
    """The GIFs of a drawn world that the hash of their names holds out for testing, sorted.

    Args:
        world_dir: with `gifs/`, as `demo.draw_world` makes it.
        seed: of the training.
    """
    training = TrainingConfig(seed=seed)
    fractions = (training.val_fraction, training.test_fraction)
    return [
        path
        for path in sorted((world_dir / "gifs").glob("*.gif"))
        if _split_of(path, seed, *fractions) == "test"
    ]


def draw_captions(
    captioner: GifCaptioner, paths: Sequence[Path], world_dir: Path, picture_path: Path
) -> None:
    """Draw GIFs of a world as filmstrips, with what is said of them and what is true.

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


def _split_of(path: Path, seed: int, val_fraction: float, test_fraction: float) -> str:
    return hash_split(path.stem, seed=seed, val_fraction=val_fraction, test_fraction=test_fraction)
