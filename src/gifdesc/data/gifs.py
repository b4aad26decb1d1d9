"""Find the GIFs that files and folders contain, with their names in a features folder."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gifdesc.data.arguments import Argument, is_stream
from gifdesc.data.url_names import path_of
from gifdesc.errors import UsageError
from gifdesc.gif.sniff import (
    APPLE_DOUBLE_START,
    describe_beginning,
    is_animated_picture,
    is_animation_or_video,
    is_still_picture,
    unread_kind,
)
from gifdesc.system.files import reason
from gifdesc.system.wording import counted, list_some

GIF_SUFFIX = ".gif"

SEARCHED_SUFFIXES = (
    *(GIF_SUFFIX, ".gifv", ".apng", ".png", ".webp", ".avif"),
    *(".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi"),
)
"""Endings of the files that a search of folders finds, in small letters."""

OFTEN_STILL = (".png", ".webp", ".avif")
"""Endings that pictures without animation have too: such pictures are not found."""

_OTHER_SUFFIXES = {
    *(".txt", ".tsv", ".csv", ".json", ".jsonl", ".md", ".html", ".xml", ".py", ".npy", ".log"),
    *(".zip", ".gz", ".tar", ".pdf", ".svg", ".ini", ".db", ".part"),
}
"""Endings of files that are never GIFs: they are not opened."""

_PICTURE_BYTES = 4096
"""The beginning of a PNG, WebP or AVIF that shows whether it is animated.

