import pytest

from gifdesc.errors import UsageError
from gifdesc.search.query import read_query
from gifdesc.text.tokenizer import CaptionTokenizer
from worlds import tiny_tokenizer


def test_unknown_words_are_reported_and_left_out():
    tokenizer = tiny_tokenizer()
    query = read_query("a sofa red, ball sofa ☃", tokenizer, 128)
    assert query.text == "a red ball"
    assert query.unknown == ("sofa", "☃")
    assert query.tokens == tuple(tokenizer.encode("a red ball", 128)[1:-1])
    [note] = query.notes()
    assert note.startswith("sofa, ☃ are not in the model's vocabulary")


def test_an_emoji_at_a_word_is_reported_and_the_word_counts():
    query = read_query("a red ball!\N{DOG}", tiny_tokenizer(), 128)
    assert (query.text, query.unknown) == ("a red ball", ("\N{DOG}",))
    query = read_query("a red ball\N{DOG}", tiny_tokenizer(), 128)
    assert (query.text, query.unknown) == ("a red ball", ("\N{DOG}",))


CAPITALS = [
    "Ein Hund l\u00e4uft",
    "Ein Hund springt im Park",
    "the USA wins",
    "A Cat runs",
    "the Cat is red",
]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("the Red cat", "the red Cat"),
        ("ein HUND", "ein Hund"),
        ("EIN hund L\u00c4UFT", "ein Hund l\u00e4uft"),
        ("ein hund la\u0308uft", "ein Hund l\u00e4uft"),
        ("usa", "USA"),
        ("the usa wins", "the USA wins"),
    ],
)
def test_words_count_in_any_case_and_composition(text, read):
    tokenizer = CaptionTokenizer.train(CAPITALS * 3)
    query = read_query(text, tokenizer, 128)
    assert (query.text, query.unknown) == (read, ())
    assert tokenizer.unknown_id not in query.tokens
    assert query.tokens == read_query(read, tokenizer, 128).tokens


def test_only_the_unknown_parts_of_a_word_are_reported():
    tokenizer = CaptionTokenizer.train(["\u72d7\u5728\u516c\u56ed", "a red cat"])
    query = read_query("\u72d7\u732b", tokenizer, 128)
    assert (query.text, query.unknown) == ("\u72d7", ("\u732b",))
    query = read_query("<b>alert(1)</b>red", tokenizer, 128)
    assert query.text.endswith("red")
    assert "alert" in query.unknown


def test_a_word_spelt_mostly_by_long_pieces_counts():
    tokenizer = CaptionTokenizer.train(["cat s", "a ss", "cat"])
    query = read_query("cat cats a cats", tokenizer, 128)
    assert (query.unknown, query.spelt) == ((), ("cat + s",))
    assert query.notes() == ["not in the model's vocabulary, so read as pieces: cat + s"]
    assert read_query("cat", tokenizer, 128).notes() == []
    cut = read_query("cat a cats", tokenizer, 4)
    assert (cut.spelt, cut.num_cut) == ((), 2)
    assert read_query("a asc", tokenizer, 128).unknown == ("asc",)


def test_characters_of_scripts_without_spaces_are_no_pieces():
    tokenizer = CaptionTokenizer.train(["猫が走る", "犬が走る"])
    assert read_query("猫が走る", tokenizer, 128).notes() == []


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_query_is_refused(text):
    with pytest.raises(UsageError, match="the query is empty"):
        read_query(text, tiny_tokenizer(), 128)


@pytest.mark.parametrize("text", ["Katze läuft", "猫が走る", "?!", "☃"])
def test_a_query_without_any_known_word_is_refused(text):
    with pytest.raises(UsageError, match="no word of the query is in the model's vocabulary"):
        read_query(text, tiny_tokenizer(), 128)


def test_a_query_beyond_the_limit_is_cut_and_reported():
    query = read_query("red " * 200, tiny_tokenizer(), 128)
    assert (len(query.tokens), query.num_cut) == (126, 74)
    assert "limit of 126 tokens; the last 74 are ignored" in query.notes()[0]
