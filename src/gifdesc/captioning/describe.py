"""Write description files with a captioner, to train a smaller captioner on."""

from __future__ import annotations

import errno
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from gifdesc.captioning.gif_records import Fingerprint, GifRecords
from gifdesc.captioning.loading import GifCaptioner
from gifdesc.captioning.results import DescribingEvent
from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig, to_json
from gifdesc.data.descriptions import ORIGIN_NAME, TEXT_SUFFIX
from gifdesc.data.gifs import GIF_SUFFIX, GifInput
from gifdesc.data.names import gif_key
from gifdesc.errors import DescriptionError
from gifdesc.gif.sources import CaptionInput
from gifdesc.model.checkpoint import WEIGHTS_NAME
from gifdesc.system.files import reason, sha256_of, write_json, write_text, writing
from gifdesc.system.json_files import from_json, read_json
from gifdesc.system.waits import wait_for
from gifdesc.system.wording import counted, list_some
from gifdesc.version import __version__

log = logging.getLogger(__name__)

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Origin:
    """The model that wrote the descriptions of a folder.

    Attributes:
        model: as the user named it.
        prompt: the question, None for the default.
        commit: of the model's repository on the hub; None for a folder.
        weights_sha256: of the weights of a model in a folder; None if they are not one file. If it
            is known, it decides which models are the same, whatever their folders are called.
    """

    model: str
    prompt: str | None = None
    commit: str | None = None
    weights_sha256: str | None = None

    @classmethod
    def of(cls, model: Path | str, prompt: str | None, commit: str | None) -> Origin:
        """The origin of a model's descriptions; reads the weights if it is a folder."""
        weights = Path(model) / WEIGHTS_NAME
        digest = None
        if commit is None and weights.is_file():
            with wait_for(f"reading {model}"):
                digest = sha256_of(weights)
        return cls(str(model), prompt, commit, digest)


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
        origin: recorded beside the descriptions, before the first is written.
        config: the search settings; each GIF gets `num_captions` lines.
        force: describe finished GIFs again.

    Yields:
        One event per input, in order.

    Raises:
        DescriptionError: the folder has descriptions of another model, or cannot be written.
    """
    config = config or captioner.default_decoding
    with writing(output_dir, DescriptionError, remedy="finished files are kept"):
        record: dict[str, Any] | None = _record_of(origin, config)
        known = _read_record(output_dir, is_needed=not force)
        is_other = False
        if known is not None and force:
            is_other = bool(_other_model(known, origin) or _other_search(known, config))
        elif known is not None:
            _check_same(output_dir, known, origin, config)
            record = None
        is_new = not output_dir.exists()
        output_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=output_dir):
            pass  # a folder that cannot be written is reported before a GIF is described
        run = _Run(output_dir, captioner, config, force=force, record=record)
        yield from run.describe_all(inputs)
        if is_other:
            run.report_kept()
        if is_new:
            with suppress(OSError):  # it has descriptions
                output_dir.rmdir()


@dataclass(frozen=True)
class _Waiting:
    """An input whose event is due.

    Attributes:
        gif: the input.
        name: of its description file.
        event: None if it is to be described.
        fingerprint: of a file that is to be described.
    """

    gif: GifInput
    name: str
    event: DescribingEvent | None
    fingerprint: Fingerprint | None


class _Run:
    """One run over many GIFs into one folder."""

    def __init__(
        self,
        output_dir: Path,
        captioner: GifCaptioner,
        config: DecodingConfig,
        *,
        force: bool,
        record: dict[str, Any] | None,
    ) -> None:
        self._output_dir = output_dir
        self._captioner = captioner
        self._config = config
        self._force = force
        self._record = record  # None once it is written
        self._written: set[Path] = set()
        self._source_of: dict[str, str] = {}
        self._records = GifRecords(output_dir)
        self._changed: list[str] = []
        self._waiting: deque[_Waiting] = deque()

    def describe_all(self, inputs: Iterable[GifInput]) -> Iterator[DescribingEvent]:
        """Describe the inputs; events keep the order of the inputs."""
        for caption in self._captioner.caption_many(self._undone(inputs), self._config):
            yield from self._settled()
            yield self._write(self._waiting.popleft(), caption)
        yield from self._settled()
        if self._changed:
            log.warning(
                "%s: changed since described; to describe %s again, give %s alone with --force",
                list_some(self._changed),
                *(["it"] * 2 if len(self._changed) == 1 else ["them"] * 2),
            )

    def report_kept(self) -> None:
        """Report the descriptions that this run did not write, of another model or search."""
        kept = set(self._output_dir.rglob(f"*{TEXT_SUFFIX}")) - self._written
        if kept and self._written:
            log.warning(
                "%s: keeps %s of an earlier model or search, or of people",
                self._output_dir,
                counted(len(kept), "description"),
            )

    def _undone(self, inputs: Iterable[GifInput]) -> Iterator[Path | CaptionInput]:
        """The GIFs to describe; every input joins the queue of waiting inputs."""
        for given in inputs:
            gif = given
            if given.error is None:
                gif = replace(given, source=self._records.origins.name_of(given))
                self._records.origins.add(gif.source, given)
            name = description_name(gif.source)
            event = self._event_without_model(gif, name)
            fingerprint = Fingerprint.of(gif.path) if event is None else None
            self._waiting.append(_Waiting(gif, name, event, fingerprint))
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
        if not is_repeated and self._records.is_changed(gif):
            self._changed.append(gif.name)
        return DescribingEvent(gif.path, gif.source, gif.name)

    def _settled(self) -> Iterator[DescribingEvent]:
        while self._waiting and (event := self._waiting[0].event) is not None:
            self._waiting.popleft()
            yield event

    def _write(self, waiting: _Waiting, caption: Caption) -> DescribingEvent:
        gif, name = waiting.gif, waiting.name
        if caption.error is not None:
            return DescribingEvent(gif.path, gif.source, gif.name, error=caption.error)
        texts = [found.caption for found in caption.alternatives] or [caption.caption or ""]
        lines = dict.fromkeys(" ".join(text.split()) for text in texts)
        if self._record is not None:
            write_json(self._output_dir / ORIGIN_NAME, self._record)
            self._record = None
        try:
            write_text(self._output_dir / name, "".join(f"{line}\n" for line in lines))
            self._written.add(self._output_dir / name)
            self._records.add(gif, waiting.fingerprint)
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EILSEQ):
                raise
            message = f"its description file cannot be written: {reason(error)}"
            return DescribingEvent(gif.path, gif.source, gif.name, error=message)
        return DescribingEvent(gif.path, gif.source, gif.name, caption)


def _read_record(output_dir: Path, *, is_needed: bool) -> dict[str, Any] | None:
    """The record of a folder; None without any, or if it is damaged and not needed.

    Raises:
        DescriptionError: it is damaged.
    """
    path = output_dir / ORIGIN_NAME
    try:
        known = read_json(path)
    except (FileNotFoundError, NotADirectoryError):  # writing to the folder reports the latter
        return None
    except (OSError, ValueError) as error:
        if not is_needed:
            return None
        raise DescriptionError(f"{path}: damaged: {error}; choose another --output") from error
    return known if isinstance(known, dict) else None


def _check_same(
    output_dir: Path, known: Mapping[str, Any], origin: Origin, config: DecodingConfig
) -> None:
    """Check that a folder is of this model; a warning reports another search than this one.

    Raises:
        DescriptionError: the descriptions are of another model.
    """
    if (name := _other_model(known, origin)) is not None:
        value = getattr(origin, name)
        other = f"{name} ({known.get(name)!r}, not {value!r})"
        if name == "weights_sha256":
            other = f"version of the model {origin.model}: its weights changed"
        raise DescriptionError(
            f"{output_dir}: its descriptions have another {other}; choose another folder with "
            "--output, or redo all with --force"
            + (", or continue with --revision" if name == "commit" else "")
        )
    if changed := _other_search(known, config):
        log.warning(
            "%s: its first descriptions are of another search (%s), and stay; redo all with "
            "--force",
            output_dir,
            ", ".join(changed),
        )


def _other_model(known: Mapping[str, Any], origin: Origin) -> str | None:
    """The first field of a record that shows another model; None if it is the same."""
    names = ["model", "prompt", "commit", "weights_sha256"]
    if known.get("weights_sha256") is not None and known["weights_sha256"] == origin.weights_sha256:
        names.remove("model")
    for name in names:
        value = getattr(origin, name)
        if name in ("commit", "weights_sha256") and None in (known.get(name), value):
            continue  # not a model of this kind, or descriptions of a version without them
        if known.get(name) != value:
            return name
    return None


def _other_search(known: Mapping[str, Any], config: DecodingConfig) -> list[str]:
    """The settings of a recorded search that differ from those of another, as a user reads them."""
    try:
        before = from_json(DecodingConfig, known.get("decoding"))
    except (TypeError, ValueError):  # of another version
        return []
    return [
        f"{name} {old}, not {new}"
        for (name, old), new in zip(to_json(before).items(), to_json(config).values(), strict=True)
        if old != new
    ]


def _record_of(origin: Origin, config: DecodingConfig) -> dict[str, Any]:
    """The content of `ORIGIN_NAME`: the model and the search."""
    return {
        "format_version": FORMAT_VERSION,
        "gifdesc_version": __version__,
        **asdict(origin),
        "decoding": to_json(config),
    }
