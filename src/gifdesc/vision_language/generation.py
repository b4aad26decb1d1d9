"""Generate captions with a vision-language model, with the probability of every word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from gifdesc.captions import GeneratedCaption, Word
from gifdesc.config import DecodingConfig
from gifdesc.text.english import DANGLING_WORDS
from gifdesc.text.tokenizer import clean_text
from gifdesc.vision_language.loading import VisionLanguageModel

_THOUGHTS = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("◁think▷", "◁/think▷"))
"""The marks at the start and the end of the thoughts of a model, by family."""

_UNFINISHED_THOUGHT = (
    "the model reached the token limit in its thoughts, before the caption; raise --max-length"
)
_SENTENCE_END = re.compile(r"[.!?](?=\s)|[\u3002\uff01\uff1f](?=.)")

_PROMPT_END = 16
"""Tokens at the end of the prompt that are searched for the start of thoughts."""

_ONLY_THOUGHTS = "the model wrote thoughts but no caption"

_NEUTRAL: dict[str, Any] = {
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "min_length": 0,
    "min_new_tokens": None,
    "early_stopping": False,
    "exponential_decay_length_penalty": None,
    "sequence_bias": None,
    "guidance_scale": None,
    "penalty_alpha": None,
    "dola_layers": None,
    "min_p": None,
    "top_h": None,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
    "renormalize_logits": None,
    "watermarking_config": None,
    "stop_strings": None,
    "max_time": None,
}
"""Neutral values for the search settings that a model's generation_config may change: gifdesc
searches for the likeliest caption. Tokens that a model forbids or forces (`suppress_tokens`,
`bad_words_ids`, `forced_bos_token_id`) belong to its vocabulary and are kept."""


class Captions(list[GeneratedCaption]):
    """The captions of a GIF, best first; if there are none, `error` may have the reason."""

    error: str | None = None


@dataclass(frozen=True)
class _Reply:
    """The tokens that a model wrote, without the prompt.

    Attributes:
        ids: the tokens, without the end token.
        log_probs: of each token.
        end_log_prob: of the end token; None if the reply was cut.
    """

    ids: list[int]
    log_probs: list[float]
    end_log_prob: float | None


@torch.inference_mode()
def generate_captions(
    loaded: VisionLanguageModel, inputs: Mapping[str, Any], config: DecodingConfig
) -> list[Captions]:
    """The best captions of each GIF, best first; an error where the model wrote none.

    Thoughts before a caption are removed. A reply that ends in thoughts is no caption.

    Args:
        loaded: the model.
        inputs: from `InputForm.prepare`.
        config: the search settings.
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
    starts_in_thoughts = _ends_in_thoughts(tokenizer, inputs)
    found = [
        _to_caption(tokenizer, reply, config, starts_in_thoughts=starts_in_thoughts)
        for reply in replies
    ]
    groups = []
    for first in range(0, len(found), config.num_captions):
        results = found[first : first + config.num_captions]
        good = [caption for caption in results if not isinstance(caption, str) and caption.caption]
        # Sampled captions are in no order, and may be equal.
        group = Captions(_ranked(good) if config.sample else good)
        group.error = next((error for error in results if isinstance(error, str)), None)
        groups.append(group)
    return groups


def _ranked(captions: Sequence[GeneratedCaption]) -> list[GeneratedCaption]:
    """The captions, best first; of equal texts, the likelier one is kept."""
    best: dict[str, GeneratedCaption] = {}
    for caption in sorted(captions, key=lambda caption: caption.score, reverse=True):
        best.setdefault(caption.caption, caption)
    return list(best.values())


def _search_options(config: DecodingConfig) -> dict[str, Any]:
    """The search settings of transformers; they override those of the model."""
    options: dict[str, Any] = {
        "num_beams": config.num_beams,
        "do_sample": False,
        "temperature": None,
        "top_p": None,
        "top_k": None,
        **_neutral_options(),
        "no_repeat_ngram_size": config.no_repeat_ngram,
    }
    if config.sample:
        drawn = {"do_sample": True, "temperature": config.temperature, "top_p": config.top_p}
        return {**options, **drawn, "top_k": 0, "num_beams": 1}
    if config.num_beams > 1:
        options["length_penalty"] = config.length_penalty
    return options


def _neutral_options() -> dict[str, Any]:
    """The settings in `_NEUTRAL` that this version of transformers has."""
    from transformers import GenerationConfig

    known = GenerationConfig()
    return {name: value for name, value in _NEUTRAL.items() if hasattr(known, name)}


@contextmanager
def _seeded(device: torch.device, config: DecodingConfig) -> Iterator[None]:
    """Sample with the seed of the configuration; other random generators are unchanged."""
    if not config.sample:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        yield


