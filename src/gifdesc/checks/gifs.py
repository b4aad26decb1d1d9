"""Find problems of GIFs with as little decoding as possible."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gifdesc.checks.descriptions import DescriptionInspector
from gifdesc.checks.findings import (
    HUGE_CANVAS_PIXELS,
    HUGE_FILE_BYTES,
    HUGE_NUM_FRAMES,
    Finding,
    GifKind,
)
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.gifs import GifInput
from gifdesc.errors import GifError
from gifdesc.gif.reader import GifInfo, count_equal_frames, load_bytes, scan_gif
from gifdesc.system.wording import counted

_TOO_LARGE = "too large"
"""The start of a `GifError`, after the path, for files beyond a limit of `gif.limits`."""


class GifInspector:
    """Checks GIFs one after the other, and remembers the SHA-256 of each."""

    def __init__(self) -> None:
        """Start without known files."""
        self._first_paths: dict[bytes, Path | str] = {}

    def inspect(self, path: Path, shown: Path | str | None = None) -> list[Finding]:
        """The findings about a file, which is read once.

        They name the file by `shown` if that is given, such as the URL of a temporary copy.

        Frames are decoded one by one, up to the first one that differs from the first frame; two
        frames are in memory at a time. `still`, `dead` and the number of frames concern the usable
        frames. Damage inside the data of an image is found only in decoded frames.
        """
        found: dict[GifKind, str] = {}
        try:
            data = load_bytes(path)
            info = scan_gif(data, name=str(path))
            equal = count_equal_frames(data, name=str(path))
        except GifError as error:
            reason = str(error).removeprefix(f"{path}: ")
            found["unreadable"] = reason
            if reason.startswith(_TOO_LARGE):
                found["huge"] = reason
            return _findings(shown or path, found)
        damage, num_frames = equal.damage, equal.num_frames
        if info.note is not None:
            is_gif = data.startswith(b"GIF")
            found["truncated" if is_gif else "not_gif"] = info.note
        if damage is not None:
            found["truncated"] = f"{damage}; {counted(num_frames, 'frame')} can be used"
        if num_frames == 1:
            found["still"] = "one frame"
        elif equal.num_equal == num_frames:
            found["dead"] = f"{num_frames} equal frames"
        if sizes := _huge_sizes(info, len(data)):
            found["huge"] = ", ".join(sizes)
        shown = shown or path
        first_path = self._first_paths.setdefault(hashlib.sha256(data).digest(), shown)
        if first_path != shown:
            found["duplicate"] = f"the same bytes as {first_path}"
        return _findings(shown, found)


def _huge_sizes(info: GifInfo, num_bytes: int) -> list[str]:
    """The properties of a file that are unusually large."""
    sizes = []
    if info.width * info.height > HUGE_CANVAS_PIXELS:
        sizes.append(f"{info.width} x {info.height} pixels")
    if info.num_frames > HUGE_NUM_FRAMES:
        sizes.append(counted(info.num_frames, "frame"))
    if num_bytes > HUGE_FILE_BYTES:
        sizes.append(f"{num_bytes / 1e6:.0f} MB")
    return sizes


def _findings(path: Path | str, found: dict[GifKind, str]) -> list[Finding]:
    return [Finding(path=path, kind=kind, detail=detail) for kind, detail in found.items()]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The findings of a step of the inspection.

    Attributes:
        is_gif: whether the step checked a GIF; not an argument without a file, nor descriptions.
        findings: may be empty.
        num_descriptions: descriptions with text that the step checked.
    """

    is_gif: bool
    findings: list[Finding]
    num_descriptions: int = 0


def inspect_gifs(
    inputs: Iterable[GifInput],
    descriptions_path: Path | None = None,
    descriptions_format: FormName | None = None,
) -> Iterator[Inspection]:
    """Check every GIF, in order, and then the descriptions.

    Args:
        inputs: the GIFs, listed as they are consumed, each once.
        descriptions_path: a folder of descriptions or a file; None to check only GIFs.
        descriptions_format: of the file; None recognises it.

    Yields:
        An inspection for each input, then one for all descriptions, also missing ones: a bare
        name can only be matched when all GIFs are known.

    Raises:
        UsageError: there is no such descriptions path.
    """
    descriptions = None
    if descriptions_path is not None:
        descriptions = DescriptionInspector(descriptions_path, descriptions_format)
    gifs = GifInspector()
    for gif in inputs:
        if gif.error is not None:
            finding = Finding(path=gif.name, kind="unreadable", detail=gif.error)
            yield Inspection(is_gif=False, findings=[finding])
            continue
        # Findings name the pipe or the URL, not its temporary copy.
        findings = gifs.inspect(gif.path, gif.name if gif.is_spooled else None)
        if descriptions is not None:
            is_readable = all(finding.kind != "unreadable" for finding in findings)
            descriptions.add_gif(gif, is_readable=is_readable)
        yield Inspection(is_gif=True, findings=findings)
    if descriptions is not None:
        yield Inspection(
            is_gif=False,
            findings=list(descriptions.findings()),
            num_descriptions=descriptions.num_descriptions,
        )
