"""GIF to caption by a public vision-language model: `Captioner`'s twin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch

from gifdesc.captions import Caption
from gifdesc.config import DecodingConfig
from gifdesc.errors import CheckpointError, GifdescError
from gifdesc.gif.reader import Gif
from gifdesc.gif.sources import CaptionInput, GifSource, as_input, read_source, source_name
from gifdesc.model.folder import OpenModel, open_model
from gifdesc.sampling import start_times_ms
from gifdesc.system.device import resolve_device
from gifdesc.vision_language.generation import Captions, generate_captions
from gifdesc.vision_language.inputs import Clip, choose_form, fit_frame
from gifdesc.vision_language.loading import (
    VisionLanguageModel,
    first_line,
    load_vision_language_model,
    quiet_transformers,
)

DEFAULT_DECODING = DecodingConfig(num_beams=1, max_tokens=64)
"""Greedy, for a beam of 5 takes five times the work of a model that is large already."""

_BATCH_GIFS_ON_GPU = 8
_WINDOW = 4
"""Batches from which GIFs of equally many frames are put together."""


class VisionLanguageCaptioner:
    """A vision-language model of transformers, with `Captioner`'s calls.

    Nothing in it is trained or changed. Models that take videos see up to 16 frames with their
    times; models that take pictures see up to 9 frames as a grid, and are told so.
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
            prompt: what to ask instead of the usual question; for BLIP and GIT, which do not
                answer but go on writing, the caption's beginning.
            revision: of a model on the hub: a branch, a tag or a commit.

        Raises:
            CheckpointError: the model cannot caption, or is damaged.
            HubError, UsageError: the model or the device cannot be had.
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
        except Exception as error:  # a chat template is a program, and may raise anything
            raise CheckpointError(
                f"{model.name}: its chat template cannot be used: {first_line(error)}"
            ) from error

    @property
    def default_decoding(self) -> DecodingConfig:
        """How captions are searched for where nothing is said."""
        return DEFAULT_DECODING

    @property
    def commit(self) -> str | None:
        """The commit of the model's repository on the hub; None for a folder."""
        return self._loaded.commit

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know of the model: nothing."""
        return ()

    def caption(self, source: GifSource, config: DecodingConfig | None = None) -> Caption:
        """Caption one GIF: its path, its bytes, or its frames (see `sources.GifSource`).

        Raises:
            GifError: the file gives no frame.
            GifdescError: the model has no caption for it.
        """
        one = self._read(source)
        [caption] = self._caption_batch([one], config or DEFAULT_DECODING)
        if caption.error is not None:
            raise GifdescError(f"{one.name}: {caption.error}")
        return caption

    def caption_many(
        self,
        sources: Iterable[GifSource | CaptionInput],
        config: DecodingConfig | None = None,
    ) -> Iterator[Caption]:
        """Caption many GIFs, in order; a bad file gives a `Caption` with an error."""
        config = config or DEFAULT_DECODING
        rest = iter(sources)
        window = 1 if self._batch_gifs == 1 else _WINDOW * self._batch_gifs
        # Drawn captions depend on the seed alone, not on the GIFs beside them.
        batch_gifs = 1 if config.sample else self._batch_gifs
        while group := list(islice(rest, window)):
            results: dict[int, Caption] = {}
            good: list[tuple[int, _ReadGif]] = []
            for position, source in enumerate(group):
                one = as_input(source)
                if one.error is not None:
                    results[position] = Caption(one.name, error=one.error)
                    continue
                try:
                    good.append((position, replace(self._read(one.source), name=one.name)))
                except GifdescError as error:
                    results[position] = Caption(one.name, error=one.reason(error))
            for batch in _batches(good, batch_gifs):
                captions = self._caption_batch([one for _, one in batch], config)
                results.update(
                    (position, caption)
                    for (position, _), caption in zip(batch, captions, strict=True)
                )
            yield from (results[position] for position in range(len(group)))

    def _read(self, source: GifSource) -> _ReadGif:
        gif = read_source(source, self._form.pick, fit_frame)
        return _ReadGif(source_name(source), gif, _to_clip(gif))

    def _caption_batch(self, gifs: Sequence[_ReadGif], config: DecodingConfig) -> list[Caption]:
        """Caption GIFs of equally many sampled frames; one that fails costs no other."""
        try:
            with quiet_transformers():
                inputs = self._form.prepare([one.clip for one in gifs])
                found = generate_captions(self._loaded, inputs, config)
        except (torch.OutOfMemoryError, MemoryError):
            error = "the model and its frames do not fit into the memory here"
        # The libraries check what they are given late, and in many ways.
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as caught:
            error = f"the model cannot take it: {first_line(caught)}"
        else:
            return [_to_caption(one, captions) for one, captions in zip(gifs, found, strict=True)]
        if len(gifs) == 1:
            return [Caption(gifs[0].name, error=error)]
        return [caption for one in gifs for caption in self._caption_batch([one], config)]


@dataclass(frozen=True)
class _ReadGif:
    """A GIF that was read, and what the model is shown of it."""

    name: str
    gif: Gif
    clip: Clip


def _batches(
    gifs: Sequence[tuple[int, _ReadGif]], batch_gifs: int
) -> Iterator[list[tuple[int, _ReadGif]]]:
    """Groups of GIFs of equally many frames, in the order of their first members."""
    groups: dict[int, list[tuple[int, _ReadGif]]] = {}
    for position, one in gifs:
        groups.setdefault(len(one.clip.frames), []).append((position, one))
    for group in groups.values():
        for first in range(0, len(group), batch_gifs):
            yield group[first : first + batch_gifs]


def _to_clip(gif: Gif) -> Clip:
    times_ms = start_times_ms(gif.durations_ms, gif.indices)
    return Clip(frames=gif.frames, times_ms=times_ms, duration_ms=sum(gif.durations_ms))


def _to_caption(one: _ReadGif, captions: Captions) -> Caption:
    if not captions:
        return Caption(one.name, error=captions.error or "the model wrote nothing")
    return Caption(
        path=one.name,
        caption=captions[0].caption,
        score=captions[0].score,
        alternatives=tuple(captions),
        num_frames=one.gif.num_frames,
        duration_ms=one.clip.duration_ms,
        sampled_frames=one.gif.indices,
        sampled_times_ms=one.clip.times_ms,
        words=captions[0].words,
        note=one.gif.truncated or one.gif.note,
    )
