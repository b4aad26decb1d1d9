"""A vision-language model's inputs to captions, with the probability of every word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from gifdesc.config import DecodingConfig
from gifdesc.function_words import DANGLING_WORDS
from gifdesc.generation import GeneratedCaption, Word
from gifdesc.tokenizer import clean_text
from gifdesc.vision_language_loading import VisionLanguageModel

_END_OF_THOUGHT = "</think>"


@dataclass(frozen=True)
class _Reply:
    """The tokens that a model wrote, without the prompt.

    Attributes:
        ids: the tokens, the end token not among them.
        log_probs: of each of them.
        end_log_prob: of the end token; None where the reply was cut.
    """

    ids: list[int]
    log_probs: list[float]
    end_log_prob: float | None


@torch.inference_mode()
def generate_captions(
    loaded: VisionLanguageModel, inputs: Mapping[str, Any], config: DecodingConfig
) -> list[list[GeneratedCaption]]:
    """The best captions of each GIF, best first; an empty list where the model says nothing.

    Args:
        loaded: the model.
        inputs: from `InputForm.prepare`.
        config: how to search.
    """
    moved = {name: _moved(value, loaded) for name, value in inputs.items()}
    with _seeded(loaded.device, config):
        output = loaded.model.generate(
            **moved,
            **_search_options(config),
            max_new_tokens=config.limit,
            num_return_sequences=config.num_captions,
            return_dict_in_generate=True,
            output_logits=True,
        )
    replies = _replies(output, _end_ids(loaded))
    tokenizer = loaded.processor.tokenizer
    found = [_to_caption(tokenizer, reply, config) for reply in replies]
    groups = [
        [one for one in found[first : first + config.num_captions] if one.caption]
        for first in range(0, len(found), config.num_captions)
    ]
    # What is drawn comes in no order, and may come twice.
    return [_ranked(group) for group in groups] if config.sample else groups


def _ranked(captions: Sequence[GeneratedCaption]) -> list[GeneratedCaption]:
    """Different captions, the best first; of equal texts, the likelier."""
    best: dict[str, GeneratedCaption] = {}
    for one in sorted(captions, key=lambda one: one.score, reverse=True):
        best.setdefault(one.caption, one)
    return list(best.values())


def _search_options(config: DecodingConfig) -> dict[str, Any]:
    """The search in the library's terms; what a model would do by itself is overruled."""
    options: dict[str, Any] = {
        "num_beams": config.num_beams,
        "do_sample": False,
        "temperature": None,
        "top_p": None,
        "top_k": None,
    }
    if config.no_repeat_ngram > 0:
        options["no_repeat_ngram_size"] = config.no_repeat_ngram
    if config.sample:
        drawn = {"do_sample": True, "temperature": config.temperature, "top_p": config.top_p}
        return {**options, **drawn, "top_k": 0, "num_beams": 1}
    if config.num_beams > 1:
        options["length_penalty"] = config.length_penalty
    return options


@contextmanager
def _seeded(device: torch.device, config: DecodingConfig) -> Iterator[None]:
    """Draw by the configuration's seed; the generators of everybody else stay as they are."""
    if not config.sample:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        yield


def _moved(value: Any, loaded: VisionLanguageModel) -> Any:
    """A tensor on the model's device; pixels in the model's type."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(loaded.device, loaded.dtype if value.is_floating_point() else value.dtype)


def _end_ids(loaded: VisionLanguageModel) -> set[int]:
    """The tokens that end a reply, wherever a family writes them down."""
    model, tokenizer = loaded.model, loaded.processor.tokenizer
    text_config = model.config.get_text_config()
    named: list[Any] = [
        getattr(model.generation_config, "eos_token_id", None),
        getattr(text_config, "eos_token_id", None),
        getattr(text_config, "sep_token_id", None),
        tokenizer.eos_token_id,
        tokenizer.sep_token_id,
    ]
    flat = [one for value in named for one in (value if isinstance(value, list) else [value])]
    return {one for one in flat if one is not None}


def _replies(output: Any, end_ids: set[int]) -> list[_Reply]:
    """What was written after the prompt, with the model's own probabilities."""
    beams = getattr(output, "beam_indices", None)
    num_steps = len(output.logits)
    if beams is not None:  # padded with -1 behind each sequence's last token
        num_steps = int((beams >= 0).sum(-1).max())
    first = output.sequences.shape[1] - num_steps
    sequences = output.sequences[:, first:].tolist()
    replies = []
    for row, tokens in enumerate(sequences):
        ids: list[int] = []
        log_probs: list[float] = []
        end_log_prob = None
        for step, token in enumerate(tokens):
            beam = row if beams is None else int(beams[row, step])
            if beam < 0:
                break
            log_prob = float(output.logits[step][beam].float().log_softmax(-1)[token])
            if token in end_ids:
                end_log_prob = log_prob
                break
            ids.append(token)
            log_probs.append(log_prob)
        replies.append(_Reply(ids, log_probs, end_log_prob))
    return replies


def _to_caption(tokenizer: Any, reply: _Reply, config: DecodingConfig) -> GeneratedCaption:
    text, spans = _spell(tokenizer, reply.ids)
    is_cut = reply.end_log_prob is None
    start, end = _kept_part(text, is_cut=is_cut)
    words = []
    for match in re.finditer(r"\S+", text[start:end]):
        bounds = (start + match.start(), start + match.end())
        log_prob = sum(
            one
            for one, span in zip(reply.log_probs, spans, strict=True)
            if span[0] < bounds[1] and span[1] > bounds[0]
        )
        # A piece of a word at the start goes on from the prompt's last one.
        words.append(Word(match.group().removeprefix("##") or match.group(), log_prob, None))
    if is_cut and not config.may_dangle:
        while len(words) > 1 and words[-1].word.lower() in DANGLING_WORDS:
            words.pop()
    caption = " ".join(word.word for word in words)
    if type(tokenizer).__name__.startswith("Bert"):
        caption = clean_text(caption)  # its tokens have lost where spaces were
    counted = [*reply.log_probs, *([] if reply.end_log_prob is None else [reply.end_log_prob])]
    return GeneratedCaption(caption, sum(counted) / max(1, len(counted)), tuple(words))


def _spell(tokenizer: Any, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
    """The text of tokens, and the part of it that each token wrote (start and end in it)."""
    options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    whole = str(tokenizer.decode(list(ids), **options))
    spans = []
    start = 0
    for count in range(1, len(ids) + 1):
        # A character of several tokens is spelt wrongly until its last one has come.
        text = str(tokenizer.decode(list(ids[:count]), **options))
        end = max(start, _num_common(text, whole))
        written = whole[start:end]
        spans.append((start + len(written) - len(written.lstrip()), end))
        start = end
    return whole, spans


def _num_common(one: str, other: str) -> int:
    """The number of characters that two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _kept_part(text: str, *, is_cut: bool) -> tuple[int, int]:
    """Where the caption lies in a reply: behind thoughts, up to the last whole sentence."""
    start = text.rfind(_END_OF_THOUGHT)
    start = 0 if start < 0 else start + len(_END_OF_THOUGHT)
    if is_cut and (ends := [one.end() for one in re.finditer(r"[.!?](?=\s)", text[start:])]):
        return start, start + ends[-1]
    return start, len(text)
