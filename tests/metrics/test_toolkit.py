import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.metrics import Scores, ScoreTable, score, tokenize_examples
from gifdesc.metrics.scoring import metric_maximum

SHARED_DIR = Path(__file__).parents[3] / "shared" / "metrics"
TOOLKIT_NAMES = {
    "bleu_1": "Bleu_1",
    "bleu_2": "Bleu_2",
    "bleu_3": "Bleu_3",
    "bleu_4": "Bleu_4",
    "rouge_l": "ROUGE_L",
    "cider": "CIDEr",
}
COMPUTED_NAMES = tuple(TOOLKIT_NAMES)

words = st.sampled_from(["a", "the", "dog", "cat", "runs", "sits", "on", "in", "red"])
captions = st.lists(words, max_size=9).map(" ".join)
corpora = st.lists(
    st.tuples(captions, st.lists(captions, min_size=1, max_size=3)), min_size=1, max_size=6
)


class Fixture:
    """The 44 cases of ../shared/metrics and what the toolkit gives for them."""

    def __init__(self, folder: Path) -> None:
        self.predictions = {
            line["id"]: line["caption"] for line in read_lines(folder / "predictions.jsonl")
        }
        self.references = {
            line["id"]: line["captions"] for line in read_lines(folder / "references.jsonl")
        }
        self.expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))

    def corpus(self, prefix: str = "") -> tuple[list[str], list[str], list[list[str]]]:
        ids = [key for key in self.predictions if key.startswith(prefix)]
        return ids, [self.predictions[key] for key in ids], [self.references[key] for key in ids]


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture(scope="module")
def toolkit() -> Fixture:
    if not SHARED_DIR.is_dir():
        pytest.skip(f"{SHARED_DIR} is not here: the toolkit's own numbers are not compared")
    return Fixture(SHARED_DIR)


def computed(scores: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if value is not None}


def test_tokens_are_the_toolkits(toolkit: Fixture) -> None:
    ids, hypotheses, references = toolkit.corpus()
    assert len(ids) == 44
    for key, example in zip(ids, tokenize_examples(hypotheses, references), strict=True):
        expected = toolkit.expected["per_id"][key]
        assert example.hypothesis.text == expected["prediction_tokens"]
        assert [caption.text for caption in example.references] == expected["reference_tokens"]


@pytest.mark.parametrize(("subset", "prefix"), [("all", ""), ("plain", "p")])
def test_corpus_scores_are_the_toolkits(toolkit: Fixture, subset: str, prefix: str) -> None:
    _, hypotheses, references = toolkit.corpus(prefix)
    expected = toolkit.expected["metrics"][subset]
    assert computed(score(hypotheses, references)) == pytest.approx(
        {name: expected[theirs] for name, theirs in TOOLKIT_NAMES.items()}, abs=1e-6
    )


def test_example_scores_are_the_toolkits(toolkit: Fixture) -> None:
    ids, hypotheses, references = toolkit.corpus()
    for key, scores in zip(ids, score_examples(hypotheses, references), strict=True):
        expected = toolkit.expected["per_id"][key]
        assert computed(scores) == pytest.approx(
            {name: expected[theirs] for name, theirs in TOOLKIT_NAMES.items()}, abs=1e-6
        )


def score_examples(hypotheses: list[str], references: list[list[str]]) -> list[Scores]:
    return ScoreTable.of(tokenize_examples(hypotheses, references)).examples()


@given(corpora)
def test_scores_stay_in_range(corpus: list[tuple[str, list[str]]]) -> None:
    hypotheses, references = map(list, zip(*corpus, strict=True))
    for scores in [score(hypotheses, references), *score_examples(hypotheses, references)]:
        for name, value in computed(scores).items():
            assert 0 <= value <= metric_maximum(name) + 1e-9


@given(corpora, st.randoms(use_true_random=False))
def test_the_order_of_examples_does_not_matter(
    corpus: list[tuple[str, list[str]]], random: Any
) -> None:
    shuffled = random.sample(corpus, len(corpus))
    first, second = (score(*map(list, zip(*rows, strict=True))) for rows in (corpus, shuffled))
    assert computed(first) == pytest.approx(computed(second), abs=1e-9)


@given(st.lists(st.lists(words, min_size=4, max_size=9).map(" ".join), min_size=1, max_size=5))
def test_a_perfect_match_scores_1(texts: list[str]) -> None:
    scores = computed(score(texts, [["a red herring", text] for text in texts]))
    assert [scores[f"bleu_{order}"] for order in range(1, 5)] == pytest.approx([1] * 4, abs=1e-6)
    assert scores["rouge_l"] == pytest.approx(1)


def test_needs_only_the_standard_library() -> None:
    code = (
        "import sys, gifdesc.metrics; "
        "print(sorted({'numpy', 'torch', 'transformers'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
