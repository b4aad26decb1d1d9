"""BertTokenizer as captioning uses it: trained, saved, loaded, refused."""

import json
import socket
from pathlib import Path

import huggingface_hub
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.errors import CheckpointError, UsageError
from gifdesc.text.tokenizer import CaptionTokenizer, clean_text
from phrases import CAPTIONS, VOCABULARY

PAD, UNKNOWN, START, END, MASK, A, RED, BALL, S, UN, DO = range(len(VOCABULARY))


@pytest.fixture(scope="module")
def trained() -> CaptionTokenizer:
    return CaptionTokenizer.train(CAPTIONS)


@pytest.fixture
def by_hand(tmp_path) -> CaptionTokenizer:
    """A tokenizer of the vocabulary above."""
    folder = tmp_path / "by_hand"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return CaptionTokenizer.load(folder)


# Trained


@pytest.mark.parametrize("caption", CAPTIONS)
def test_a_caption_comes_back_as_it_was_written(trained, caption):
    ids = trained.encode(caption, 128)
    assert ids[0] == trained.start_id
    assert ids[-1] == trained.end_id
    assert trained.unknown_id not in ids
    assert trained.decode(ids) == caption


def test_capitals_are_lowered_and_accents_kept(trained):
    assert trained.decode(trained.encode("A CAFÉ in São Paulo", 128)) == "a café in são paulo"
    accent, plain = trained.encode("café", 128), trained.encode("cafe", 128)
    assert accent != plain


def test_two_trainings_are_equal(trained, tmp_path):
    # Many pairs of letters are as frequent as each other here: ties must not fall by chance.
    trained.save(tmp_path / "first")
    for attempt in range(5):
        other = CaptionTokenizer.train(iter(CAPTIONS))
        assert other.encode_all(CAPTIONS, 128) == trained.encode_all(CAPTIONS, 128)
        other.save(tmp_path / str(attempt))
        for path in (tmp_path / "first").iterdir():
            assert path.read_bytes() == (tmp_path / str(attempt) / path.name).read_bytes()


def test_special_tokens_come_first_and_differ(trained):
    ids = (trained.pad_id, trained.unknown_id, trained.start_id, trained.end_id)
    assert ids == (0, 1, 2, 3)
    assert trained.banned_ids == (0, 2, 1, 4)
    assert trained.end_id not in trained.banned_ids


def test_the_vocabulary_holds_no_more_than_the_captions_need(trained):
    used = {token for ids in trained.encode_all(CAPTIONS, 128) for token in ids}
    unused = set(range(trained.vocab_size)) - used - set(trained.banned_ids)
    assert all(len(trained.words([token])[0][0]) == 1 for token in unused)


def test_a_word_never_seen_is_spelt_in_known_letters_or_unknown(trained):
    assert trained.decode(trained.encode("a mandog", 128)) == "a mandog"
    assert trained.encode("ζζζ", 128) == [trained.start_id, trained.unknown_id, trained.end_id]
    assert trained.decode(trained.encode("a ζζζ dog", 128)) == "a dog"


def test_a_vocabulary_size_is_a_limit():
    captions = [f"word{a}{b} and more" for a in "abcdefgh" for b in "abcdefgh"] * 3
    assert CaptionTokenizer.train(captions).vocab_size > 60
    assert CaptionTokenizer.train(captions, vocab_size=60).vocab_size <= 60


def test_no_captions_train_a_tokenizer_of_special_tokens():
    empty = CaptionTokenizer.train([])
    assert empty.vocab_size == 5
    assert empty.encode("a", 128) == [2, 1, 3]


# Lengths


def test_a_caption_is_cut_to_at_most_128_tokens(trained):
    ids = trained.encode("a dog " * 200, 128)
    assert len(ids) == 128
    assert (ids[0], ids[-1]) == (trained.start_id, trained.end_id)


