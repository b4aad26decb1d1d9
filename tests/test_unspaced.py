import pytest

from gifdesc.unspaced import has_unspaced, is_unspaced_text, split_unspaced


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("一个球", ["一", "个", "球"]),
        ("猫が歩く", ["猫", "が", "歩", "く"]),
        ("看3D电影", ["看", "3D", "电", "影"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("ເດັກ", ["ເ", "ດັ", "ກ"]),
        ("ខ្មែរ", ["ខ្", "មែ", "រ"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("が", ["が"]),
        ("고양이", ["고양이"]),
        ("cat", ["cat"]),
        ("", []),
    ],
)
def test_a_word_is_taken_apart_where_its_script_has_no_spaces(word, parts):
    assert split_unspaced(word) == parts
    assert "".join(parts) == word


@pytest.mark.parametrize(
    "text", ["一个黄色的球", "ネコ", "แมว", "看TV", "mèo nói 一个黄色的球", "ລາວ", "ខ្មែរ", "မြန်မာ"]
)
def test_texts_of_scripts_without_spaces(text):
    assert is_unspaced_text(text)


@pytest.mark.parametrize(
    "text",
    ["a sign with 日本", "고양이가 뛴다", "قطة تقفز", "बिल्ली कूदती है", "con mèo", "3 。", "฿5", ""],
)
def test_texts_of_scripts_with_spaces(text):
    assert not is_unspaced_text(text)


def test_one_character_is_found():
    assert has_unspaced("a sign with 日")
    assert not has_unspaced("a sign with 。 and 일")
