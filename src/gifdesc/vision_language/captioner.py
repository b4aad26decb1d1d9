"""Caption GIFs with a public vision-language model, with the calls of `Captioner`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch

from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig
from gifdesc.data.gif_sources import (
    AnySource,
    CallableCaptioner,
    check_several,
    input_or_error,
    naming,
    to_input,
)
from gifdesc.errors import CheckpointError, GifdescError
from gifdesc.gif.reader import Gif
from gifdesc.gif.sources import GifSource, read_source, source_name
from gifdesc.model.folder import OpenModel, open_model
from gifdesc.sampling import start_times_ms
from gifdesc.system.device import resolve_device
from gifdesc.system.model_library import first_line, quiet_transformers
from gifdesc.vision_language.generation import Captions, generate_captions
from gifdesc.vision_language.inputs import Clip, choose_form, fit_frame
from gifdesc.vision_language.loading import (
    VisionLanguageModel,
    load_vision_language_model,
)

DEFAULT_DECODING = DecodingConfig(num_beams=1, max_tokens=64)
"""Greedy search: these models are large, and 5 beams take five times the work."""

_BATCH_GIFS_ON_GPU = 8
_WINDOW = 4
"""Batches whose GIFs are read together, to group GIFs with equal numbers of frames."""


class VisionLanguageCaptioner(CallableCaptioner):
    """A vision-language model of transformers, with the calls of `Captioner`.

    The model is used as published. A model that takes videos gets up to 16 frames with their times;
    a model that takes pictures gets a grid of up to 9 frames, and a prompt that mentions the grid.
    """

    def __init__(
        self,
        loaded: VisionLanguageModel,
        *,
        prompt: str | None = None,
        batch_gifs: int | None = None,
    ) -> None:
        self._loaded = loaded
        self._form = choose_form(loaded.model, loaded.processor, prompt)
        self._batch_gifs = batch_gifs or (_BATCH_GIFS_ON_GPU if loaded.device.type == "cuda" else 1)

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        device: str = "auto",
        prompt: str | None = None,
        revision: str | None = None,
    ) -> VisionLanguageCaptioner:
        """A captioner from a folder or the hub, such as `Salesforce/blip-image-captioning-base`.

        Args:
            name: the folder, or `user/model`.
            device: see `device.resolve_device`.
            prompt: the question, instead of the default; BLIP and GIT continue a text instead of
                answering: for them, the first words of the caption.
            revision: branch, tag or commit of a model on the hub.

        Raises:
            CheckpointError: the model cannot caption, or is damaged.
            HubError, UsageError: the model or the device is not available.
        """
        torch_device = resolve_device(device)
        return cls.from_opened(open_model(name, revision), torch_device, prompt=prompt)

    @classmethod
    def from_opened(
        cls, model: OpenModel, device: torch.device, *, prompt: str | None = None
    ) -> VisionLanguageCaptioner:
        """A captioner from a model whose config.json is read.

        Args:
            model: from `open_model`.
            device: where to compute.
            prompt: as in `from_pretrained`.

        Raises:
            CheckpointError, HubError: as `from_pretrained`.
        """
        loaded = load_vision_language_model(model, device)
        try:
            with quiet_transformers():
                return cls(loaded, prompt=prompt)
        except Exception as error:  # a chat template is a program and may raise anything
            raise CheckpointError(
                f"{model.name}: its chat template cannot be used: {first_line(error)}"
            ) from error

    @property
    def default_decoding(self) -> DecodingConfig:
        """The default search settings."""
        return DEFAULT_DECODING

    @property
    def commit(self) -> str | None:
        """The commit of the model's repository on the hub; None for a folder."""
        return self._loaded.commit

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to doubt all captions of the model: none."""
        return ()

    def caption(self, source: AnySource, config: DecodingConfig | None = None) -> Caption:
        """Caption one GIF: its path, its bytes, its frames and more (`gif_sources.to_input`).

        Raises:
            GifError: the file has no frame that can be used, or cannot be downloaded.
            GifdescError: the model wrote no caption.
        """
        given = input_or_error(source)
        with naming(given):
            gif = replace(self._read(given.source), name=given.name)
        [caption] = self._caption_batch([gif], config or DEFAULT_DECODING)
        if caption.error is not None:
            raise GifdescError(f"{gif.name}: {caption.error}")
        return caption

    def caption_many(
        self,
        sources: Iterable[AnySource],
        config: DecodingConfig | None = None,
    ) -> Iterator[Caption]:
        """Caption many GIFs, in order; a bad file gives a `Caption` with an error."""
        check_several(sources)
        return self._caption_many(sources, config or DEFAULT_DECODING)

    def _caption_many(
        self, sources: Iterable[AnySource], config: DecodingConfig
    ) -> Iterator[Caption]:
        rest = iter(sources)
        window = 1 if self._batch_gifs == 1 else _WINDOW * self._batch_gifs
        # Sampled captions depend on the seed alone, not on the other GIFs of a batch.
        batch_gifs = 1 if config.sample else self._batch_gifs
        while group := list(islice(rest, window)):
            results: dict[int, Caption] = {}
            good: list[tuple[int, _ReadGif]] = []
            for position, source in enumerate(group):
                given = to_input(source)
                if given.error is not None:
                    results[position] = Caption(given.name, error=given.error)
                    continue
                try:
                    good.append((position, replace(self._read(given.source), name=given.name)))
                except GifdescError as error:
                    results[position] = Caption(given.name, error=given.reason(error))
            for batch in _batches(good, batch_gifs):
                captions = self._caption_batch([gif for _, gif in batch], config)
                results.update(
                    (position, caption)
                    for (position, _), caption in zip(batch, captions, strict=True)
                )
            yield from (results[position] for position in range(len(group)))

    def _read(self, source: GifSource) -> _ReadGif:
        gif = read_source(source, self._form.pick, fit_frame)
        return _ReadGif(source_name(source), gif, _to_clip(gif))

    def _caption_batch(self, gifs: Sequence[_ReadGif], config: DecodingConfig) -> list[Caption]:
        """Caption GIFs with equal numbers of frames; after an error, each GIF is tried alone."""
        try:
            with quiet_transformers():
                inputs = self._form.prepare([gif.clip for gif in gifs])
                found = generate_captions(self._loaded, inputs, config)
        except (torch.OutOfMemoryError, MemoryError):
            error = "the model and the frames do not fit into memory"
        # The libraries check their input late, with many kinds of exceptions.
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as caught:
            error = f"the model cannot process the GIF: {first_line(caught)}"
        else:
            return [_to_caption(gif, captions) for gif, captions in zip(gifs, found, strict=True)]
        if len(gifs) == 1:
            return [Caption(gifs[0].name, error=error)]
        return [caption for gif in gifs for caption in self._caption_batch([gif], config)]


@dataclass(frozen=True)
class _ReadGif:
    """A GIF that was read, with the frames for the model."""

    name: str
    gif: Gif
    clip: Clip


def _batches(
    gifs: Sequence[tuple[int, _ReadGif]], batch_gifs: int
) -> Iterator[list[tuple[int, _ReadGif]]]:
    """Groups of GIFs with equal numbers of frames, in the order of their first members."""
    groups: dict[int, list[tuple[int, _ReadGif]]] = {}
    for position, gif in gifs:
        groups.setdefault(len(gif.clip.frames), []).append((position, gif))
    for group in groups.values():
        for first in range(0, len(group), batch_gifs):
            yield group[first : first + batch_gifs]


def _to_clip(gif: Gif) -> Clip:
    times_ms = start_times_ms(gif.durations_ms, gif.indices)
    return Clip(frames=gif.frames, times_ms=times_ms, duration_ms=sum(gif.durations_ms))


def _to_caption(read: _ReadGif, captions: Captions) -> Caption:
    if not captions:
        return Caption(read.name, error=captions.error or "the model wrote nothing")
    return Caption(
        path=read.name,
        caption=captions[0].caption,
        score=captions[0].score,
        alternatives=tuple(captions),
        num_frames=read.gif.num_frames,
        duration_ms=read.clip.duration_ms,
        sampled_frames=read.gif.indices,
        sampled_times_ms=read.clip.times_ms,
        words=captions[0].words,
        note=read.gif.truncated or read.gif.note,
    )
