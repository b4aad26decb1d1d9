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


CHINESE = ["\u72d7\u5728\u516c\u56ed", "\u732b\u5728\u5bb6", "\u4e00\u53ea\u72d7\u8dd1"]
THAI = ["\u0e2b\u0e21\u0e32\u0e27\u0e34\u0e48\u0e07", "\u0e41\u0e21\u0e27\u0e19\u0e2d\u0e19"]


@pytest.mark.parametrize(
    ("captions", "text", "read", "unknown"),
    [
        (CHINESE, "\u72d7\u9a6c\u5728\u516c\u56ed", "\u72d7\u5728\u516c\u56ed", ["\u9a6c"]),
        (CHINESE, "\u72d7 \u516c\u56ed", "\u72d7 \u516c\u56ed", []),
        (CHINESE, "\u732b\u5728 \u72d7", "\u732b\u5728 \u72d7", []),
        (CHINESE, "\u72d7x\u5728", "\u72d7\u5728", ["x"]),
        ([*CHINESE, "a red cat"], "cat \u72d7", "cat \u72d7", []),
        (THAI, f"{THAI[0]}\u0e1a\u0e49", THAI[0], ["\u0e1a\u0e49"]),
        (["\u306d\u3053\u304c\u8d70\u308b"], "\u306d\u3053\u3082", "\u306d\u3053", ["\u3082"]),
        (["a red ball"], "<x>alert(1)</x>red", "red", ["<", "x", ">", "alert", "1"]),
        (["a red ball"], "a red \u20ac + ball", "a red ball", ["\u20ac", "+"]),
        (["a red ball"], "a \U0001f44d\U0001f3fd ball", "a ball", ["\U0001f44d\U0001f3fd"]),
        (["a red ball"], "ball\u2764\ufe0f, red", "ball red", ["\u2764\ufe0f"]),
        (["he Run", "it runs"], "he Runs", "he runs", []),
        (["ein New-York Hund"], "hund in new-york", "Hund New-York", ["in"]),
        (["a red-haired girl"], "red-haired", "red-haired", []),
        (["the dog's ball"], "dog's", "dog's", []),
    ],
)
def test_what_is_known_stays_and_only_the_rest_is_reported(captions, text, read, unknown):
    tokenizer = CaptionTokenizer.train(captions * 3)
    query = read_query(text, tokenizer, 128)
    assert (query.text, list(query.unknown)) == (read, unknown)
    assert tokenizer.unknown_id not in query.tokens
    wanted = [index for index in tokenizer.encode(read, 128)[1:-1] if index != tokenizer.unknown_id]
    assert list(query.tokens) == wanted
    assert wanted


def test_a_vocabulary_of_another_program_is_read_too():
    tokenizer = CaptionTokenizer.train(["a red ball", "\u30dc\u30fc\u30eb"], spelling="plain")
    query = read_query("A Red, \u30dc\u30fc\u30eb sofa!", tokenizer, 128)
    assert (query.text, query.unknown) == ("A Red \u30dc\u30fc\u30eb", ("sofa",))
    assert tokenizer.unknown_id not in query.tokens


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
