import pytest

from gifdesc.metrics.base import TokenizedCaption, tokenize_examples


def test_ngrams_are_counted_up_to_four_words() -> None:
    counts = TokenizedCaption("a dog a dog a").ngram_counts
    assert counts[0] == {("a",): 3, ("dog",): 2}
    assert counts[1] == {("a", "dog"): 2, ("dog", "a"): 2}
    assert counts[2] == {("a", "dog", "a"): 2, ("dog", "a", "dog"): 1}
    assert counts[3] == {("a", "dog", "a", "dog"): 1, ("dog", "a", "dog", "a"): 1}
    assert len(counts) == 4


def test_a_caption_without_words_has_no_ngrams() -> None:
    assert TokenizedCaption("").tokens == ()
    assert TokenizedCaption("").ngram_counts == ({}, {}, {}, {})


def test_a_no_break_space_parts_words() -> None:
    assert TokenizedCaption("3\u00a01/2 cups").tokens == ("3", "1/2", "cups")


def test_each_caption_keeps_its_own_references() -> None:
    examples = tokenize_examples(["A dog!", "It."], [["One dog", "a Dog"], ["it moves"]])
    assert [one.hypothesis.text for one in examples] == ["a dog", "it"]
    assert [[ref.text for ref in one.references] for one in examples] == [
        ["one dog", "a dog"],
        ["it moves"],
    ]


@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        (["a"], [], "1 hypotheses but references for 0 examples"),
        ([], [], "no examples"),
        (["a", "b"], [["a"], []], "example 1 has no references"),
    ],
)
def test_unscorable_input_is_an_error(
    hypotheses: list[str], references: list[list[str]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        tokenize_examples(hypotheses, references)


def test_refuses_a_string_for_a_list_of_references() -> None:
    with pytest.raises(TypeError, match="example 0 are one string"):
        tokenize_examples(["a dog"], ["a dog"])  # type: ignore[list-item]
