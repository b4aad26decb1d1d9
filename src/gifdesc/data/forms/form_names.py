"""The names of the forms, as `--descriptions-format` takes them."""

from __future__ import annotations

from typing import Literal

FormName = Literal[
    "text",
    "tsv",
    "csv",
    "jsonl",
    "coco",
    "coco-results",
    "msr-vtt",
    "vatex",
    "vatex-chinese",
    "msvd",
    "msvd-csv",
    "flickr",
    "flickr-csv",
]

OutputForm = Literal["text", "tsv", "jsonl", "coco"]
"""The forms that `gifdesc convert` writes."""
