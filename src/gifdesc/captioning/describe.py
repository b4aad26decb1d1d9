"""GIFs to description files: a captioner's words, from which a smaller one can learn."""

from __future__ import annotations

import errno
import json
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gifdesc.captioning.captioner import GifCaptioner
from gifdesc.captioning.results import DescribingEvent
from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig, to_json
from gifdesc.data.descriptions import TEXT_SUFFIX
from gifdesc.data.gifs import GIF_SUFFIX, GifInput
from gifdesc.data.names import gif_key
from gifdesc.data.origins import Origins, origin_of
from gifdesc.errors import DescriptionError
from gifdesc.system.files import json_line, reason, write_json, write_text, writing
from gifdesc.version import __version__

GIFS_NAME = ".gifs.origins"
"""Where each GIF was when it was described, a JSON object a line, so that a GIF of another folder
with the same name is not taken for it."""

ORIGIN_NAME = "origin.json"
"""What made the descriptions of a folder."""

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Origin:
    """Who wrote the descriptions of a folder.

    Attributes:
        model: as the user named it.
        prompt: what it was asked, None for the usual.
        commit: of the model's repository on the hub; None for a folder.
    """

    model: str
    prompt: str | None = None
    commit: str | None = None


def description_name(source: str) -> str:
    """The description file of a GIF, by its path under the given folder.

    `cats/jump.gif` gets `cats/jump.txt`, under which `descriptions.read_descriptions` finds it.
    """
    is_gif = source.lower().endswith(GIF_SUFFIX)
    stem = source[: -len(GIF_SUFFIX)] if is_gif else source
    # A stem that ends in .gif would be read as another GIF's.
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

    Each file is there as soon as its event is; killed at any moment, a rerun does the rest.

    Args:
        inputs: the GIFs; one bad file never stops the others.
        output_dir: where the description files go. Files that are there are kept, whoever wrote
            them.
        captioner: what describes.
        origin: written down beside the descriptions.
        config: how captions are searched for; `num_captions` lines are written for each GIF.
        force: describe again what is described.

    Yields:
        One event per input, in order.

    Raises:
        DescriptionError: the folder was written by another model, or cannot be written.
    """
    config = config or captioner.default_decoding
    with writing(output_dir, DescriptionError, remedy="what is done is kept"):
        _claim(output_dir, origin, config, force=force)
        yield from _Run(output_dir, captioner, config, force=force).over(inputs)


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
        self._origins = _read_origins(output_dir)
        self._recorded: set[str] = set()
        self._waiting: deque[tuple[GifInput, str, DescribingEvent | None]] = deque()

    def over(self, inputs: Iterable[GifInput]) -> Iterator[DescribingEvent]:
        """Describe the inputs; those that need no model keep their place among the others."""
        for caption in self._captioner.caption_many(self._undone(inputs), self._config):
            yield from self._settled()
            one, name, _ = self._waiting.popleft()
            yield self._write(one, name, caption)
        yield from self._settled()

    def _undone(self, inputs: Iterable[GifInput]) -> Iterator[Path]:
        """The GIFs to describe; every input is noted in passing."""
        for gif in inputs:
            one = gif
            if gif.error is None:
                one = replace(gif, source=self._origins.name_of(gif))
                self._origins.add(one.source, gif)
            name = description_name(one.source)
            event = self._known(one, name)
            self._waiting.append((one, name, event))
            if event is None:
                yield one.path

    def _known(self, one: GifInput, name: str) -> DescribingEvent | None:
        """What is known of an input without describing it."""
        if one.error is not None:
            return DescribingEvent(one.path, one.source, one.name, error=one.error)
        is_repeated = name in self._source_of
        first = self._source_of.setdefault(name, one.source)
        if first != one.source:
            message = f"would share its description file {name} with {first}; rename one of them"
            return DescribingEvent(one.path, one.source, one.name, error=message)
        try:
            is_done = is_repeated or (not self._force and (self._output_dir / name).is_file())
        except OSError:  # a name that is too long
            is_done = False
        return DescribingEvent(one.path, one.source, one.name) if is_done else None

    def _settled(self) -> Iterator[DescribingEvent]:
        while self._waiting and (event := self._waiting[0][2]) is not None:
            self._waiting.popleft()
            yield event

    def _write(self, one: GifInput, name: str, caption: Caption) -> DescribingEvent:
        if caption.error is not None:
            return DescribingEvent(one.path, one.source, one.name, error=caption.error)
        said = [found.caption for found in caption.alternatives] or [caption.caption or ""]
        lines = dict.fromkeys(" ".join(text.split()) for text in said)
        try:
            write_text(self._output_dir / name, "".join(f"{line}\n" for line in lines))
            self._record_origin(one)
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EILSEQ):
                raise
            message = f"its description file cannot be written: {reason(error)}"
            return DescribingEvent(one.path, one.source, one.name, error=message)
        return DescribingEvent(one.path, one.source, one.name, caption)

    def _record_origin(self, gif: GifInput) -> None:
        origin = origin_of(gif)
        if origin is None or gif.source in self._recorded:
            return
        with (self._output_dir / GIFS_NAME).open("ab") as file:
            if not self._recorded and file.tell():
                file.write(b"\n")  # ends a line that a killed run cut; an empty one does no harm
            file.write(json_line({"source": gif.source, "origin": origin}).encode())
        self._recorded.add(gif.source)


def _read_origins(output_dir: Path) -> Origins:
    """The GIFs that were described into a folder; a line that a killed run cut does not count."""
    try:
        lines = (output_dir / GIFS_NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Origins({})
    known: dict[str, str | None] = {}
    for line in lines:
        with suppress(ValueError, RecursionError, KeyError, TypeError):
            row = json.loads(line)
            known[str(row["source"])] = str(row["origin"])
    return Origins(known)


def _claim(output_dir: Path, origin: Origin, config: DecodingConfig, *, force: bool) -> None:
    """Write down who describes, unless somebody else has begun here."""
    path = output_dir / ORIGIN_NAME
    wanted = {"model": origin.model, "prompt": origin.prompt, "commit": origin.commit}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = None
    except (ValueError, RecursionError) as error:
        raise DescriptionError(f"{path}: damaged: {error}; choose another --output") from error
    if isinstance(known, dict) and not force:
        for name, value in wanted.items():
            if name == "commit" and None in (known.get(name), value):
                continue  # of a folder, or of descriptions from before commits were kept
            if known.get(name) != value:
                raise DescriptionError(
                    f"{output_dir}: its descriptions have another {name} ({known.get(name)!r}, not "
                    f"{value!r}); choose another folder with --output, or --force to redo all"
                    + (", or continue with --revision" if name == "commit" else "")
                )
    row: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "gifdesc_version": __version__,
        **wanted,
        "decoding": to_json(config),
    }
    write_json(path, row)
