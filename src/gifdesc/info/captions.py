"""What a file of captions or descriptions is: how many, how sure, how varied."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.forms.base import CaptionSource
from gifdesc.data.forms.registry import recognise
from gifdesc.info.facts import Facts
from gifdesc.system.json_files import parse_json
from gifdesc.system.wording import counted


def facts_of_captions(path: Path) -> Facts | None:
    """The facts about a file that `gifdesc caption` wrote as JSON or CSV; None for other files.

    Raises:
        OSError: it cannot be read.
    """
    doubts: list[str] = []
    rows = list(_rows_of(path, doubts))
    if not rows:
        return None
    texts = [row["caption"] for row in rows if isinstance(row.get("caption"), str)]
    texts = [text for text in texts if text]
    numbers = (_number_of(row.get("score")) for row in rows)
    scores = [number for number in numbers if number is not None]
    doubtful = [
        row["low_confidence"] for row in rows if row.get("low_confidence") not in (None, "")
    ]
    num_doubtful = sum(value in (True, "True") for value in doubtful) if doubtful else None
    errors = Counter(str(row["error"]) for row in rows if row.get("error"))
    facts = Facts(path, "captions", "captions of gifdesc", doubts=doubts)
    facts.add("GIFs", f"{len(rows):,}, {len(texts):,} captioned, {sum(errors.values()):,} failed")
    facts.add("distinct", f"{len(set(texts)):,} of {len(texts):,} captions" if texts else None)
    words = [len(text.split()) for text in texts]
    facts.add("length", f"{fmean(words):.1f} words on average" if words else None)
    facts.add("score", f"{fmean(scores):.3f} on average" if scores else None)
    facts.add("doubtful", None if num_doubtful is None else f"{num_doubtful:,} of low confidence")
    for text, number in Counter(texts).most_common(1):
        facts.add("most common", f'"{text}" ({number} times)' if number > 1 else None)
    facts.data = {
        "num_gifs": len(rows),
        "num_captions": len(texts),
        "num_failed": sum(errors.values()),
        "num_distinct": len(set(texts)),
        "num_low_confidence": num_doubtful,
        "mean_score": fmean(scores) if scores else None,
    }
    return facts


def facts_of_descriptions(path: Path) -> Facts:
    """The facts about a folder or a file of descriptions.

    Raises:
        DescriptionError: it contains none.
    """
    descriptions = read_descriptions(path)
    captions = [text for texts in descriptions.captions.values() for text in texts]
    form = "text" if path.is_dir() else recognise(CaptionSource(path)).title
    facts = Facts(path, "descriptions", "descriptions of GIFs")
    facts.add("form", form if path.is_file() else "a folder")
    facts.add("GIFs", f"{len(descriptions.captions):,}")
    mean = len(captions) / max(1, len(descriptions.captions))
    facts.add("captions", f"{len(captions):,}, {mean:.1f} a GIF")
    facts.add("length", f"{fmean(len(text.split()) for text in captions):.1f} words on average")
    splits = Counter(descriptions.splits.values())
    facts.add("splits", ", ".join(f"{name} {number:,}" for name, number in splits.items()))
    for what, number in descriptions.left_out.items():
        facts.add("left out", f"{counted(number, 'caption')} {what}")
    facts.doubts += descriptions.problems
    facts.data = {
        "num_gifs": len(descriptions.captions),
        "num_captions": len(captions),
        "splits": dict(splits),
    }
    return facts


def _number_of(value: object) -> float | None:
    """A finite number in a file; None for anything else."""
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _rows_of(path: Path, doubts: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of a file of `gifdesc caption`; none for another file.

    Args:
        path: the file.
        doubts: gets a sentence about lines after the first that cannot be used.
    """
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        start = file.readline()
        file.seek(0)
        if start.startswith("{"):
            for number, line in enumerate(file, start=1):
                try:
                    row = parse_json(line)
                except ValueError:
                    row = None
                if isinstance(row, dict) and "path" in row:
                    yield row
                elif number == 1:
                    return
                elif line.strip():
                    doubts.append(f"line {number} is not that of a caption, and does not count")
        elif start.startswith("path,caption,"):
            try:
                yield from csv.DictReader(file)
            except csv.Error as error:
                doubts.append(f"a row is no CSV and ends the reading ({error})")
