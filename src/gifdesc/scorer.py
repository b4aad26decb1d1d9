"""Several systems' captions scored against the same references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from gifdesc.errors import DescriptionError, MeteorError
from gifdesc.metrics import (
    Example,
    Metric,
    Scores,
    ScoreTable,
    TokenizedCaption,
    tokenize,
    tokenize_all,
)
from gifdesc.metrics.meteor import running_meteor
from gifdesc.metrics.metric import mean

EXACT_MATCH = "exact_match"

FEWEST_EXAMPLES = 30
"""Below this number CIDEr's document frequencies say little: a word that stands in one of few
documents looks neither rare nor common."""


def _no_statistics(examples: Sequence[Example]) -> list[tuple[float, ...]]:
    raise NotImplementedError(f"{len(examples)} captions as written are needed")


_EXACT = Metric((EXACT_MATCH,), _no_statistics, mean)


class Scorer:
    """Gives the score table of any captions of the same GIFs.

    Args:
        references: for each GIF one or more captions, as written.
        meteor: METEOR, where it can be computed.
        absence: why it cannot.

    Attributes:
        absence_of_meteor: why METEOR is missing from tables, empty where it is not.
    """

    def __init__(
        self, references: Sequence[Sequence[str]], meteor: Metric | None = None, absence: str = ""
    ) -> None:
        texts = iter(tokenize_all([caption for group in references for caption in group]))
        self._references = [
            tuple(TokenizedCaption(next(texts)) for _ in group) for group in references
        ]
        # By themselves: what is tokenized among others may depend on the next caption.
        self._exact = [frozenset(map(tokenize, group)) for group in references]
        self._meteor = meteor
        self.absence_of_meteor = absence

    @property
    def wordless(self) -> list[int]:
        """The places of the GIFs of whose references none holds a word."""
        return [index for index, group in enumerate(self._exact) if group == {""}]

    def table(self, captions: Sequence[str]) -> ScoreTable:
        """The scores of one caption per GIF: every metric, and `exact_match`.

        METEOR is left out from the first time on that it fails.
        """
        examples = [
            Example(TokenizedCaption(text), group)
            for text, group in zip(tokenize_all(captions), self._references, strict=True)
        ]
        table = ScoreTable.of(examples)
        columns = list(table.columns)
        if self._meteor is not None:
            try:
                columns.append((self._meteor, self._meteor.statistics(examples)))
            except MeteorError as error:
                self._meteor, self.absence_of_meteor = None, str(error)
        pairs = zip(map(tokenize, captions), self._exact, strict=True)
        columns.append((_EXACT, [(float(text != "" and text in group),) for text, group in pairs]))
        return ScoreTable(table.num_examples, tuple(columns))


@contextmanager
def open_scorer(references: Sequence[Sequence[str]], *, meteor: bool) -> Iterator[Scorer]:
    """A scorer, with METEOR where that is asked for and can be had.

    Raises:
        DescriptionError: no reference holds a word.
    """
    with ExitStack() as stack:
        metric, absence = None, "" if meteor else "not asked for"
        if meteor:
            try:
                metric = stack.enter_context(running_meteor())
            except MeteorError as error:
                absence = str(error)
        scorer = Scorer(references, metric, absence)
        if len(scorer.wordless) == len(references):
            raise DescriptionError("no reference holds a word: there is nothing to score against")
        yield scorer


def warnings_of(names: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, str]:
    """Where scores mean less than they seem to: one sentence each."""
    warnings = {}
    if len(names) < FEWEST_EXAMPLES:
        warnings["cider"] = (
            f"means little on fewer than {FEWEST_EXAMPLES} GIFs: "
            "it weighs words by how many GIFs' references hold them"
        )
    if 2 <= len(names) < FEWEST_EXAMPLES:
        warnings["intervals"] = (
            f"too narrow on fewer than {FEWEST_EXAMPLES} GIFs: those of 95 % hold the true "
            "score in about 90 % of cases on 10 GIFs"
        )
    if all(len(group) == 1 for group in references):
        warnings["references"] = (
            "one a GIF: right captions in other words count as wrong, "
            "and scores cannot be compared with those on several references"
        )
    return warnings


def plain(scores: Scores) -> dict[str, float | None]:
    """The scores without `exact_match`."""
    return {name: value for name, value in scores.items() if name != EXACT_MATCH}
