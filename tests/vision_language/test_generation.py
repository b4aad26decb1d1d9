import copy
import json
import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import tiny_models
from gifdesc.config import DecodingConfig
from gifdesc.vision_language.generation import (
    _kept_part,
    _Reply,
    _spell,
    _to_caption,
    generate_captions,
)
from gifdesc.vision_language.inputs import Clip, choose_form

GREEDY = DecodingConfig(num_beams=1, max_tokens=6)


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return tiny_models.load(tiny_models.write_llava(tmp_path_factory.mktemp("m")))


def inputs_of(loaded):
    frames = np.random.default_rng(0).integers(0, 256, (4, 56, 56, 3), np.uint8)
    form = choose_form(loaded.model, loaded.processor)
    return form.prepare([Clip(frames, (0, 100, 200, 300), 400)])


@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_score_is_the_models_own_mean_log_probability(llava, num_beams):
    """Against a forward pass over the prompt with the caption behind it."""
    inputs = inputs_of(llava)
    config = DecodingConfig(num_beams=num_beams, num_captions=num_beams, max_tokens=6)
    output = llava.model.generate(
        **inputs,
        max_new_tokens=6,
        num_beams=num_beams,
        num_return_sequences=num_beams,
        do_sample=False,
    )
    end_id = llava.processor.tokenizer.eos_token_id
    start = inputs["input_ids"].shape[1]
    [found] = generate_captions(llava, inputs, config)
    assert len(found) == num_beams
    for caption, sequence in zip(found, output, strict=True):
        tokens = sequence[start:].tolist()
        tokens = tokens[: tokens.index(end_id) + 1] if end_id in tokens else tokens
        whole = sequence[None, : start + len(tokens)]
        with torch.inference_mode():
            logits = llava.model(
                input_ids=whole,
                attention_mask=torch.ones_like(whole),
                pixel_values=inputs["pixel_values"],
            ).logits[0]
        log_probs = logits.log_softmax(-1)[start - 1 : -1].gather(1, whole[0, start:, None])
        assert caption.score == pytest.approx(float(log_probs.mean()), abs=1e-4)


def bert_caption(ids_of, log_probs, end_log_prob, config=GREEDY):
    tokenizer = tiny_models.bert_tokenizer()
    ids = tokenizer.convert_tokens_to_ids(ids_of)
    return _to_caption(tokenizer, _Reply(ids, log_probs, end_log_prob), config)


def test_words_sum_the_log_probabilities_of_their_tokens():
    found = bert_caption(["a", "red", "##d", "ball"], [-1.0, -2.0, -0.5, -3.0], -0.25)
    assert found.caption == "a redd ball"
    assert [(word.word, word.log_prob) for word in found.words] == [
        ("a", -1.0),
        ("redd", -2.5),
        ("ball", -3.0),
    ]
    assert found.score == pytest.approx(-6.75 / 5)


def test_a_continuation_of_the_prompts_last_word_is_a_word():
    found = bert_caption(["##s", "a", "ball"], [-1.0, -1.0, -1.0], -1.0)
    assert found.caption == "s a ball"


def test_punctuation_follows_the_word_before():
    assert bert_caption(["a", "ball", ",", "red", "."], [-1.0] * 5, -1.0).caption == "a ball, red."


def test_a_cut_reply_does_not_end_in_a_function_word():
    tokens = ["a", "man", "jumps", "over", "the", "a"]
    assert bert_caption(tokens, [-1.0] * 6, None).caption == "a man jumps over"
    assert bert_caption(tokens, [-1.0] * 6, -1.0).caption == "a man jumps over the a"
    dangling = DecodingConfig(num_beams=1, allow_dangling_end=True)
    assert bert_caption(tokens, [-1.0] * 6, None, dangling).caption == "a man jumps over the a"
    assert bert_caption(["the", "a"], [-1.0] * 2, None).caption == "the"


def test_an_empty_reply_is_an_empty_caption():
    found = bert_caption([], [], -1.0)
    assert (found.caption, found.words, found.score) == ("", (), -1.0)
    assert bert_caption([], [], None).score == 0


