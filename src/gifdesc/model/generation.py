"""Captions for feature vectors: the model, its tokenizer and the search put together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch

from gifdesc.captions import GeneratedCaption, Word
from gifdesc.config import DecodingConfig
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.data.dataset import pad_features
from gifdesc.errors import GifdescError
from gifdesc.model.decoding import beam_search, sample_captions
from gifdesc.model.network import CaptionModel
from gifdesc.model.ranking import Endings, Hypothesis
from gifdesc.system.device import exact_float32, is_out_of_memory, on_one_thread
from gifdesc.text.english import DANGLING_WORDS, ENGLISH_WORDS
from gifdesc.text.tokenizer import CaptionTokenizer

_SMALL_ROWS = 64
"""Open captions up to which a step is faster on one CPU thread wherever cores are shared: 5 beams
of a vocabulary of 4,000 take half a millisecond on one, and tens of them where two must wait for
each other."""

log = logging.getLogger(__name__)

_max_gifs: WeakKeyDictionary[CaptionModel, int] = WeakKeyDictionary()
"""GIFs that a model captions at once, where memory has run short for more."""


@torch.inference_mode()
def generate(
    model: CaptionModel,
    tokenizer: CaptionTokenizer,
    features: Sequence[npt.NDArray[np.float32]],
    config: DecodingConfig,
    device: torch.device,
    training: CaptionStatistics | None = None,
) -> list[list[GeneratedCaption]]:
    """The best captions of each GIF, best first.

    Args:
        model: in evaluation mode, on `device`.
        tokenizer: the model's.
        features: float32 (T, D) per GIF.
        config: how to search.
        device: where the model lies.
        training: what the training captions are like, where that is known.

    Returns:
        Per GIF 1 to `config.num_captions` captions. Where memory runs short fewer GIFs are
        captioned at once, now and from then on by this model, which is said once.

    Raises:
        GifdescError: memory does not even suffice for one GIF.
    """
    captions: list[list[GeneratedCaption]] = []
    while left := features[len(captions) :]:
        batch = left[: _max_gifs.get(model, len(left))]
        try:
            endings = () if config.allow_dangling_end else dangling_endings(tokenizer, training)
            with exact_float32(device):
                captions += _generate(model, tokenizer, batch, config, device, endings)
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler, whose traceback holds on to the tensors.
        _shrink(model, len(batch), device)
    return captions


def _shrink(model: CaptionModel, num_gifs: int, device: torch.device) -> None:
    """Caption half as many GIFs at once as those for which there was no memory."""
    if num_gifs == 1:
        raise GifdescError(
            "not enough memory to caption one GIF; choose a smaller --beam or another --device"
        )
    if model not in _max_gifs:
        log.warning("out of memory: continuing with fewer GIFs captioned at once")
    _max_gifs[model] = num_gifs // 2
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _generate(
    model: CaptionModel,
    tokenizer: CaptionTokenizer,
    features: Sequence[npt.NDArray[np.float32]],
    config: DecodingConfig,
    device: torch.device,
    endings: Endings,
) -> list[list[GeneratedCaption]]:
    padded, lengths = pad_features([torch.from_numpy(one) for one in features])
    decode = sample_captions if config.sample else beam_search
    num_rows = len(features) * (config.num_captions if config.sample else config.num_beams)
    with on_one_thread(if_true=device.type == "cpu" and num_rows <= _SMALL_ROWS):
        memory = model.encode(padded.to(device), lengths)
        found = decode(
            model,
            model.start(memory),
            num_examples=len(features),
            start_id=tokenizer.start_id,
            end_id=tokenizer.end_id,
            banned_ids=tokenizer.banned_ids,
            endings=endings,
            config=config,
            device=device,
        )
    return [
        [_to_caption(hypothesis, tokenizer, len(one)) for hypothesis in hypotheses]
        for hypotheses, one in zip(found, features, strict=True)
    ]


@lru_cache(maxsize=8)
def dangling_endings(
    tokenizer: CaptionTokenizer, training: CaptionStatistics | None = None
) -> Endings:
    """The tokens of each word that no caption should end in, however the vocabulary spells it.

    Words that end training captions may end others. Where it is not known how the training captions
    end, as in model folders of before, the list is used for vocabularies that look English.
    """
    if training is None and not any(
        len(tokens) == 1 for word in ENGLISH_WORDS for tokens in tokenizer.spellings(word)
    ):
        return ()
    marks = tuple((one,) for one in tokenizer.mark_ids)
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
