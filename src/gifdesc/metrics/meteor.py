"""METEOR 1.5 (Denkowski & Lavie 2014, "Meteor Universal"), by the authors' own program.

The alignment of captions needs WordNet and a table of paraphrases, so the program computes it
(`metrics/meteor_process.py`); the numbers of other METEOR implementations differ widely. The
program prints counts for each example. The score is computed from them as in section 2 of the
paper, in the form for a corpus: counts are summed over the examples first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from gifdesc.errors import MeteorError
from gifdesc.metrics.base import Metric, Statistics, TokenizedExample
from gifdesc.metrics.meteor_process import Conversation, ConversationError, meteor_command
from gifdesc.system.waits import wait_for

START_TIMEOUT_SECONDS = 60.0
"""Java reads a table of 62 MB first: 10 to 30 seconds on a busy machine of 2 cores."""

REPLY_TIMEOUT_SECONDS = 60.0
"""An example takes milliseconds, and seconds with 10,000 characters."""

ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
"""Weight of recall, shape and weight of the fragmentation penalty, weight of content words
(Denkowski & Lavie 2014, table 2, English; the program's defaults)."""

MATCHER_WEIGHTS = (1.0, 0.6, 0.8, 0.6)
"""Of exact, stem, synonym and paraphrase matches (same table)."""

_NUM_COUNTS = 23
_EXAMPLES_A_CHECK = 500
_TOLERANCE = 1e-6


@contextmanager
def running_meteor() -> Iterator[Metric]:
    """METEOR as a metric that can be computed within the block, while Java runs.

    Raises:
        MeteorError: the extra or Java is not there, or Java does not start, here or later on
            when statistics are asked for: it ended, gave no answer in time, or a wrong one.
    """
    command = meteor_command()
    try:
        with Conversation(command) as java:
            with wait_for("starting METEOR (Java)", is_long=True):
                [first] = java.ask(["SCORE ||| a ||| a"], 1, timeout_seconds=START_TIMEOUT_SECONDS)
            _counts(first)
            yield replace(METEOR, statistics=lambda examples: _statistics(java, examples))
    except ConversationError as error:
        raise MeteorError(str(error)) from error


def meteor(totals: Statistics, num_examples: int) -> tuple[float, ...]:  # noqa: ARG001
    """METEOR, in 0 to 1, from summed statistics.

    These are, each for hypothesis and reference: weighted matches, weighted length, matched
    words; and the number of chunks, in which a caption that is matched whole and in order is left
    out.
    """
    matched, reference_matched, length, reference_length, words, reference_words, chunks = totals
    if not matched or not reference_matched:
        return (0.0,)
    precision, recall = matched / length, reference_matched / reference_length
    harmonic_mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall)
    fragmentation = chunks / ((words + reference_words) / 2)
    return (harmonic_mean * (1 - GAMMA * fragmentation**BETA),)


METEOR = Metric(names=("meteor",), labels=("METEOR",), statistics=None, summarize=meteor)
"""Its statistics need a running Java: see `running_meteor`."""


def _statistics(java: Conversation, examples: Sequence[TokenizedExample]) -> list[Statistics]:
    try:
        questions = [_question(example) for example in examples]
        replies = java.ask(questions, len(questions), timeout_seconds=REPLY_TIMEOUT_SECONDS)
        lines = list(replies)
        rows = [_weighed(_counts(line)) for line in lines]
        for first in range(0, len(rows), _EXAMPLES_A_CHECK):
            chosen = slice(first, first + _EXAMPLES_A_CHECK)
            _check(java, lines[chosen], rows[chosen])
    except ConversationError as error:
        raise MeteorError(str(error)) from error
    return rows


def _question(example: TokenizedExample) -> str:
    texts = [*(caption.text for caption in example.references), example.hypothesis.text]
    # Bars separate the fields, so a caption must not contain any.
    return " ||| ".join(["SCORE", *(text.replace("|||", " ") for text in texts)])


def _counts(line: str) -> list[float]:
    try:
        counts = [float(word) for word in line.split()]
    except ValueError:
        counts = []
    if len(counts) != _NUM_COUNTS:
        raise MeteorError(f"Java gave no METEOR counts but {line[:60]!r}")
    return counts


def _weighed(counts: Sequence[float]) -> Statistics:
    """The program's counts as the statistics of `meteor`.

    They are: the lengths of hypothesis and reference; how many of those are function words; for
    each matcher the content words matched in both and the function words matched in both; the
    chunks; the words matched in both.
    """
    lengths, function_words, (chunks, words, reference_words) = counts[:2], counts[2:4], counts[20:]
    weighted = []
    for side in (0, 1):
        content, function = counts[4 + side : 20 : 4], counts[6 + side : 20 : 4]
        pairs = zip(MATCHER_WEIGHTS, content, function, strict=True)
        weighted.append(sum(w * (DELTA * c + (1 - DELTA) * f) for w, c, f in pairs))
    weighted += [
        DELTA * (length - function) + (1 - DELTA) * function
        for length, function in zip(lengths, function_words, strict=True)
    ]
    is_whole = chunks == 1 and [words, reference_words] == lengths
    return (*weighted, words, reference_words, 0.0 if is_whole else chunks)


def _check(java: Conversation, lines: Sequence[str], rows: Sequence[Statistics]) -> None:
    """Let the program compute the scores as well: they must be those of `meteor`."""
    question = " ||| ".join(["EVAL", *lines])
    *_, whole = java.ask([question], len(lines) + 1, timeout_seconds=REPLY_TIMEOUT_SECONDS)
    [ours] = meteor(tuple(map(sum, zip(*rows, strict=True))), len(rows))
    try:
        is_equal = abs(float(whole) - ours) <= _TOLERANCE
    except ValueError:
        is_equal = False
    if not is_equal:
        raise MeteorError(f"Java computes another METEOR than 1.5: {whole[:60]!r}, not {ours:.6f}")
