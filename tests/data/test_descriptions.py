"""Description files of three kinds to captions per GIF."""

import json
import unicodedata
from pathlib import Path

import pytest

from gifdesc.captioning.lines import CaptionLines
from gifdesc.captions import Caption
from gifdesc.data.descriptions import Descriptions, read_descriptions
from gifdesc.data.forms.registry import FORMS_READ
from gifdesc.data.names import gif_key
from gifdesc.errors import DescriptionError

WANTED = "a text or a list of texts is needed"
LATIN = "a guess: Latin-1 or Windows-1252"
DIFFER = "`caption` and `captions` differ; leave one out"
TWO_NAMES = "`path` c/d.gif and `id` a name two GIFs; leave one out"


def write(folder: Path, **files: str | bytes) -> Path:
    """Write files given as name_suffix=content."""
    for name, content in files.items():
        path = folder / ".".join(name.rsplit("_", 1))
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
    return folder


def test_text_files_hold_one_description_a_line(tmp_path):
    write(tmp_path, jump_txt="a cat jumps\na cat  leaps \n\n", cry_txt="a man\tcries")
    assert read_descriptions(tmp_path).captions == {
        "cry": ["a man cries"],
        "jump": ["a cat jumps", "a cat leaps"],
    }


def test_tables_beside_other_descriptions_are_counted(tmp_path, caplog):
    table, document = "file_name,caption\nb.gif,a dog\n", '[{"image_id": 7, "caption": "a cow"}]'
    write(tmp_path, a_txt="a cat", b_csv=table, c_json=document, origin_json="{}")
    assert list(read_descriptions(tmp_path).captions) == ["a"]
    assert caplog.messages == [
        f"{tmp_path}: did not read 2 .csv or .json files, such as b.csv, because the folder has "
        "files like a.txt; to read them, put them into another folder"
    ]


def test_folders_are_read_through_and_name_the_gif_by_its_path(tmp_path):
    for folder in ("x", "y/z"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "jump.txt").write_text(f"in {folder}")
    assert read_descriptions(tmp_path).captions == {"x/jump": ["in x"], "y/z/jump": ["in y/z"]}


@pytest.mark.parametrize("name", ["jump.txt", "jump.gif.txt", "jump.TXT"])
def test_a_text_file_is_named_like_its_gif_with_or_without_its_suffix(tmp_path, name):
    (tmp_path / name).write_text("a cat jumps")
    assert read_descriptions(tmp_path).captions == {"jump": ["a cat jumps"]}


def test_the_reports_names_meet(tmp_path):
    (tmp_path / "description_7.txt").write_text("a cat jumps")
    descriptions = read_descriptions(tmp_path)
    assert descriptions.match([gif_key("gif_7_features_with_pe.npy")]).found == ["gif_7"]
    assert descriptions.captions["gif_7"] == ["a cat jumps"]


def test_a_table_names_gifs_by_url_or_name(tmp_path):
    write(
        tmp_path,
        tgif_tsv="https://media.tumblr.com/a/tumblr_1.gif\ta man is glaring.\n"
        "https://media.tumblr.com/a/tumblr_1.gif\tsomeone stares.\n"
        "\n"
        "cats/jump.gif\ta cat jumps\thigh\n",
    )
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {
        "//media.tumblr.com/a/tumblr_1": ["a man is glaring.", "someone stares."],
        "cats/jump": ["a cat jumps high"],
    }
    assert descriptions.problems == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("no tab here", "not `name<TAB>sentence`"),
        ("\tno name", "not `name<TAB>sentence`"),
        ("no-sentence.gif\t", "no caption"),
        ("x.gif\t  ", "no caption"),
        ('x.gif\t""', "no caption"),
        ("http://[::1\tx", "not a URL: http://[::1"),
    ],
)
def test_a_table_line_that_is_none_is_named_and_the_rest_is_used(tmp_path, line, problem):
    write(tmp_path, t_tsv=f"a.gif\tfirst\n{line}\nb.gif\tlast\n")
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {"a": ["first"], "b": ["last"]}
    assert descriptions.problems == [f"{tmp_path / 't.tsv'}:2: {problem}"]


