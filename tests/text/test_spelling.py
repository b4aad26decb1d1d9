# ruff: noqa: RUF001  (look-alike quotes, dashes and invisible characters are what is tested)
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gifdesc.config import TrainingConfig, to_json
from gifdesc.errors import CheckpointError
from gifdesc.system.json_files import from_json
from gifdesc.text.spelling import JOIN, SPACE, Spelling, joins
from gifdesc.text.tokenizer import CaptionTokenizer, clean_text
from phrases import CAPTIONS, WRITING

GERMAN = [
    "Ein gelber Ball blinkt im Käfig",
    "Ein Käfig wird größer",
    "Hunde jagen einen Ball",
    "Die Hunde jagen im Garten",
]


def learnt(captions, **options):
    """What captions come back as from a vocabulary of theirs."""
    tokenizer = CaptionTokenizer.train(captions, **options)
    encoded = tokenizer.encode_all(captions, 500)
    assert not any(tokenizer.unknown_id in ids for ids in encoded)
    return [tokenizer.decode(ids) for ids in encoded]


# Captions come back


@pytest.mark.parametrize(
    "caption", [*CAPTIONS, *(one for group in WRITING.values() for one in group)]
)
@pytest.mark.parametrize("case", ["keep", "auto"])
def test_a_caption_comes_back_as_it_was_written(caption, case):
    assert learnt([caption], case=case) == [caption]


def test_captions_of_all_scripts_share_a_vocabulary():
    captions = [*CAPTIONS, *(one for group in WRITING.values() for one in group)]
    assert learnt(captions, case="keep") == captions


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40), max_size=4))
@example([f"{JOIN} {SPACE} {JOIN}{JOIN} a{JOIN}b \uffee41\uffee", "x" * 250, "[SEP] [MASK] ##a"])
@example(["' 'a' ' s's' s 's 't", '" "a" "" b"', "1,000 1, 000 1 ,000 3 . 5 3.5"])
def test_any_text_comes_back(captions):
    wanted = [" ".join(caption.split()) for caption in captions]
    assert learnt(captions, case="keep") == wanted


def test_ordinary_captions_need_no_marks():
    tokenizer = CaptionTokenizer.train(CAPTIONS)
    assert tokenizer.mark_ids == ()


def test_a_mark_is_set_where_the_rules_would_err():
    tokenizer = CaptionTokenizer.train(["the u.s. flag", "at 5 % - no"])
    assert len(tokenizer.mark_ids) == 2
    ids = tokenizer.encode("the u.s. flag", 128)
    words = tokenizer.words(ids)
    assert [word for word, _ in words] == ["the", "u", ".", "s", ".", "flag"]
    assert [positions for _, positions in words][2:4] == [[3], [4, 5]]
    assert sorted(place for _, places in words for place in places) == [*range(1, len(ids) - 1)]


def test_marks_that_join_nothing_count_for_nothing():
    tokenizer = CaptionTokenizer.train(["the u.s. flag", "at 5 % - no"])
    join, space = tokenizer.mark_ids
    [the, flag] = tokenizer.encode("the flag", 9)[1:-1]
    assert tokenizer.decode([join, the, space, join, flag, space]) == "theflag"
    assert tokenizer.words([join, the, flag, space]) == [("the", [0, 1]), ("flag", [2, 3])]
    assert tokenizer.decode([join, space]) == ""
    assert tokenizer.words([join]) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't stop, ok?", "don ' t stop , ok ?"),
        ("it’s", "it ’ s"),
        ("a t-shirt and red/blue", "a t - shirt and red / blue"),
        ("3.5, 10:30 and 1,000", "3 . 5 , 10 : 30 and 1 , 000"),
        ('he says "hello there"!', 'he says " hello there " !'),
        ("the dogs' tails", "the dogs ' tails"),
        ("the buses 'stop' here", "the buses ' stop ' here"),
        ("“so” (in red) [left]", "“ so ” ( in red ) [ left ]"),
        ("50% of #1 for $5…", "50 % of # 1 for $ 5 …"),
        ("一个球，在「闪」烁。", "一 个 球 ， 在 「 闪 」 烁 。"),
        ("看3D电影", "看 3D 电 影"),
        ("बिल्ली कूदती है।", "बिल्ली कूदती है ।"),
        ("قطة، ثم؟", "قطة ، ثم ؟"),
    ],
)
def test_the_rules_set_spaces_as_people_do(text, words):
    parts = words.split()
    spaces = ["" if joined or not at else " " for at, joined in enumerate(joins(parts))]
    assert "".join(space + part for space, part in zip(spaces, parts, strict=True)) == text


def test_scripts_without_spaces_have_a_token_for_each_character():
    tokenizer = CaptionTokenizer.train(["一个黄色的球", "แมวเดินที่นี่", "猫が歩く"])
    assert len(tokenizer.encode("一个球", 99)) == 5
    assert [word for word, _ in tokenizer.words(tokenizer.encode("ที่นี่", 99))] == ["ที่", "นี่"]
    assert tokenizer.decode(tokenizer.encode("黄色的猫", 99)) == "黄色的猫"


def test_of_other_vocabularies_ideographs_come_without_spaces():
    assert clean_text("一 个 球 在 闪 烁 。") == "一个球在闪烁。"
    assert clean_text("猫 が 歩 く , ok") == "猫が歩く, ok"


# Capitals


def test_german_keeps_its_capitals():
    assert learnt(GERMAN) == GERMAN