Two packets of a transport stream, which show that a file is a video, are shorter.
"""

_STDIN_SOURCE = "stdin"
"""The name of a GIF from a pipe in a features folder."""

_MAC_FOLDER = "__MACOSX"
"""The folder of AppleDouble files in ZIP archives from a Mac."""


@dataclass(frozen=True)
class GifInput:
    """A file to process, or an argument without any.

    Attributes:
        path: the file.
        source: its path under the given folder, with forward slashes: its name in a manifest.
        error: why there is nothing to work on, None for a file.
        name: for messages.
    """

    path: Path
    source: str
    error: str | None = None
    name: str = field(default="", compare=False)
    is_spooled: bool = field(default=False, compare=False)
    """Whether the file is a temporary copy of the bytes of a pipe or a URL."""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", str(self.path))


@dataclass
class PassedOver:
    """Files and links that a search of folders skipped although the user may want them.

    Attributes:
        endings: number of animations and videos with endings that are not searched, by suffix.
        pictures: number of still pictures of formats that are read, by suffix.
        unread: number of videos and pictures of formats that are not read, by format.
        links: links to folders that contain the link.
        num_folders: folders that were searched, as far as the search has come.
    """

    endings: Counter[str] = field(default_factory=Counter)
    pictures: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)
    num_folders: int = 0

    def sentences(self) -> list[str]:
        """Remarks for the user, a sentence each."""
        found = []
        if self.endings:
            found.append(f"skipped: {self.describe_endings()}; name such files to read them")
        if self.pictures:
            pictures = counted(self.pictures.total(), "still picture")
            names = _parts(self.pictures)
            found.append(f"skipped: {pictures} ({names}); name such files to read them")
        if self.unread:
            found.append(
                f"skipped: {self.describe_unread()}; convert such files, such as to MP4 or PNG"
            )
        if self.links:
            names = list_some(self.links, 3)
            found.append(f"links to a folder that holds them, not followed: {names}")
        return found

    def describe_endings(self) -> str:
        """The files by suffix, such as `3 files (.webp 2, .mp4 1)`."""
        return (
            f"{counted(self.endings.total(), 'file')} with other endings ({_parts(self.endings)})"
        )

    def describe_unread(self) -> str:
        """The files of formats that are not read, such as `1 file of ... (a Flash video 1)`."""
        files = counted(self.unread.total(), "file")
        return f"{files} of formats that are not read ({_parts(self.unread)})"


def _parts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.most_common())


def searched_suffixes(endings: Sequence[str]) -> tuple[str, ...]:
    """The suffixes to search for, from endings such as `gif`, `.mp4` or `mp4,webm`.

    Args:
        endings: as a user names them; none for all of `SEARCHED_SUFFIXES`.

    Raises:
        UsageError: an ending is not one of them.
    """
    named = [part.strip().lower() for ending in endings for part in ending.split(",")]
    suffixes = tuple(dict.fromkeys("." + part.removeprefix(".") for part in named))
    for suffix in suffixes:
        if suffix not in SEARCHED_SUFFIXES:
            known = ", ".join(known.removeprefix(".") for known in SEARCHED_SUFFIXES)
            raise UsageError(f"no GIF ends in {suffix!r}; the endings are {known}")
    return suffixes or SEARCHED_SUFFIXES


def find_gifs(
    arguments: Sequence[Path | Argument],
    passed_over: PassedOver | None = None,
    suffixes: Sequence[str] = SEARCHED_SUFFIXES,
) -> Iterator[GifInput]:
    """Every given file, and every animation and video under every given folder, sorted.

    In a folder, files count by their endings (in any case), but for still PNG, WebP and AVIF
    pictures.

    A file is yielded once, even if several arguments name it.

    Folders are walked as they are consumed, so work can begin before a large one is listed. A
    link to a folder elsewhere is followed, once. With one folder, `source` is the path under it;
    with several arguments, the path under the folder they have in common. AppleDouble files
    (`._cat.gif`), which Macs write, are no GIFs.

    Args:
        arguments: files and folders. A missing or empty one gives a `GifInput` with an error.
        passed_over: the files that are left out are added to it.
        suffixes: the endings to search for in folders, some of `SEARCHED_SUFFIXES`.
    """
    found = _find_all(arguments, passed_over, suffixes)
    if len(arguments) < 2:
        yield from found
        return
    known: set[str] = set()
    for gif in found:
        absolute_path = os.path.abspath(gif.path)  # noqa: PTH100 - resolve() would follow links
        if absolute_path not in known:
            known.add(absolute_path)
            yield gif


def _find_all(
    arguments: Sequence[Path | Argument],
    passed_over: PassedOver | None,
    suffixes: Sequence[str],
) -> Iterator[GifInput]:
    named = [arg if isinstance(arg, Argument) else Argument(str(arg)) for arg in arguments]
    root = _common_folder(
        [Path(arg.name) for arg in named if arg.error is None and arg.spooled_path is None]
    )
    for argument in dict.fromkeys(named):
        path = Path(argument.name)
        if argument.error is not None:
            yield GifInput(path, argument.name, argument.error, argument.name)
            continue
        if argument.spooled_path is not None:
            is_pipe = is_stream(argument.name)
            source = _STDIN_SOURCE if is_pipe else path_of(argument.name)
            yield GifInput(argument.spooled_path, source, name=argument.name, is_spooled=True)
            continue
        source = _relative(path, root)
        if _is_folder(path):
            if passed_over is not None:
                passed_over.num_folders += 1
            prefix = "" if str(_absolute(path)) == root else f"{source}/"
            walk = _Walk(path, PassedOver(), suffixes)
            found = False
            for gif_path, below, error in walk:
                found = True
                yield GifInput(gif_path, prefix + below if below else source, error)
            if not found:
                yield GifInput(path, source, _nothing_in(walk.passed_over, suffixes))
            elif passed_over is not None:
                passed_over.endings += walk.passed_over.endings
                passed_over.pictures += walk.passed_over.pictures
                passed_over.unread += walk.passed_over.unread
            if passed_over is not None:
                passed_over.links += walk.passed_over.links
        elif os.path.exists(path):  # noqa: PTH110 - as in _is_folder
            yield GifInput(path, source, name=argument.name)
        else:
            yield GifInput(path, source, "no such file or folder", argument.name)


class BackgroundCount:
    """Counts the GIFs of `find_gifs` in a thread, while the first GIFs are processed."""

    def __init__(
        self,
        arguments: Sequence[Path | Argument],
        suffixes: Sequence[str] = SEARCHED_SUFFIXES,
    ) -> None:
        """Prepare; counting starts when `total` is first read."""
        self._arguments = arguments
        self._suffixes = suffixes
        self._thread: threading.Thread | None = None
        self._total: int | None = None

    @property
    def total(self) -> int | None:
        """The number; None until it is known. The first call starts the counting."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._count, name="gifdesc-count", daemon=True)
            self._thread.start()
        return self._total

    def _count(self) -> None:
        self._total = sum(1 for _ in find_gifs(self._arguments, suffixes=self._suffixes))


