"""What came of a demonstration: which GIFs were held out, and a picture of their captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gifdesc.captioners import GifCaptioner
from gifdesc.config import TrainingConfig
from gifdesc.gif import read_gif
from gifdesc.pictures import SheetRow, contact_sheet, save_picture
from gifdesc.training_data import prepare_data


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
