"""What a features folder records of the GIFs that its features describe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gifdesc.data.feature_files import read_recipe
from gifdesc.data.manifest import Manifest, change_note
from gifdesc.data.names import gif_key
from gifdesc.gif.reader import Indices
from gifdesc.sampling import sampler


class DescribedGifs:
    """The GIFs of a features folder by the names that captions use.

    Args:
        features_dir: the folder; None if the captions were made without features.

    Raises:
        FeatureError: its manifest or its recipe is damaged.
    """

    def __init__(self, features_dir: Path | None) -> None:
        recipe = None if features_dir is None else read_recipe(features_dir)
        self._by_recipe = None if recipe is None else sampler(recipe.sampling, recipe.num_frames)
        entries = {} if features_dir is None else Manifest(features_dir).entries
        self._entries = {gif_key(entry.source): entry for entry in entries.values()}

    def frames(self, name: str) -> Indices:
        """The frames that features describe, of the manifest or else of the recipe; or None."""
        entry = self._entries.get(gif_key(name))
        return (None if entry is None else entry.sampled_frames) or self._by_recipe

    def is_changed(self, name: str, path: Path) -> bool:
        """Whether a file of a GIF's name has other content than `extract` read."""
        entry = self._entries.get(gif_key(name))
        return entry is not None and entry.is_changed(path)


def older_captions_note(names: Sequence[str]) -> str | None:
    """A sentence about GIFs that are shown with captions of an older content; None without any."""
    return change_note(names, "the captions are of older content")
