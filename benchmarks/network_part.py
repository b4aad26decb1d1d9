"""What a part of the network changes: the score of captions of GIFs that training never saw.

    python benchmarks/network_part.py word_evidence
    python benchmarks/network_part.py word_evidence --captions captions.txt

Trains the default captioner without and with the part, on made-up features that do not show when a
word is said: of a made-up language, or of real captions, one on each line of `--captions`
(benchmarks/made_up_splits.py). 30 % of the GIFs are held out. Prints a row for each variant:
medians over the seeds, the lowest and highest CIDEr, processor seconds of training, pairs
a second of its last epoch.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from made_up_splits import add_world_options, make_world_by_options
from variants import Variant, add_run_options, compare, configurations

PARTS = ("word_evidence", "unsaid_words", "repetition_bias")
"""Fields of the configuration of the model."""


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=PARTS)
    add_world_options(parser)
    add_run_options(parser, epochs=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "world"
        words = make_world_by_options(parser, options, folder)
        model, training = configurations(options)
        variants = [
            Variant(name, replace(model, **{options.part: has_part}), training)
            for name, has_part in (("without", False), ("with", True))
        ]
        compare(folder, words, variants, num_seeds=options.seeds, device=options.device)


if __name__ == "__main__":
    main()