@pytest.mark.parametrize(
    ("text", "is_cut", "kept"),
    [
        ("A dog runs.", False, "A dog runs."),
        ("A dog runs. It is", True, "A dog runs."),
        ("A dog runs. It is", False, "A dog runs. It is"),
        ("One. Two! Thr", True, "One. Two!"),
        ("at 3.5 miles", True, "at 3.5 miles"),
        ("hm </think> A dog", False, " A dog"),
        ("<think>a. b</think>A dog. The", True, "A dog."),
        ("", True, ""),
    ],
)
def test_the_kept_part_of_a_reply(text, is_cut, kept):
    start, end = _kept_part(text, is_cut=is_cut)
    assert text[start:end] == kept


def test_a_letter_of_several_tokens_is_decoded_when_complete():
    tokenizer = tiny_models.fast_tokenizer([])
    ids = tokenizer("a été ☃ ball", add_special_tokens=False)["input_ids"]
    text, spans = _spell(tokenizer, ids)
    assert text == "a été ☃ ball"
    assert spans[-1][1] == len(text)
    assert all(first[1] <= second[1] for first, second in pairwise(spans))
    reply = _Reply(ids, [-1.0] * len(ids), None)
    found = _to_caption(tokenizer, reply, GREEDY)
    assert found.caption == "a été ☃ ball"
    assert [word.word for word in found.words] == ["a", "été", "☃", "ball"]


def test_the_configuration_decides_the_search(llava, monkeypatch):
    """Models on the hub come with sampling switched on."""
    asked = {}

    def generate(**options):
        asked.update(options)
        logits = torch.zeros(1, llava.model.config.get_text_config().vocab_size)
        return SimpleNamespace(sequences=torch.tensor([[5]]), logits=(logits,), beam_indices=None)

    monkeypatch.setattr(llava.model, "generate", generate)
    inputs = inputs_of(llava)
    [[found]] = generate_captions(llava, inputs, GREEDY)
    vocab_size = llava.model.config.get_text_config().vocab_size
    assert found.score == pytest.approx(-math.log(vocab_size))
    assert (asked["do_sample"], asked["num_beams"], asked["max_new_tokens"]) == (False, 1, 6)
    assert asked["temperature"] is asked["top_p"] is asked["top_k"] is None
    assert "length_penalty" not in asked
    assert (asked["repetition_penalty"], asked["no_repeat_ngram_size"]) == (1.0, 0)
    config = DecodingConfig(num_beams=4, length_penalty=0.5, no_repeat_ngram=3)
    generate_captions(llava, inputs, config)
    assert (asked["num_beams"], asked["length_penalty"]) == (4, 0.5)
    assert asked["no_repeat_ngram_size"] == 3
    generate_captions(llava, inputs, DecodingConfig(sample=True, temperature=0.5, top_p=0.9))
    assert (asked["do_sample"], asked["num_beams"], asked["top_k"]) == (True, 1, 0)
    assert (asked["temperature"], asked["top_p"]) == (0.5, 0.9)


def test_sampled_captions_are_distinct_and_best_first(llava):
    config = DecodingConfig(sample=True, num_captions=8, num_beams=8, max_tokens=1, top_p=0.05)
    [found] = generate_captions(llava, inputs_of(llava), config)
    texts = [one.caption for one in found]
    assert 1 < len(texts) < 8, "with so few tokens to draw from, some come twice"
    assert len(set(texts)) == len(texts)
    scores = [one.score for one in found]
    assert scores == sorted(scores, reverse=True)


# A model's own settings


@pytest.mark.parametrize(
    "own",
    [
        {"repetition_penalty": 30.0},
        {"no_repeat_ngram_size": 1},
        {"min_length": 60},
        {"min_new_tokens": 6},
        {"exponential_decay_length_penalty": [1, 50.0]},
        {"do_sample": True, "temperature": 9.0, "top_k": 3, "top_p": 0.5, "min_p": 0.3},
        {"num_beams": 4, "length_penalty": -9.0, "early_stopping": True},
        {"renormalize_logits": True, "typical_p": 0.2, "epsilon_cutoff": 0.4},
    ],
    ids=lambda own: next(iter(own)),
)
def test_search_settings_of_the_model_are_ignored(tmp_path, own):
    folder = tiny_models.write_llava(tmp_path)
    plain = tiny_models.load(folder)
    wanted = generate_captions(plain, inputs_of(plain), GREEDY)
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **own}))
    loaded = tiny_models.load(folder)
    [name, *_] = own
    assert getattr(loaded.model.generation_config, name) == own[name]
    assert generate_captions(loaded, inputs_of(loaded), GREEDY) == wanted