class _Walk:
    """The GIFs under a folder, depth first in name order, and the folders that cannot be read.

    A folder may have 100,000 files, so only the name and kind of a GIF are read (and the beginning
    of a file that may be a still picture), and no path is parsed.

    Attributes:
        passed_over: the files that are left out, complete when the walk has ended.
    """

    def __init__(self, root: Path, passed_over: PassedOver, suffixes: Sequence[str]) -> None:
        self.passed_over = passed_over
        self._suffixes = tuple(suffixes)
        self._root = root
        self._real_root = os.path.realpath(root)
        self._linked: set[str] = set()

    def __iter__(self) -> Iterator[tuple[Path, str, str | None]]:
        """A path, its path under the first folder, and its problem."""
        return self._walk(self._root, "")

    def _walk(self, folder: Path, below: str) -> Iterator[tuple[Path, str, str | None]]:
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield folder, below.removesuffix("/"), f"cannot be read: {reason(error)}"
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) or (
                entry.is_symlink() and _is_folder(entry.path) and self._is_followed(entry.path)
            ):
                if entry.name != _MAC_FOLDER:
                    yield from self._walk(Path(entry.path), f"{below}{entry.name}/")
            elif entry.is_symlink() and _is_folder(entry.path):
                continue
            elif entry.name.lower().endswith(SEARCHED_SUFFIXES):
                if not entry.name.lower().endswith(self._suffixes):
                    continue
                if may_move(entry):
                    yield Path(entry.path), below + entry.name, None
                else:
                    self._pass_over(entry)
            else:
                self._pass_over(entry)

    def _pass_over(self, entry: os.DirEntry[str]) -> None:
        """Count a file that is not searched for if it is an animation, a video or a picture."""
        suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - of a name
        if entry.name.startswith(".") or suffix in _OTHER_SUFFIXES:
            return
        beginning = _beginning(entry, _PICTURE_BYTES)
        if kind := unread_kind(beginning):
            self.passed_over.unread[kind] += 1
        elif is_still_picture(beginning):
            self.passed_over.pictures[suffix or "none"] += 1
        elif is_animation_or_video(beginning):
            self.passed_over.endings[suffix or "none"] += 1

    def _is_followed(self, link: str) -> bool:
        """Whether a link is followed: its folder is walked neither by its own name nor before."""
        real = os.path.realpath(link)
        if real == self._real_root or self._real_root.startswith(real.rstrip(os.sep) + os.sep):
            self.passed_over.links.append(link)
            return False
        own_name = real.startswith(self._real_root.rstrip(os.sep) + os.sep)
        known = any(real == other or real.startswith(other + os.sep) for other in self._linked)
        if own_name or known:
            return False
        self._linked.add(real)
        return True


def _nothing_in(passed_over: PassedOver, suffixes: Sequence[str]) -> str:
    nothing = "no GIF in this folder"
    if len(suffixes) < len(SEARCHED_SUFFIXES):
        kind = "animation" if passed_over.pictures.keys() & {*suffixes} else "file"
        nothing = f"no {kind} in this folder ends in {' or '.join(suffixes)}"
    return "; ".join((nothing, *replace(passed_over, links=[]).sentences()))


def may_move(entry: os.DirEntry[str] | Path) -> bool:
    """Whether a file with the ending of an animation is neither a still picture nor AppleDouble."""
    if entry.name.startswith("._") and _beginning(entry).startswith(APPLE_DOUBLE_START):
        return False
    ending = entry.name.lower()
    if not ending.endswith(OFTEN_STILL):
        return True
    beginning = _beginning(entry, _PICTURE_BYTES)
    if ending.endswith(".png"):  # most PNGs are still, so only animated ones are meant
        return is_animated_picture(beginning)
    return describe_beginning(beginning) not in ("a WebP", "an AVIF") or is_animated_picture(
        beginning
    )


def _beginning(entry: os.DirEntry[str] | Path, num_bytes: int = 64) -> bytes:
    """The first bytes of a file; empty if it is no regular file or cannot be read."""
    try:
        if not entry.is_file():  # a pipe would never end
            return b""
        with Path(os.fspath(entry)).open("rb", buffering=0) as file:
            return file.read(num_bytes)
    except OSError:
        return b""


def _common_folder(arguments: Sequence[Path]) -> str:
    folders = [str(_absolute(a if _is_folder(a) else a.parent)) for a in arguments]
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # on several drives (Windows)
        return ""


def _relative(path: Path, root: str) -> str:
    absolute = _absolute(path)
    if not root:  # arguments on several drives (Windows): the drive's letter is their first folder
        return f"{absolute.drive.rstrip(':')}/{absolute.relative_to(absolute.anchor).as_posix()}"
    relative = os.path.relpath(absolute, root)
    return path.name if relative == "." else Path(relative).as_posix()


def _is_folder(path: Path | str) -> bool:
    # Path.is_dir raises at a name that is too long and at a link to itself.
    return os.path.isdir(path)  # noqa: PTH112


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
