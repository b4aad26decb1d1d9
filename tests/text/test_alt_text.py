import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.text.english import to_alt_text


@pytest.mark.parametrize(
    ("caption", "wanted"),
    [
        ("a man waves", "A man waves."),
        ("a man waves.", "A man waves."),
        ("  a man\n waves\t! ", "A man waves !"),
        ("is it 3.5 metres?", "Is it 3.5 metres?"),
        ("a man waves. then he stops.", "A man waves."),
        ('"hello" says a man', '"Hello" says a man.'),
        ('a man says "hello."', 'A man says "hello."'),
        ("what i see is what i'm told", "What I see is what I'm told."),
        ("50 cats", "50 cats."),
        ("élan", "Élan."),
        ("猫が歩く", "猫が歩く。"),
        ("一只猫。它跳了。", "一只猫。"),
        ("一只猫说「跳！」", "一只猫说「跳！」"),  # noqa: RUF001
        ("บิน", "บิน"),
        ("बिल्ली कूदती है", "बिल्ली कूदती है।"),
        ("बिल्ली है। वह कूदती है।", "बिल्ली है।"),
        ("قطة تقفز", "قطة تقفز."),
        ("هل تقفز؟", "هل تقفز؟"),
        ("고양이가 뛴다", "고양이가 뛴다."),
        ("ein Ball. ein Hund.", "Ein Ball."),
        ("NASA launches", "NASA launches."),
        ("nothing moves…", "Nothing moves…"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_one_sentence_capitalised(caption, wanted):
    assert to_alt_text(caption) == wanted


@pytest.mark.parametrize(
    ("max_characters", "wanted"),
    [
        (31, "A man waves at the camera…"),
        (32, "A man waves at the camera, then."),
        (30, "A man waves at the camera…"),
        (26, "A man waves at the camera…"),
        (25, "A man waves…"),
        (12, "A man waves…"),
        (11, "A man…"),
        (4, "A…"),
        (1, "…"),
    ],
)
def test_a_long_one_is_cut_at_a_word_that_does_not_dangle(max_characters, wanted):
    assert to_alt_text("a man waves at the camera, then", max_characters) == wanted


@pytest.mark.parametrize(
    ("max_characters", "wanted"), [(8, "一个黄色的球…"), (7, "一个黄色的球…"), (4, "一个黄…")]
)
def test_writing_without_spaces_is_cut_between_characters(max_characters, wanted):
    assert to_alt_text("一个黄色的球,在闪烁而且变大", max_characters) == wanted


def test_no_vowel_sign_is_cut_off_its_letter():
    assert to_alt_text("ที่นี่มีแมว", 6) == "ที่…"


def test_a_word_that_is_too_long_alone_is_cut_within():
    assert to_alt_text("x" * 200, 10) == "X" + "x" * 8 + "…"


@given(st.text(max_size=300), st.integers(1, 140))
def test_alt_text_is_never_too_long_and_always_one_line(caption, max_characters):
    text = to_alt_text(caption, max_characters)
    assert len(text) <= max_characters
    assert len(text.splitlines()) <= 1
    assert bool(text) == bool(caption.split())


@given(st.lists(st.sampled_from(["a", "dog", "of", "the", "café", "7", "runs"]), min_size=1))
def test_text_that_fits_keeps_all_its_words(words):
    text = to_alt_text(" ".join(words), 10_000)
    assert text.lower() == " ".join(words) + "."


def test_no_room_at_all_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        to_alt_text("a", 0)
