"""JSON lines: an object with a name and captions a line."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource, parsed
from gifdesc.data.forms.repeated_keys import RepeatedKeyError, parse_unique
from gifdesc.data.forms.rows import NEEDS, line_of_row, unread_captions

log = logging.getLogger(__name__)

DATA_SET_KEYS = {"annotations", "images", "sentences", "videos"}
"""Keys at the top of the JSON documents of data sets."""


def _recognises(source: CaptionSource) -> bool:
    if not source.starts_like_json:
        return False
    document = source.document
    if document is None:
        return any(isinstance(parsed(line), dict) for line in source.sample)
    is_one_line = len(source.sample) == 1
    return isinstance(document, dict) and is_one_line and not DATA_SET_KEYS & document.keys()


def _read(source: CaptionSource) -> Iterator[CaptionLine]:
    has_warned = False
    for number, line in source.lines():
        try:
            row = parse_unique(line)
        except RepeatedKeyError as error:
            yield CaptionLine(number, problem=f"{error}; remove all but one")
            continue
        except ValueError:
            yield CaptionLine(number, problem="not JSON")
            continue
        if isinstance(row, dict):
            if not has_warned and (unread := unread_captions(row)):
                has_warned = True
                log.warning(
                    "%s:%d: did not read `%s`, because the captions are under another key",
                    source.path,
                    number,
                    "` and `".join(unread),
                )
            yield line_of_row(number, row)
        else:
            yield CaptionLine(number, problem=NEEDS)


JSON_LINES = CaptionForm(
    name="jsonl", title="JSON lines of `id` and `caption`", recognises=_recognises, read=_read
)
