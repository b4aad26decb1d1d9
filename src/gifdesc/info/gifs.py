"""What a GIF or a video is: its frames, and those that a captioner is shown."""

from __future__ import annotations

from pathlib import Path

from gifdesc.config import FeatureRecipe
from gifdesc.gif.reader import load_bytes, scan_gif
from gifdesc.gif.sniff import describe_beginning
from gifdesc.info.facts import Facts, bytes_in_words
from gifdesc.sampling import sampler, start_times_ms

_DEFAULT = FeatureRecipe(weights_sha256="", gifdesc_version="")


def facts_of_gif(path: Path, recipe: FeatureRecipe | None = None) -> Facts:
    """The facts about a GIF.

    Args:
        path: a GIF, another animation, a picture or a video.
        recipe: of a model, which decides the frames that are sampled; None for the default.

    Raises:
        GifError: it has no frame that can be used.
    """
    recipe = recipe or _DEFAULT
    data = load_bytes(path)
    info = scan_gif(data, name=str(path))
    sampled = sampler(recipe.sampling, recipe.num_frames)(info.durations_ms)
    times_ms = start_times_ms(info.durations_ms, sampled)
    duration_ms = sum(info.durations_ms)
    kind = "a GIF" if data.startswith(b"GIF") else describe_beginning(data) or "a picture"
    facts = Facts(path, "gif", kind)
    facts.add("size", f"{info.width} x {info.height} pixels, {bytes_in_words(len(data))}")
    facts.add("frames", f"{info.num_frames}, {_seconds(duration_ms)} in all")
    facts.add("frame times", _range_of(info.durations_ms))
    shown = ", ".join(
        f"{index} ({time_ms / 1000:.2f} s)"
        for index, time_ms in zip(sampled, times_ms, strict=True)
    )
    facts.add("sampled", f"{len(sampled)} by {recipe.sampling}: {shown}")
    facts.doubts += filter(None, (info.truncated, info.note))
    facts.data = {
        "format": kind.partition(" ")[2],
        "width": info.width,
        "height": info.height,
        "size_bytes": len(data),
        "num_frames": info.num_frames,
        "duration_ms": duration_ms,
        "durations_ms": list(info.durations_ms),
        "sampled_frames": list(sampled),
        "sampled_times_ms": list(times_ms),
    }
    return facts


def _range_of(durations_ms: tuple[int, ...]) -> str:
    shortest, longest = min(durations_ms), max(durations_ms)
    return f"{shortest} ms each" if shortest == longest else f"{shortest} to {longest} ms"


def _seconds(duration_ms: int) -> str:
    return f"{duration_ms / 1000:.2f} s"
