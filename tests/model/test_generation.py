from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers import BertTokenizer

from gifdesc.config import DecodingConfig
from gifdesc.data.caption_statistics import CaptionStatistics
from gifdesc.errors import GifdescError
from gifdesc.model import generation
from gifdesc.model.generation import CaptionGenerator, dangling_endings
from gifdesc.model.ranking import Hypothesis
from gifdesc.text.english import DANGLING_WORDS
from gifdesc.text.tokenizer import SPECIAL_TOKENS, CaptionTokenizer
from worlds import CPU, random_features, tiny_model, tiny_tokenizer

FEATURES = [random_features(num_frames, seed=num_frames) for num_frames in (4, 1, 6)]


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def model_for(tokenizer, **changes):
    return tiny_model(1, vocab_size=tokenizer.vocab_size, **changes)


def say(model, tokenizer, features=FEATURES, **options):
    return CaptionGenerator(model, tokenizer, CPU)(features, DecodingConfig(**options))


@pytest.mark.parametrize("num_beams", [1, 4])
def test_gifs_captioned_together_are_as_captioned_alone(tokenizer, num_beams):
    model = model_for(tokenizer)
    together = say(model, tokenizer, num_beams=num_beams, max_tokens=8)
    for features, [found] in zip(FEATURES, together, strict=True):
        [[alone]] = say(model, tokenizer, [features], num_beams=num_beams, max_tokens=8)
        assert found.caption == alone.caption
        assert found.score == pytest.approx(alone.score, abs=1e-5)
        for word, wanted in zip(found.words, alone.words, strict=True):
            assert word.word == wanted.word
            assert word.log_prob == pytest.approx(wanted.log_prob, abs=1e-5)
            assert word.frame_weights == pytest.approx(wanted.frame_weights, abs=1e-5)


@pytest.mark.parametrize("fusion", ["attention", "concat"])
@pytest.mark.parametrize(
    "options",
    [{"num_beams": 5, "num_captions": 3}, {"num_beams": 1}, {"sample": True, "num_captions": 3}],
)
def test_scores_of_gifs_alone_are_the_same_in_any_batch(tokenizer, fusion, options):
    """To the last digit: a run that continues after a kill forms other batches."""
    model = model_for(tokenizer, fusion=fusion, hidden_size=96, projection_size=64)
    generate = CaptionGenerator(model, tokenizer, CPU, alone=True)
    features = [random_features(1 + seed % 16, seed=seed) for seed in range(16)]
    config = DecodingConfig(max_tokens=12, **options)

    def captions(batch_size):
        starts = range(0, len(features), batch_size)
        batches = (generate(features[start : start + batch_size], config) for start in starts)
        return [captions for batch in batches for captions in batch]

    alone = captions(1)
    assert captions(3) == alone
    assert captions(8) == alone


def test_a_second_scoring_finds_the_scores_of_the_search(tokenizer):
    model = model_for(tokenizer)
    config = DecodingConfig(max_tokens=8, num_beams=4, num_captions=3)
    searched = CaptionGenerator(model, tokenizer, CPU)(FEATURES, config)
    again = CaptionGenerator(model, tokenizer, CPU, alone=True)(FEATURES, config)
    for found, wanted in zip(again, searched, strict=True):
        assert [each.caption for each in found] == [each.caption for each in wanted]
        assert [each.is_cut for each in found] == [each.is_cut for each in wanted]
        for each, other in zip(found, wanted, strict=True):
            assert each.score == pytest.approx(other.score, abs=1e-5)


def test_every_word_looks_at_the_gifs_own_frames(tokenizer):
    for features, [found] in zip(
        FEATURES, say(model_for(tokenizer), tokenizer, max_tokens=6), strict=True
    ):
        assert found.words
        for word in found.words:
            assert len(word.frame_weights) == len(features)
            assert sum(word.frame_weights) == pytest.approx(1, abs=1e-5)


def test_a_model_that_does_not_attend_gives_no_frame_weights(tokenizer):
    found = say(model_for(tokenizer, fusion="concat"), tokenizer, max_tokens=6)
    words = [word for [one] in found for word in one.words]
    assert words
    assert {word.frame_weights for word in words} == {None}


def test_no_gif_gives_no_caption(tokenizer):
    assert say(model_for(tokenizer), tokenizer, []) == []


def test_no_caption_holds_padding_start_unknown_or_mask(tokenizer):
    model = model_for(tokenizer)
    with torch.no_grad():
        model.output.bias[list(tokenizer.banned_ids)] = 100.0
    for [found] in say(model, tokenizer, num_beams=3, max_tokens=6):
        assert "[" not in found.caption
        assert not any(word.word.startswith("[") for word in found.words)


def test_alternatives_come_best_first(tokenizer):
    for found in say(model_for(tokenizer), tokenizer, num_beams=5, num_captions=5, max_tokens=5):
        assert len(found) == 5
        scores = [one.score for one in found]
        assert scores == sorted(scores, reverse=True)