@pytest.mark.parametrize("key", ["id", "path", "gif", "source", "name", "url"])
def test_a_json_line_names_its_gif_in_several_ways(tmp_path, key):
    rows = [{key: "x/a.gif", "caption": "one"}, {key: "b", "captions": ["two", "three"]}]
    write(tmp_path, d_jsonl="\n".join(map(json.dumps, rows)))
    assert read_descriptions(tmp_path).captions == {"x/a": ["one"], "b": ["two", "three"]}


def test_a_number_is_a_name_and_one_string_is_one_caption(tmp_path):
    write(tmp_path, d_jsonl='{"id": 7, "captions": "a cat jumps"}\n')
    assert read_descriptions(tmp_path).captions == {"7": ["a cat jumps"]}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "needs `id` and `caption` or `captions`"),
        ('"text"', "needs `id` and `caption` or `captions`"),
        ('{"caption": "nameless"}', "needs `id` and `caption` or `captions`"),
        ('{"id": "a"}', "needs `id` and `caption` or `captions`"),
        ('{"id": "a", "captions": []}', "no caption"),
        ('{"id": "a", "caption": null}', "no caption"),
        ('{"id": "a", "caption": NaN}', "no caption"),
        ('{"path": "a", "error": "not a GIF"}', "no caption (not a GIF)"),
        ('{"id": "a", "captions": [1]}', f"`captions` contains a number; {WANTED}"),
        ('{"id": "a", "captions": 5}', f"`captions` is a number; {WANTED}"),
        ('{"id": "a", "captions": {"x": 1}}', f"`captions` is an object; {WANTED}"),
        ('{"id": "a", "caption": "x", "captions": ["y"]}', DIFFER),
        ('{"id": ["a"], "caption": "x"}', "`id` is a list; a name is needed"),
        ('{"id": true, "caption": "x"}', "`id` is true or false; a name is needed"),
        ('{"id": "a", "path": "c/d.gif", "caption": "x"}', TWO_NAMES),
        ('{"url": "http://[::1", "caption": "x"}', "not a URL: http://[::1"),
        ('{"id": null, "caption": "x"}', "needs `id` and `caption` or `captions`"),
    ],
)
def test_an_invalid_json_line_is_reported_and_the_rest_is_used(tmp_path, line, problem):
    write(tmp_path, d_jsonl=f'{{"id": "b", "caption": "good"}}\n\n{line}\n')
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {"b": ["good"]}
    assert descriptions.problems == [f"{tmp_path / 'd.jsonl'}:3: {problem}"]


def test_several_files_about_one_gif_are_joined_in_name_order(tmp_path):
    write(tmp_path, a_tsv="jump.gif\tfirst\n", b_jsonl='{"id": "jump", "caption": "second"}\n')
    write(tmp_path, jump_txt="third\n")
    assert read_descriptions(tmp_path).captions == {"jump": ["first", "second", "third"]}


def test_one_file_alone(tmp_path):
    write(tmp_path, jump_txt="a cat\n", other_txt="no\n")
    assert read_descriptions(tmp_path / "jump.txt").captions == {"jump": ["a cat"]}


def test_other_files_do_not_count(tmp_path):
    write(tmp_path, jump_txt="a cat\n", notes_md="no\n", data_json='{"id": "a", "caption": "no"}')
    (tmp_path / "folder.txt").mkdir()
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {"jump": ["a cat"]}
    assert descriptions.problems == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_byte_order_mark_and_windows_line_ends_are_no_text(tmp_path, end, mark):
    write(
        tmp_path,
        a_txt=f"{mark}one{end}two{end}",
        b_tsv=f"{mark}b.gif\tthree{end}c.gif\tfour{end}",
        d_jsonl=f'{mark}{{"id": "d", "caption": "five"}}{end}',
    )
    descriptions = read_descriptions(tmp_path)
    assert descriptions.problems == []
    assert descriptions.captions == {
        "a": ["one", "two"],
        "b": ["three"],
        "c": ["four"],
        "d": ["five"],
    }


