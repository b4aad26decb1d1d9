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

from made_up_splits import make_caption_world, make_split_world
from variants import Variant, add_run_options, compare, configurations

PARTS = ("word_evidence", "unsaid_words", "repetition_bias")
"""Fields of the configuration of the model."""


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--num-gifs", type=int, default=2400)
    parser.add_argument("--captions-per-gif", type=int, default=1)
    parser.add_argument("--feature-size", type=int, default=96)
    parser.add_argument("--noise", type=float, default=0.5)
    parser.add_argument("--captions", type=Path, help="text file of real captions, one a line")
    add_run_options(parser, epochs=12)
    options = parser.parse_args()
    shape = {"feature_size": options.feature_size, "noise": options.noise}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "world"
        if options.captions:
            words = make_caption_world(folder, options.captions, **shape)
        else:
            words = make_split_world(
                folder, options.num_gifs, captions_per_gif=options.captions_per_gif, **shape
            )
        model, training = configurations(options)
        variants = [
            Variant(name, replace(model, **{options.part: has_part}), training)
            for name, has_part in (("without", False), ("with", True))
        ]
        compare(folder, words, variants, num_seeds=options.seeds, device=options.device)


if __name__ == "__main__":
    main()
