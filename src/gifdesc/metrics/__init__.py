"""Scores of captions against references, equal to the coco-caption toolkit's, without Java."""

from gifdesc.metrics.base import Metric, TokenizedCaption, TokenizedExample, tokenize_examples
from gifdesc.metrics.cider import CiderD, DocumentFrequencies
from gifdesc.metrics.scoring import METRICS, Scores, ScoreTable, score
from gifdesc.metrics.tokenizer import tokenize, tokenize_all

__all__ = [
    "METRICS",
    "CiderD",
    "DocumentFrequencies",
    "Metric",
    "ScoreTable",
    "Scores",
    "TokenizedCaption",
    "TokenizedExample",
    "score",
    "tokenize",
    "tokenize_all",
    "tokenize_examples",
]