def test_accents_and_other_scripts_are_kept(tmp_path):
    write(tmp_path, a_txt="un café 猫 😀\n")
    assert read_descriptions(tmp_path).captions == {"a": ["un café 猫 😀"]}


@pytest.mark.parametrize("name", ["bad_txt", "bad_tsv", "bad_jsonl"])
def test_a_file_that_is_not_utf8_is_named_and_the_rest_is_used(tmp_path, name):
    write(tmp_path, **{name: b"a caf\xe9\n", "good_txt": "a cat\n"})
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {"good": ["a cat"]}
    path = tmp_path / name.replace("_", ".")
    assert descriptions.problems == [f"{path}: not UTF-8 text (byte 5; {LATIN}); save it as UTF-8"]


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_text_file_is_named_and_the_rest_is_used(tmp_path, text):
    write(tmp_path, empty_txt=text, good_txt="a cat\n")
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {"good": ["a cat"]}
    assert descriptions.problems == [f"{tmp_path / 'empty.txt'}: empty"]


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_used(tmp_path, monkeypatch):
    write(tmp_path, locked_txt="secret\n", good_txt="a cat\n")
    open_ = Path.open

    def denying(path, *arguments, **options):
        if path.name == "locked.txt":
            raise PermissionError(13, "Permission denied", str(path))
        return open_(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", denying)
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {"good": ["a cat"]}
    assert descriptions.problems == [
        f"{tmp_path / 'locked.txt'}: cannot be read: permission denied"
    ]


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(DescriptionError) as caught:
        read_descriptions(tmp_path / "gone")
    assert str(caught.value) == (
        f"{tmp_path / 'gone'}: no such file or folder; name it with --descriptions"
    )


def test_no_description_at_all_is_refused(tmp_path):
    with pytest.raises(
        DescriptionError, match=r"no descriptions here; write lines \{.*\.txt files"
    ):
        read_descriptions(tmp_path)
    write(tmp_path, empty_txt="")
    with pytest.raises(DescriptionError, match=r"no descriptions here \(.*empty\.txt: empty\)"):
        read_descriptions(tmp_path)


def test_a_gif_is_found_by_its_path_and_else_by_its_bare_name():
    descriptions = Descriptions({"x/jump": ["in x"], "jump": ["anywhere"]})
    assert descriptions.match(["x/jump", "y/cry"]).found == ["x/jump", None]
    assert descriptions.match(["y/jump"]).found == ["jump"]
    assert descriptions.match(["jump"]).found == ["jump"]
    assert Descriptions({"x/jump": ["in x"]}).match(["jump"]).found == ["x/jump"]


def test_a_bare_name_that_several_gifs_have_describes_none_of_them():
    descriptions = Descriptions({"x/jump": ["in x"], "jump": ["anywhere"]})
    assert descriptions.match(["x/jump", "y/jump"]).found == ["x/jump", None]
    assert descriptions.match(["jump", "y/jump"]).found == ["jump", None]


@pytest.mark.parametrize("number", [900, 1])
def test_the_number_of_a_picture_names_its_gif_and_not_that_of_the_caption(tmp_path, number):
    row = {"image_id": 7, "id": number, "caption": "a cat jumps"}
    write(tmp_path, d_jsonl=json.dumps(row))
    assert read_descriptions(tmp_path).captions == {"7": ["a cat jumps"]}


@pytest.mark.parametrize(
    ("row", "key"),
    [
        ({"id": "jump", "path": "cats/jump.gif"}, "cats/jump"),
        ({"id": "jump", "url": "https://x.example/a/jump.gif"}, "jump"),
        ({"image_id": 7, "file_name": "7.jpg", "url": None}, "7"),
        ({"id": 7.0}, "7"),
    ],
)
def test_several_names_of_one_gif_agree(tmp_path, row, key):
    write(tmp_path, d_jsonl=json.dumps({**row, "caption": "x"}))
    assert list(read_descriptions(tmp_path).captions) == [key]


def test_urls_that_differ_only_in_their_query_are_refused(tmp_path):
    urls = [f"https://x.example/view.gif?id={number}" for number in (1, 2)]
    write(tmp_path, t_tsv="".join(f"{url}\tno\n" for url in urls) + "b.gif\tyes\n")
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {"b": ["yes"]}
    [problem] = descriptions.problems
    assert f":2: {urls[1]} and {urls[0]} differ only after" in problem


def test_names_in_two_unicode_forms_are_one(tmp_path):
    lines = [unicodedata.normalize(form, "café.gif\t") + form for form in ("NFC", "NFD")]
    write(tmp_path, t_tsv="\n".join(lines))
    assert read_descriptions(tmp_path).captions == {"caf\u00e9": ["NFC", "NFD"]}


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        (
            "instances.json",
            '{"images": [], "annotations": [{"image_id": 1, "bbox": []}]}',
            "JSON with `annotations` and `images` but no captions",
        ),
        ("c.jsonl", '{\n "videos": []\n}', "JSON with `videos` but no captions"),
        ("c.json", '[\n{"id": 1, "caption": "x"}\n]', "a JSON list"),
        ("c.json", '{\n"id": 1,\n"caption": "x"\n}', "one JSON object over several lines"),
    ],
)
def test_a_file_of_another_format_is_named_as_such(tmp_path, name, text, kind):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DescriptionError) as caught:
        read_descriptions(path)
    assert str(caught.value) == f"{path}: {kind}, which is not read; {FORMS_READ}"


