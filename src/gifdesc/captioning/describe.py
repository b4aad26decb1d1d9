"""Write description files with a captioner, to train a smaller captioner on."""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gifdesc.captioning.loading import GifCaptioner
from gifdesc.captioning.results import DescribingEvent
from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig, to_json
from gifdesc.data.descriptions import ORIGIN_NAME, TEXT_SUFFIX
from gifdesc.data.gifs import GIF_SUFFIX, GifInput
from gifdesc.data.names import gif_key
from gifdesc.data.origins import Origins, origin_of
from gifdesc.errors import DescriptionError
from gifdesc.gif.sources import CaptionInput
from gifdesc.system.files import json_line, reason, sha256_of, write_json, write_text, writing
from gifdesc.system.json_files import from_json, parse_json, read_json
from gifdesc.system.wording import list_some
from gifdesc.version import __version__

log = logging.getLogger(__name__)

GIFS_NAME = ".gifs.origins"
"""The path and the SHA-256 of each described GIF, a JSON object per line: it tells apart GIFs of
the same name in different folders, and shows which GIFs have changed."""

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Origin:
    """The model that wrote the descriptions of a folder.

    Attributes:
        model: as the user named it.
        prompt: the question, None for the default.
        commit: of the model's repository on the hub; None for a folder.
    """

    model: str
    prompt: str | None = None
    commit: str | None = None


def description_name(source: str) -> str:
    """The description file of a GIF, by its path under the given folder.

    `cats/jump.gif` gets `cats/jump.txt`, where `descriptions.read_descriptions` finds it.
    """
    is_gif = source.lower().endswith(GIF_SUFFIX)
    stem = source[: -len(GIF_SUFFIX)] if is_gif else source
    # A stem that ends in .gif would be read as the name of another GIF.
    return (stem if gif_key(stem) == gif_key(source) else source) + TEXT_SUFFIX


def describe(
    inputs: Iterable[GifInput],
    output_dir: Path,
    captioner: GifCaptioner,
    origin: Origin,
    config: DecodingConfig | None = None,
    *,
    force: bool = False,
) -> Iterator[DescribingEvent]:
    """Write a description file for every GIF that has none.

    A file is complete when its event is yielded; after a kill at any moment, a rerun does the rest.

    Args:
        inputs: the GIFs; a bad file does not stop the run.
        output_dir: the folder of description files. Files that exist are kept, also files that
            gifdesc did not write.
        captioner: writes the descriptions.
        origin: recorded beside the descriptions.
        config: the search settings; each GIF gets `num_captions` lines.
        force: describe finished GIFs again.

    Yields:
        One event per input, in order.

    Raises:
        DescriptionError: the folder has descriptions of another model, or cannot be written.
    """
    config = config or captioner.default_decoding
    with writing(output_dir, DescriptionError, remedy="finished files are kept"):
        if force or not _has_record(output_dir, origin, config):
            _write_record(output_dir, origin, config)
        yield from _Run(output_dir, captioner, config, force=force).describe_all(inputs)


