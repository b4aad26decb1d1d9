"""Find the GIFs that look most like a given GIF, by their features alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gifdesc.config import Encoding
from gifdesc.data.feature_files import read_features, untrained_warning
from gifdesc.errors import FeatureError
from gifdesc.positional import sinusoidal_encoding
from gifdesc.search.cache import CACHE_NAME, Cache
from gifdesc.search.gifs import FeaturesFolder, GifPaths, check_top, ranked, rounded, tie_notes
from gifdesc.search.results import SearchHit, SearchResult
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted, list_some

FORMAT_VERSION = 3

_MIN_RELATIVE_STD = 0.1
"""The smallest deviation that a feature is divided by, relative to the root mean square over all
features: a feature that hardly varies would otherwise decide."""

MIN_GIFS = 3
"""Fewest usable GIFs whose scores mean something: of two that are standardised by their own mean,
each is the opposite of the other."""

_EVERY_GIFS = 64

Features = npt.NDArray[np.float32]


def search_like(
    gif: Path | str,
    features_dir: Path | str,
    *,
    top: int = 10,
    weights: str | None = None,
    device: str = "auto",
    gifs_dir: Path | str | None = None,
) -> SearchResult:
    """The GIFs of a features folder that are nearest to a GIF, without that GIF itself.

    Nearness is the cosine of the mean features of the GIFs, in standard deviations from the mean of
    the folder. The positional encoding is subtracted: its mean differs by the number of frames.

    Args:
        gif: a GIF of the folder (its file, or its name there), or any other GIF, whose features
            are computed by the folder's recipe.
        features_dir: the features to search.
        top: GIFs to find.
        weights: the name or file of the backbone's weights, for a GIF that is not in the folder;
            None for those of the recipe.
        device: where to compute the features of another GIF; see `device.resolve_device`.
        gifs_dir: the folder of the GIFs, if they were moved since `extract` read them.

    Raises:
        GifError: the GIF cannot be read.
        FeatureError: there is no such GIF, there are no usable features, the folder has no recipe
            for another GIF, or the output of the network is not finite or beyond `MAX_FEATURE`.
        CheckpointError, WeightsError: the backbone's weights are missing, or are not those that the
            features were made with.
        UsageError: the device or the backbone is not available.
        ValueError: `top` is below 1.
    """
    check_top(top)
    gif = Path(gif)
    gifs = FeaturesFolder.read(Path(features_dir))
    paths = GifPaths(gifs, None if gifs_dir is None else Path(gifs_dir))
    own = paths.index_of(gif)
    if own is None and not gif.exists():
        alike = paths.alike(gif)
        hint = f"; its GIFs of this name are {list_some(alike)}" if alike else ""
        raise FeatureError(f"{gif}: no such file, and no GIF of {gifs.folder}{hint}")
    encoding: Encoding = "none" if gifs.recipe is None else gifs.recipe.encoding
    other = None if own is not None else _extracted(gif, gifs, weights, device)
    means, note = _means(gifs, encoding)
    is_usable: npt.NDArray[np.bool_] = np.isfinite(means.sum(axis=1))
    problems = _problems(gifs, np.flatnonzero(~is_usable).tolist())
    if not is_usable.any():
        raise FeatureError(f"{gifs.folder}: none of its feature files can be used")
    if other is not None:
        wanted = _mean(other, encoding)
        if len(wanted) != means.shape[1]:
            raise FeatureError(
                f"{gifs.folder}: has {means.shape[1]} features a frame, its recipe.json makes "
                f"{len(wanted)}"
            )
    else:
        assert own is not None
        wanted = means[own]
        if not is_usable[own]:
            [problem] = _problems(gifs, [own])
            raise FeatureError(problem)
    candidates = [place for place in np.flatnonzero(is_usable).tolist() if place != own]
    scores = rounded(_cosines(wanted, means[candidates], means[is_usable]) if candidates else [])
    names = [gifs.names[place] for place in candidates]
    best = ranked(scores, names, top)
    hits = tuple(
        SearchHit(rank=rank, path=paths.path(candidates[place]), score=scores[place])
        for rank, place in enumerate(best, start=1)
    )
    compared = [] if own is None else [own]
    notes = [
        *tie_notes(scores, top),
        *paths.change_notes([*compared, *(candidates[place] for place in best)]),
    ]
    if gifs.recipe is None:
        notes.append(
            f"{gifs.folder}: has no recipe.json, so its features count as without a positional "
            "encoding"
        )
    if (warning := untrained_warning(gifs.recipe)) is not None:
        notes.append(warning)
    if note is not None:
        notes.append(note)
    if not candidates:
        notes.append("the folder has no other GIF")
    elif (num_usable := int(is_usable.sum())) < MIN_GIFS:
        notes.append(
            f"the folder has {counted(num_usable, 'usable GIF')}: too few to tell what they have "
            "in common, so the scores mean little"
        )
    return SearchResult(
        kind="like",
        hits=hits,
        num_gifs=len(candidates),
        query_path=str(gif) if own is None else paths.path(own),
        is_in_folder=own is not None,
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _extracted(gif: Path, gifs: FeaturesFolder, weights: str | None, device: str) -> Features:
    """The features of another GIF by the folder's recipe."""
    if gifs.recipe is None:
        raise FeatureError(
            f"{gifs.folder}: has no recipe.json, so the features of {gif} cannot be made like its "
            "own; name a GIF of the folder"
        )
    from gifdesc.features.extractor import FeatureExtractor

    with wait_for("loading the backbone"):
        extractor = FeatureExtractor.for_recipe(gifs.recipe, weights=weights, device=device)
    return extractor.features_of(gif)


