"""Saved tokenizers read without transformers: the same tokens, or left to transformers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.text import tokenizer as tokenizer_module
from gifdesc.text.tokenizer import CaptionTokenizer, read_backend
from phrases import CAPTIONS, VOCABULARY


@pytest.fixture(scope="module")
def trained() -> CaptionTokenizer:
    return CaptionTokenizer.train(CAPTIONS)


TEXTS = [
    *CAPTIONS,
    "A MANDOG ζ ☃, Café  são\tpaulo",
    "",
    "[SEP] a [MASK] dog [unk]",
    "漢字 a dog 1,000 times...",
    "a\x00b \u200d \ufffd e\u0301",
    "x" * 300,
]


@pytest.fixture(scope="module")
def reloaded(trained, tmp_path_factory) -> CaptionTokenizer:
    """`trained`, saved and read without transformers."""
    folder = tmp_path_factory.mktemp("reloaded")
    trained.save(folder)
    assert read_backend(folder) is not None
    return CaptionTokenizer.load(folder)


def through_transformers(folder, monkeypatch):
    """What the folder's own BertTokenizer makes of it."""
    with monkeypatch.context() as patch:
        patch.setattr(tokenizer_module, "read_backend", lambda _: None)
        return CaptionTokenizer.load(folder)


def agree(one, other, texts=TEXTS):
    for max_tokens in (128, 5, 3):
        assert one.encode_all(texts, max_tokens) == other.encode_all(texts, max_tokens)
    ids = range(one.vocab_size)
    assert one.vocab_size == other.vocab_size
    assert [one.words([token]) for token in ids] == [other.words([token]) for token in ids]
    specials = ("pad_id", "unknown_id", "start_id", "end_id", "banned_ids")
    assert [getattr(one, name) for name in specials] == [getattr(other, name) for name in specials]


def save_bert(folder, **settings):
    """A folder that transformers saves, with other settings than ours."""
    from transformers import BertTokenizer

    vocabulary = {token: index for index, token in enumerate(VOCABULARY)}
    BertTokenizer(vocab=vocabulary, **settings).save_pretrained(folder)
    return folder


def test_a_saved_tokenizer_read_without_transformers_is_the_same(trained, tmp_path, monkeypatch):
    trained.save(tmp_path)
    assert read_backend(tmp_path) is not None
    agree(CaptionTokenizer.load(tmp_path), through_transformers(tmp_path, monkeypatch))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"do_lower_case": False},
        {"strip_accents": True},
        {"tokenize_chinese_chars": False},
        {"model_max_length": 8},
    ],
)
def test_a_bert_of_other_settings_read_without_transformers_is_the_same(
    settings, tmp_path, monkeypatch
):
    folder = save_bert(tmp_path, **settings)
    assert read_backend(folder) is not None
    texts = [*TEXTS, "Red BALLS, réd balls", "a red 漢 ball undo"]
    agree(CaptionTokenizer.load(folder), through_transformers(folder, monkeypatch), texts)


@given(st.text(max_size=60))
def test_any_text_has_the_same_tokens_without_transformers(trained, reloaded, text):
    assert reloaded.encode(text, 40) == trained.encode(text, 40)


@pytest.mark.parametrize(
    "change",
    [
        lambda saved, _: saved["normalizer"].update(lowercase=False),
        lambda saved, _: saved["normalizer"].update(type="Lowercase"),
        lambda saved, _: saved["pre_tokenizer"].update(type="Whitespace"),
        lambda saved, _: saved["model"].update(max_input_chars_per_word=7),
        lambda saved, _: saved["post_processor"]["single"].pop(),
        lambda saved, _: saved["added_tokens"].pop(),
        lambda saved, _: saved["model"]["vocab"].pop("[MASK]"),
        lambda saved, _: saved["model"]["vocab"].update(ball=99),
        lambda _, settings: settings.update(do_lower_case=False),
        lambda _, settings: settings.update(sep_token="</s>"),
        lambda _, settings: settings.update(tokenizer_class="RobertaTokenizer"),
        lambda _, settings: settings.pop("tokenizer_class"),
    ],
)
def test_a_possibly_different_tokenizer_is_read_by_transformers(change, tmp_path):
    folder = save_bert(tmp_path)
    names = ("tokenizer.json", "tokenizer_config.json")
    saved, settings = (json.loads((folder / name).read_text()) for name in names)
    change(saved, settings)
    for name, content in zip(names, (saved, settings), strict=True):
        (folder / name).write_text(json.dumps(content))
    assert read_backend(folder) is None


def test_a_tokenizer_read_without_transformers_is_saved_unchanged(trained, tmp_path):
    trained.save(tmp_path / "first")
    loaded = CaptionTokenizer.load(tmp_path / "first")
    loaded.encode_all(CAPTIONS, 4)
    loaded.save(tmp_path / "second")
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