@pytest.mark.parametrize("max_tokens", [3, 4, 7])
def test_start_and_end_count_and_stay(trained, max_tokens):
    whole = trained.encode("a man is dancing", 128)
    ids = trained.encode("a man is dancing", max_tokens)
    assert ids == [*whole[: max_tokens - 1], trained.end_id][: len(whole)]


def test_captions_are_not_padded_to_each_other(trained):
    captions = ["a dog", "a dog, a man, a cap", ""]
    ids = trained.encode_all(captions, 128)
    assert ids == [trained.encode(caption, 128) for caption in captions]
    assert len(ids[0]) < len(ids[1])
    assert ids[2] == [trained.start_id, trained.end_id]
    assert not any(trained.pad_id in one for one in ids)
    assert trained.encode_all([], 128) == []


# Words


def test_words_have_the_positions_of_their_tokens(by_hand):
    ids = [START, A, RED, BALL, S, UN, DO, S, END, PAD]
    assert by_hand.words(ids) == [("a", [1]), ("red", [2]), ("balls", [3, 4]), ("undos", [5, 6, 7])]
    assert by_hand.decode(ids) == "a red balls undos"


def test_a_piece_without_a_beginning_is_a_word(by_hand):
    assert by_hand.words([S, DO, A]) == [("sdo", [0, 1]), ("a", [2])]


def test_no_tokens_have_no_words(by_hand):
    assert by_hand.words([]) == []
    assert by_hand.decode([START, END, PAD]) == ""


@pytest.mark.parametrize(
    ("spaced", "clean"),
    [
        ("don ' t stop , ok ?", "don't stop, ok?"),
        ("we ' ve seen they ' ll come , i ' m sure", "we've seen they'll come, i'm sure"),
        ("a t - shirt", "a t-shirt"),
        ("red / blue", "red/blue"),
        ("3 . 5 , 10 : 30 and 1 , 000", "3.5, 10:30 and 1,000"),
        ('he says " hello there " !', 'he says "hello there"!'),
        ("the ' open ' sign", "the 'open' sign"),
        ("rock ' n ' roll", "rock 'n' roll"),
        ("the dogs ' tails", "the dogs' tails"),
        ("a man ( in red ) [ left ]", "a man (in red) [left]"),
        ("50 % of $ 5 … yes ; no : maybe !", "50% of $5… yes; no: maybe!"),
        ("", ""),
    ],
)
def test_clean_text(spaced, clean):
    assert clean_text(spaced) == clean


@given(st.lists(st.sampled_from(["a", "dog", "café", "7"]), min_size=1))
def test_words_alone_are_left_as_they_are(words):
    assert clean_text(" ".join(words)) == " ".join(words)


# Saved and loaded


def test_a_saved_tokenizer_is_loaded(trained, tmp_path):
    trained.save(tmp_path)
    loaded = CaptionTokenizer.load(tmp_path)
    texts = [*CAPTIONS, "A MANDOG ζ", "", "[SEP]", "CAFÉ"]
    assert loaded.encode_all(texts, 128) == trained.encode_all(texts, 128)
    assert loaded.encode_all(texts, 5) == trained.encode_all(texts, 5)
    assert loaded.vocab_size == trained.vocab_size
    assert loaded.banned_ids == trained.banned_ids
    ids = trained.encode(CAPTIONS[1], 128)
    assert loaded.words(ids) == trained.words(ids)


def test_nothing_saved_is_pickled(trained, tmp_path):
    trained.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "tokenizer.json",
        "tokenizer_config.json",
    ]


def test_a_folder_with_a_vocabulary_alone_is_enough(by_hand):
    assert by_hand.vocab_size == len(VOCABULARY)
    ids = by_hand.encode("A red balls undo cat", 128)
    assert ids == [START, A, RED, BALL, S, UN, DO, UNKNOWN, END]


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    # transformers gives a tokenizer of five tokens there, and no error.
    with pytest.raises(CheckpointError) as caught:
        CaptionTokenizer.load(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no tokenizer here (it needs tokenizer.json or vocab.txt)"
    )


