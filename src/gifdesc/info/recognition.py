"""Find out what a folder or a file is."""

from __future__ import annotations

from pathlib import Path

from gifdesc.config import FeatureRecipe
from gifdesc.data.descriptions import TEXT_SUFFIX
from gifdesc.data.feature_files import FEATURES_SUFFIX, RECIPE_NAME
from gifdesc.data.feature_shards import find_shards
from gifdesc.data.manifest import MANIFEST_NAME
from gifdesc.errors import CheckpointError, DescriptionError, UsageError
from gifdesc.gif.sniff import is_media
from gifdesc.info.captions import facts_of_captions, facts_of_descriptions
from gifdesc.info.facts import Facts
from gifdesc.info.features import facts_of_features
from gifdesc.info.gifs import facts_of_gif
from gifdesc.info.models import facts_of_model
from gifdesc.model.folder import CONFIG_NAME, HISTORY_NAME, read_config
from gifdesc.system.files import find_files, reading
from gifdesc.system.json_files import from_json
from gifdesc.system.wording import list_some

_START_BYTES = 4096
_PARTS = {CONFIG_NAME, HISTORY_NAME, MANIFEST_NAME, RECIPE_NAME}


def facts_of(path: Path, model: Path | None = None) -> Facts:
    """The facts about a model, features, a GIF, captions or descriptions.

    Args:
        path: a folder or a file; its content decides.
        model: a model folder, whose recipe decides which frames of a GIF are sampled.

    Raises:
        UsageError: there is no such path.
        GifdescError: it cannot be read, or is none of these.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    if path.is_dir():
        return _facts_of_folder(path)
    if not path.is_file():
        raise UsageError(f"{path}: not a regular file")
    if path.suffix in (FEATURES_SUFFIX, ".safetensors") or path.name in _PARTS:
        raise UsageError(f"{path}: part of a folder of features or of a model; name the folder")
    with reading(path):
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
        if is_media(start):
            return _facts_of_gif(path, model)
        captions = facts_of_captions(path)
    try:
        return captions or facts_of_descriptions(path)
    except DescriptionError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise UsageError(f"{path}: neither a GIF nor captions or descriptions: {reason}") from error


def _facts_of_folder(path: Path) -> Facts:
    if (path / CONFIG_NAME).is_file():
        return facts_of_model(path)
    is_made_here = (path / RECIPE_NAME).is_file() or find_shards(path)
    parts = (RECIPE_NAME, CONFIG_NAME)
    within = sorted({found.parent.name for name in parts for found in path.glob(f"*/{name}")})
    if within and not is_made_here:
        raise UsageError(f"{path}: contains {list_some(within)}; name one of these folders")
    if is_made_here or find_files(path, (FEATURES_SUFFIX,)):
        return facts_of_features(path)
    if find_files(path, (TEXT_SUFFIX, ".tsv", ".jsonl")):
        return facts_of_descriptions(path)
    raise UsageError(
        f"{path}: no model, features or descriptions in this folder; `gifdesc check` examines GIFs"
    )


def _facts_of_gif(path: Path, model: Path | None) -> Facts:
    """The facts about a GIF; which frames are sampled is decided by the recipe of a model."""
    if model is None:
        return facts_of_gif(path)
    recipe, doubt = None, f"{model}: no model folder (it has no {CONFIG_NAME})"
    if (model / CONFIG_NAME).is_file():
        features = read_config(model).get("features")
        doubt = f"{model}: the recipe of its features is unknown"
        try:
            recipe = None if features is None else from_json(FeatureRecipe, features)
        except ValueError as error:
            raise CheckpointError(f"{model / CONFIG_NAME}: damaged: {error}") from error
    facts = facts_of_gif(path, recipe)
    if recipe is None:
        facts.doubts.append(f"{doubt}; the frames are those of the default recipe")
    return facts
