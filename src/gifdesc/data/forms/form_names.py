"""The names of the forms, as `--descriptions-format` takes them."""

from __future__ import annotations

from typing import Literal

FormName = Literal["text", "tsv", "jsonl"]
