import pytest

from gifdesc.pages.word_marks import MAX_WORDS, closest_reference


def marks_of(caption, *references):
    found = closest_reference(caption, references)
    return found.index, found.marks.extra, found.marks.missing


@pytest.mark.parametrize(
    ("caption", "reference", "extra", "missing"),
    [
        ("a red ball grows", "a red ball grows", [], []),
        ("a red ball grows", "a blue ball grows", ["red"], ["blue"]),
        ("A red ball, grows.", "a Red ball grows", [], []),
        ("a ball", "a ball grows, then shrinks", [], ["grows, then shrinks"]),
        ("a red ball", "a ball, red", ["red"], ["red"]),
        ("a big red ball", "a ball", ["big red"], []),
        ("", "a ball", [], ["a ball"]),
        ("a ball", "", ["a ball"], []),
        ("...", "!", [], []),
        ("\u4e00\u4e2a\u7537\u4eba", "\u4e00\u4e2a\u5973\u4eba", ["\u7537"], ["\u5973"]),
    ],
)
def test_words_that_only_one_has_are_marked(caption, reference, extra, missing):
    assert marks_of(caption, reference) == (0, extra, missing)


def test_a_caption_is_compared_with_the_closest_reference():
    references = ["it moves", "a cat jumps over a red ball", "a red ball"]
    assert marks_of("the red ball", *references) == (2, ["the"], ["a"])
    assert marks_of("zebra", *references)[0] == 0


@pytest.mark.parametrize("text", ["a red ball, ", "  two   spaces ", "a\nline", ""])
def test_runs_together_are_the_text(text):
    for other in ("a ball", text, "spaces"):
        marks = closest_reference(text, [other]).marks
        assert "".join(run.text for run in marks.caption) == text
        assert "".join(run.text for run in marks.reference) == other


def test_very_long_texts_are_not_compared():
    long = "a man " * MAX_WORDS
    assert closest_reference(long, ["a man"]).marks is None
    assert marks_of("a man", long, "a dog") == (1, ["man"], ["dog"])
    assert closest_reference("a man", []) is None
