"""A captioner whose GIFs are captioned by the workers of an engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from gifdesc.captioning.loading import GifCaptioner, load_captioner
from gifdesc.captions import Caption, GeneratedCaption, Word
from gifdesc.config import DecodingConfig, to_json
from gifdesc.data.gif_sources import AnySource, CallableCaptioner, check_several
from gifdesc.engines.chunk_run import CRASHED
from gifdesc.engines.chunks import Row, split_into_chunks
from gifdesc.engines.inputs import Copies, absolute, caption_input, caption_row
from gifdesc.engines.ordering import map_in_order
from gifdesc.engines.results import ChunkResults
from gifdesc.engines.work import OpensEngine, Record
from gifdesc.errors import GifdescError
from gifdesc.system.files import writing
from gifdesc.version import __version__


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The arguments of `captioning.loading.load_captioner`, for workers on other machines.

    Attributes:
        name: a hub name, or the absolute path of a folder.
        device: see `device.resolve_device`.
        weights: the backbone's weights; an absolute path if they are a file.
        prompt: the question for a vision-language model.
        revision: branch, tag or commit of a model on the hub.
    """

    name: str
    device: str = "auto"
    weights: str | None = None
    prompt: str | None = None
    revision: str | None = None

    @classmethod
    def of(
        cls,
        name: str,
        *,
        device: str = "auto",
        weights: str | None = None,
        prompt: str | None = None,
        revision: str | None = None,
    ) -> ModelChoice:
        """The choice of a user; the paths of files and folders are made absolute."""
        return cls(
            name=absolute(name),
            device=device,
            weights=None if weights is None else absolute(weights),
            prompt=prompt,
            revision=revision,
        )

    def load(self) -> GifCaptioner:
        """The captioner; it reads GIFs in a thread, not in processes.

        Raises:
            GifdescError: as `load_captioner`.
        """
        return load_captioner(
            self.name,
            device=self.device,
            weights=self.weights,
            prompt=self.prompt,
            revision=self.revision,
        )

    @property
    def file_states(self) -> list[list[Any]]:
        """Size and time of change of each file of the model; empty for a model on the hub."""
        paths = [Path(self.name), *([] if self.weights is None else [Path(self.weights)])]
        files = [file for path in paths for file in (path.iterdir() if path.is_dir() else [path])]
        return [
            [str(file), file.stat().st_size, file.stat().st_mtime_ns]
            for file in sorted(files)
            if file.is_file()
        ]


@dataclass(frozen=True)
class CaptionWork:
    """Captions GIFs with a model.

    Attributes:
        model: the model.
        config: the search.
    """

    model: ModelChoice
    config: DecodingConfig

    @property
    def settings(self) -> Mapping[str, Any]:
        """The model with the state of its files, and the search."""
        return {
            "work": "caption",
            "gifdesc_version": __version__,
            # The device only changes the last bits.
            "model": {**asdict(self.model), "device": None},
            "files": self.model.file_states,
            "decoding": to_json(self.config),
        }

    def is_final(self, record: Record) -> bool:
        """Captions, and GIFs that crash their process; other failures are tried again."""
        return record["error"] in (None, CRASHED)

    def load(self, num_threads: int | None = None) -> CaptionWorker:
        """A worker with the model loaded."""
        if num_threads is not None:
            torch.set_num_threads(num_threads)
        return CaptionWorker(self.model.load(), self.config)


class CaptionWorker:
    """Captions the GIFs of chunks."""

    def __init__(self, captioner: GifCaptioner, config: DecodingConfig) -> None:
        self._captioner = captioner
        self._config = config

    def process(self, rows: Sequence[Row]) -> Iterator[Record]:
        """The caption of each row as a record; see `work.Worker.process`."""
        for caption in self._captioner.caption_many(map(caption_input, rows), self._config):
            yield to_record(caption)

    def failure(self, row: Row, reason: str) -> Record:
        """The record of a row without a caption."""
        return to_record(Caption(row["name"] or "", error=reason))


