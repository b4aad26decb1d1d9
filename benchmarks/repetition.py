"""What the repetition bias changes: the score of captions, and how many repeat a content word.

    python benchmarks/repetition.py [--num-gifs 2400] [--captions-per-gif 3]
    python benchmarks/repetition.py --captions captions.txt --feature-size 512
    python benchmarks/repetition.py --set label_smoothing=0.2 --set hidden_size=512

Trains the default captioner with and without the bias, on made-up features that do not show when a
word is said: of a made-up language, or of real captions, one on each line of `--captions`
(benchmarks/made_up_splits.py). Captions the 30 % of the GIFs that training never saw: as `gifdesc
caption` does, and greedily. A model with the bias is also searched without the share that the
search adds to it. Prints a row for each variant: medians over the seeds, with the lowest and
highest CIDEr.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gifdesc.model import ranking
from made_up_splits import add_world_options, make_world_by_options
from variants import Variant, add_run_options, compare, configurations


@contextmanager
def without_search_share() -> Iterator[None]:
    """The search adds nothing to the model's own biases."""
    margin = ranking.REPETITION_MARGIN
    ranking.REPETITION_MARGIN = math.inf
    try:
        yield
    finally:
        ranking.REPETITION_MARGIN = margin


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_world_options(parser)
    add_run_options(parser, epochs=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "world"
        words = make_world_by_options(parser, options, folder)
        model, training = configurations(options)
        without = Variant("without the bias", replace(model, repetition_bias=False), training)
        with_bias = Variant(
            "with the bias (default)",
            replace(model, repetition_bias=True),
            training,
            searches={"with the bias, search without its share": without_search_share},
        )
        compare(folder, words, [without, with_bias], num_seeds=options.seeds, device=options.device)


if __name__ == "__main__":
    main()
