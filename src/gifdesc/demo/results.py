"""The demo's held-out GIFs, and a picture of their captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gifdesc.captioning.loading import GifCaptioner
from gifdesc.config import TrainingConfig
from gifdesc.data.training_data import prepare_data
from gifdesc.gif.reader import read_gif
from gifdesc.pages.pictures import SheetRow, contact_sheet, save_picture


def held_out_gifs(world_dir: Path) -> list[Path]:
    """The GIFs of the demo in the test split, sorted.

    Args:
        world_dir: a folder with `gifs/` and `descriptions/` from `draw_world`, and with the
            `features/` of these GIFs.

    Raises:
        GifdescError: a folder cannot be used.
    """
    data = prepare_data(
        world_dir / "features", world_dir / "descriptions", TrainingConfig(), needs_training=False
    )
    return [world_dir / "gifs" / f"{example.name}.gif" for example in data.splits["test"]]


def description_of(path: Path, world_dir: Path) -> str:
    """The description of a GIF of the demo.

    Raises:
        OSError: it cannot be read.
    """
    description_path = world_dir / "descriptions" / f"{path.stem}.txt"
    return description_path.read_text(encoding="utf-8").strip()


def draw_captions(
    captioner: GifCaptioner, paths: Sequence[Path], world_dir: Path, picture_path: Path
) -> None:
    """Draw GIFs of the demo as filmstrips, with their captions and their descriptions.

    Args:
        captioner: writes the captions.
        paths: the GIFs.
        world_dir: the folder with their `descriptions/`.
        picture_path: the picture to write.

    Raises:
        OSError: a description cannot be read, or the picture cannot be written.
    """
    rows = []
    for path, result in zip(paths, captioner.caption_many(paths), strict=True):
        reference = description_of(path, world_dir)
        rows.append(
            SheetRow(
                frames=read_gif(path, result.sampled_frames).frames,
                caption=result.caption or "",
                references=[reference],
                is_right=result.caption == reference,
            )
        )
    save_picture(contact_sheet(rows), picture_path)