def test_a_words_pieces_are_joined_their_log_probabilities_summed_their_weights_averaged(
    tokenizer, monkeypatch
):
    pieces = ("##e", "##d")
    ids = tokenizer.encode("a grows", 10)[1:-1]
    vocabulary = tokenizer._backend.get_vocab()
    tokens = (*ids, *(vocabulary[piece] for piece in pieces))
    assert len(ids) == 2
    hypothesis = Hypothesis(
        tokens=tokens,
        log_probs=(-1.0, -0.5, -0.25, -0.125, -2.0),
        weights=((0.5, 0.5, 0.0), (1.0, 0.0, 0.0), (0.4, 0.6, 0.0), (0.1, 0.9, 0.0)),
        finished=True,
    )
    monkeypatch.setattr("gifdesc.model.generation.beam_search", lambda *_, **__: [[hypothesis]])
    two_frames = np.zeros((2, 48), np.float32)
    [[found]] = say(model_for(tokenizer), tokenizer, [two_frames])
    assert found.caption == "a growsed"
    assert found.score == pytest.approx(-3.875 / 5)
    first, second = found.words
    assert (first.word, first.log_prob, first.frame_weights) == ("a", -1.0, (0.5, 0.5))
    assert (second.word, second.log_prob) == ("growsed", -0.875)
    assert second.frame_weights == pytest.approx((0.5, 0.5))


# How captions end


class Reciter:
    """A model without eyes: each word's successors, by their probabilities."""

    repetition = None

    def __init__(self, tokenizer, successors):
        known = tokenizer._backend.get_vocab()
        names = {"<": tokenizer.start_id, ">": tokenizer.end_id}
        table = torch.full((tokenizer.vocab_size, tokenizer.vocab_size), 1e-9)
        for word, nexts in successors.items():
            for successor, probability in nexts.items():
                row = names.get(word, known.get(word))
                table[row, names.get(successor, known.get(successor))] = probability
        self.table = table.log()

    def encode(self, features, _lengths):
        return torch.zeros(len(features), 1)

    def start(self, memory):
        return Rows(memory)

    def step(self, tokens, state):
        return self.table[tokens], state, None


class Rows:
    """A state of which only the number of rows counts."""

    def __init__(self, rows):
        self.rows = rows

    def select(self, index):
        return Rows(self.rows[index])


BREAKS_OFF = {
    "<": {"a": 0.9, "the": 0.1},
    "a": {">": 0.7, "red": 0.3},
    "the": {">": 0.8, "grid": 0.2},
    "red": {"ball": 0.6, "cross": 0.4},
    "ball": {"to": 0.6, ">": 0.4},
    "cross": {">": 0.9, "the": 0.1},
    "grid": {"a": 0.9, ">": 0.1},
    "to": {">": 0.9, "a": 0.1},
}


@pytest.mark.parametrize(
    ("options", "plain", "tidy"),
    [
        ({"num_beams": 1}, "a", "a red ball to a red ball to a red ball"),
        ({"num_beams": 4}, "a", "a red cross"),
        ({"num_beams": 4, "length_penalty": 0.0}, "a", "a red cross"),
    ],
)
def test_no_caption_ends_in_a_function_word(tokenizer, options, plain, tidy):
    model = Reciter(tokenizer, BREAKS_OFF)
    [[found]] = say(
        model, tokenizer, FEATURES[:1], allow_dangling_end=True, max_tokens=12, **options
    )
    assert found.caption == plain
    [[found]] = say(model, tokenizer, FEATURES[:1], max_tokens=12, **options)
    assert found.caption == tidy


@pytest.mark.parametrize("seed", range(5))
def test_no_sampled_caption_ends_in_a_function_word(tokenizer, seed):
    model = Reciter(tokenizer, BREAKS_OFF)
    options = {"sample": True, "num_captions": 20, "max_tokens": 6, "seed": seed}
    [plain] = say(model, tokenizer, FEATURES[:1], allow_dangling_end=True, **options)
    assert {"a", "to", "the"} & {one.caption.split()[-1] for one in plain}
    [tidy] = say(model, tokenizer, FEATURES[:1], **options)
    assert {one.caption.split()[-1] for one in tidy} <= {"ball", "cross", "grid", "red"}


def test_a_caption_ends_in_a_function_word_where_nothing_else_is_left(tokenizer):
    model = Reciter(tokenizer, {"<": {"a": 1.0}, "a": {"the": 0.5, ">": 0.5}, "the": {"a": 1.0}})
    [[found]] = say(model, tokenizer, FEATURES[:1], num_beams=1, max_tokens=4)
    assert found.caption == "a the a the"


def test_a_vocabulary_of_another_language_may_end_in_what_it_likes():
    german = CaptionTokenizer.train(["er zieht sich an", "ein hund , was"])
    assert dangling_endings(german) == ()
    english = CaptionTokenizer.train(["a man with the dog"])
    words = {english.words(ids)[0][0] for ids in dangling_endings(english) if len(ids) == 1}
    assert {"a", "the", "with"} <= words
    assert words.isdisjoint({"man", "dog"})


