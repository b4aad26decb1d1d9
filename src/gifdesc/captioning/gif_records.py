"""Which GIFs a folder of descriptions is of: where they were, and what their files contained."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gifdesc.data.gifs import GifInput
from gifdesc.data.origins import Origins, origin_of
from gifdesc.system.files import has_content, json_line, sha256_of
from gifdesc.system.json_files import checked, parse_json

GIFS_NAME = ".gifs.origins"
"""A JSON object per described GIF, the last of a name counts: it tells apart GIFs of the same name
in different folders, and shows which GIFs have changed."""


@dataclass(frozen=True)
class Fingerprint:
    """What a file contained.

    Attributes:
        size_bytes: of the file.
        mtime_ns: when it was last changed.
        sha256: of its bytes, hexadecimal.
    """

    size_bytes: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Fingerprint | None:
        """The fingerprint of a file; None if it cannot be read."""
        try:
            status = path.stat()
            return cls(status.st_size, status.st_mtime_ns, sha256_of(path))
        except OSError:
            return None

    def is_of(self, path: Path) -> bool:
        """Whether a file has this content; it is read only if its time is another.

        A file that cannot be read cannot be compared: True.
        """
        try:
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) == (self.size_bytes, self.mtime_ns):
                return True
            return has_content(path, self.size_bytes, self.sha256)
        except OSError:
            return True


class GifRecords:
    """The records of a folder of descriptions.

    Half a line of a killed run is skipped; lines of earlier versions have no fingerprint.

    Attributes:
        origins: the names of the described GIFs.

    Args:
        folder: of the descriptions.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / GIFS_NAME
        self._fingerprints: dict[str, tuple[str | None, Fingerprint | None]] = {}
        self._added: set[str] = set()
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            lines = []
        for line in lines:
            with suppress(ValueError, KeyError, TypeError):
                row = parse_json(line)
                origin = None if row["origin"] is None else str(row["origin"])
                self._fingerprints[str(row["source"])] = origin, _fingerprint_in(row)
        self.origins = Origins(
            {source: origin for source, (origin, _) in self._fingerprints.items()}
        )

    def is_changed(self, gif: GifInput) -> bool:
        """Whether a described GIF has other content now; False if that is unknown."""
        origin, fingerprint = self._fingerprints.get(gif.source, (None, None))
        if fingerprint is None or (origin is None) != (origin_of(gif) is None):
            return False  # not recorded, or of a pipe in place of a file
        return not fingerprint.is_of(gif.path)

    def add(self, gif: GifInput, fingerprint: Fingerprint | None) -> None:
        """Record a GIF that was described; the fingerprint is from before its file was read.

        Raises:
            OSError: the record cannot be written.
        """
        if gif.source in self._added:
            return
        row = {"source": gif.source, "origin": origin_of(gif)}
        if fingerprint is not None:
            row |= asdict(fingerprint)
        with self._path.open("ab") as file:
            if not self._added and file.tell():
                file.write(b"\n")  # ends half a line of a killed run; an empty line does no harm
            file.write(json_line(row).encode())
        self._added.add(gif.source)


def _fingerprint_in(row: dict[str, object]) -> Fingerprint | None:
    try:
        names = Fingerprint.__dataclass_fields__
        return Fingerprint(**checked(Fingerprint, {name: row[name] for name in names}))
    except (KeyError, ValueError):
        return None
