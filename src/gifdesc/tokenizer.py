"""Captions to tokens and back, by BertTokenizer: built from the captions, or loaded."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from gifdesc.config import MAX_TOKENS
from gifdesc.errors import CheckpointError, UsageError
from gifdesc.files import replacing

_SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_VOCABULARY_FILES = ("tokenizer.json", "vocab.txt")


class CaptionTokenizer:
    """BertTokenizer with the few calls that captioning needs.

    A caption is `[CLS] tokens [SEP]`: the first starts it, the second ends it, `[PAD]` fills up.
    """

    def __init__(self, bert: Any) -> None:
        self._bert = bert
        self.pad_id: int = bert.pad_token_id
        self.start_id: int = bert.cls_token_id
        self.end_id: int = bert.sep_token_id
        self.unknown_id: int = bert.unk_token_id
        self.vocab_size: int = len(bert)

    @property
    def banned_ids(self) -> tuple[int, ...]:
        """Tokens that no caption may hold: padding, start, unknown, mask."""
        return (self.pad_id, self.start_id, self.unknown_id, self._bert.mask_token_id)

    @classmethod
    def train(cls, captions: Iterable[str], *, vocab_size: int = 30522) -> CaptionTokenizer:
        """A WordPiece vocabulary of these captions, lower-cased, accents kept.

        As long as there is room, every word is one token; then the rarest are spelt by pieces.

        Pieces that tokenizing the captions never uses are dropped, single characters apart, so
        that the model's output layer spends nothing on them.

        Args:
            captions: the training captions.
            vocab_size: the most tokens (BERT's own vocabulary has 30,522).
        """
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

        captions = list(captions)
        # No token spans white space, so that each word need be looked at but once.
        words = sorted({word for caption in captions for word in caption.split()})
        wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        wordpiece.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
        wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        # The trainer would number inner characters in a hash map's order, another one each time,
        # and breaks ties by these numbers. Given as special tokens they are numbered here.
        inner = {
            f"##{character}" for word in _split_words(wordpiece, words) for character in word[1:]
        }
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocab_size,
            min_frequency=1,
            special_tokens=[*_SPECIAL_TOKENS, *sorted(inner)],
            show_progress=False,
        )
        wordpiece.train_from_iterator(captions, trainer)
        used = {token for encoded in wordpiece.encode_batch(words) for token in encoded.tokens}
        characters = {t for t in wordpiece.get_vocab() if len(t.removeprefix("##")) == 1}
        pieces = sorted((used | characters) - set(_SPECIAL_TOKENS))
        return cls(_bert_from_vocabulary([*_SPECIAL_TOKENS, *pieces]))

    @classmethod
    def load(cls, name: str | Path) -> CaptionTokenizer:
        """A BertTokenizer from a folder or a hub name, through `from_pretrained`.

        Raises:
            UsageError: there is no such folder and the hub does not give it.
            CheckpointError: the folder holds no usable vocabulary.
        """
        folder = Path(name) if Path(name).is_dir() else _download(str(name))
        # Without these files from_pretrained returns a tokenizer of five tokens and no error.
        if not any((folder / file_name).is_file() for file_name in _VOCABULARY_FILES):
            raise CheckpointError(
                f"{folder}: no tokenizer here (it needs tokenizer.json or vocab.txt)"
            )
        from transformers import BertTokenizer

        try:
            tokenizer = cls(BertTokenizer.from_pretrained(folder, local_files_only=True))
            tokenizer.encode("☃", MAX_TOKENS)  # a vocabulary without [UNK] fails only here
            return tokenizer
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(f"{folder}: the tokenizer's files are damaged") from error
        except Exception as error:  # the Rust parser raises plain Exception on damaged JSON
            if type(error) is not Exception:
                raise
            raise CheckpointError(f"{folder}: the tokenizer's files are damaged") from error

    def save(self, folder: Path) -> None:
        """Write the tokenizer's own files (tokenizer.json, tokenizer_config.json)."""
        with tempfile.TemporaryDirectory() as name:
            self._bert.save_pretrained(name)
            for path in Path(name).iterdir():
                with replacing(folder / path.name) as temporary_path:
                    temporary_path.write_bytes(path.read_bytes())

    def encode(self, caption: str, max_tokens: int) -> list[int]:
        """Token ids with start and end, cut to `max_tokens`."""
        return self.encode_all([caption], max_tokens)[0]

    def encode_all(self, captions: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Token ids of each caption with start and end, each cut to `max_tokens`."""
        if not captions:
            return []
        encoded = self._bert(list(captions), truncation=True, max_length=max_tokens)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def words(self, ids: Sequence[int]) -> list[tuple[str, list[int]]]:
        """The words that tokens spell, each with the positions of its tokens in `ids`."""
        words: list[tuple[str, list[int]]] = []
        for position, token in enumerate(self._bert.convert_ids_to_tokens(list(ids))):
            if token.startswith("##") and words:
                word, positions = words[-1]
                words[-1] = (word + token.removeprefix("##"), [*positions, position])
            elif token not in _SPECIAL_TOKENS:
                words.append((token.removeprefix("##"), [position]))
        return words

    def decode(self, ids: Sequence[int]) -> str:
        """Clean text: pieces joined, no space before punctuation, no special tokens."""
        return clean_text(" ".join(word for word, _ in self.words(ids)))


def clean_text(spaced: str) -> str:
    """Put words and punctuation that stand apart by spaces together as one writes them.

    `don ' t stop , ok ?` becomes `don't stop, ok?`; quotes close on the words between them.
    """
    text = re.sub(r"(?<=\w) ' (?=(?:s|t|d|m|ll|re|ve)\b)", "'", spaced)
    text = re.sub(r"(?<=\w) ([-/]) (?=\w)", r"\1", text)
    text = re.sub(r"(?<=\d) ([.:]) (?=\d)|(?<=\d) (,) (?=\d{3}\b)", r"\1\2", text)
    text = re.sub(r'(["\']) ([^"\']*?) \1', r"\1\2\1", text)
    text = re.sub(r"(?<=s) ' (?=\w)", "' ", text)  # the dogs' tails
    text = re.sub(r" ([.,!?;:%)\]}…])", r"\1", text)
    return re.sub(r"([(\[{$#@]) ", r"\1", text)


def _split_words(tokenizer: Any, captions: Iterable[str]) -> Iterator[str]:
    """The words of captions as the tokenizer's trainer sees them."""
    for caption in captions:
        normalised = tokenizer.normalizer.normalize_str(caption)
        yield from (word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalised))


def _bert_from_vocabulary(tokens: list[str]) -> Any:
    from transformers import BertTokenizer

    vocabulary = {token: index for index, token in enumerate(tokens)}
    return BertTokenizer(vocab=vocabulary, do_lower_case=True, strip_accents=False)


def _download(name: str) -> Path:
    """The local copy of a tokenizer on the hub, fetched if need be."""
    from huggingface_hub import constants, snapshot_download

    has_proxy = any(os.environ.get(key) for key in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"))
    # The hub's client retries for minutes where there is no network at all: ask once, quickly.
    is_offline = not has_proxy and not _resolves(urlparse(constants.ENDPOINT).hostname or "")
    try:
        folder = snapshot_download(
            name,
            allow_patterns=["tokenizer.json", "tokenizer_config.json", "vocab.txt"],
            local_files_only=is_offline,
        )
    except Exception as error:  # the hub's own, and those of whichever HTTP client it uses
        raise UsageError(
            f"--tokenizer {name}: no such folder, and it cannot be had from the Hugging Face hub "
            "here; give a folder with its vocab.txt, or use --tokenizer corpus, which needs no "
            "download"
        ) from error
    return Path(folder)


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True
