"""What a folder of features is: its recipe, its GIFs, its failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from gifdesc.config import to_json
from gifdesc.data.feature_files import find_features, read_header, read_recipe
from gifdesc.data.feature_shards import find_shards, without_shard
from gifdesc.data.manifest import Manifest
from gifdesc.errors import FeatureError
from gifdesc.info.facts import Facts, add_recipe, bytes_in_words
from gifdesc.system.wording import counted, list_some

_MOST_REASONS = 3
_MOST_HEADERS = 1000


def facts_of_features(folder: Path) -> Facts:
    """The facts about a folder of features.

    Raises:
        FeatureError: its manifest, its recipe or a shard is damaged, or it has no features.
    """
    recipe = read_recipe(folder)
    entries = Manifest(folder).entries
    features = find_features(folder, entries)
    if recipe is None and not features:
        raise FeatureError(f"{folder}: no features, model, captions or descriptions here")
    shards = find_shards(folder)
    files = [path for path in features if without_shard(path) == path]
    num_files = len(files)
    size_bytes = sum((folder / name).stat().st_size for name in (*files, *shards))
    statuses = Counter(entry.status for entry in entries.values())
    num_frames = sum(len(entry.sampled_frames or ()) for entry in entries.values())
    reasons = Counter(entry.error or "" for entry in entries.values() if entry.status == "failed")
    facts = Facts(folder, "features", "features of GIFs")
    facts.add("GIFs", f"{len(features):,} with features, {bytes_in_words(size_bytes)}")
    stored = [counted(num_files, "file")] if num_files else []
    stored += [counted(len(shards), "shard")] if shards else []
    facts.add("stored in", " and ".join(stored))
    facts.add("truncated", statuses["truncated"] or None)
    facts.add("failed", statuses["failed"] or None)
    for reason, number in reasons.most_common(_MOST_REASONS):
        facts.add("", f"{number} x {reason}")
    facts.add("sampled", f"{num_frames:,} frames" if num_frames else None)
    if recipe is not None:
        add_recipe(facts, recipe)
        facts.add("computed in", f"{recipe.precision}, stored as {recipe.dtype}")
        facts.add("gifdesc", recipe.gifdesc_version)
        if recipe.is_untrained:
            facts.doubts.append(f"{recipe.backbone_title} is untrained (random weights)")
    else:
        facts.doubts.append("no recipe.json: it is not known how the features were made")
    damaged = list(_damaged(folder, features))
    if damaged:
        facts.doubts.append(
            f"{counted(len(damaged), 'feature file')} damaged: {list_some(damaged)}"
        )
    facts.data = {
        "num_gifs": len(features),
        "num_files": num_files,
        "num_shards": len(shards),
        "size_bytes": size_bytes,
        "num_truncated": statuses["truncated"],
        "num_failed": statuses["failed"],
        "num_damaged": len(damaged),
        "failures": dict(reasons),
        "num_sampled_frames": num_frames,
        "recipe": None if recipe is None else to_json(recipe),
    }
    return facts


def _damaged(folder: Path, features: Sequence[str]) -> Iterator[str]:
    """The features whose headers cannot be read, of at most `_MOST_HEADERS` spread over all."""
    for name in features[:: max(1, len(features) // _MOST_HEADERS)]:
        try:
            read_header(folder / name)
        except FeatureError:
            yield name
