"""How long scoring takes: made-up captions of the size of a real system's output.

Captions of 6 to 16 words, the words drawn from 6,000 by Zipf's law; a capital and a final period.
Seconds are of this process's CPU time, on one core; METEOR's, another process's, on the clock.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

from gifdesc.errors import MeteorError
from gifdesc.evaluation.baselines import most_common_caption
from gifdesc.evaluation.bootstrap import resampled_scores
from gifdesc.metrics import ScoreTable, score, tokenize_examples
from gifdesc.metrics.meteor import running_meteor


def main() -> None:
    """Print the seconds of each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hypotheses", type=int, default=6683)
    parser.add_argument("--references", type=int, default=11041)
    parser.add_argument("--training-captions", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    generator = random.Random(0)
    hypotheses = [_caption(generator) for _ in range(options.hypotheses)]
    references = [[_caption(generator)] for _ in hypotheses]
    for _ in range(options.references - options.hypotheses):
        generator.choice(references).append(_caption(generator))
    training = [[_caption(generator)] for _ in range(options.training_captions)]
    table = ScoreTable.of(tokenize_examples(hypotheses, references))
    parts: dict[str, Callable[[], object]] = {
        "BLEU, ROUGE-L, CIDEr": lambda: score(hypotheses, references),
        "1,000 resamples": lambda: resampled_scores([table]),
        "most-common": lambda: most_common_caption(training),
    }
    for name, part in parts.items():
        seconds = [_seconds(part) for _ in range(options.rounds)]
        print(f"{name}: best {min(seconds):.2f} s, worst {max(seconds):.2f} s CPU")
    try:
        _time_meteor(hypotheses, references)
    except MeteorError as error:
        print(f"METEOR: {error}")


def _time_meteor(hypotheses: list[str], references: list[list[str]]) -> None:
    start = time.perf_counter()
    with running_meteor() as meteor:
        started = time.perf_counter()
        ScoreTable.of(tokenize_examples(hypotheses, references), [meteor])
        seconds = time.perf_counter() - started
    print(f"METEOR: {started - start:.1f} s to start Java, {seconds:.1f} s to score")


def _caption(generator: random.Random) -> str:
    places = generator.choices(range(len(_WORDS)), _FREQUENCIES, k=generator.randint(6, 16))
    return " ".join(_WORDS[place] for place in places).capitalize() + "."


def _seconds(part: Callable[[], object]) -> float:
    start = time.process_time()
    part()
    return time.process_time() - start


def _word(number: int) -> str:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(letters[number // 26**place % 26] for place in range(3)) + "ing"[number % 3 :]


_WORDS = [_word(number) for number in range(6000)]
_FREQUENCIES = [1 / (rank + 3) for rank in range(6000)]

if __name__ == "__main__":
    main()