def test_very_many_problems_of_a_file_are_counted(tmp_path):
    write(tmp_path, t_tsv="a.gif\tfirst\n" + "no tab\n" * 250, u_tsv="no tab\n")
    descriptions = read_descriptions(tmp_path)
    path = tmp_path / "t.tsv"
    assert descriptions.problems[99:] == [
        f"{path}:101: not `name<TAB>sentence`",
        f"{path}: 150 more records that cannot be used",
        f"{tmp_path / 'u.tsv'}:1: not `name<TAB>sentence`",
    ]
    assert descriptions.num_unusable == 251


def test_a_table_without_known_columns_names_them(tmp_path):
    write(tmp_path, captions_csv="a.gif,x\n")
    reason = r"captions\.csv: its first row names no column of captions \(a\.gif, x\); call the"
    for path in (tmp_path, tmp_path / "captions.csv"):
        with pytest.raises(DescriptionError, match=reason):
            read_descriptions(path)


@pytest.mark.parametrize("name", ["lines.json", "lines.ndjson", "lines"])
def test_json_lines_are_read_from_files_of_any_name(tmp_path, name):
    (tmp_path / name).write_text('{"id": "a", "caption": "x"}\n{"id": "b", "caption": "y"}\n')
    assert read_descriptions(tmp_path / name).captions == {"a": ["x"], "b": ["y"]}


def test_the_output_of_gifdesc_caption_is_read(tmp_path):
    captions = [
        Caption("gifs/cats/a\\b.gif", caption="it moves"),
        Caption("gifs/c.gif", error="not a GIF"),
    ]
    for name, form in (("c.tsv", "tsv"), ("c.jsonl", "json")):
        (tmp_path / name).write_text("".join(CaptionLines(form).line(one) for one in captions))
        descriptions = read_descriptions(tmp_path / name)
        assert descriptions.captions == {"gifs/cats/a/b": ["it moves"]}
        assert descriptions.match(["cats/a/b"]).found == ["gifs/cats/a/b"]
        [problem] = descriptions.problems
        assert "c." in problem
        assert ":2: no caption" in problem


@pytest.mark.parametrize(
    "text",
    ["a.gif\tone\nb.gif\ttwo\n", '{"id": "a", "caption": "one"}\n{"id": "b", "caption": "two"}'],
)
def test_a_text_file_that_is_asked_for_alone_may_be_a_table(tmp_path, text):
    write(tmp_path, captions_txt=text)
    assert read_descriptions(tmp_path / "captions.txt").captions == {"a": ["one"], "b": ["two"]}
    assert list(read_descriptions(tmp_path).captions) == ["captions"], "in a folder it is a GIF's"