class EngineCaptioner(CallableCaptioner):
    """A captioner whose `caption_many` maps chunks of GIFs on an engine.

    Args:
        model: what the workers load.
        captioner: the same model, loaded here: its defaults and warnings are used, and it is not
            kept.
        open_engine: starts the engine, when there are GIFs.
        folder: the folder of result files, which all workers share; removed when all is done.
        chunk_size: GIFs of a chunk, about.
        resume: use the chunks of an earlier run in the folder, and keep the folder if this run is
            interrupted.
    """

    def __init__(
        self,
        model: ModelChoice,
        captioner: GifCaptioner,
        open_engine: OpensEngine,
        folder: Path,
        *,
        chunk_size: int,
        resume: bool = False,
    ) -> None:
        self._model = model
        self._warnings = captioner.warnings
        self._commit = captioner.commit
        self._default_decoding = captioner.default_decoding
        self._open_engine = open_engine
        self._results = ChunkResults(folder)
        self._chunk_size = chunk_size
        self._resume = resume

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to doubt all captions of the model, a sentence each."""
        return self._warnings

    @property
    def commit(self) -> str | None:
        """The commit of the model's repository on the hub; None for a folder."""
        return self._commit

    @property
    def default_decoding(self) -> DecodingConfig:
        """The default search settings."""
        return self._default_decoding

    def caption(self, source: AnySource, config: DecodingConfig | None = None) -> Caption:
        """Caption one GIF: its path or its bytes.

        Raises:
            GifdescError: there is no caption for the GIF, or the engine cannot work.
        """
        [caption] = self.caption_many([source], config)
        if caption.error is not None:
            raise GifdescError(f"{caption.path}: {caption.error}")
        return caption

    def caption_many(
        self,
        sources: Iterable[AnySource],
        config: DecodingConfig | None = None,
    ) -> Iterator[Caption]:
        """Caption many GIFs, in order; a bad file gives a `Caption` with an error.

        Captions are yielded as soon as the chunks before them are complete.

        Raises:
            GifdescError: the engine or a worker cannot work, or captions are missing at the end.
        """
        check_several(sources)
        return self._caption_many(sources, config)

    def _caption_many(
        self, sources: Iterable[AnySource], config: DecodingConfig | None
    ) -> Iterator[Caption]:
        work = CaptionWork(self._model, config or self._default_decoding)
        if not self._resume:
            self._results.remove()
        with writing(self._results.folder):
            self._results.folder.mkdir(parents=True, exist_ok=True)
        copies = Copies(self._results.copies_dir)
        rows = (caption_row(source, copies) for source in sources)
        chunks = split_into_chunks(rows, self._chunk_size, work.settings)
        is_whole = False
        try:
            with self._open_engine() as engine:
                for chunk, records in map_in_order(engine, work, chunks, self._results):
                    yield from map(from_record, records)
                    copies.release(chunk)
            is_whole = True
        finally:
            if is_whole or not self._resume:
                self._results.remove()


def to_record(caption: Caption) -> Record:
    """A caption as JSON, without loss: floats keep all their bits."""
    return asdict(caption)


def from_record(record: Record) -> Caption:
    """The caption that `to_record` made a record of."""
    return Caption(
        **{
            **record,
            "doubts": tuple(record["doubts"]),
            "alternatives": tuple(map(_generated, record["alternatives"])),
            "sampled_frames": tuple(record["sampled_frames"]),
            "sampled_times_ms": tuple(record["sampled_times_ms"]),
            "words": tuple(map(_word, record["words"])),
        }
    )


def _generated(record: Record) -> GeneratedCaption:
    words = tuple(map(_word, record["words"]))
    return GeneratedCaption(**{**record, "words": words, "tokens": tuple(record["tokens"])})


def _word(record: Record) -> Word:
    weights = record["frame_weights"]
    return Word(**{**record, "frame_weights": None if weights is None else tuple(weights)})
