"""Files written whole or not at all, and JSON lines that survive a kill."""

import hashlib
import json
import os
import stat

import pytest

from gifdesc.errors import FeatureError, GifdescError
from gifdesc.system.files import (
    check_replaceable,
    find_files,
    json_line,
    list_all,
    read_json_lines,
    reading,
    reason,
    sha256_of,
    write_json,
    write_json_lines,
    write_text,
    writing,
)
from gifdesc.system.replacement import remove_leftovers, replacing

NOT_UTF8 = os.fsdecode(b"caf\xe9.gif")


def test_the_file_is_replaced_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "deep" / "file.bin"
    with replacing(path) as temporary_path:
        temporary_path.write_bytes(b"whole")
        assert not path.exists()
        assert temporary_path.parent == path.parent
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(failure), replacing(path) as temporary_path:  # noqa: PT012
        temporary_path.write_text("half")
        raise failure
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_block_makes_no_new_file(tmp_path):
    with pytest.raises(RuntimeError), replacing(tmp_path / "file.txt"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_file_leaves_no_temporary_file(tmp_path):
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"), replacing(tmp_path / "taken") as temporary_path:
        temporary_path.write_text("x")
    assert list(tmp_path.iterdir()) == [tmp_path / "taken"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_has_the_permissions_that_the_umask_leaves(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "file.txt", "x")
        assert os.umask(mask) == mask  # and the umask is as it was
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == mode


def test_a_name_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("x" * 251 + ".txt")
    write_text(path, "fits")
    assert path.read_text() == "fits"


@pytest.mark.parametrize("content", [None, b"", b"own page"])
def test_own_and_empty_files_may_be_replaced(tmp_path, content):
    path = tmp_path / "a.html"
    if content is not None:
        path.write_bytes(content)
    check_replaceable(path, lambda start: start.startswith(b"own"))


def test_a_file_of_the_user_is_not_replaced(tmp_path):
    path = tmp_path / "a.html"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="gifdesc did not write it"):
        check_replaceable(path, lambda start: start.startswith(b"own"))


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "a.txt", "café ☕\n")
    assert (tmp_path / "a.txt").read_bytes() == "café ☕\n".encode()


def test_json_is_indented_and_keeps_letters(tmp_path):
    write_json(tmp_path / "a.json", {"name": "café", "values": [1]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert text == '{\n  "name": "café",\n  "values": [\n    1\n  ]\n}\n'


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_invalid_json_is_refused_and_the_old_file_is_kept(tmp_path, number):
    write_json(tmp_path / "a.json", {"value": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"value": number})
    assert json.loads((tmp_path / "a.json").read_text()) == {"value": 1}
    with pytest.raises(ValueError, match="JSON compliant"):
        json_line({"value": number})


def test_json_lines_are_read_back(tmp_path):
    rows = [{"source": "a.gif"}, {"source": "é\nb"}, {}]
    write_json_lines(tmp_path / "a.jsonl", rows)
    assert len((tmp_path / "a.jsonl").read_bytes().splitlines()) == 3
    assert read_json_lines(tmp_path / "a.jsonl") == rows


def test_a_line_keeps_letters():
    assert json_line({"source": "é.gif"}) == '{"source": "é.gif"}\n'


def test_a_path_that_is_not_utf8_is_escaped_and_read_back(tmp_path):
    line = json_line({"source": NOT_UTF8})
    assert line == '{"source": "caf\\udce9.gif"}\n'
    write_json_lines(tmp_path / "a.jsonl", [{"source": NOT_UTF8}])
    source = read_json_lines(tmp_path / "a.jsonl")[0]["source"]
    assert os.fsencode(source) == b"caf\xe9.gif"


@pytest.mark.parametrize("cut", [1, 5, 9, 14])
def test_half_a_last_line_is_skipped(tmp_path, cut):
    path = tmp_path / "a.jsonl"
    whole = json_line({"n": 1}).encode()
    path.write_bytes(whole + '{"name": "é"}'.encode()[:cut])
    assert read_json_lines(path) == [{"n": 1}] + ([{"name": "é"}] if cut == 14 else [])


def test_empty_lines_do_not_count(tmp_path):
    (tmp_path / "a.jsonl").write_text('\n{"n": 1}\n\n  \n{"n": 2}\n')
    assert read_json_lines(tmp_path / "a.jsonl") == [{"n": 1}, {"n": 2}]


def test_an_empty_file_has_no_lines(tmp_path):
    (tmp_path / "a.jsonl").touch()
    assert read_json_lines(tmp_path / "a.jsonl") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"n": 1}\n{"n":\n{"n": 3}\n', "line 2 is not JSON"),
        ('{"n":\n', "line 1 is not JSON"),
        ('{"n": 1}\n[2]\n', "line 2 is not a JSON object"),
    ],
)
def test_a_damaged_line_that_a_kill_does_not_explain_is_named(tmp_path, text, message):
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_json_lines(tmp_path / "a.jsonl")


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