def test_words_that_end_no_training_caption_end_no_caption_in_any_vocabulary():
    """There is no `the`, `and` or `with`, by which a vocabulary is else taken for English."""
    captions = ["a ball fades to a cross", "a ball fades to blue", "a cross moves on"]
    tokenizer = CaptionTokenizer.train(captions)
    assert dangling_endings(tokenizer) == ()
    endings = dangling_endings(tokenizer, statistics_of(tokenizer, captions))
    for word in ("to", "a"):
        assert tuple(tokenizer.encode(word, 9)[1:-1]) in endings


def test_words_that_do_end_training_captions_may_end_others():
    captions = [
        "er zieht sich an",
        "sie zieht sich an",
        "ein hund an der leine",
        "er war ein hund ,",
    ]
    tokenizer = CaptionTokenizer.train(captions)
    found = statistics_of(tokenizer, captions)
    assert found.ends == (",", "an")
    assert tuple(tokenizer.encode("an", 9)[1:-1]) not in dangling_endings(tokenizer, found)
    # A few of many are mistakes.
    english = ["a dog with a ball"] * 99 + ["a dog with"]
    assert statistics_of(CaptionTokenizer.train(english), english).ends == ()


def test_a_word_is_known_in_capitals_and_in_any_pieces():
    vocabulary = [*SPECIAL_TOKENS, "TO", "To", "to", "t", "##o", "##O"]
    bert = BertTokenizer(vocab={one: index for index, one in enumerate(vocabulary)})
    tokenizer = CaptionTokenizer._of_bert(bert)
    spelt = {tuple(vocabulary[index] for index in ids) for ids in tokenizer.spellings("to")}
    assert spelt == {("TO",), ("To",), ("to",), ("t", "##o"), ("t", "##O")}
    assert tokenizer.spellings("of") == []


def statistics_of(tokenizer, captions):
    spellings = {word: tokenizer.spellings(word) for word in DANGLING_WORDS}
    return CaptionStatistics.of(
        [ids[1:-1] for ids in tokenizer.encode_all(captions, 99)], spellings
    )


def test_a_function_word_that_is_spelt_in_pieces_is_known(tokenizer):
    spelt = tuple(tokenizer.encode("their", 10)[1:-1])
    assert len(spelt) > 1
    assert spelt in dangling_endings(tokenizer)


@pytest.mark.parametrize("options", [{"num_beams": 4, "num_captions": 3}, {"sample": True}])
def test_no_run_of_words_is_said_twice(tokenizer, options):
    model = model_for(tokenizer)
    found = say(model, tokenizer, max_tokens=30, no_repeat_ngram=2, **options)
    for one in (caption for captions in found for caption in captions):
        tokens = tokenizer.encode(one.caption, 128)[1:-1]
        pairs = list(pairwise(tokens))
        assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("seed", [0, 9])
def test_gifs_sampled_together_are_as_sampled_alone(tokenizer, seed):
    model = model_for(tokenizer)
    options = {"sample": True, "seed": seed, "top_p": 0.9, "max_tokens": 8, "num_captions": 2}
    together = say(model, tokenizer, **options)
    for features, found in zip(FEATURES, together, strict=True):
        [alone] = say(model, tokenizer, [features], **options)
        assert [one.caption for one in found] == [one.caption for one in alone]
    other = say(model, tokenizer, **{**options, "seed": seed + 1})
    assert [one[0].caption for one in other] != [one[0].caption for one in together]


def test_the_number_of_threads_is_as_it_was(tokenizer):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        say(model_for(tokenizer), tokenizer, max_tokens=4)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class _Short:
    """A search for which there is only memory for so many GIFs; it keeps the sizes asked for."""

    def __init__(self, room, monkeypatch):
        self.asked = []
        real = generation.beam_search

        def search(*arguments, num_examples, **options):
            self.asked.append(num_examples)
            if num_examples > room:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return real(*arguments, num_examples=num_examples, **options)

        monkeypatch.setattr(generation, "beam_search", search)


def test_out_of_memory_halves_the_batch_and_is_reported(tokenizer, monkeypatch, caplog):
    generate, config = (
        CaptionGenerator(model_for(tokenizer), tokenizer, CPU),
        DecodingConfig(max_tokens=8),
    )
    many = [random_features(3, seed=seed) for seed in range(7)]
    wanted = [found.caption for [found] in generate(many, config)]
    short = _Short(2, monkeypatch)
    assert [one.caption for [one] in generate(many, config)] == wanted
    assert short.asked == [7, 4, 2, 2, 2, 1]
    generate(many, config)
    assert short.asked[6:] == [2, 2, 2, 1], "what does not fit is not tried again"
    assert [record.message for record in caplog.records] == [
        f"out of memory: continuing with batches of {number} GIFs" for number in (4, 2)
    ]


def test_memory_for_not_even_one_gif_is_one_sentence(tokenizer, monkeypatch):
    _Short(0, monkeypatch)
    with pytest.raises(
        GifdescError, match="not enough memory for one GIF; choose a smaller --beam"
    ):
        say(model_for(tokenizer), tokenizer)


def test_another_failure_of_the_search_is_no_lack_of_memory(tokenizer, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(generation, "beam_search", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        say(model_for(tokenizer), tokenizer)