def _means(gifs: FeaturesFolder, encoding: Encoding) -> tuple[Features, str | None]:
    """The mean features (N, D) of all GIFs, NaN for unusable files; why they were not stored."""
    cache = Cache(
        gifs.folder / CACHE_NAME / "means.safetensors",
        {"format_version": FORMAT_VERSION, "encoding": encoding, "features": gifs.digest()},
    )
    if (stored := cache.read("means")) is not None:
        return stored.numpy(), None
    rows: list[Features | None] = []
    with wait_for("reading all features once", unit="GIFs") as advance:
        for place in range(len(gifs.names)):
            try:
                rows.append(_mean(read_features(gifs.features_path(place)), encoding))
            except FeatureError:  # reported by `_problems`
                rows.append(None)
            if place % _EVERY_GIFS == 0:
                advance(place, len(gifs.names))
    sizes = [len(row) for row in rows if row is not None]
    size = max(set(sizes), key=sizes.count, default=1)
    means = np.full((len(rows), size), np.nan, np.float32)
    for place, row in enumerate(rows):
        if row is not None and len(row) == size:
            means[place] = row
    return means, cache.write({"means": torch.from_numpy(means)})


def _problems(gifs: FeaturesFolder, places: list[int]) -> list[str]:
    problems = []
    for place in places:
        try:
            found = read_features(gifs.features_path(place))
        except FeatureError as error:
            problems.append(str(error))
        else:
            path, size = gifs.features_path(place), found.shape[1]
            problems.append(f"{path}: has {size} features a frame, unlike most of the folder")
    return problems


def _mean(features: Features, encoding: Encoding) -> Features:
    """The mean over the frames (T, D) without their encoding: float32 (D,)."""
    mean: Features = features.mean(axis=0)
    if encoding == "sinusoidal":
        mean = mean - sinusoidal_encoding(*features.shape).mean(axis=0)
    return mean


def _cosines(wanted: Features, candidates: Features, everything: Features) -> list[float]:
    """The cosines of standardised vectors; of vectors as they are if there is only one."""
    if len(everything) > 1:
        mean, std = everything.mean(axis=0), everything.std(axis=0)
        floor = _MIN_RELATIVE_STD * float(np.sqrt(np.square(std).mean()))
        std = np.maximum(std, floor or 1.0)
        wanted, candidates = (wanted - mean) / std, (candidates - mean) / std
    lengths = np.linalg.norm(candidates, axis=1) * np.linalg.norm(wanted)
    cosines: list[float] = (candidates @ wanted / np.maximum(lengths, 1e-12)).tolist()
    return cosines
