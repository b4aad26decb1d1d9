import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.captioning.output import CSV_COLUMNS, done_paths, header, to_line, whole_length
from gifdesc.captions import Caption

FORMATS = ["text", "json", "tsv", "csv"]

odd_text = st.text(st.sampled_from('ab"\\\t\n\r, é\udce9{}\x85\u2028'), max_size=12)


def good(path, caption="a man waves"):
    return Caption(path, caption=caption, score=-0.5, low_confidence=False, num_frames=3)


def test_a_caption_in_each_format():
    one = good("cats/a.gif")
    assert to_line(one, "text") == to_line(one, "tsv") == "cats/a.gif\ta man waves\n"
    assert to_line(one, "text", with_path=False) == "a man waves\n"
    assert to_line(one, "csv") == "cats/a.gif,a man waves,-0.5,False,3,,\n"
    row = json.loads(to_line(one, "json"))
    assert (row["path"], row["caption"], row["low_confidence"]) == (one.path, one.caption, False)


def test_a_failure_in_each_format():
    one = Caption("a.gif", error="not a GIF, a PNG")
    assert to_line(one, "text") == to_line(one, "text", with_path=False) == ""
    assert to_line(one, "tsv") == "a.gif\t\n"
    assert to_line(one, "csv") == 'a.gif,,,,,,"not a GIF, a PNG"\n'
    assert json.loads(to_line(one, "json")) == {"path": "a.gif", "error": "not a GIF, a PNG"}


def test_the_alternative_text_replaces_the_caption_and_json_has_both():
    one = good("a.gif")
    assert to_line(one, "tsv", shorten=str.upper) == "a.gif\tA MAN WAVES\n"
    assert to_line(one, "csv", shorten=str.upper).split(",")[1] == "A MAN WAVES"
    row = json.loads(to_line(one, "json", shorten=str.upper))
    assert (row["caption"], row["alt_text"]) == ("a man waves", "A MAN WAVES")
    failed = to_line(Caption("a.gif", error="empty"), "json", shorten=str.upper)
    assert set(json.loads(failed)) == {"path", "error"}


def test_only_a_csv_has_a_header():
    assert header("csv") == ",".join(CSV_COLUMNS) + "\n"
    assert {header(name) for name in FORMATS[:3]} == {""}


@pytest.mark.parametrize("name", FORMATS)
@given(paths=st.lists(odd_text, max_size=4))
def test_the_paths_of_lines_are_found_again_whatever_they_hold(name, paths):
    lines = header(name) + "".join(to_line(good(path), name) for path in paths)
    assert list(done_paths(lines, name)) == paths
    if name != "csv":
        assert lines.count("\n") == len(paths)


@pytest.mark.parametrize("name", FORMATS)
@given(paths=st.lists(odd_text, max_size=4), data=st.data())
def test_a_truncated_file_keeps_its_whole_lines(name, paths, data):
    records = [header(name)] + [to_line(good(path), name) for path in paths]
    encoded = [record.encode("utf-8", "surrogateescape") for record in records]
    whole = b"".join(encoded)
    cut = data.draw(st.integers(0, len(whole)))
    ends = [len(b"".join(encoded[:count])) for count in range(len(encoded) + 1)]
    assert whole_length(whole[:cut], name) == max(end for end in ends if end <= cut)


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
        list(done_paths(text, name))
