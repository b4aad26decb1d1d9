"""Captions for feature vectors: the model, its tokenizer and the search put together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gifdesc.captions import GeneratedCaption, Word
from gifdesc.config import DecodingConfig
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.data.dataset import pad_features
from gifdesc.model.decoding import beam_search, sample_captions, score_again
from gifdesc.model.network import CaptionModel
from gifdesc.model.ranking import Endings, Hypothesis
from gifdesc.system.device import BatchLimit, exact_float32, on_one_thread
from gifdesc.text.english import DANGLING_WORDS, ENGLISH_WORDS
from gifdesc.text.tokenizer import CaptionTokenizer

_SMALL_ROWS = 64
"""Open captions up to which a step is faster on one CPU thread wherever cores are shared: 5 beams
of a vocabulary of 4,000 take half a millisecond on one, and tens of them where two must wait for
each other."""


class _Search(TypedDict):
    """The arguments that a search and a second scoring share."""

    start_id: int
    end_id: int
    banned_ids: tuple[int, ...]
    endings: Endings
    repetition_biases: Tensor | None
    config: DecodingConfig
    device: torch.device


class CaptionGenerator:
    """A model with its tokenizer and its device: feature vectors to captions.

    Args:
        model: the caption model; its mode and its place may change between calls.
        tokenizer: the model's.
        device: where the model is.
        training: statistics of the training captions; None if they are unknown.
        alone: score each GIF's captions once more without the other GIFs of the batch, so that its
            scores are the same in any batch, to the last digit. Rounded scores would still differ
            where two batches round to different sides. The search itself may choose another
            caption if two are equally probable to 6 digits.
    """

    def __init__(
        self,
        model: CaptionModel,
        tokenizer: CaptionTokenizer,
        device: torch.device,
        training: CaptionStatistics | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self._alone = alone
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        self._training = training
        self._limit = BatchLimit("GIF", "choose a smaller --beam or another --device")

    @torch.inference_mode()
    def __call__(
        self, features: Sequence[npt.NDArray[np.float32]], config: DecodingConfig
    ) -> list[list[GeneratedCaption]]:
        """The best captions of each GIF, best first.

        If memory runs short, fewer GIFs are captioned at once, from then on too.

        Args:
            features: float32 (T, D) per GIF.
            config: the search.

        Returns:
            Per GIF 1 to `config.num_captions` captions.

        Raises:
            GifdescError: memory does not suffice for one GIF.
        """
        return self._limit.map(lambda batch: self._search(batch, config), features)

    def _search(
        self, features: Sequence[npt.NDArray[np.float32]], config: DecodingConfig
    ) -> list[list[GeneratedCaption]]:
        model, tokenizer, device = self._model, self._tokenizer, self._device
        padded, lengths = pad_features(features)
        decode = sample_captions if config.sample else beam_search
        num_rows = len(features) * (config.num_captions if config.sample else config.num_beams)
        is_small = device.type == "cpu" and num_rows <= _SMALL_ROWS
        with exact_float32(device), on_one_thread(if_true=is_small):
            memory = model.encode(padded.to(device), lengths)
            search = _Search(
                start_id=tokenizer.start_id,
                end_id=tokenizer.end_id,
                banned_ids=tokenizer.banned_ids,
                endings=() if config.allow_dangling_end else self._dangling_endings,
                repetition_biases=None if config.sample else self._repetition_biases,
                config=config,
                device=device,
            )
            found = decode(model, model.start(memory), num_examples=len(features), **search)
            if self._alone:
                found = [
                    self._score_alone(vectors, hypotheses, search)
                    for vectors, hypotheses in zip(features, found, strict=True)
                ]
        return [
            [_to_caption(hypothesis, tokenizer, len(vectors)) for hypothesis in hypotheses]
            for hypotheses, vectors in zip(found, features, strict=True)
        ]

    def _score_alone(
        self,
        vectors: npt.NDArray[np.float32],
        hypotheses: Sequence[Hypothesis],
        search: _Search,
    ) -> list[Hypothesis]:
        padded, lengths = pad_features([vectors])
        state = self._model.start(self._model.encode(padded.to(self._device), lengths))
        return score_again(self._model, state, hypotheses, **search)

    @property
    def _repetition_biases(self) -> Tensor | None:
        """Not cached: a model that is trained has others after every epoch."""
        module = self._model.repetition
        return None if module is None else module.values

    @cached_property
    def _dangling_endings(self) -> Endings:
        return dangling_endings(self._tokenizer, self._training)


def dangling_endings(
    tokenizer: CaptionTokenizer, training: CaptionStatistics | None = None
) -> Endings:
    """The tokens of each word that no caption should end in, however the vocabulary spells it.

    Words that end training captions may end others. If it is unknown how the training captions
    end, as in older model folders, the list is used for vocabularies that look English.
    """
    if training is None and not any(
        len(tokens) == 1 for word in ENGLISH_WORDS for tokens in tokenizer.spellings(word)
    ):
        return ()
    marks = tuple((mark_id,) for mark_id in tokenizer.mark_ids)
    may_end = () if training is None else training.ends
    words = (word for word in DANGLING_WORDS if word not in may_end)
    return (*marks, *(tokens for word in words for tokens in tokenizer.spellings(word)))


def _to_caption(
    hypothesis: Hypothesis, tokenizer: CaptionTokenizer, num_frames: int
) -> GeneratedCaption:
    words = []
    for word, positions in tokenizer.words(hypothesis.tokens):
        frame_weights = None
        if hypothesis.weights:
            rows = [hypothesis.weights[position][:num_frames] for position in positions]
            frame_weights = tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))
        log_prob = sum(hypothesis.log_probs[position] for position in positions)
        words.append(Word(word, log_prob, frame_weights))
    caption = tokenizer.decode(hypothesis.tokens)
    return GeneratedCaption(
        caption,
        hypothesis.score,
        tuple(words),
        is_cut=not hypothesis.finished,
        tokens=hypothesis.tokens,
    )
