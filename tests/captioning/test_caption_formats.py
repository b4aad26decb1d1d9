import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.captioning.lines import CSV_COLUMNS, FIELDS, CaptionLines
from gifdesc.captions import Caption, GeneratedCaption, Word

FORMATS = ["text", "json", "tsv", "csv"]

odd_text = st.text(st.sampled_from('ab"\\\t\n\r, é\udce9{}\x85\u2028'), max_size=12)


def good(path, caption="a man waves"):
    return Caption(path, caption=caption, score=-0.5, low_confidence=False, num_frames=3)


def test_a_caption_in_each_format():
    one = good("cats/a.gif")
    assert (
        CaptionLines("text").line(one)
        == CaptionLines("tsv").line(one)
        == "cats/a.gif\ta man waves\n"
    )
    assert CaptionLines("text", with_path=False).line(one) == "a man waves\n"
    assert CaptionLines("csv").line(one) == "cats/a.gif,a man waves,-0.5,False,3,,\n"
    row = json.loads(CaptionLines("json").line(one))
    assert (row["path"], row["caption"], row["low_confidence"]) == (one.path, one.caption, False)


def test_a_failure_in_each_format():
    one = Caption("a.gif", error="not a GIF, a PNG")
    assert CaptionLines("text").line(one) == CaptionLines("text", with_path=False).line(one) == ""
    assert CaptionLines("tsv").line(one) == "a.gif\t\n"
    assert CaptionLines("csv").line(one) == 'a.gif,,,,,,"not a GIF, a PNG"\n'
    assert json.loads(CaptionLines("json").line(one)) == {
        "path": "a.gif",
        "error": "not a GIF, a PNG",
    }


def test_the_alternative_text_replaces_the_caption_and_json_has_both():
    one = good("a.gif")
    assert CaptionLines("tsv", shorten=str.upper).line(one) == "a.gif\tA MAN WAVES\n"
    assert CaptionLines("csv", shorten=str.upper).line(one).split(",")[1] == "A MAN WAVES"
    row = json.loads(CaptionLines("json", shorten=str.upper).line(one))
    assert (row["caption"], row["alt_text"]) == ("a man waves", "A MAN WAVES")
    failed = CaptionLines("json", shorten=str.upper).line(Caption("a.gif", error="empty"))
    assert set(json.loads(failed)) == {"path", "error"}


def test_only_a_csv_has_a_header():
    assert CaptionLines("csv").header == ",".join(CSV_COLUMNS) + "\n"
    assert {CaptionLines(name).header for name in FORMATS[:3]} == {""}


@pytest.mark.parametrize("name", FORMATS)
@given(paths=st.lists(odd_text, max_size=4))
def test_the_paths_of_lines_are_found_again_whatever_they_hold(name, paths):
    lines = CaptionLines(name).header + "".join(
        CaptionLines(name).line(good(path)) for path in paths
    )
    assert list(CaptionLines(name).paths(lines)) == paths
    if name != "csv":
        assert lines.count("\n") == len(paths)


@pytest.mark.parametrize("name", FORMATS)
@given(paths=st.lists(odd_text, max_size=4), data=st.data())
def test_a_truncated_file_keeps_its_whole_lines(name, paths, data):
    records = [CaptionLines(name).header] + [CaptionLines(name).line(good(path)) for path in paths]
    encoded = [record.encode("utf-8", "surrogateescape") for record in records]
    whole = b"".join(encoded)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [len(b"".join(encoded[:count])) for count in range(len(encoded) + 1)]
    assert CaptionLines(name).whole_length(whole[:cut]) == max(end for end in ends if end <= cut)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("json", '{"path": "a"}\nnot json\n', 2),
        ("json", '{"caption": "a"}\n', 1),
        ("tsv", "a.gif\ta\nno tab here\n", 2),
        ("text", "a\tb\tc\n", 1),
        ("csv", "a.gif,a\n", 1),
        ("csv", ",".join(CSV_COLUMNS) + "\na.gif\n", 2),
    ],
)
def test_lines_of_another_kind_are_named(name, text, line):
    with pytest.raises(ValueError, match=f"line {line} is not"):
        list(CaptionLines(name).paths(text))


WORDS = (
    Word("a", -0.1, (0.25, 0.75), 40),
    Word("man", -0.2, (1.0, 0.0), 0),
)


def full(path="a.gif"):
    """A caption with an alternative, words and weights."""
    found = [GeneratedCaption("a man", -0.15, WORDS), GeneratedCaption("a dog\tbarks", -0.9, ())]
    return Caption(path, caption="a man", score=-0.15, alternatives=tuple(found), words=WORDS)


def test_alternatives_are_below_a_caption_of_text():
    assert CaptionLines("text").line(full()) == "a.gif\ta man\n  a dog\\tbarks\n"
    assert CaptionLines("text", with_path=False).line(full()) == "a man\n  a dog\\tbarks\n"
    assert CaptionLines("text", shorten=str.upper).line(full()).endswith("  A DOG\\tBARKS\n")
    assert CaptionLines("tsv").line(full()) == "a.gif\ta man\n"
    odd = CaptionLines("text").line(full("  a.gif")) + CaptionLines("text").line(full("b"))
    assert list(CaptionLines("text").paths(odd)) == ["  a.gif", "b"]


def test_json_has_weights_only_where_they_are_asked_for():
    row = json.loads(CaptionLines("json").line(full()))
    assert row["words"] == [
        {"word": "a", "log_prob": -0.1, "time_ms": 40},
        {"word": "man", "log_prob": -0.2, "time_ms": 0},
    ]
    for form in (CaptionLines("json", with_weights=True), CaptionLines("json", ("words",))):
        row = json.loads(form.line(full()))
        assert [word["frame_weights"] for word in row["words"]] == [[0.25, 0.75], [1.0, 0.0]]


def test_the_fields_of_a_line_in_their_order():
    fields = ("score", "path", "note", "alternatives")
    assert list(json.loads(CaptionLines("json", fields).line(full()))) == list(fields)
    form = CaptionLines("csv", fields)
    assert form.header == "score,path,note,alternatives\n"
    [score, path, note, alternatives] = next(csv.reader([form.line(full())]))
    assert (score, path, note) == ("-0.15", "a.gif", "")
    assert [each["caption"] for each in json.loads(alternatives)] == ["a man", "a dog\tbarks"]
    assert CaptionLines("tsv", ("path", "score", "note")).line(full()) == "a.gif\t-0.15\t\n"


def test_a_failure_keeps_its_reason_whatever_the_fields():
    failed = Caption("a.gif", error="empty")
    row = json.loads(CaptionLines("json", ("path", "score")).line(failed))
    assert row == {"path": "a.gif", "error": "empty"}
    assert CaptionLines("tsv", ("score", "path")).line(failed) == "\ta.gif\n"


@pytest.mark.parametrize("name", ["json", "csv", "tsv"])
def test_the_paths_of_lines_with_fields_are_found_again(name):
    form = CaptionLines(name, ("caption", "path", "words"))
    lines = form.header + form.line(full("a\tb.gif")) + form.line(full("c.gif"))
    assert list(form.paths(lines)) == ["a\tb.gif", "c.gif"]


def test_every_field_is_a_key_of_a_caption():
    failed = Caption("a.gif", error="empty")
    known = {*CaptionLines("json", shorten=str)._object(full()), *failed.to_json(), "note"}
    assert known == set(FIELDS)
