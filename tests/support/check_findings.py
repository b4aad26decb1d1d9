"""What an inspection finds, and description files written for it."""

from pathlib import Path

from gifdesc.checks.gifs import inspect_gifs
from gifdesc.data.gifs import find_gifs


def found(gifs: Path, descriptions: Path | None = None) -> dict[str, list[tuple[str, str]]]:
    """Path under `gifs`' parent and detail of everything that is found, by kind."""
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for inspection in inspect_gifs(find_gifs([gifs]), descriptions):
        for finding in inspection.findings:
            path = finding.path.relative_to(gifs.parent).as_posix()
            by_kind.setdefault(finding.kind, []).append((path, finding.detail))
    return by_kind


def describe(folder: Path, **files: str | bytes) -> Path:
    """Write description files, given as stem_suffix=content, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / ".".join(name.rsplit("_", 1))).write_bytes(data)
    return folder
