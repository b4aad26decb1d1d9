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
from gifdesc.system.files import json_line, reason, write_json, write_text, writing
from gifdesc.system.json_files import parse_json, read_json
from gifdesc.system.wording import counted
from gifdesc.version import __version__

log = logging.getLogger(__name__)

GIFS_NAME = ".gifs.origins"
"""The path of each described GIF, a JSON object per line: it tells apart GIFs of the same name in
different folders."""

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
        known = _read_model(output_dir, origin, force=force)
        run = _Run(output_dir, captioner, origin, config, force=force)
        yield from run.describe_all(inputs)
        before, wanted = known.get("decoding"), to_json(config)
        if run.num_kept and isinstance(before, dict) and before != wanted:
            changed = [
                f"{name} {before.get(name)}, not {value}"
                for name, value in wanted.items()
                if before.get(name) != value
            ]
            log.warning(
                "%s: %s done before have descriptions of another search (%s); redo all with "
                "--force",
                output_dir,
                counted(run.num_kept, "GIF"),
                "; ".join(changed),
            )


class _Run:
    """One run over many GIFs into one folder.

    Attributes:
        num_kept: GIFs whose descriptions of an earlier run are kept.
    """

    def __init__(
        self,
        output_dir: Path,
        captioner: GifCaptioner,
        origin: Origin,
        config: DecodingConfig,
        *,
        force: bool,
    ) -> None:
        self.num_kept = 0
        self._output_dir = output_dir
        self._captioner = captioner
        self._origin = origin
        self._config = config
        self._has_model = False
        self._force = force
        self._source_of: dict[str, str] = {}
        self._origins = _read_origins(output_dir)
        self._recorded: set[str] = set()
        self._waiting: deque[tuple[GifInput, str, DescribingEvent | None]] = deque()

    def describe_all(self, inputs: Iterable[GifInput]) -> Iterator[DescribingEvent]:
        """Describe the inputs; events keep the order of the inputs."""
        for caption in self._captioner.caption_many(self._undone(inputs), self._config):
            yield from self._settled()
            gif, name, _ = self._waiting.popleft()
            yield self._write(gif, name, caption)
        yield from self._settled()

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
        self.num_kept += not is_repeated
        return DescribingEvent(gif.path, gif.source, gif.name)

    def _settled(self) -> Iterator[DescribingEvent]:
        while self._waiting and (event := self._waiting[0][2]) is not None:
            self._waiting.popleft()
            yield event

    def _write(self, gif: GifInput, name: str, caption: Caption) -> DescribingEvent:
        if caption.error is not None:
            return DescribingEvent(gif.path, gif.source, gif.name, error=caption.error)
        texts = [found.caption for found in caption.alternatives] or [caption.caption or ""]
        lines = dict.fromkeys(" ".join(text.split()) for text in texts)
        if not self._has_model:
            _write_model(self._output_dir, self._origin, self._config)
            self._has_model = True
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
            file.write(json_line({"source": gif.source, "origin": origin}).encode())
        self._recorded.add(gif.source)


def _read_origins(output_dir: Path) -> Origins:
    """The GIFs that were described into a folder; half a line of a killed run is skipped."""
    try:
        lines = (output_dir / GIFS_NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Origins({})
    known: dict[str, str | None] = {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            row = parse_json(line)
            known[str(row["source"])] = str(row["origin"])
    return Origins(known)


def _read_model(output_dir: Path, origin: Origin, *, force: bool) -> dict[str, Any]:
    """What the folder records of its descriptions; empty for a new folder.

    Raises:
        DescriptionError: the record is damaged, or the descriptions are of another model.
    """
    path = output_dir / ORIGIN_NAME
    try:
        known = read_json(path)
    except (FileNotFoundError, NotADirectoryError):  # writing to the folder reports the latter
        known = None
    except (OSError, ValueError) as error:
        raise DescriptionError(f"{path}: damaged: {error}; choose another --output") from error
    if not isinstance(known, dict) or force:
        return {}
    for name, value in asdict(origin).items():
        if name == "commit" and None in (known.get(name), value):
            continue  # a model from a folder, or descriptions of a version without commits
        if known.get(name) != value:
            raise DescriptionError(
                f"{output_dir}: its descriptions have another {name} ({known.get(name)!r}, not "
                f"{value!r}); choose another folder with --output, or redo all with --force"
                + (", or continue with --revision" if name == "commit" else "")
            )
    return known


def _write_model(output_dir: Path, origin: Origin, config: DecodingConfig) -> None:
    """Record the model and the search, before the first description that they give."""
    row: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "gifdesc_version": __version__,
        **asdict(origin),
        "decoding": to_json(config),
    }
    write_json(output_dir / ORIGIN_NAME, row)
