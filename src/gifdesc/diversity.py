"""How varied captions are: a system that says the same of everything may still score well."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gifdesc.metrics import tokenize


@dataclass(frozen=True)
class Diversity:
    """What a set of captions has beside accuracy.

    Attributes:
        distinct_captions: different captions among all.
        vocabulary_size: different words in them, case and punctuation apart.
        in_training: share of captions that stand word for word in the training set, case and
            punctuation apart, in [0, 1]; None where no training set is known.
        mean_length: words per caption.
    """

    distinct_captions: int
    vocabulary_size: int
    in_training: float | None
    mean_length: float

    def to_json(self) -> dict[str, Any]:
        """The object `diversity` of `gifdesc evaluate --json`."""
        return asdict(self)


def diversity(captions: Sequence[str], training_captions: Collection[str] = ()) -> Diversity:
    """How varied some captions are.

    Args:
        captions: one or more, as written.
        training_captions: what the system learnt from; empty where that is not known.
    """
    texts = [tokenize(caption) for caption in captions]
    words = [word for text in texts for word in text.split()]
    known = {tokenize(caption) for caption in training_captions}
    return Diversity(
        distinct_captions=len(set(captions)),
        vocabulary_size=len(set(words)),
        in_training=sum(text in known for text in texts) / len(texts) if known else None,
        mean_length=len(words) / len(texts),
    )
