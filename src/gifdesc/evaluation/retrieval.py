"""Whether words find their GIF among held-out GIFs, and a GIF its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from gifdesc.data.dataset import pad_features
from gifdesc.data.examples import Example
from gifdesc.data.feature_files import read_features
from gifdesc.data.frame_sums import FrameSums
from gifdesc.model.checkpoint import Checkpoint
from gifdesc.model.likelihood import likelihoods
from gifdesc.system.device import exact_float32

MAX_PAIRS = 200
"""GIFs that are compared at most: each is scored with the words of every other."""

CUTOFFS = (1, 5, 10)

_BATCH_GIFS = 8
_BATCH_TEXTS = 50

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Recall:
    """Where the right answer is among the ranked answers.

    Attributes:
        recall: for each of `CUTOFFS` k, the share of right answers among the first k, in [0, 1].
        median_rank: the median of the ranks, from 1.
    """

    recall: Mapping[int, float]
    median_rank: float

    def to_json(self) -> dict[str, float]:
        """The numbers by their names."""
        return {
            **{f"recall_{cutoff}": value for cutoff, value in self.recall.items()},
            "median_rank": self.median_rank,
        }


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Retrieval among held-out GIFs: N GIFs, each with its first description.

    Attributes:
        num_pairs: N.
        num_examples: held-out GIFs; more than N if there are more than `MAX_PAIRS`.
        words_to_gif: by the model, by the blind control, by chance.
        gif_to_words: the same.
    """

    num_pairs: int
    num_examples: int
    words_to_gif: Mapping[str, Recall]
    gif_to_words: Mapping[str, Recall]

    def to_json(self) -> dict[str, object]:
        """The value of `retrieval` in the JSON of an evaluation."""
        return {
            "num_pairs": self.num_pairs,
            **{
                name: {system: found.to_json() for system, found in side.items()}
                for name, side in self.sides.items()
            },
        }

    @property
    def sides(self) -> dict[str, Mapping[str, Recall]]:
        """Both directions by their names."""
        return {"words_to_gif": self.words_to_gif, "gif_to_words": self.gif_to_words}


@torch.inference_mode()
def evaluate_retrieval(
    checkpoint: Checkpoint,
    examples: Sequence[Example],
    device: torch.device,
    on_gif: Callable[[int, int], None] = lambda _num_done, _total: None,
) -> Retrieval | None:
    """How well a model links held-out GIFs with their first descriptions.

    The score of a pair is log p(words | GIF) - log p(words | mean GIF) per token, as in
    `gifdesc search`. The blind control sees the mean GIF in place of each: all GIFs are alike
    to it, and those words come first that are likely for any GIF.

    Args:
        checkpoint: the model, on `device`.
        examples: held-out GIFs; of more than `MAX_PAIRS`, that many at equal distances count.
        device: where to compute.
        on_gif: called with the number of GIFs scored and their total.

    Returns:
        None if there are fewer than two GIFs.

    Raises:
        FeatureError: a feature file cannot be used.
    """
    num_pairs = min(len(examples), MAX_PAIRS)
    if num_pairs < 2:
        return None
    chosen = [examples[place * len(examples) // num_pairs] for place in range(num_pairs)]
    size, tokenizer = checkpoint.model.config.feature_size, checkpoint.tokenizer
    features = [read_features(example.features_path, size) for example in chosen]
    encoded = tokenizer.encode_all(
        [example.captions[0] for example in chosen], checkpoint.training.max_tokens
    )
    texts = [ids[1:] for ids in encoded]

    def scores(gifs: Sequence[npt.NDArray[np.float32]]) -> Numbers:
        """Log-probability per token of each text for some GIFs, (B, K)."""
        padded, lengths = pad_features(gifs)
        with exact_float32(device):
            memory = checkpoint.model.encode(padded.to(device), lengths)
            parts = [
                likelihoods(
                    checkpoint.model,
                    memory,
                    texts[first : first + _BATCH_TEXTS],
                    start_id=tokenizer.start_id,
                ).per_token
                for first in range(0, num_pairs, _BATCH_TEXTS)
            ]
        found: Numbers = torch.cat(parts, dim=1).double().cpu().numpy()
        return found

    mean_scores = scores([FrameSums.of(features, size).mean()])[0]  # (K,)
    rows = []
    for first in range(0, num_pairs, _BATCH_GIFS):
        rows.append(scores(features[first : first + _BATCH_GIFS]))
        on_gif(min(first + _BATCH_GIFS, num_pairs), num_pairs)
    matrix = np.concatenate(rows) - mean_scores  # (GIFs, texts)
    blind = np.broadcast_to(mean_scores, matrix.shape)
    alike = np.zeros_like(matrix)
    systems = {"model": matrix, "blind": blind, "chance": alike}
    return Retrieval(
        num_pairs=num_pairs,
        num_examples=len(examples),
        words_to_gif={name: recall_of(table.T) for name, table in systems.items()},
        gif_to_words={name: recall_of(table) for name, table in systems.items()},
    )


def recall_of(scores: Numbers) -> Recall:
    """Where the diagonal is in each row; equal scores share their ranks.

    Args:
        scores: (N, N) of query and answer, higher for better; answer n is the right one of query n.
    """
    right = scores.diagonal()[:, None]
    before = (scores > right).sum(axis=1)
    equal = (scores == right).sum(axis=1)  # itself counted
    # Of e equal answers after b better ones, the first k contain the right one with this chance.
    recall = {
        cutoff: float(np.clip((cutoff - before) / equal, 0.0, 1.0).mean()) for cutoff in CUTOFFS
    }
    return Recall(recall, float(np.median(before + (equal + 1) / 2)))
