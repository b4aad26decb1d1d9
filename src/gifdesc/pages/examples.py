"""A picture of held-out GIFs with right and wrong captions, for a README or a model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gifdesc.data.gifs import GifInput
from gifdesc.errors import GifdescError, UsageError
from gifdesc.evaluation.results import Evaluation, ScoredCaption
from gifdesc.metrics.scoring import EXACT_MATCH, main_metric
from gifdesc.pages.described_gifs import DescribedGifs
from gifdesc.pages.evaluation import DEFAULT_GIFS_DIR, worst_first
from gifdesc.pages.filmstrips import GifFolder, read_small
from gifdesc.pages.pictures import SheetRow, check_picture_path, contact_sheet, save_picture
from gifdesc.sampling import uniform_indices

NUM_EXAMPLES = 6
"""GIFs of a picture."""

TRAINED_ON_THESE = "The model was trained on these GIFs."
"""Heading of a picture of training GIFs: their captions do not show how others are captioned."""

_FRAME_HEIGHT = 160  # pixels, more than the picture shows
_MAX_REFERENCES = 2  # of a GIF: more would not fit beside a filmstrip


@dataclass(frozen=True)
class DrawnExamples:
    """The contents of a picture.

    Attributes:
        num_shown: GIFs that it shows.
        changed: the names of those that have other content than their captions are of.
    """

    num_shown: int
    changed: tuple[str, ...]


class ExamplesPicture:
    """A picture of some GIFs of an evaluation; wrong names are reported before any work is done.

    Args:
        path: of the picture, a PNG.
        gifs_dir: the folder of the GIFs; None for `DEFAULT_GIFS_DIR`.

    Raises:
        UsageError: the name is not that of a PNG.
        GifdescError: there is no such folder of GIFs, or the picture cannot be written.
    """

    def __init__(self, path: Path, gifs_dir: Path | None = None) -> None:
        if path.suffix.lower() != ".png":
            raise UsageError(f"--picture {path}: a picture is a .png file; choose such a name")
        check_picture_path(path)
        self._path = path
        self._gifs = GifFolder(gifs_dir or DEFAULT_GIFS_DIR)

    def write(self, result: Evaluation, features_dir: Path | None = None) -> DrawnExamples:
        """Read the frames and write the picture.

        GIFs that are missing or broken are left out. The picture says so if the model was trained
        on its GIFs.

        Args:
            result: the evaluation.
            features_dir: the features that the model captioned; they name the sampled frames.

        Raises:
            GifdescError: no GIF can be read, or the picture cannot be written.
        """
        described = DescribedGifs(features_dir)
        has_exact = any(scored.scores.get(EXACT_MATCH) == 1 for scored in result.captions)
        metric = main_metric(result.num_examples)
        found = [scored for scored in result.captions if self._gifs.find(scored.name)]
        rows, changed = [], []
        for scored in chosen_examples(found, metric):
            gif = self._gifs.find(scored.name)
            row = None if gif is None else _row(scored, gif, described, is_judged=has_exact)
            if gif is not None and row is not None:
                rows.append(row)
                if described.is_changed(scored.name, gif.path):
                    changed.append(scored.name)
        if not rows:
            raise GifdescError(f"{self._path}: none of the GIFs can be shown; see --gifs")
        heading = TRAINED_ON_THESE if result.split == "train" else ""
        save_picture(contact_sheet(rows, heading=heading), self._path)
        return DrawnExamples(len(rows), tuple(changed))


def _row(
    scored: ScoredCaption, gif: GifInput, described: DescribedGifs, *, is_judged: bool
) -> SheetRow | None:
    """A caption with the frames of its GIF; None if they cannot be read."""
    try:
        frames = read_small(gif.path, described.frames(scored.name), _FRAME_HEIGHT).frames
    except GifdescError:
        return None
    return SheetRow(
        frames=frames,
        caption=scored.caption,
        references=scored.references[:_MAX_REFERENCES],
        is_right=scored.scores.get(EXACT_MATCH) == 1 if is_judged else None,
    )


def chosen_examples(
    captions: Sequence[ScoredCaption], metric: str, num_examples: int = NUM_EXAMPLES
) -> list[ScoredCaption]:
    """Examples of all qualities, the best first.

    If some captions equal a reference, half of the examples do, and half do not, as far as there
    are so many. Within each half, and otherwise among all, they are spread evenly over the scores.
    """
    ranked = worst_first(captions, metric)[::-1]
    right = [scored for scored in ranked if scored.scores.get(EXACT_MATCH) == 1]
    wrong = [scored for scored in ranked if scored.scores.get(EXACT_MATCH) != 1]
    num_wrong = min(len(wrong), max(num_examples // 2, num_examples - len(right)))
    return [*_spread(right, num_examples - num_wrong), *_spread(wrong, num_wrong)]


def _spread(captions: Sequence[ScoredCaption], count: int) -> list[ScoredCaption]:
    if not captions or count < 1:
        return []
    return [captions[index] for index in uniform_indices(len(captions), count)]
