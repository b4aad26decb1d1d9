# ruff: noqa: RUF001  (look-alike quotes and dashes are what is tested)
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.metrics import tokenize, tokenize_all
from gifdesc.metrics.tokenizer import REMOVED_TOKENS

# What Stanford's PTBTokenizer (CoreNLP 3.4.1, -lowerCase) and the toolkit's removal list give.
TOKENS = {
    # contractions
    "A man isn't sleeping.": "a man is n't sleeping",
    "they’re, we'll, you've, I'm, he'd, it's": "they 're we 'll you 've i 'm he 'd it 's",
    "shouldn't've can’t WON'T dont": "should n't 've ca n't wo n't dont",
    "the boys' dog's boss's hats": "the boys dog 's boss 's hats",
    "rock 'n' roll, rock'n'roll": "rock 'n' roll rock 'n' roll",
    "'tis what it is, 'twas the '90s": "'t is what it is 't was the '90s",
    "give 'em ’em y'all ma'am o'clock O'Neil": "give 'em ’em y' all ma'am o'clock o'neil",
    "don`t don´t": "do n`t don ´ t",
    # words taken apart
    "he cannot, gonna, gotta, wanna, lemme, gimme": (
        "he can not gon na got ta wan na lem me gim me"
    ),
    "wannabe dunno whaddya cannot/will": "wannabe dunno whaddya cannot/will",
    # abbreviations and ends of sentences
    "Mr. Fox vs. Dr. Owl in the U.S. at 5 p.m.": "mr. fox vs. dr. owl in the u.s. at 5 p.m.",
    "the man. He etc. approx. Inc.": "the man he etc. approx inc.",
    "vitamin c. and plan b. The end": "vitamin c. and plan b the end",
    "no. 5, no.5, no. he is not": "no. 5 no. 5 no he is not",
    "Mass. and mass. Wash. and wash.": "mass. and mass wash. and wash",
    "a t.v. T.V. tv.": "a t.v. t.v. tv",
    "he jumps.He jumps,he jumps!And runs": "he jumps.he jumps he jumps!and runs",
    # numbers
    "$5.00 £5 5€ 50% 5¢ US$5": "$ 5.00 # 5 5 $ 50 % 5 cents us$ 5",
    "3:30pm 3pm 5.30pm 1,000.5 -5 +5": "3:30 pm 3pm 5.30 pm 1,000.5 -5 +5",
    "1/2 ½ 1½ 10/10 12/25/2010 9-11": "1/2 1/2 1 1/2 10/10 12/25/2010 9-11",
    "3 1/2 cups": "3\u00a01/2 cups",
    "call (555) 123-4567": "call -lrb-555-rrb-\u00a0123-4567",
    "1st 2nd 1990s 80's 6ft 4x4 5'10\"": "1st 2nd 1990s 80 's 6ft 4x4 5 10",
    # hyphens, slashes, dashes
    "t-shirt mid-air 20-year-old x-ray": "t-shirt mid-air 20-year-old x-ray",
    "a-b -a a- a--b a – b—c": "a-b a a a b a b c",
    "and/or w/o w/ km/h he/she/they": "and/or w/o w / km/h he/she/they",
    "a man,dark-haired,and a man,fair": "a man,dark-haired and a man fair",
    # marks
    "wow!!! what?! no! why? end... and… .....": "wow !!! what ?! no why end and",
    "\"a\" 'b' “c” ‘x’ «e» ``f''": "a b c x e f",
    "(a) [b] {c}": "-lrb- a -rrb- -lsb- b -rsb- -lcb- c -rcb-",
    "a * b ** c & d @ e # f = ~ ^": "a * b ** c & d @ e # f = ~ ^",
    "a , b ; c : d - e -- f": "a b c d e f",
    # the net
    "R&amp;B &lt;3 &quot;hi&quot; AT&T": "r&b < 3 hi at&t",
    "see http://x.com/a?b=c, www.foo.com or foo@bar.com.": (
        "see http://x.com/a?b=c www.foo.com or foo@bar.com"
    ),
    "@user_1 #tag #1 image.gif": "@user_1 #tag # 1 image.gif",
    "<b>bold</b> <br/>": "<b> bold </b> <br/>",
    ":) ;-) :D <3 ^_^": ":-rrb- ;--rrb- :d < 3 ^_^",
    # brackets of captions that were tokenized before
    "a -lrb- b -RRB- -lsb- -rsb- -lcb- -Rcb-": "a -lrb- b -rrb- -lsb- -rsb- -lcb- -rcb-",
    # other characters
    "Café naïve 日本語 ☺ ❤️ 😀 ™": "café naïve 日本語 ☺ ❤ ™",
    "soft\u00adhyphen no\u00a0break zero\u200bwidth": "softhyphen no break zero width",
    "colour and grey": "colour and grey",
    "": "",
    " . , ! ": "",
}


@pytest.mark.parametrize(("caption", "tokens"), TOKENS.items())
def test_gives_the_toolkits_tokens(caption: str, tokens: str) -> None:
    assert tokenize(caption) == tokens


@pytest.mark.parametrize(
    ("following", "tokens"), [("The man", "plan b"), ("the man", "plan b."), ("", "plan b.")]
)
def test_a_last_letter_depends_on_the_next_caption(following: str, tokens: str) -> None:
    assert tokenize("plan b.", following) == tokens
    assert tokenize_all(["plan b.", following])[0] == tokens


def test_a_caption_is_never_joined_with_the_next() -> None:
    assert tokenize_all(["he eats 3.", "1/2 cups.", "no.", "5 men"]) == [
        "he eats 3",
        "1/2 cups",
        "no.",
        "5 men",
    ]


@given(st.text(max_size=60))
def test_any_text_gives_clean_tokens(text: str) -> None:
    tokens = tokenize(text)
    assert tokens == tokens.lower() or not text.isascii()
    assert "  " not in tokens
    assert tokens == tokens.strip(" ")
    assert not REMOVED_TOKENS.intersection(tokens.split(" "))
    assert len(tokens.splitlines()) <= 1


@given(st.lists(st.sampled_from(["dog", "Man", "isn't", "well-lit", "5", "Mr."]), max_size=8))
def test_white_space_between_words_does_not_matter(words: list[str]) -> None:
    assert tokenize("  ".join(words)) == tokenize("\t" + " \n".join(words) + " ")


@pytest.mark.parametrize(
    ("caption", "tokens"),
    [
        ("一个黄色的球在闪烁。", "一 个 黄 色 的 球 在 闪 烁"),
        ("一个 黄色 的 球", "一 个 黄 色 的 球"),
        ("（一只）「猫」，看3D电影！", "一 只 猫 看 3d 电 影"),
        ("猫が、歩く。", "猫 が 歩 く"),
        ("แมวเดิน 2 ตัว", "แ ม ว เ ดิ น 2 ตั ว"),
    ],
)
def test_writing_without_spaces_gives_characters(caption, tokens):
    assert tokenize(caption) == tokens
