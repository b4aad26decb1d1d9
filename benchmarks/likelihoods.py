"""Texts scored at once beside texts scored by steps, for searches and `evaluate --retrieval`.

    python benchmarks/likelihoods.py

Scores random texts for random GIFs with an untrained default model, in turn in both ways, and
prints the processor seconds of each, for several numbers and lengths of texts and several sizes of
the vocabulary. They do not depend on what a model has learnt. One thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from itertools import product
from unittest.mock import patch

import torch

from gifdesc.config import ModelConfig
from gifdesc.model import likelihood
from gifdesc.model.fusion import Memory
from gifdesc.model.network import CaptionModel

WAYS = {"at once": 2**30, "by steps": 0}
"""Name -> the number of tokens for each frame that decides between the ways."""


def seconds_of(
    model: CaptionModel, memory: Memory, texts: Sequence[Sequence[int]], rounds: int
) -> dict[str, list[float]]:
    """Processor seconds of each way in each round; the ways take turns."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, steps_from in WAYS.items():
            with patch.object(likelihood, "_STEPS_FROM", steps_from):
                start = time.process_time()
                likelihood.likelihoods(model, memory, texts, start_id=1)
                seconds[way].append(time.process_time() - start)
    return seconds


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--words", type=int, nargs="+", default=[942, 3000], help="vocabularies")
    parser.add_argument("--texts", type=int, nargs="+", default=[1, 2, 4, 16])
    parser.add_argument("--tokens", type=int, nargs="+", default=[8, 16, 32], help="of a text")
    parser.add_argument("--gifs", type=int, default=64)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(
        "| vocabulary | texts | tokens of each | tokens a frame "
        "| at once, s | by steps, s | ratio |"
    )
    print("| --- " * 7 + "|")
    for vocab_size in given.words:
        model = CaptionModel(ModelConfig(feature_size=2048, vocab_size=vocab_size)).eval()
        with torch.inference_mode():
            features = torch.randn(given.gifs, given.frames, 2048)
            memory = model.encode(features, torch.full((given.gifs,), given.frames))
        for num_texts, length in product(given.texts, given.tokens):
            texts = torch.randint(5, vocab_size, (num_texts, length)).tolist()
            seconds = seconds_of(model, memory, texts, given.rounds)
            ratios = [
                once / steps
                for once, steps in zip(seconds["at once"], seconds["by steps"], strict=True)
            ]
            medians = " | ".join(f"{statistics.median(seconds[way]):.3f}" for way in WAYS)
            a_frame = num_texts * length / given.frames
            print(
                f"| {vocab_size:,} | {num_texts} | {length} | {a_frame:g} | {medians} "
                f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