def test_first_words_are_not_doubled():
    captions = ["A dog runs", "The cat and the dog", "A cat sees a TV", "The dog sees Rex"]
    tokenizer = CaptionTokenizer.train(captions)
    assert [tokenizer.decode(ids) for ids in tokenizer.encode_all(captions, 99)] == captions
    encoded = tokenizer.encode_all(captions, 99)
    words = {word for ids in encoded for word, _ in tokenizer.words(ids)}
    assert words == {"a", "the", "dog", "cat", "runs", "and", "sees", "TV", "Rex"}


def test_most_captions_decide_how_all_begin():
    captions = ["a dog runs", "a cat runs", "A dog and a cat", "Rex runs"]
    assert learnt(captions) == ["a dog runs", "a cat runs", "a dog and a cat", "Rex runs"]
    captions = ["A dog runs", "The cat runs", "a dog and Rex"]
    assert learnt(captions) == ["A dog runs", "The cat runs", "A dog and Rex"]


def test_capitals_by_chance_are_lowered():
    captions = ["a dog runs fast", "A Dog Runs Fast", "the dog runs", "a DOG runs"]
    assert learnt(captions)[1] == "a dog runs fast"


def test_captions_all_in_capitals_stay_so():
    assert learnt(["A DOG RUNS", "A CAT SLEEPS"]) == ["A DOG RUNS", "A CAT SLEEPS"]


def test_case_can_be_chosen():
    captions = ["A dog runs", "a Dog runs", "Zwei Hunde"]
    assert learnt(captions, case="keep") == captions
    assert learnt(captions, case="lower") == [one.lower() for one in captions]


@pytest.mark.parametrize(
    "caption",
    ["iPhones ring", "3 Hunde jagen", "„Hunde“ jagen", "Émile rit", "ΑΘΗΝΑ λάμπει", "ﬁne dogs"],
)
def test_first_letters_that_are_special(caption):
    captions = [*GERMAN, caption]
    assert learnt(captions)[-1].lower() == caption.lower()
    assert learnt([caption]) == [caption]


def test_a_capital_never_trained_on_is_read_as_a_small_letter_at_the_beginning():
    tokenizer = CaptionTokenizer.train(["a dog sees Rex", "a cat sees Rex"])
    assert tokenizer.decode(tokenizer.encode("Cat sees a dog", 99)) == "cat sees a dog"
    assert tokenizer.decode(tokenizer.encode("Rex sees a dog", 99)) == "Rex sees a dog"


@pytest.mark.parametrize(
    ("captions", "case", "said"),
    [
        (GERMAN, "auto", "kept, each caption begins with a capital"),
        (["A dog runs"], "auto", "lowered, each caption begins with a capital"),
        (["a dog runs"], "auto", "lowered"),
        (GERMAN, "lower", "lowered"),
        (GERMAN, "keep", "all kept as they are"),
        (
            ["a dog sees Rex"],
            "auto",
            "kept, lowered at the start of a caption except in names",
        ),
    ],
)
def test_the_treatment_of_capitals_is_described(captions, case, said):
    assert CaptionTokenizer.train(captions, case=case).case == said
    assert CaptionTokenizer.train(captions, spelling="plain").case == "lowered"


# Saved and loaded


def test_it_is_saved_with_the_vocabulary(tmp_path):
    captions = [*GERMAN, *CAPTIONS, "um 10:30 a.m. in den U.S.", "一个 球"]
    trained = CaptionTokenizer.train(captions)
    trained.save(tmp_path)
    loaded = CaptionTokenizer.load(tmp_path)
    assert loaded.spelling == trained.spelling
    encoded = trained.encode_all(captions, 99)
    assert loaded.encode_all(captions, 99) == encoded
    assert list(map(loaded.decode, encoded)) == list(map(trained.decode, encoded))
    (tmp_path / "again").mkdir()
    loaded.save(tmp_path / "again")
    assert CaptionTokenizer.load(tmp_path / "again").spelling == trained.spelling


def test_transformers_reads_the_same_vocabulary(tmp_path):
    from transformers import BertTokenizer

    trained = CaptionTokenizer.train(GERMAN)
    trained.save(tmp_path)
    bert = BertTokenizer.from_pretrained(tmp_path)
    spelt = "ein gelber Ball blinkt"
    assert bert(spelt)["input_ids"] == trained.encode("Ein gelber Ball blinkt", 99)


def test_a_vocabulary_of_before_is_read_as_before(tmp_path):
    trained = CaptionTokenizer.train(CAPTIONS, spelling="plain")
    assert trained.spelling is None
    trained.save(tmp_path)
    assert "gifdesc" not in (tmp_path / "tokenizer_config.json").read_text()
    loaded = CaptionTokenizer.load(tmp_path)
    assert loaded.spelling is None
    for caption in CAPTIONS:
        assert loaded.decode(loaded.encode(caption.upper(), 99)) == caption


def test_a_damaged_spelling_is_refused(tmp_path):
    CaptionTokenizer.train(GERMAN).save(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(path.read_text().replace('"lower_case"', '"upper_case"'))
    with pytest.raises(CheckpointError, match="the tokenizer's files are damaged"):
        CaptionTokenizer.load(tmp_path)


def test_the_rules_of_capitals_survive_json():
    spelling = Spelling.of(GERMAN, "auto")
    assert spelling.capitals == frozenset({"Hunde"})
    assert Spelling.from_json(spelling.to_json()) == spelling


def test_runs_of_before_keep_their_vocabulary():
    row = to_json(TrainingConfig())
    del row["case"], row["spelling"]
    before = from_json(TrainingConfig, row)
    assert (before.case, before.spelling) == ("lower", "plain")