def damaged(tokenizer_json: bytes) -> dict[str, bytes]:
    """Ways in which tokenizer.json can be damaged."""
    return {
        "empty": b"",
        "cut": tokenizer_json[: len(tokenizer_json) // 2],
        "another object": b"{}",
        "a list": b"[]",
        "null": b"null",
        "no text": b"\xff\xfe\x00\x01",
        "a version to come": tokenizer_json.replace(b'"version": "1.0"', b'"version": "9.0"'),
    }


@pytest.mark.parametrize("kind", damaged(b""))
def test_a_damaged_tokenizer_is_refused(trained, tmp_path, kind):
    trained.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_bytes(damaged(path.read_bytes())[kind])
    with pytest.raises(CheckpointError) as caught:
        CaptionTokenizer.load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: the tokenizer's files are damaged"


def test_a_damaged_tokenizer_configuration_is_refused(trained, tmp_path):
    trained.save(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower')
    with pytest.raises(CheckpointError, match="the tokenizer's files are damaged"):
        CaptionTokenizer.load(tmp_path)


@pytest.mark.parametrize("vocabulary", [b"", b"a\nb\n", b"\xff\xfe\x00"])
def test_a_vocabulary_that_cannot_be_used_is_refused(tmp_path, vocabulary):
    (tmp_path / "vocab.txt").write_bytes(vocabulary)
    with pytest.raises(CheckpointError, match="the tokenizer's files are damaged"):
        CaptionTokenizer.load(tmp_path)


# Read without transformers


# From the hub


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """No name resolves, no proxy is set, nothing was downloaded before."""

    def no_address(*_args: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    for key in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["bert-base-uncased", "someone/tokenizer", "a/b/c", "two words"])
def test_without_a_network_an_unknown_name_ends_in_one_sentence(name):
    with pytest.raises(UsageError) as caught:
        CaptionTokenizer.load(name)
    assert str(caught.value) == (
        f"--tokenizer {name}: no such folder, and it cannot be had from the Hugging Face hub here; "
        "give a folder with its vocab.txt, or use --tokenizer corpus, which needs no download"
    )


@pytest.fixture
def hub(monkeypatch, trained, tmp_path):
    """A hub that has one tokenizer; every question is noted."""
    trained.save(tmp_path / "snapshot")
    questions: list[tuple[str, bool]] = []

    def snapshot_download(name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        questions.append((name, local_files_only))
        assert set(allow_patterns) == {"tokenizer.json", "tokenizer_config.json", "vocab.txt"}
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return questions


@pytest.mark.usefixtures("no_network")
def test_without_a_network_only_the_local_copy_is_searched(hub, trained):
    loaded = CaptionTokenizer.load("someone/tokenizer")
    assert hub == [("someone/tokenizer", True)]
    assert loaded.encode_all(CAPTIONS, 128) == trained.encode_all(CAPTIONS, 128)


@pytest.mark.usefixtures("no_network")
def test_with_a_network_the_hub_is_asked(hub, monkeypatch):
    monkeypatch.setattr("gifdesc.system.hub.is_reachable", lambda: True)
    CaptionTokenizer.load("someone/tokenizer")
    assert hub == [("someone/tokenizer", False)]


class ProxyError(Exception):
    """As HTTP clients raise it: no OSError."""


@pytest.mark.usefixtures("no_network")
def test_any_error_of_the_hub_client_is_one_sentence(monkeypatch):
    def refuse(*_args: object, **_options: object) -> None:
        raise ProxyError("403 Forbidden")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(UsageError, match="--tokenizer someone/tokenizer: no such folder"):
        CaptionTokenizer.load("someone/tokenizer")


@pytest.mark.usefixtures("no_network")
def test_a_folder_is_preferred_to_the_hub(hub, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained.save(Path("bert-base-uncased"))
    assert json.loads(Path("bert-base-uncased/tokenizer.json").read_text())["version"] == "1.0"
    CaptionTokenizer.load("bert-base-uncased")
    assert hub == []
