"""Captions to tokens and back, by a BertTokenizer that is built from the captions, or loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from gifdesc.config import MAX_SIZE, MAX_TOKENS, CaseChoice, SpellingChoice
from gifdesc.errors import CheckpointError, HubError, UsageError
from gifdesc.system.hub import fetch
from gifdesc.system.json_files import parse_json, read_json
from gifdesc.system.replacement import TemporaryFolder, replacing
from gifdesc.text.spelling import MARKS, CaptionSpeller, Spelling, unescape

_MAX_PIECES = 3

_SETTINGS_NAME = "tokenizer_config.json"
_SPELLING_KEY = "gifdesc_spelling"
"""The key of the spelling in the settings, which BertTokenizer ignores."""

TOKENIZER_NAMES = ("tokenizer.json", "tokenizer_config.json")
"""The files that `CaptionTokenizer.save` writes."""

_VOCABULARY_FILES = ("tokenizer.json", "vocab.txt")


class CaptionTokenizer:
    """BertTokenizer with the few calls that captioning needs.

    A caption is `[CLS] tokens [SEP]`: the first starts it, the second ends it, `[PAD]` fills up.

    Args:
        backend: a `tokenizers.Tokenizer`, as in a BertTokenizer.
        special_ids: of `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]` and `[MASK]`.
        save_files: writes BertTokenizer's own files into a folder.
        spelling: how captions are rewritten before they are tokenized; None if they are not,
            as with vocabularies of other programs and of older models.
    """

    def __init__(
        self,
        backend: Any,
        special_ids: Sequence[int],
        save_files: Callable[[Path], None],
        spelling: Spelling | None = None,
    ) -> None:
        self._backend = backend
        self._save_files = save_files
        self.spelling = spelling
        self._speller = None if spelling is None else CaptionSpeller(backend, spelling)
        self.pad_id, self.unknown_id, self.start_id, self.end_id, self._mask_id = special_ids
        self.vocab_size: int = backend.get_vocab_size()

    @property
    def banned_ids(self) -> tuple[int, ...]:
        """Tokens that no caption may contain: padding, start, unknown, mask."""
        return (self.pad_id, self.start_id, self.unknown_id, self._mask_id)

    @property
    def mark_ids(self) -> tuple[int, ...]:
        """Tokens that only state how the words on both sides are joined (text/spelling.py)."""
        if self.spelling is None:
            return ()
        found = (self._backend.token_to_id(mark) for mark in MARKS)
        return tuple(mark_id for mark_id in found if mark_id is not None)

    @property
    def case(self) -> str:
        """The treatment of capitals in captions, as the end of a sentence."""
        if self.spelling is not None:
            return self.spelling.describe()
        keeps = (
            self._backend.normalizer is None or self._backend.normalizer.normalize_str("A") == "A"
        )
        return "all kept as they are" if keeps else "lowered"

    @classmethod
    def train(
        cls,
        captions: Iterable[str],
        *,
        vocab_size: int = 30522,
        case: CaseChoice = "auto",
        spelling: SpellingChoice = "exact",
    ) -> CaptionTokenizer:
        """A WordPiece vocabulary of these captions, accents kept.

        As long as there is room, every word is one token; then the rarest are spelt by pieces. In
        scripts without spaces between words each character is a word.

        Pieces that tokenizing the captions never uses are dropped, single characters apart, so
        that the model's output layer spends nothing on them.

        Args:
            captions: the training captions.
            vocab_size: the most tokens (BERT's own vocabulary has 30,522).
            case: see `spelling.Spelling.of`.
            spelling: `exact` gives captions back as they were written, by `spelling`'s rules;
                `plain` makes the lower-case vocabulary of earlier versions.
        """
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

        captions = list(captions)
        rules = Spelling.of(captions, case) if spelling == "exact" else None
        lower_case = rules is None or rules.lower_case
        wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        wordpiece.normalizer = normalizers.BertNormalizer(lowercase=lower_case, strip_accents=False)
        wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        if rules is not None:
            speller = CaptionSpeller(wordpiece, rules)
            captions = [speller.spell(caption, {}) for caption in captions]
        # No token spans white space, so each word is trained on only once.
        words = sorted({word for caption in captions for word in caption.split()})
        # The trainer would number inner characters in the order of a hash map, which differs each
        # time, and it breaks ties by these numbers. As special tokens, they are numbered here.
        inner = {
            f"##{character}" for word in _split_words(wordpiece, words) for character in word[1:]
        }
        trainer = trainers.WordPieceTrainer(
            vocab_size=vocab_size,
            min_frequency=1,
            special_tokens=[*SPECIAL_TOKENS, *sorted(inner)],
            show_progress=False,
        )
        wordpiece.train_from_iterator(captions, trainer)
        used = {token for encoded in wordpiece.encode_batch(words) for token in encoded.tokens}
        characters = {t for t in wordpiece.get_vocab() if len(t.removeprefix("##")) == 1}
        pieces = sorted((used | characters) - set(SPECIAL_TOKENS))
        bert = _bert_from_vocabulary([*SPECIAL_TOKENS, *pieces], lower_case=lower_case)
        return cls._of_bert(bert, rules)

    @classmethod
    def _of_bert(cls, bert: Any, spelling: Spelling | None = None) -> CaptionTokenizer:
        """The calls of a transformers BertTokenizer."""

        def save_files(folder: Path) -> None:
            bert.save_pretrained(folder)
            if spelling is not None:
                path = folder / _SETTINGS_NAME
                settings = read_json(path)
                settings[_SPELLING_KEY] = spelling.to_json()
                path.write_text(f"{json.dumps(settings, indent=2)}\n", encoding="utf-8")

        ids = (bert.pad_token_id, bert.unk_token_id, bert.cls_token_id)
        special_ids = (*ids, bert.sep_token_id, bert.mask_token_id)
        return cls(bert.backend_tokenizer, special_ids, save_files, spelling)

    @classmethod
    def load(cls, name: str | Path) -> CaptionTokenizer:
        """A BertTokenizer from a folder or a hub name.

        If the files of the folder are those of a BertTokenizer, they are read without
        transformers, whose import takes a second; anything else goes through `from_pretrained`.

        Raises:
            UsageError: there is no such folder and the hub does not give it.
            CheckpointError: the folder has no usable vocabulary.
        """
        folder = Path(name) if Path(name).is_dir() else _download(str(name))
        # Without these files from_pretrained returns a tokenizer of five tokens and no error.
        if not any((folder / file_name).is_file() for file_name in _VOCABULARY_FILES):
            raise CheckpointError(
                f"{folder}: no tokenizer here (it needs tokenizer.json or vocab.txt)"
            )
        _check_files(folder)
        if (backend := read_backend(folder)) is not None:
            special_ids = [backend.token_to_id(token) for token in SPECIAL_TOKENS]
            return cls(backend, special_ids, file_copier(folder), _read_spelling(folder))
        from transformers import BertTokenizer

        try:
            bert = BertTokenizer.from_pretrained(folder, local_files_only=True)
            tokenizer = cls._of_bert(bert, _read_spelling(folder))
            tokenizer.encode("☃", MAX_TOKENS)  # a vocabulary without [UNK] fails only here
            return tokenizer
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(f"{folder}: the tokenizer's files are damaged") from error
        except Exception as error:  # the Rust parser raises plain Exception on damaged JSON
            if type(error) is not Exception:
                raise
            raise CheckpointError(f"{folder}: the tokenizer's files are damaged") from error

    def save(self, folder: Path) -> None:
        """Write the tokenizer's own files, `TOKENIZER_NAMES`."""
        with TemporaryFolder() as name:
            self._save_files(Path(name))
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
        if self._speller is not None:
            captions = [self._speller.spell(caption, self._vocabulary) for caption in captions]
        self._backend.no_padding()
        self._backend.enable_truncation(max_tokens)
        return [encoding.ids for encoding in self._backend.encode_batch_fast(list(captions))]

    def encode_word(self, word: str) -> list[int]:
        """Token ids of a word within a caption, whatever words are beside it; no start, no end."""
        text = word if self._speller is None else " ".join(self._speller.words_of(word))
        self._backend.no_padding()
        self._backend.no_truncation()
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids

    def spellings(self, word: str) -> list[tuple[int, ...]]:
        """All ways in which up to 3 tokens spell a word, in small or capital letters.

        A model may spell a word by other tokens than `encode` does.
        """
        wanted = word.lower()
        found: list[tuple[int, ...]] = []
        begun: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        while begun:
            length, ids = begun.pop()
            if length == len(wanted):
                found.append(ids)
            elif len(ids) < _MAX_PIECES:
                for end in range(length + 1, len(wanted) + 1):
                    piece = wanted[length:end] if not ids else f"##{wanted[length:end]}"
                    begun += [
                        (end, (*ids, piece_id))
                        for piece_id in self._ids_by_lower_case.get(piece, ())
                    ]
        return sorted(found)

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        return dict(self._backend.get_vocab())

    @cached_property
    def _ids_by_lower_case(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for token, index in self._vocabulary.items():
            if token not in SPECIAL_TOKENS:
                found.setdefault(token.lower(), []).append(index)
        return found

    def words(self, ids: Sequence[int]) -> list[tuple[str, list[int]]]:
        """The words that tokens spell, each with the positions of its tokens in `ids`.

        A mark for how two words are joined belongs to the second word.
        """
        words: list[tuple[str, list[int]]] = []
        marks: list[int] = []
        for word, positions in self._spelt(ids):
            if self._speller is not None and word in MARKS:
                marks += positions
                continue
            words.append((unescape(word), [*marks, *positions]))
            marks = []
        if words and marks:
            words[-1][1].extend(marks)
        return words

    def _spelt(self, ids: Sequence[int]) -> list[tuple[str, list[int]]]:
        """Words and marks as in the vocabulary, pieces joined."""
        words: list[tuple[str, list[int]]] = []
        for position, token in enumerate(map(self._backend.id_to_token, ids)):
            if token.startswith("##") and words:
                word, positions = words[-1]
                words[-1] = (word + token.removeprefix("##"), [*positions, position])
            elif token not in SPECIAL_TOKENS:
                words.append((token.removeprefix("##"), [position]))
        return words

    def decode(self, ids: Sequence[int]) -> str:
        """The caption's text: pieces joined, spaces where they belong, no special tokens."""
        words = [word for word, _ in self._spelt(ids)]
        return clean_text(" ".join(words)) if self._speller is None else self._speller.join(words)


_IDEOGRAPHS = (
    "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff9f\U00020000-\U0003ffff"
)
_IDEOGRAPH_GAP = re.compile(f"(?<=[{_IDEOGRAPHS}]) (?=[{_IDEOGRAPHS}])")
"""BertTokenizer parts ideographs and marks such as `。`; kana beside them have no spaces either."""


def clean_text(spaced: str) -> str:
    """Join words and punctuation, which are separated by spaces, as in normal writing.

    `don ' t stop , ok ?` becomes `don't stop, ok?`; quotes close on the words between them; between
    the characters of Chinese and Japanese there are no spaces.
    """
    text = re.sub(r"(?<=\w) ' (?=(?:s|t|d|m|ll|re|ve)\b)", "'", spaced)
    text = re.sub(r"(?<=\w) ([-/]) (?=\w)", r"\1", text)
    text = re.sub(r"(?<=\d) ([.:]) (?=\d)|(?<=\d) (,) (?=\d{3}\b)", r"\1\2", text)
    text = re.sub(r'(["\']) ([^"\']*?) \1', r"\1\2\1", text)
    text = re.sub(r"(?<=s) ' (?=\w)", "' ", text)  # the dogs' tails
    text = re.sub(r" ([.,!?;:%)\]}…])", r"\1", text)
    text = re.sub(r"([(\[{$#@]) ", r"\1", text)
    return _IDEOGRAPH_GAP.sub("", text)


def _split_words(tokenizer: Any, captions: Iterable[str]) -> Iterator[str]:
    """The words of captions as the tokenizer's trainer sees them."""
    for caption in captions:
        normalised = tokenizer.normalizer.normalize_str(caption)
        yield from (word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalised))


def _bert_from_vocabulary(tokens: list[str], *, lower_case: bool) -> Any:
    from transformers import BertTokenizer

    vocabulary = {token: index for index, token in enumerate(tokens)}
    return BertTokenizer(vocab=vocabulary, do_lower_case=lower_case, strip_accents=False)


def _check_files(folder: Path) -> None:
    """Refuse files that the readers of other libraries cannot be given.

    Raises:
        CheckpointError: a file is no JSON object, or two tokens have the same id.
    """
    for path in sorted(folder.glob("*token*.json")):
        try:
            content = read_json(path)
            if not isinstance(content, dict):
                raise ValueError("not a JSON object")
            model = content.get("model") if path.name == "tokenizer.json" else None
            vocabulary = model.get("vocab") if isinstance(model, dict) else None
            ids = list(vocabulary.values()) if isinstance(vocabulary, dict) else []
            if not all(type(index) is int and 0 <= index < MAX_SIZE for index in ids):
                raise ValueError(f"an id is no number from 0 to {MAX_SIZE:,}")
            if len(set(ids)) < len(ids):
                raise ValueError("two tokens have the same id")
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{folder}: the tokenizer's files are damaged") from error


def _read_spelling(folder: Path) -> Spelling | None:
    """The rules by which captions were rewritten; None if they were not.

    Raises:
        CheckpointError: the settings are damaged.
    """
    path = folder / _SETTINGS_NAME
    try:
        settings = read_json(path)
        found = settings.get(_SPELLING_KEY)
        return None if found is None else Spelling.from_json(found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise CheckpointError(f"{folder}: the tokenizer's files are damaged") from error


def _download(name: str) -> Path:
    """The local copy of a tokenizer on the hub, fetched if need be."""
    try:
        return fetch(name, ["tokenizer.json", "tokenizer_config.json", "vocab.txt"])
    except HubError as error:
        raise UsageError(
            f"--tokenizer {name}: no such folder, and it cannot be had from the Hugging Face hub "
            "here; give a folder with its vocab.txt, or use --tokenizer corpus, which needs no "
            "download"
        ) from error


SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
"""Padding, unknown, start, end, mask, by BERT's names."""

_BERT_PIPELINE: dict[str, Any] = {
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
}
_BERT_MODEL: dict[str, Any] = {
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": "##",
    "max_input_chars_per_word": 100,
}


def read_backend(folder: Path) -> Any | None:
    """The tokenizer of a folder that a BertTokenizer saved; None if it may be another kind.

    BertTokenizer builds its parts from the vocabulary and the settings, and ignores the rest of
    tokenizer.json: so the file is read directly only if it has exactly these parts.
    """
    from tokenizers import Tokenizer

    try:
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        if not _is_plain_bert(parse_json(text), read_json(folder / _SETTINGS_NAME)):
            return None
        backend = Tokenizer.from_str(text)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
    except Exception as error:  # the Rust parser's, on damaged JSON
        if type(error) is not Exception:
            raise
        return None
    backend.no_padding()
    backend.no_truncation()
    return backend


def _is_plain_bert(saved: Any, settings: Any) -> bool:
    """Whether tokenizer.json has exactly the parts of a BertTokenizer with these settings."""
    if settings.get("tokenizer_class") not in ("BertTokenizer", "BertTokenizerFast"):
        return False
    names = ("pad", "unk", "cls", "sep", "mask")
    if [settings.get(f"{name}_token") for name in names] != SPECIAL_TOKENS:
        return False
    model = dict(saved["model"])
    vocabulary = model.pop("vocab")
    ids = {token: vocabulary[token] for token in SPECIAL_TOKENS}
    single = saved["post_processor"]["single"]
    ends = saved["post_processor"]["special_tokens"]
    normalizer = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": settings.get("tokenize_chinese_chars", True),
        "strip_accents": settings.get("strip_accents"),
        "lowercase": settings.get("do_lower_case", True),
    }
    return (
        {token["content"]: token["id"] for token in saved["added_tokens"]} == ids
        and all(token["special"] and not token["normalized"] for token in saved["added_tokens"])
        and sorted(vocabulary.values()) == list(range(len(vocabulary)))
        and model == _BERT_MODEL
        and saved["normalizer"] == normalizer
        and all(saved[part] == wanted for part, wanted in _BERT_PIPELINE.items())
        and saved["post_processor"]["type"] == "TemplateProcessing"
        and [next(iter(part)) for part in single] == ["SpecialToken", "Sequence", "SpecialToken"]
        and (single[0]["SpecialToken"]["id"], single[2]["SpecialToken"]["id"]) == ("[CLS]", "[SEP]")
        and {name: token["ids"] for name, token in ends.items()}
        == {"[CLS]": [ids["[CLS]"]], "[SEP]": [ids["[SEP]"]]}
    )


def file_copier(folder: Path) -> Callable[[Path], None]:
    """A function that writes the files of a tokenizer as they are now."""
    files = {name: (folder / name).read_bytes() for name in TOKENIZER_NAMES}

    def save(target: Path) -> None:
        for name, content in files.items():
            (target / name).write_bytes(content)

    return save
