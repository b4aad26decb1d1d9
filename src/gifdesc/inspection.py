"""Looking over GIFs and their descriptions before a long run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gifdesc.description_inspection import DescriptionInspector
from gifdesc.findings import Finding
from gifdesc.gif_inspection import GifInspector
from gifdesc.inputs import GifInput


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What one step of an inspection found.

    Attributes:
        is_gif: whether a file among the GIFs was looked at; not for an argument that gave no
            file, nor for descriptions.
        findings: perhaps none.
    """

    is_gif: bool
    findings: list[Finding]


def inspect_gifs(
    inputs: Iterable[GifInput], descriptions_path: Path | None = None
) -> Iterator[Inspection]:
    """Look at every GIF once, in order, and at its descriptions.

    Args:
        inputs: the GIFs, listed as they are consumed. One that comes again is left out.
        descriptions_path: a folder of descriptions or one file, None to look at GIFs only.

    Yields:
        An inspection for each input, then one for all that is found about the descriptions, those
        that are missing included: whose a bare name is shows when all GIFs are known.

    Raises:
        UsageError: there is no such descriptions path.
    """
    descriptions = None if descriptions_path is None else DescriptionInspector(descriptions_path)
    gifs = GifInspector()
    seen: set[str] = set()
    for gif in inputs:
        absolute_path = os.path.abspath(gif.path)  # noqa: PTH100 - resolve() would follow links
        if absolute_path in seen:
            continue
        seen.add(absolute_path)
        if gif.error is not None:
            finding = Finding(path=gif.name, kind="unreadable", detail=gif.error)
            yield Inspection(is_gif=False, findings=[finding])
            continue
        findings = gifs.inspect(gif.path)
        if gif.is_spooled:  # the copy of what came through a pipe is nobody's file
            findings = [replace(finding, path=gif.name) for finding in findings]
        if descriptions is not None:
            is_readable = all(one.kind != "unreadable" for one in findings)
            descriptions.add_gif(gif, is_readable=is_readable)
        yield Inspection(is_gif=True, findings=findings)
    if descriptions is not None:
        yield Inspection(is_gif=False, findings=list(descriptions.findings()))
