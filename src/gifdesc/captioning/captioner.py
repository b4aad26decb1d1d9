"""Caption GIFs with a model that gifdesc trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gifdesc.captioning.reading import ReadAhead, ReadGif
from gifdesc.captions import Caption, GeneratedCaption, moment_ms, show_in_notebooks
from gifdesc.config import DecodingConfig
from gifdesc.data.feature_files import are_usable
from gifdesc.data.gif_sources import (
    AnySource,
    CallableCaptioner,
    check_several,
    input_or_error,
    naming,
)
from gifdesc.errors import CheckpointError, FeatureError
from gifdesc.features.extractor import UNUSABLE_OUTPUT, FeatureExtractor
from gifdesc.features.frames import SampledGif, Vectors
from gifdesc.features.loader import default_num_workers
from gifdesc.model.checkpoint import Checkpoint, load_checkpoint
from gifdesc.model.confidence import doubts, is_low
from gifdesc.model.folder import HUB_FILES, OpenModel, open_model
from gifdesc.model.generation import CaptionGenerator
from gifdesc.sampling import start_times_ms
from gifdesc.system.device import on_one_thread, resolve_device
from gifdesc.system.hub import commit_of
from gifdesc.system.threads import grouped_ahead
from gifdesc.system.waits import wait_for

_MAX_BATCH_GIFS = 64
"""Most GIFs captioned at once; their 16 frames each take 150 MB."""

_BATCH_SECONDS = 2.0
"""A batch is doubled if the doubled batch should take less: captions are written soon."""


def _in_notebook(caption: Caption) -> str:
    from gifdesc.pages.notebook import (
        caption_html,  # imports that a first caption need not wait for
    )

    return caption_html(caption)


show_in_notebooks(_in_notebook)


class _BatchSize:
    """GIFs in a batch: 1 at first, so that the first caption waits for one GIF alone.

    It iterates as the current size, without end.
    """

    def __init__(self) -> None:
        self.size = 1
        self._finished = time.monotonic()

    def __iter__(self) -> Iterator[int]:
        while True:
            yield self.size

    def finish(self, num_gifs: int) -> None:
        """Choose the next size after a batch."""
        now = time.monotonic()
        seconds, self._finished = now - self._finished, now
        if num_gifs == self.size and 2 * seconds < _BATCH_SECONDS:
            self.size = min(2 * self.size, _MAX_BATCH_GIFS)
        elif seconds > 2 * _BATCH_SECONDS:
            self.size = max(1, self.size // 2)


@dataclass(frozen=True)
class _Batch:
    """GIFs in the network, among those that could not be read."""

    gifs: Sequence[ReadGif]
    wait: Callable[[], list[Vectors]]


class Captioner(CallableCaptioner):
    """A trained model with the preprocessing of its features."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        extractor: FeatureExtractor,
        device: str | torch.device = "auto",
        *,
        folder: Path | None = None,
        num_workers: int | None = 0,
    ) -> None:
        self._checkpoint = checkpoint
        self._folder = folder
        self._extractor = extractor
        self._device = resolve_device(device)
        if num_workers is None:
            num_workers = default_num_workers(self._device.type)
        self._num_workers = num_workers
        checkpoint.model.to(self._device)
        self._generate = CaptionGenerator(
            checkpoint.model,
            checkpoint.tokenizer,
            self._device,
            checkpoint.captions,
            # The features of a frame on a CPU depend on no other frame either: a run that continues
            # after a kill writes the bytes of a run that was not killed.
            alone=self._device.type == "cpu",
        )

    @classmethod
    def from_pretrained(
        cls,
        name: Path | str,
        *,
        device: str = "auto",
        weights: str | None = None,
        revision: str | None = None,
        num_workers: int | None = 0,
    ) -> Captioner:
        """A captioner from a model folder, or from the Hugging Face hub.

        Args:
            name: a folder as `gifdesc train` writes it, or `user/model` on the hub.
            device: see `device.resolve_device`.
            weights: the file of the backbone's weights, if the features were made from a file.
            revision: branch, tag or commit of a model on the hub.
            num_workers: processes that read GIFs once `caption_many` has many; 0 for a thread,
                None to choose by the device. Processes need a script that can be imported:
                its calls are under `if __name__ == "__main__":`.

        Raises:
            CheckpointError: the folder cannot be used, or its features' recipe is not known.
            HubError: the model cannot be downloaded.
            UsageError, WeightsError: the device or the weights are not available.
        """
        torch_device = resolve_device(device)  # a wrong device is an error before any loading
        opened = open_model(name, revision)
        return cls.from_opened(opened, torch_device, weights=weights, num_workers=num_workers)

    @classmethod
    def from_opened(
        cls,
        model: OpenModel,
        device: torch.device,
        *,
        weights: str | None = None,
        num_workers: int | None = 0,
    ) -> Captioner:
        """A captioner from a model whose config.json is read.

        Args:
            model: from `open_model`.
            device: where to compute.
            weights: the file of the backbone's weights, if the features were made from a file.
            num_workers: as in `from_pretrained`.

        Raises:
            CheckpointError, HubError, WeightsError: as `from_pretrained`.
        """
        folder = model.fetch(HUB_FILES)
        with wait_for(f"loading {model.name}"):
            checkpoint = load_checkpoint(folder, model.config)
            if checkpoint.recipe is None:
                raise CheckpointError(
                    f"{folder}: was trained on features with an unknown recipe, so gifdesc cannot "
                    "make such features of a GIF; train on features from `gifdesc extract`"
                )
            extractor = FeatureExtractor.for_recipe(
                checkpoint.recipe, weights=weights, device=device
            )
        return cls(checkpoint, extractor, device, folder=folder, num_workers=num_workers)

    @property
    def is_untrained_backbone(self) -> bool:
        """The features come from a backbone with random weights."""
        return self._extractor.recipe.is_untrained

    @property
    def objective(self) -> str:
        """The training objective; the captions of a `reconstruction` model mean nothing."""
        return self._checkpoint.training.objective

    @property
    def commit(self) -> str | None:
        """The commit of the model's repository on the hub; None for a folder."""
        return None if self._folder is None else commit_of(self._folder)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to doubt all captions of the model, a sentence each."""
        found = []
        if self.is_untrained_backbone:
            title = self._extractor.recipe.backbone_title
            found.append(f"the model's features come from an untrained {title} (random weights)")
        if self.objective == "reconstruction":
            found.append("the model was trained to repeat its input: its captions mean nothing")
        return tuple(found)

    @property
    def default_decoding(self) -> DecodingConfig:
        """The default search settings, with the length limit of the model."""
        return self._checkpoint.decoding()

    def caption(self, source: AnySource, config: DecodingConfig | None = None) -> Caption:
        """Caption one GIF: its path, its bytes, its frames and more (`gif_sources.to_input`).

        Raises:
            FeatureError: the network's output is not finite, or beyond `MAX_FEATURE`.
            GifError: the file has no frame that can be used, or cannot be downloaded.
        """
        given = input_or_error(source)
        with naming(given):
            read = ReadGif(given.name, self._extractor.sample(given.source))
        [caption] = self._finish(self._submit([read]), config)
        if caption.error is not None:
            raise FeatureError(f"{caption.path}: {caption.error}")
        return caption

    def caption_many(
        self,
        sources: Iterable[AnySource],
        config: DecodingConfig | None = None,
    ) -> Iterator[Caption]:
        """Caption many GIFs, in order; a bad file gives a `Caption` with an error.

        A thread or processes decode the next GIFs while the network processes a batch, and the
        network processes the next batch while the captions of the previous one are searched.
        """
        check_several(sources)
        return self._caption_many(sources, config)

    def _caption_many(
        self, sources: Iterable[AnySource], config: DecodingConfig | None
    ) -> Iterator[Caption]:
        batch_size = _BatchSize()
        in_flight: _Batch | None = None
        try:
            with closing(ReadAhead(self._extractor, self._num_workers)) as reading:
                groups = grouped_ahead(sources, reading, batch_size, num_ahead=reading.num_ahead)
                with closing(groups):
                    for group in groups:
                        batch = self._submit([wait() for wait in group]) if group else None
                        if in_flight is not None:
                            yield from self._finish(in_flight, config)
                            batch_size.finish(len(in_flight.gifs))
                        in_flight = batch
                    if in_flight is not None:
                        yield from self._finish(in_flight, config)
        finally:
            self._extractor.cancel()  # if the consumer has stopped, the rest is not needed

    def caption_features(
        self,
        features: Sequence[npt.NDArray[np.float32]],
        config: DecodingConfig | None = None,
    ) -> list[list[GeneratedCaption]]:
        """Captions of feature vectors, float32 (T, D) per GIF, best first."""
        return self._generate(features, self._checkpoint.decoding(config))

    def save_pretrained(
        self,
        folder: Path | str,
        *,
        name: str | None = None,
        data: str | None = None,
        scores: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a model folder that `from_pretrained` reads, with a model card (README.md).

        Args:
            folder: the folder to write.
            name: the name of the model in its card; by default that of the folder.
            data: the training data, for the card.
            scores: the object of `gifdesc evaluate --json`, for the card; by default the
                evaluation.json in the model's folder.

        Raises:
            OSError: the folder cannot be written.
        """
        from gifdesc.model.card import save_model  # the metrics in it take a tenth of a second

        save_model(
            self._checkpoint,
            Path(folder),
            origin=self._folder,
            name=name,
            data=data,
            scores=scores,
        )

    def push_to_hub(
        self,
        name: str,
        *,
        private: bool | None = None,
        data: str | None = None,
        scores: Mapping[str, Any] | None = None,
    ) -> str:
        """Upload the model to the Hugging Face hub, with the account that is logged in.

        Args:
            name: `user/model`; it is created if it does not exist.
            private: whether only the owner sees a new model; None for the account's default.
            data: as in `save_pretrained`.
            scores: as in `save_pretrained`.

        Returns:
            The model's address.

        Raises:
            HubError: the hub cannot be reached, or refuses the upload.
        """
        from gifdesc.model.card import push_model

        return push_model(
            self._checkpoint,
            name,
            origin=self._folder,
            private=private,
            data=data,
            scores=scores,
        )

    def _submit(self, gifs: Sequence[ReadGif]) -> _Batch:
        return _Batch(gifs, self._extractor.submit([read.gif for read in gifs if read.gif]))

    def _finish(self, batch: _Batch, config: DecodingConfig | None) -> Iterator[Caption]:
        features = batch.wait()
        is_good = [are_usable(vectors) for vectors in features]
        usable = [vectors for vectors, good in zip(features, is_good, strict=True) if good]
        # The cores compute the next batch: threads of a search would wait for each other.
        with on_one_thread(if_true=self._device.type == "cpu"):
            found = iter(self.caption_features(usable, config))
        goods = iter(is_good)
        for read in batch.gifs:
            if read.gif is None:
                yield Caption(read.name, error=read.error)
            elif not next(goods):
                yield Caption(read.name, error=UNUSABLE_OUTPUT)
            else:
                yield _to_caption(read.name, read.gif, next(found), self._checkpoint)


def _to_caption(
    path: str, gif: SampledGif, captions: list[GeneratedCaption], checkpoint: Checkpoint
) -> Caption:
    best = captions[0]
    threshold = checkpoint.confidence_threshold
    reasons = doubts(best, threshold, checkpoint.captions)
    times_ms = start_times_ms(gif.durations_ms, gif.sampled_frames)
    return Caption(
        path=path,
        caption=best.caption,
        score=best.score,
        low_confidence=True if reasons else is_low(best.score, threshold),
        doubts=reasons,
        alternatives=tuple(captions),
        num_frames=len(gif.durations_ms),
        duration_ms=sum(gif.durations_ms),
        sampled_frames=gif.sampled_frames,
        sampled_times_ms=times_ms,
        words=tuple(replace(word, time_ms=moment_ms(word, times_ms)) for word in best.words),
        note=gif.truncated or gif.note,
    )