def _moved(value: Any, loaded: VisionLanguageModel) -> Any:
    """A tensor on the device of the model; pixels have the model's dtype."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(loaded.device, loaded.dtype if value.is_floating_point() else value.dtype)


def _end_ids(loaded: VisionLanguageModel) -> set[int]:
    """The tokens that end a reply; each family stores them in other places."""
    model, tokenizer = loaded.model, loaded.processor.tokenizer
    text_config = model.config.get_text_config()
    named: list[Any] = [
        getattr(model.generation_config, "eos_token_id", None),
        getattr(text_config, "eos_token_id", None),
        getattr(text_config, "sep_token_id", None),
        tokenizer.eos_token_id,
        tokenizer.sep_token_id,
    ]
    flat = [id_ for value in named for id_ in (value if isinstance(value, list) else [value])]
    return {id_ for id_ in flat if id_ is not None}


def _replies(output: Any, end_ids: set[int]) -> list[_Reply]:
    """The replies after the prompt, with the model's own probabilities."""
    beams = getattr(output, "beam_indices", None)
    num_steps = len(output.logits)
    if beams is not None:  # padded with -1 after the last token of each sequence
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


def _ends_in_thoughts(tokenizer: Any, inputs: Mapping[str, Any]) -> bool:
    """Whether the prompt ends in thoughts: some chat templates write their start mark."""
    ids = inputs.get("input_ids")
    if not isinstance(ids, torch.Tensor) or ids.ndim != 2:
        return False
    text = str(tokenizer.decode(ids[0, -_PROMPT_END:].tolist(), skip_special_tokens=False))
    return any(text.rfind(begin) > text.rfind(end) for begin, end in _THOUGHTS)


def _to_caption(
    tokenizer: Any, reply: _Reply, config: DecodingConfig, *, starts_in_thoughts: bool = False
) -> GeneratedCaption | str:
    """The caption of a reply, or why there is none."""
    is_cut = reply.end_log_prob is None
    skipped = _num_thought_tokens(tokenizer, reply.ids, is_begun=starts_in_thoughts)
    if skipped is None:
        return _UNFINISHED_THOUGHT if is_cut else _ONLY_THOUGHTS
    text, spans = _spell(tokenizer, reply.ids)
    first = spans[skipped - 1][1] if skipped else 0
    start, end = _kept_part(text[first:], is_cut=is_cut)
    start, end = first + start, first + end
    if skipped and not text[start:end].strip():
        return _UNFINISHED_THOUGHT if is_cut else _ONLY_THOUGHTS
    words = []
    for match in re.finditer(r"\S+", text[start:end]):
        bounds = (start + match.start(), start + match.end())
        log_prob = sum(
            token_log_prob
            for token_log_prob, span in zip(reply.log_probs, spans, strict=True)
            if span[0] < bounds[1] and span[1] > bounds[0]
        )
        # A first token with ## continues the last word of the prompt.
        words.append(Word(match.group().removeprefix("##") or match.group(), log_prob, None))
    if is_cut and not config.allow_dangling_end:
        while len(words) > 1 and words[-1].word.lower() in DANGLING_WORDS:
            words.pop()
    caption = " ".join(word.word for word in words)
    if type(tokenizer).__name__.startswith("Bert"):
        caption = clean_text(caption)  # Bert tokens do not record spaces
    counted = [
        *reply.log_probs[skipped:],
        *([] if reply.end_log_prob is None else [reply.end_log_prob]),
    ]
    return GeneratedCaption(caption, sum(counted) / max(1, len(counted)), tuple(words))


def _num_thought_tokens(tokenizer: Any, ids: Sequence[int], *, is_begun: bool) -> int | None:
    """The number of tokens up to the end of the thoughts; None if they do not end."""
    whole = str(tokenizer.decode(list(ids), skip_special_tokens=False))
    marks = [mark for pair in _THOUGHTS for mark in pair]
    if not is_begun and not any(mark in whole for mark in marks):
        return 0
    last_end = max((whole.rfind(end) + len(end) for _, end in _THOUGHTS if end in whole), default=0)
    last_begin = max(whole.rfind(begin) for begin, _ in _THOUGHTS)
    if last_end == 0 or last_begin >= last_end:
        return None
    mark = next(end for _, end in _THOUGHTS if whole[:last_end].endswith(end))
    wanted = whole.count(mark)
    for count in range(1, len(ids) + 1):
        text = str(tokenizer.decode(list(ids[:count]), skip_special_tokens=False))
        if text.count(mark) == wanted:
            return count
    return len(ids)


def _spell(tokenizer: Any, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]]]:
    """The text of tokens, and the start and end of each token's part of it."""
    options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    whole = str(tokenizer.decode(list(ids), **options))
    spans = []
    start = 0
    for count in range(1, len(ids) + 1):
        # A character of several tokens is decoded wrongly until its last token.
        text = str(tokenizer.decode(list(ids[:count]), **options))
        end = max(start, _num_common(text, whole))
        written = whole[start:end]
        spans.append((start + len(written) - len(written.lstrip()), end))
        start = end
    return whole, spans


def _num_common(text: str, other: str) -> int:
    """The number of equal characters at the start of two texts."""
    pairs = enumerate(zip(text, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(text), len(other)))


def _kept_part(text: str, *, is_cut: bool) -> tuple[int, int]:
    """The start and end of the caption in a reply: after thoughts, whole sentences only if cut."""
    ends = [text.rfind(mark) + len(mark) for _, mark in _THOUGHTS if mark in text]
    start = max(ends, default=0)
    if is_cut and (sentences := [match.end() for match in _SENTENCE_END.finditer(text[start:])]):
        return start, start + sentences[-1]
    return start, len(text)
