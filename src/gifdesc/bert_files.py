"""The files that a BertTokenizer saves, read without transformers, whose import takes a second."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    """The tokenizer of a folder that a BertTokenizer saved, None where it may be another.

    BertTokenizer builds its parts from the vocabulary and the settings, whatever else
    tokenizer.json says: so the file is taken as it is only if it says just that.
    """
    from tokenizers import Tokenizer

    try:
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        if not _is_plain_bert(json.loads(text), settings):
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
    """Whether tokenizer.json holds what a BertTokenizer with these settings is made of."""
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
        {one["content"]: one["id"] for one in saved["added_tokens"]} == ids
        and all(one["special"] and not one["normalized"] for one in saved["added_tokens"])
        and sorted(vocabulary.values()) == list(range(len(vocabulary)))
        and model == _BERT_MODEL
        and saved["normalizer"] == normalizer
        and all(saved[part] == wanted for part, wanted in _BERT_PIPELINE.items())
        and saved["post_processor"]["type"] == "TemplateProcessing"
        and [next(iter(part)) for part in single] == ["SpecialToken", "Sequence", "SpecialToken"]
        and (single[0]["SpecialToken"]["id"], single[2]["SpecialToken"]["id"]) == ("[CLS]", "[SEP]")
        and {name: one["ids"] for name, one in ends.items()}
        == {"[CLS]": [ids["[CLS]"]], "[SEP]": [ids["[SEP]"]]}
    )


def copier(folder: Path) -> Callable[[Path], None]:
    """Writes a tokenizer's files as they were when it was read."""
    files = {
        name: (folder / name).read_bytes() for name in ("tokenizer.json", "tokenizer_config.json")
    }

    def save(target: Path) -> None:
        for name, content in files.items():
            (target / name).write_bytes(content)

    return save