# Thoughts


def reply_of(llava, monkeypatch, text, *, is_cut, config=GREEDY, prompt=""):
    """What becomes of a text that the model writes."""
    tokenizer = llava.processor.tokenizer
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    ids += [] if is_cut else [tokenizer.eos_token_id]
    logits = torch.zeros(1, llava.model.config.get_text_config().vocab_size)

    def generate(**_options):
        sequences = torch.tensor([ids])
        return SimpleNamespace(sequences=sequences, logits=(logits,) * len(ids), beam_indices=None)

    monkeypatch.setattr(llava.model, "generate", generate)
    inputs = inputs_of(llava)
    added = torch.tensor([tokenizer(prompt, add_special_tokens=False)["input_ids"]]).long()
    inputs["input_ids"] = torch.cat([inputs["input_ids"], added], 1)
    [captions] = generate_captions(llava, inputs, config)
    return captions


@pytest.mark.parametrize("is_cut", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "<think>a dog. a man?</think> a red ball",
        "a dog. a man?</think> a red ball",
        "<think>a</think> no <think>dog</think>\n\na red ball",
        "<thinking>a dog</thinking>a red ball",
        "◁think▷a dog◁/think▷a red ball",
    ],
)
def test_finished_thoughts_are_removed(llava, monkeypatch, text, is_cut):
    [found] = reply_of(llava, monkeypatch, text, is_cut=is_cut)
    assert found.caption == "a red ball"
    assert [word.word for word in found.words] == ["a", "red", "ball"]


@pytest.mark.parametrize(
    "text", ["<think>a dog. a man", "<think>a dog. a man</thi", "<think>a dog</think>", " <think>"]
)
def test_a_reply_cut_in_its_thoughts_is_no_caption(llava, monkeypatch, text):
    captions = reply_of(llava, monkeypatch, text, is_cut=True)
    assert captions == []
    assert captions.error == (
        "the model reached the token limit in its thoughts, before the caption; raise --max-length"
    )


def test_a_reply_of_only_thoughts_is_no_caption(llava, monkeypatch):
    captions = reply_of(llava, monkeypatch, "<think>a dog", is_cut=False)
    assert (captions, captions.error) == ([], "the model wrote thoughts but no caption")


def test_thoughts_that_the_prompt_starts_are_removed(llava, monkeypatch):
    cut = reply_of(llava, monkeypatch, "a dog. a man", is_cut=True, prompt="<think>\n")
    assert cut == []
    assert "--max-length" in cut.error
    done = reply_of(llava, monkeypatch, "a dog</think>a man", is_cut=True, prompt="<think>\n")
    assert [one.caption for one in done] == ["a man"]
    none = reply_of(llava, monkeypatch, "a man", is_cut=True, prompt="<think>\n\n</think>\n\n")
    assert [one.caption for one in none] == ["a man"]


def test_the_score_excludes_the_thoughts(llava):
    tokenizer = llava.processor.tokenizer
    thoughts = tokenizer("<think>dog</think>", add_special_tokens=False)["input_ids"]
    caption = tokenizer("a ball", add_special_tokens=False)["input_ids"]
    reply = _Reply([*thoughts, *caption], [-9.0] * len(thoughts) + [-1.0] * len(caption), -1.0)
    assert _to_caption(tokenizer, reply, GREEDY).score == pytest.approx(-1)


@pytest.mark.parametrize("knows", [True, False])
def test_thinking_is_disabled_where_the_template_supports_it(llava, knows):
    template = tiny_models.LLAVA_TEMPLATE
    if knows:
        template += "{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}"
    processor = copy.copy(llava.processor)
    processor.chat_template = template
    frames = np.zeros((4, 56, 56, 3), np.uint8)
    form = choose_form(llava.model, processor)
    ids = form.prepare([Clip(frames, (0, 100, 200, 300), 400)])["input_ids"][0].tolist()
    text = processor.tokenizer.decode(ids)
    assert text.endswith("ASSISTANT:")
