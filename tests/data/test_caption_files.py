"""Files of captions in every form, line by line."""

import pytest

from gifdesc.data.forms.base import CaptionSource
from gifdesc.data.forms.registry import read_captions
from gifdesc.data.text_files import read_text_lines
from gifdesc.errors import DescriptionError


def lines_of(path, form):
    return list(read_captions(CaptionSource(path), form))


def table(tmp_path, text: str) -> list[tuple[str, str | None]]:
    """Name and caption of each line of a table, or its problem."""
    path = tmp_path / "t.tsv"
    path.write_bytes(text.encode())
    lines = lines_of(path, "tsv")
    return [(one.name, one.problem or " ".join(one.captions)) for one in lines]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(tmp_path, end):
    assert table(tmp_path, end.join(["a\tone", "", "b\ttwo", ""])) == [("a", "one"), ("b", "two")]
    path = tmp_path / "d.jsonl"
    path.write_bytes(end.join(['{"id": "a", "caption": "one"}', '{"id": "b"}']).encode())
    lines = lines_of(path, "jsonl")
    assert [(one.number, one.name) for one in lines] == [(1, "a"), (2, "b")]
    path.write_bytes(end.join(["one", "two"]).encode())
    assert read_text_lines(path) == ["one", "two"]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_other_separators_do_not_end_a_line(tmp_path, mark):
    assert table(tmp_path, f"a\tone{mark}two\n") == [("a", f"one{mark}two")]
    path = tmp_path / "d.jsonl"
    path.write_text(f'{{"id": "a", "caption": "one{mark}two"}}\n', encoding="utf-8")
    if mark >= " ":
        [line] = lines_of(path, "jsonl")
        assert line.captions == (f"one{mark}two",)
    path.write_text(f"one{mark}two\n", encoding="utf-8")
    assert read_text_lines(path) == [f"one{mark}two"]


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ('a\t"one, and ""so"" on"', ("a", 'one, and "so" on')),
        ('"a, b.gif"\tone', ("a, b.gif", "one")),
        ('a\t"one\ttwo"', ("a", "one two")),
        ('a\t"one"\t"two"', ("a", "one two")),
        ('a\t"one" he says, "two"', ("a", '"one" he says, "two"')),
        ('a\t"one" he says', ("a", '"one" he says')),
        ('a\the says "one"', ("a", 'he says "one"')),
        ('a\t"one is 5 high', ("a", '"one is 5 high')),
        ("a\t'one'", ("a", "'one'")),
    ],
)
def test_cells_are_read_as_a_spreadsheet_wrote_them(tmp_path, cells, wanted):
    assert table(tmp_path, f"{cells}\nb\tlast\n") == [wanted, ("b", "last")]


def test_a_quoted_cell_may_go_over_lines_and_numbers_count_them(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('a\t"one\n""two""\nthree"\nb\tlast\n')
    first, last = lines_of(path, "tsv")
    assert (first.number, first.captions) == (1, ('one "two" three',))
    assert (last.number, last.captions) == (4, ("last",))


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-16", "UTF-16, by its byte order mark"),
        ("utf-32", "UTF-32, by its byte order mark"),
        ("utf-16-le", "probably UTF-16-LE without a byte order mark"),
        ("utf-16-be", "probably UTF-16-BE without a byte order mark"),
        ("utf-32-le", "it contains NUL bytes, so it may be UTF-16, UTF-32 or no text"),
        ("latin-1", "byte 8; a guess: Latin-1 or Windows-1252"),
    ],
)
def test_text_of_another_encoding_is_refused_with_its_name(tmp_path, encoding, named):
    path = tmp_path / "t.tsv"
    path.write_bytes("a\tun caf\xe9 d\xe9j\xe0\n".encode(encoding))
    with pytest.raises(DescriptionError) as caught:
        read_text_lines(path)
    assert str(caught.value) == f"{path}: not UTF-8 text ({named}); save it as UTF-8"


@pytest.mark.parametrize("encoding", ["gb18030", "shift_jis"])
def test_text_in_an_encoding_of_several_bytes_is_not_called_latin(tmp_path, encoding):
    path = tmp_path / "t.tsv"
    path.write_bytes("a\t一匹の猫が走る\n".encode(encoding))
    with pytest.raises(DescriptionError, match="a guess: an encoding of several bytes a char"):
        read_text_lines(path)


def test_the_place_of_a_wrong_byte_is_right_far_into_a_file(tmp_path):
    path = tmp_path / "t.tsv"
    start = b"a\t" + "é".encode() * (1 << 18)
    path.write_bytes(start + b"\xe9 \n")
    with pytest.raises(DescriptionError, match=rf"byte {len(start)};"):
        read_text_lines(path)
    path.write_bytes(start + b"\xe9")
    with pytest.raises(DescriptionError, match=rf"byte {len(start)};"):
        read_text_lines(path)
