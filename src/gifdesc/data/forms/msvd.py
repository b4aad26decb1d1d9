"""MSVD: lines of a clip's id and a sentence, and the table of the Microsoft corpus.

Format: Chen and Dolan 2011, Collecting Highly Parallel Data for Paraphrase Evaluation; the clip
`ID_START_END` is the part of a YouTube video between two times in seconds.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator

from gifdesc.data.forms.base import CaptionForm, CaptionLine, CaptionSource
from gifdesc.data.forms.headed_tables import (
    Header,
    header_of,
    is_msvd,
    rows_below,
    warn_of_repeated_columns,
)
from gifdesc.errors import DescriptionError
from gifdesc.system.wording import counted

log = logging.getLogger(__name__)

_ROW = re.compile(r"([\w-]{11}_\d+_\d+|vid(?:eo)?\d+)\s+(\S.*)")
"""A clip's id, or the number that many files of MSVD have in its place; and a sentence."""
_ROW_OF_ANY_ID = re.compile(r"([^\s{}\[\]\"]+)\s+(\S.*)")
"""The same with any word as the id."""
_LIKELY_ROW = re.compile(
    r"(?:(?=[\w.-]*[\d_])(?=[\w.-]*[^\W\d])[\w.-]+|\d{3,}|[\w.-]+\.\w{3,4}|https?://\S+)"
    r" +\S.*"
)
"""The same with a word that is hardly the first of a sentence: letters and a digit or underscore,
three digits, a name with an ending, or a URL."""

_FEWEST_ROWS = 0.1
"""A file with a smaller share of rows is not MSVD."""
_SURE_ROWS = 0.9
"""A file with a smaller share of rows may also be text."""
_MOST_PREAMBLE_LINES = 20
"""`AllVideoDescriptions.txt` begins with 7 lines about the corpus."""


def may_be_text(source: CaptionSource) -> bool:
    """Whether a file is as likely the text of a single GIF as lines of ids and sentences."""
    if source.suffix != ".txt":
        return False
    share = _share_of_rows(source)
    if share >= _FEWEST_ROWS:
        return share < _SURE_ROWS
    lines = source.sample
    num_likely = sum(bool(_LIKELY_ROW.fullmatch(line.strip())) for line in lines)
    return len(lines) > 1 and num_likely >= _SURE_ROWS * len(lines)


def _share_of_rows(source: CaptionSource) -> float:
    """The share of the first lines that are rows, those about the corpus not counted."""
    preamble = next((i for i, line in enumerate(source.sample) if _ROW.fullmatch(line)), None)
    if preamble is None or preamble > _MOST_PREAMBLE_LINES:
        return 0.0
    lines = source.sample[preamble:]
    return sum("\t" not in line and bool(_ROW.fullmatch(line)) for line in lines) / len(lines)


def _recognises(source: CaptionSource) -> bool:
    return _share_of_rows(source) >= _FEWEST_ROWS or may_be_text(source)


def _read(source: CaptionSource) -> Iterator[CaptionLine]:
    has_ids_of_msvd = _share_of_rows(source) >= _FEWEST_ROWS
    row = _ROW if has_ids_of_msvd else _ROW_OF_ANY_ID
    is_preamble, num_skipped = has_ids_of_msvd, 0
    for number, line in source.lines():
        if match := row.fullmatch(line.strip()):
            if is_preamble and num_skipped:
                lines = counted(num_skipped, "line")
                log.warning("%s: skipped %s before the first `id sentence`", source.path, lines)
            is_preamble = False
            yield CaptionLine(number, match[1], (match[2],))
        elif not is_preamble or number > _MOST_PREAMBLE_LINES:
            yield CaptionLine(number, problem="not `id sentence`")
        else:
            num_skipped += 1


def _recognises_table(source: CaptionSource) -> bool:
    header = header_of(source)
    return header is not None and is_msvd(header)


def _read_table(source: CaptionSource) -> Iterator[CaptionLine]:
    header = header_of(source)
    if header is None or not is_msvd(header):
        raise DescriptionError(
            f"{source.path}: its first row lacks some of VideoID, Start, End, Description"
        )
    columns = [header.columns.index(name) for name in ("videoid", "start", "end", "description")]
    language_index = header.index("language")
    read = columns if language_index is None else [*columns, language_index]
    warn_of_repeated_columns(source, header, read)
    language = _main_language(source, header)
    for number, row, problem in rows_below(source, header):
        if problem is not None:
            yield CaptionLine(number, problem=problem)
            continue
        video, start, end, caption = (row[index].strip() for index in columns)
        name = f"{video}_{start}_{end}"
        if language_index is not None and row[language_index].strip() != language:
            yield CaptionLine(number, name, ("",), left_out=f"not in {language}")
        elif caption:
            yield CaptionLine(number, name, (caption,))
        else:
            yield CaptionLine(number, name, ("",), problem="no caption", is_empty=True)


def _main_language(source: CaptionSource, header: Header) -> str:
    """English, or the most frequent language of a table without English captions."""
    index = header.index("language")
    if index is None:
        return ""
    rows = rows_below(source, header, warns=False)
    languages = Counter(row[index].strip() for _, row, problem in rows if problem is None)
    if languages["English"]:
        return "English"
    return max(languages, key=languages.__getitem__, default="")


MSVD = CaptionForm(
    name="msvd", title="lines of `id sentence`, as in MSVD", recognises=_recognises, read=_read
)
MSVD_CSV = CaptionForm(
    name="msvd-csv", title="the table of MSVD", recognises=_recognises_table, read=_read_table
)
