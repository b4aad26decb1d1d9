"""Scores of captions against references, equal to the coco-caption toolkit's, without Java."""

from gifdesc.metrics.base import Example, Metric, TokenizedCaption, tokenize_examples
from gifdesc.metrics.cider import CiderD, DocumentFrequencies
from gifdesc.metrics.scoring import METRIC_NAMES, METRICS, Scores, ScoreTable, score, score_examples
from gifdesc.metrics.tokenizer import tokenize, tokenize_all

__all__ = [
    "METRICS",
    "METRIC_NAMES",
    "CiderD",
    "DocumentFrequencies",
    "Example",
    "Metric",
    "ScoreTable",
    "Scores",
    "TokenizedCaption",
    "score",
    "score_examples",
    "tokenize",
    "tokenize_all",
    "tokenize_examples",
]