def test_the_reason_of_a_failure_has_no_path_and_number():
    assert reason(FileNotFoundError(2, "No such file or directory", "x")) == (
        "no such file or directory"
    )
    assert reason(OSError("something else")) == "something else"


def test_only_leftovers_of_killed_runs_are_removed(tmp_path):
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    (folder / "a.npy").touch()
    (folder / ".tmp-of-somebody-else").touch()
    with replacing(folder / "b.npy") as temporary_path:
        left_path = folder / f"{temporary_path.name}x"  # as if the process had died here
        left_path.write_text("half")
        assert not temporary_path.name.endswith(".npy")  # no search for features finds it
    remove_leftovers(tmp_path)
    assert {path.name for path in folder.iterdir()} == {"a.npy", "b.npy", ".tmp-of-somebody-else"}


def test_files_are_found_by_their_endings_in_the_order_of_paths(tmp_path):
    for name in ("b.txt", "a/z.TXT", "a/deep/x.txt", "a.txt", "a-b/c.txt", "c.tsv", "d.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".txt").touch()
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "link.txt").symlink_to(tmp_path / "d.npy")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "nowhere.txt").symlink_to(tmp_path / "gone")
    found = find_files(tmp_path, (".txt", ".tsv"))
    wanted = ["a/deep/x.txt", "a/z.TXT", "a-b/c.txt", "a.txt", "b.txt", "c.tsv", "link.txt"]
    assert found == wanted
    assert [tmp_path / name for name in found] == sorted(tmp_path / name for name in found)


def test_a_failure_to_read_or_write_is_one_sentence(tmp_path):
    path = tmp_path / "gone" / "a.txt"
    with pytest.raises(GifdescError) as caught, reading(path):
        path.read_text()
    assert str(caught.value) == f"{path}: cannot be read: no such file or directory"
    with pytest.raises(FeatureError) as caught, writing("--output x", FeatureError, remedy="wait"):
        path.write_text("")
    assert str(caught.value) == "--output x: cannot be written: no such file or directory; wait"
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_other_errors_pass_through(tmp_path):
    for block in (reading(tmp_path), writing(tmp_path)):
        with pytest.raises(ValueError, match="damaged"), block:
            raise ValueError("damaged")


def test_many_names_are_all_in_a_file_and_few_in_the_sentence(tmp_path):
    path = tmp_path / "names"
    assert list_all(["a", "b"], path, 2) == "a, b"
    assert not path.exists()
    names = ["a", "b", NOT_UTF8]
    assert list_all(names, path, 2) == f"a, b and 1 more ({path} lists all)"
    assert [os.fsdecode(line) for line in path.read_bytes().splitlines()] == names
    assert list_all(names, tmp_path / "names" / "below", 2) == f"a, b, {NOT_UTF8}"