class _Run:
    """One run over many GIFs into one folder."""

    def __init__(
        self, output_dir: Path, captioner: GifCaptioner, config: DecodingConfig, *, force: bool
    ) -> None:
        self._output_dir = output_dir
        self._captioner = captioner
        self._config = config
        self._force = force
        self._source_of: dict[str, str] = {}
        self._origins, self._digests = _read_origins(output_dir)
        self._changed: list[str] = []
        self._recorded: set[str] = set()
        self._waiting: deque[tuple[GifInput, str, DescribingEvent | None]] = deque()

    def describe_all(self, inputs: Iterable[GifInput]) -> Iterator[DescribingEvent]:
        """Describe the inputs; events keep the order of the inputs."""
        for caption in self._captioner.caption_many(self._undone(inputs), self._config):
            yield from self._settled()
            gif, name, _ = self._waiting.popleft()
            yield self._write(gif, name, caption)
        yield from self._settled()
        if self._changed:
            log.warning(
                "%s: changed since described; remove their files in %s to describe them again",
                list_some(self._changed),
                self._output_dir,
            )

    def _undone(self, inputs: Iterable[GifInput]) -> Iterator[Path | CaptionInput]:
        """The GIFs to describe; every input joins the queue of waiting inputs."""
        for given in inputs:
            gif = given
            if given.error is None:
                gif = replace(given, source=self._origins.name_of(given))
                self._origins.add(gif.source, given)
            name = description_name(gif.source)
            event = self._event_without_model(gif, name)
            self._waiting.append((gif, name, event))
            if event is None:
                # The file of a pipe or a URL is temporary: an engine copies it for its workers.
                yield CaptionInput(gif.name, gif.path) if gif.is_spooled else gif.path

    def _event_without_model(self, gif: GifInput, name: str) -> DescribingEvent | None:
        """The event of an input that needs no description, None for the others."""
        if gif.error is not None:
            return DescribingEvent(gif.path, gif.source, gif.name, error=gif.error)
        is_repeated = name in self._source_of
        first = self._source_of.setdefault(name, gif.source)
        if first != gif.source:
            message = f"would share its description file {name} with {first}; rename one of them"
            return DescribingEvent(gif.path, gif.source, gif.name, error=message)
        try:
            is_done = is_repeated or (not self._force and (self._output_dir / name).is_file())
        except OSError:  # the name is too long
            is_done = False
        if not is_done:
            return None
        if not is_repeated and self._is_changed(gif):
            self._changed.append(gif.name)
        return DescribingEvent(gif.path, gif.source, gif.name)

    def _is_changed(self, gif: GifInput) -> bool:
        """Whether a described GIF has other content now; False if that cannot be known."""
        digest = self._digests.get(gif.source)
        try:
            return digest is not None and sha256_of(gif.path) != digest
        except OSError:
            return False

    def _settled(self) -> Iterator[DescribingEvent]:
        while self._waiting and (event := self._waiting[0][2]) is not None:
            self._waiting.popleft()
            yield event

    def _write(self, gif: GifInput, name: str, caption: Caption) -> DescribingEvent:
        if caption.error is not None:
            return DescribingEvent(gif.path, gif.source, gif.name, error=caption.error)
        texts = [found.caption for found in caption.alternatives] or [caption.caption or ""]
        lines = dict.fromkeys(" ".join(text.split()) for text in texts)
        try:
            write_text(self._output_dir / name, "".join(f"{line}\n" for line in lines))
            self._record_origin(gif)
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EILSEQ):
                raise
            message = f"its description file cannot be written: {reason(error)}"
            return DescribingEvent(gif.path, gif.source, gif.name, error=message)
        return DescribingEvent(gif.path, gif.source, gif.name, caption)

    def _record_origin(self, gif: GifInput) -> None:
        origin = origin_of(gif)
        if origin is None or gif.source in self._recorded:
            return
        with (self._output_dir / GIFS_NAME).open("ab") as file:
            if not self._recorded and file.tell():
                file.write(b"\n")  # ends half a line of a killed run; an empty line does no harm
            row = {"source": gif.source, "origin": origin, "sha256": sha256_of(gif.path)}
            file.write(json_line(row).encode())
        self._recorded.add(gif.source)


def _read_origins(output_dir: Path) -> tuple[Origins, dict[str, str]]:
    """The GIFs that were described into a folder, and the SHA-256 of each that has one.

    Half a line of a killed run is skipped; lines of earlier versions have no SHA-256.
    """
    try:
        lines = (output_dir / GIFS_NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Origins({}), {}
    known: dict[str, str | None] = {}
    digests: dict[str, str] = {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            row = parse_json(line)
            known[str(row["source"])] = str(row["origin"])
            digests[str(row["source"])] = str(row["sha256"])
    return Origins(known), digests


def _has_record(output_dir: Path, origin: Origin, config: DecodingConfig) -> bool:
    """Whether the folder records a model; a warning reports another search than this one.

    Raises:
        DescriptionError: the record is damaged, or the descriptions are of another model.
    """
    path = output_dir / ORIGIN_NAME
    try:
        known = read_json(path)
    except (FileNotFoundError, NotADirectoryError):  # writing to the folder reports the latter
        return False
    except (OSError, ValueError) as error:
        raise DescriptionError(f"{path}: damaged: {error}; choose another --output") from error
    if not isinstance(known, dict):
        return False
    for name, value in asdict(origin).items():
        if name == "commit" and None in (known.get(name), value):
            continue  # a model from a folder, or descriptions of a version without commits
        if known.get(name) != value:
            raise DescriptionError(
                f"{output_dir}: its descriptions have another {name} ({known.get(name)!r}, not "
                f"{value!r}); choose another folder with --output, or redo all with --force"
                + (", or continue with --revision" if name == "commit" else "")
            )
    if changed := _other_search(known.get("decoding"), config):
        log.warning(
            "%s: its first descriptions are of another search (%s), and stay; redo all with "
            "--force",
            output_dir,
            ", ".join(changed),
        )
    return True


def _other_search(stored: object, config: DecodingConfig) -> list[str]:
    """The settings of a stored search that differ from those of another, as a user reads them."""
    try:
        before = from_json(DecodingConfig, stored)
    except (TypeError, ValueError):  # of another version
        return []
    return [
        f"{name} {old}, not {new}"
        for (name, old), new in zip(to_json(before).items(), to_json(config).values(), strict=True)
        if old != new
    ]


def _write_record(output_dir: Path, origin: Origin, config: DecodingConfig) -> None:
    """Record the model and the search."""
    row: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "gifdesc_version": __version__,
        **asdict(origin),
        "decoding": to_json(config),
    }
    write_json(output_dir / ORIGIN_NAME, row)
