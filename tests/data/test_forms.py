"""The forms of files of captions: each is recognised by its content, and read."""

import json
from typing import get_args

import pytest

from caption_forms import CAPTIONS, FILES, TEXTS
from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.forms.base import CaptionSource
from gifdesc.data.forms.form_names import FormName
from gifdesc.data.forms.registry import FORMS, read_captions, recognise
from gifdesc.errors import DescriptionError


def captions_of(form: FormName) -> list[list[str]]:
    """The captions that a file of `FILES` contains."""
    return [list(texts[:1]) if form == "coco-results" else list(texts) for texts in TEXTS]


def test_every_form_has_a_name_and_a_file_in_the_tests():
    assert set(FORMS) == set(get_args(FormName)) == {*FILES, "text"}


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("name", [None, "captions", "captions.txt"])
def test_a_form_is_recognised_by_its_content_alone(tmp_path, form, name):
    file = FILES[form]()
    path = file.write(tmp_path)
    if name is not None:
        path = path.rename(tmp_path / name)
    source = CaptionSource(path)
    assert [one.name for one in FORMS.values() if one.recognises(source)] == [form]
    assert recognise(source, needs_names=True).name == form


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_form_is_read_with_any_line_ends_and_a_byte_order_mark(tmp_path, form, mark, end):
    file = FILES[form]()
    path = file.write(tmp_path)
    path.write_text(mark + file.text.replace("\n", end), encoding="utf-8", newline="")
    descriptions = read_descriptions(path)
    assert descriptions.problems == []
    assert list(descriptions.captions.values()) == captions_of(form)
    assert bool(descriptions.splits) == file.has_splits
    found = descriptions.match([name.removesuffix(".gif") for name in file.gifs]).found
    assert found == list(descriptions.captions)


def write(tmp_path, name, content):
    path = tmp_path / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path, form=None):
    """The names that a file has captions for, and the problems of its records."""
    lines = list(read_captions(CaptionSource(path), form))
    names = [line.name for line in lines if line.problem is None and line.left_out is None]
    return names, [f"{line.unit} {line.number}: {line.problem}" for line in lines if line.problem]


IMAGES = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
NEEDED = "a text or a list of texts is needed"


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        ({"image_id": 1, "caption": None}, "no caption"),
        ({"image_id": 1, "caption": " "}, "no caption"),
        ({"image_id": 1, "caption": []}, "no caption"),
        ({"image_id": 1}, "no caption"),
        ({"image_id": 1, "caption": 5}, f"`caption` is a number; {NEEDED}"),
        ({"image_id": 1, "caption": [["x"]]}, f"`caption` contains a list; {NEEDED}"),
        ({"image_id": 7, "caption": "x"}, "no image has the id 7"),
        ({"caption": "x"}, "needs `image_id` and `caption`"),
        ("x", "needs `image_id` and `caption`"),
    ],
)
def test_an_annotation_of_coco_that_cannot_be_used_is_named(tmp_path, annotation, problem):
    good = [{"image_id": number, "caption": "x"} for number in (1, 2)]
    document = {"images": IMAGES, "annotations": [good[0], annotation, good[1]]}
    path = write(tmp_path, "coco.json", document)
    assert problems_of(path) == (["a.jpg", "b.jpg"], [f"annotation 2: {problem}"])
    assert read_descriptions(path).problems == [f"{path}: annotation 2: {problem}"]


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ({"id": 2, "file_name": "c.jpg"}, "several images have the id 2"),
        ({"id": 3, "file_name": "b.gif"}, None),
        ({"id": 3, "file_name": "b.jpg"}, "several images are called b.jpg"),
        ({"id": 2, "file_name": "b.jpg"}, None),
    ],
)
def test_two_images_of_coco_never_share_an_id_or_a_name(tmp_path, image, problem):
    annotations = [{"image_id": number, "caption": "x"} for number in (1, 2)]
    path = write(tmp_path, "c.json", {"images": [*IMAGES, image], "annotations": annotations})
    names, problems = problems_of(path)
    assert problems == ([] if problem is None else [f"annotation 2: {problem}"])
    assert names == (["a.jpg", "b.jpg"] if problem is None else ["a.jpg"])


@pytest.mark.parametrize(
    ("text", "damage"),
    [
        ('{"images": [{"id": 1}], "annotations": [', "Expecting value: line 1 column 41 (char 40)"),
        (
            '[\n{"image_id": 1, "caption": "x"\n',
            "Expecting ',' delimiter: line 3 column 1 (char 33)",
        ),
        ("[" * 100_000, "too many brackets within each other"),
    ],
)
def test_a_document_that_breaks_off_is_named_as_damaged(tmp_path, text, damage):
    path = write(tmp_path, "c.json", text)
    with pytest.raises(DescriptionError) as caught:
        read_descriptions(path)
    assert str(caught.value) == f"{path}: damaged JSON ({damage}); save it again"


def test_text_may_begin_with_a_bracket(tmp_path):
    path = write(tmp_path, "a.txt", "[laughing] a man\n")
    assert read_descriptions(path).captions == {"a": ["[laughing] a man"]}
    path = write(tmp_path, "a.tsv", "[a].gif\ta man\n")
    assert read_descriptions(path).captions == {"[a]": ["a man"]}


def test_images_without_files_are_named_by_their_ids(tmp_path):
    annotations = [{"image_id": 1, "caption": "x"}, {"image_id": "1", "caption": "y"}]
    path = write(tmp_path, "c.json", {"images": [{"id": 1.0}], "annotations": annotations})
    descriptions = read_descriptions(path)
    assert descriptions.captions == {"1": ["x", "y"]}
    assert descriptions.ids == {"1": "1"}


def test_ids_are_names_only_where_no_file_is_known(tmp_path):
    images = [{"id": 2, "file_name": "1.jpg"}, {"id": 1, "file_name": "2.jpg"}]
    annotations = [{"image_id": 1, "caption": "two"}, {"image_id": 2, "caption": "one"}]
    path = write(tmp_path, "c.json", {"images": images, "annotations": annotations})
    descriptions = read_descriptions(path)
    assert descriptions.match(["1", "2"]).found == ["1.jpg", "2.jpg"]
    assert descriptions.match(["1", "other"]).found == ["1.jpg", None]
    images[0]["file_name"], images[1]["file_name"] = "x.jpg", "y.jpg"
    path = write(tmp_path, "c.json", {"images": images, "annotations": annotations})
    assert read_descriptions(path).match(["1", "2", "z"]).found == ["y.jpg", "x.jpg", None]


def test_an_id_of_two_files_names_neither(tmp_path):
    for name in ("train", "val"):
        images = [{"id": 1, "file_name": f"{name}.jpg"}]
        annotations = [{"image_id": 1, "caption": name}]
        write(tmp_path, f"{name}.json", {"images": images, "annotations": annotations})
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {"train.jpg": ["train"], "val.jpg": ["val"]}
    assert descriptions.match(["1"]).found == [None]
    assert descriptions.match(["val"]).found == ["val.jpg"]


@pytest.mark.parametrize(
    ("sentence", "problem"),
    [
        ({"video_id": "video1", "caption": None}, "no caption"),
        ({"video_id": "video2", "caption": "x"}, "no video has the id video2"),
        ({"caption": "x"}, "needs `video_id` and `caption`"),
        (["video1", "x"], "needs `video_id` and `caption`"),
    ],
)
def test_a_sentence_of_msr_vtt_that_cannot_be_used_is_named(tmp_path, sentence, problem):
    videos = [{"video_id": "video1", "split": "test", "url": "https://x.example/watch?v=1"}]
    sentences = [sentence, {"video_id": "video1", "caption": "good"}]
    path = write(tmp_path, "m.json", {"videos": videos, "sentences": sentences})
    assert problems_of(path) == (["video1"], [f"sentence 1: {problem}"])
    *_, line = read_captions(CaptionSource(path))
    assert (line.split, line.url) == ("test", "https://x.example/watch?v=1")


def test_vatex_is_read_in_english_or_chinese_and_the_rest_is_counted(tmp_path):
    videos = [{"videoID": "v", "enCap": ["a cat"], "chCap": ["猫", "一只猫"]}, {"videoID": "w"}]
    path = write(tmp_path, "v.json", videos)
    descriptions = read_descriptions(path)
    assert descriptions.captions == {"v": ["a cat"]}
    assert descriptions.left_out == {"in Chinese": 2}
    assert descriptions.problems == [f"{path}: video 2: no caption"]
    descriptions = read_descriptions(path, "vatex-chinese")
    assert descriptions.captions == {"v": ["猫", "一只猫"]}
    assert descriptions.left_out == {"in English": 1}


def test_msvd_in_other_languages_is_counted(tmp_path):
    head = "VideoID,Start,End,Language,Description\n"
    path = write(tmp_path, "m.csv", head + "x,1,2,Dutch,een\nx,1,2,German,ein\nx,1,2,Dutch,de\n")
    descriptions = read_descriptions(path)
    assert descriptions.captions == {"x_1_2": ["een", "de"]}
    assert descriptions.left_out == {"not in Dutch": 1}


def test_a_damaged_row_of_flickr_is_mended_or_named(tmp_path):
    rows = ["image_name| comment_number| comment", "a.jpg| 0| a | b", "b.jpg| 4   A dog runs", "c"]
    path = write(tmp_path, "results.csv", "\n".join(rows))
    assert read_descriptions(path).captions == {"a.jpg": ["a | b"], "b.jpg": ["A dog runs"]}
    assert problems_of(path)[1] == ["line 4: not `image_name| comment_number| comment`"]


@pytest.mark.parametrize("name", ["token.txt", "token.tsv", "token"])
def test_a_line_without_a_tab_is_a_problem_among_lines_of_flickr(tmp_path, name):
    path = write(tmp_path, name, "1.jpg#0\tone\n2.jpg#0 no tab\n3.jpg#0\tthree\n")
    assert recognise(CaptionSource(path)).name == "flickr"
    assert problems_of(path) == (["1.jpg", "3.jpg"], ["line 2: not `name<TAB>sentence`"])


COLUMNS = [
    ("image,caption", "a.gif,x", "a.gif"),
    ("file_name;text", "cats/a.gif;x", "cats/a.gif"),
    ("Video ID\tSentence", "7\tx", "7"),
    ("url\tdescription", "https://x.example/a.gif\tx", "https://x.example/a.gif"),
    ("id,path,caption", "1,cats/a.gif,x", "cats/a.gif"),
    ("id,image_id,caption", "900,7,x", "7"),
    ("image_id,image,caption", "7,a.gif,x", "a.gif"),
    ("caption,gif", "x,a.gif", "a.gif"),
]


@pytest.mark.parametrize(("head", "row", "name"), COLUMNS)
def test_a_table_with_a_header_finds_names_and_captions(tmp_path, head, row, name):
    path = write(tmp_path, "t.csv", f"{head}\n{row}\n")
    [line] = read_captions(CaptionSource(path))
    assert (line.number, line.name, line.captions, line.problem) == (2, name, ("x",), None)


@pytest.mark.parametrize(
    ("name", "content", "warning"),
    [
        (
            "t.csv",
            "image,text,caption\na.gif,y,x\nb.gif,y,x\n",
            ": did not read column 2 (text), because the captions are in column 3 (caption)",
        ),
        (
            "t.csv",
            "image,caption,Caption\na.gif,x,y\nb.gif,x,y\n",
            ": did not read column 3 (Caption), because the captions are in column 2 (caption)",
        ),
        (
            "t.jsonl",
            '{"id": "a.gif", "text": "y", "caption": "x"}\n' * 2,
            ":1: did not read `text`, because the captions are under another key",
        ),
    ],
)
def test_second_captions_of_a_record_are_named_once(tmp_path, caplog, name, content, warning):
    path = write(tmp_path, name, content)
    lines = list(read_captions(CaptionSource(path)))
    assert [line.captions for line in lines] == [("x",), ("x",)]
    assert caplog.messages == [f"{path}{warning}"]


@pytest.mark.parametrize(
    ("head", "rows", "columns"),
    [
        ("VideoID,Start,End,Description,Description", "v,1,2,x,y", (5, 4, "Description")),
        ("VideoID,Start,VideoID,End,Description", "v,1,w,2,x", (3, 1, "VideoID")),
        ("file_name,caption,File Name", "v_1_2,x,b.gif", (3, 1, "file_name")),
    ],
)
def test_a_second_column_of_one_name_is_reported(tmp_path, caplog, head, rows, columns):
    path = write(tmp_path, "t.csv", f"{head}\n{rows}\n")
    [line] = read_captions(CaptionSource(path))
    assert (line.name, line.captions) == ("v_1_2", ("x",))
    unread, read, name = columns
    [warning] = caplog.messages
    assert warning.startswith(f"{path}:1: did not read column {unread} (")
    assert warning.endswith(f"), because column {read} ({name}) has the same name")


def test_a_line_with_one_key_twice_is_refused(tmp_path):
    lines = '{"id": "a", "caption": "x", "caption": "y"}\n{"id": "b", "caption": "x"}\n'
    path = write(tmp_path, "t.jsonl", lines + '{"id": "c", "id": "c", "caption": "x"}\n')
    assert problems_of(path) == (
        ["b", "c"],
        ["line 1: `caption` occurs twice in an object; remove all but one"],
    )
    path = write(tmp_path, "t.jsonl", '{"id": "a", "caption": "x", "caption": "y"}\n')
    with pytest.raises(DescriptionError, match=r"t\.jsonl:1: `caption` occurs twice"):
        read_descriptions(path)


def test_a_document_with_one_key_twice_is_reported_with_the_line_of_its_object(tmp_path, caplog):
    row = '{"image_id": 1,\n "caption": "x", "caption": "y"}'
    same = '{"image_id": 1, "caption": "z", "caption": "z"}'
    path = write(tmp_path, "t.json", f"[{same},\n{', '.join([row] * 6)}]")
    lines = read_captions(CaptionSource(path))
    assert [line.captions for line in lines] == [("z",)] + [("y",)] * 6
    twice = "`caption` occurs twice in an object; the last is read, so remove the other"
    assert caplog.messages == [
        *(f"{path}:{number}: {twice}" for number in range(2, 7)),
        f"{path}: a key occurs twice in 1 more object",
    ]


def test_a_document_with_one_key_twice_that_ends_early_is_no_json(tmp_path):
    # Found by fuzzing: the decoder gives up at the object, before the damage.
    path = write(tmp_path, "t.json", '{"images": [{"caption": "x", "caption": "y"}, {"id":]}')
    with pytest.raises(DescriptionError):
        list(read_captions(CaptionSource(path)))


def test_a_quoted_cell_that_may_contain_rows_is_reported(tmp_path, caplog):
    rows = "b,two\nc,three\nd,four"
    path = write(tmp_path, "t.csv", f'id,caption\nz,first\na,"one\n{rows}"\ne,five\n')
    assert problems_of(path) == (["z", "a", "e"], [])
    warning = "a quoted cell of 4 lines, of which 3 look like rows; check where its quote is closed"
    assert caplog.messages == [f"{path}:3: {warning}"]


@pytest.mark.parametrize(
    "cell", ["one\ntwo", "one, and\ntwo, three", "a\nb, c\nd, e", "one\n\ntwo\n\nthree\n"]
)
def test_a_caption_of_some_lines_is_not_reported(tmp_path, caplog, cell):
    path = write(tmp_path, "t.csv", f'id,caption\na,"{cell}"\nb,"{cell}"\n')
    assert problems_of(path) == (["a", "b"], [])
    assert caplog.messages == []


def test_a_caption_of_many_lines_is_reported(tmp_path, caplog):
    cell = "\n".join(["line"] * 11)
    path = write(tmp_path, "t.csv", f'id,caption\na,"{cell}"\nb,x\n')
    assert problems_of(path) == (["a", "b"], [])
    assert caplog.messages == [
        f"{path}:2: a quoted cell of 11 lines; check where its quote is closed"
    ]


def test_cells_may_contain_commas_tabs_quotes_and_line_breaks(tmp_path):
    cell = '"one,\ttwo\r\n""three"""'
    path = tmp_path / "t.csv"
    path.write_bytes(f'file_name,caption,split\r\n"a, b.gif",{cell},val\r\nc.gif,x,\r\n'.encode())
    descriptions = read_descriptions(path)
    assert descriptions.captions == {"a, b": ['one, two "three"'], "c": ["x"]}
    assert descriptions.splits == {"a, b": "val"}
    assert [line.number for line in read_captions(CaptionSource(path))] == [2, 4]


def test_a_row_of_other_cells_and_an_open_quote_are_named(tmp_path):
    path = write(tmp_path, "t.csv", "file_name,caption\na.gif,x\nb.gif,y,z\nc.gif\nd.gif,\n")
    assert problems_of(path)[1] == [
        "line 3: 3 cells where the first row has 2",
        "line 4: 1 cell where the first row has 2",
        "line 5: no caption",
    ]
    rows = "".join(f"{number}.gif,x\n" for number in range(60))
    path = write(tmp_path, "t.csv", f'file_name,caption\na.gif,"x\n{rows}')
    names, problems = problems_of(path)
    assert names == [f"{number}.gif" for number in range(60)]
    assert problems == ["line 2: a quoted cell of more than 50 lines; close its quotes"]
    path = write(tmp_path, "t.csv", f'file_name,caption\na.gif,"x\n{"y" * 200_000}')
    first, second = problems_of(path)[1]
    assert first.startswith("line 2: the quote of a cell is not closed")
    assert second.startswith("line 3: not a row of a table (field larger than")
    with pytest.raises(DescriptionError, match=r"t\.csv:2: the quote of a cell is not closed"):
        read_descriptions(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "image_id,image,caption\n7,a.gif,x\n"),
        ("t.jsonl", '{"image_id": 7, "file_name": "a.gif", "caption": "x"}'),
    ],
)
def test_the_number_of_an_image_beside_its_file_is_an_id(tmp_path, name, text):
    [line] = read_captions(CaptionSource(write(tmp_path, name, text)))
    assert (line.name, line.gif_id, line.problem) == ("a.gif", "7", None)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_the_metadata_of_a_hugging_face_folder_names_paths_under_its_own_folder(tmp_path, name):
    for folder in ("train", "validation", "test"):
        (tmp_path / folder).mkdir()
        text = f"file_name,text\na.gif,in {folder}\n"
        if name.endswith("jsonl"):
            text = json.dumps({"file_name": "a.gif", "text": f"in {folder}"})
        write(tmp_path / folder, name, text)
    descriptions = read_descriptions(tmp_path)
    assert descriptions.captions == {
        "test/a": ["in test"],
        "train/a": ["in train"],
        "validation/a": ["in validation"],
    }
    assert descriptions.splits == {"test/a": "test", "train/a": "train", "validation/a": "val"}
    write(tmp_path / "train", "metadata.txt", "of a GIF of this name\n")
    assert "train/metadata" in read_descriptions(tmp_path).captions
    alone = read_descriptions(tmp_path / "train" / name)
    assert (alone.captions, alone.splits) == ({"a": ["in train"]}, {})


@pytest.mark.parametrize("name", ["image", "video", "file", "link", "fileName", "Image Name"])
@pytest.mark.parametrize("caption", ["caption", "text", "description", "sentence", "comment"])
def test_tables_and_json_lines_have_the_same_names_of_fields(tmp_path, name, caption):
    table = write(tmp_path, "t.csv", f"{name},{caption}\na.gif,it moves\n")
    lines = write(tmp_path, "t.jsonl", json.dumps({name: "a.gif", caption: "it moves"}))
    for path in (table, lines):
        assert read_descriptions(path).captions == {"a": ["it moves"]}


def test_names_that_tables_have_are_other_fields_beside_a_name_in_json(tmp_path):
    row = {"id": "a", "image": {"width": 3}, "link": "https://x.example/page", "caption": "x"}
    path = write(tmp_path, "t.jsonl", json.dumps(row))
    assert read_descriptions(path).captions == {"a": ["x"]}
    path = write(tmp_path, "u.jsonl", json.dumps({"image": {"width": 3}, "caption": "x"}))
    with pytest.raises(DescriptionError, match="needs `id` and `caption`"):
        read_descriptions(path)


@pytest.mark.parametrize(
    ("rows", "names", "number"),
    [
        ('a.gif,"one\nb.gif,"two"\nc.gif,three\n', ["b.gif", "c.gif"], 2),
        ('a.gif,one\nb.gif,"two\nc.gif,three\n', ["a.gif", "c.gif"], 3),
        ('a.gif,"one\nb.gif,5"\nc.gif,three\n', ["b.gif", "c.gif"], 2),
        ('a.gif,"one"s\nb.gif,two\n', ["b.gif"], 2),
        ('"a.gif","one\nand"\n"b.gif","two\n"c.gif","three"\n', ["a.gif", "c.gif"], 4),
        ('"a\n.gif","one\n"b.gif","two"\n', ["b.gif"], 3),
        ('a.gif,"one', [], 2),
    ],
)
def test_an_open_quote_in_a_table_loses_one_row(tmp_path, rows, names, number):
    path = write(tmp_path, "t.csv", f"image,caption\n{rows}")
    found, [problem] = problems_of(path)
    assert found == names
    assert problem.startswith(f"line {number}: the quote of a cell is not closed")


@pytest.mark.parametrize("num_lines", [50, 51])
def test_a_quoted_cell_of_a_table_has_as_many_lines_at_most(tmp_path, num_lines):
    path = write(tmp_path, "t.csv", 'file,text\na.gif,"' + "x\n" * (num_lines - 1) + '"\n')
    if num_lines == 50:
        assert len(read_descriptions(path).captions["a"]) == 1
    else:
        with pytest.raises(DescriptionError, match="a quoted cell of more than 50 lines"):
            read_descriptions(path)


def test_a_split_is_named_once(tmp_path):
    rows = [{"id": "a", "caption": "x", "split": split} for split in ("val", "dev", "train")]
    path = write(tmp_path, "d.jsonl", "\n".join(map(json.dumps, rows)))
    descriptions = read_descriptions(path)
    assert descriptions.splits == {"a": "val"}
    assert descriptions.problems == [
        f"{path}:3: a is in the train split and in the val split, which was named first; it stays "
        "in val"
    ]


SPLIT_ROWS = [("a.gif", "train", "one"), ("a.gif", "test", "two"), ("a.gif", "test", "three")]
TWO_SPLITS = {
    "t.csv": "image,split,caption\n" + "".join(",".join(row) + "\n" for row in SPLIT_ROWS),
    "t.tsv": "image\tsplit\tcaption\n" + "".join("\t".join(row) + "\n" for row in SPLIT_ROWS),
    "t.jsonl": "\n".join(
        json.dumps({"id": name, "split": split, "caption": text})
        for name, split, text in SPLIT_ROWS
    ),
    "msr-vtt.json": {
        "videos": [{"video_id": name, "split": split} for name, split, _ in SPLIT_ROWS],
        "sentences": [{"video_id": name, "caption": text} for name, _, text in SPLIT_ROWS],
    },
    "coco.json": {
        "images": [{"id": 1, "file_name": name, "split": split} for name, split, _ in SPLIT_ROWS],
        "annotations": [{"image_id": 1, "caption": text} for _, _, text in SPLIT_ROWS],
    },
}


@pytest.mark.parametrize("name", TWO_SPLITS)
def test_the_first_of_two_splits_counts_in_every_form(tmp_path, name):
    path = write(tmp_path, name, TWO_SPLITS[name])
    descriptions = read_descriptions(path)
    assert list(descriptions.captions.values()) == [["one", "two", "three"]]
    assert list(descriptions.splits.values()) == ["train"]
    [problem] = descriptions.problems
    assert "a.gif is in the test split and in the train split" in problem
    assert descriptions.num_unusable == 0


@pytest.mark.parametrize("name", TWO_SPLITS)
def test_unknown_splits_are_reported_once(tmp_path, caplog, name):
    content = TWO_SPLITS[name]
    text = content if isinstance(content, str) else json.dumps(content)
    path = write(tmp_path, name, text.replace("train", "odd").replace("test", "odd"))
    descriptions = read_descriptions(path)
    assert (descriptions.splits, descriptions.problems) == ({}, [])
    assert caplog.messages == [
        f"{path}: 3 records in a split that is none of train, val and test (odd), which does not "
        "count"
    ]


TWO_FORMS = [
    (
        {
            "images": IMAGES,
            "annotations": [{"image_id": 1, "caption": "x"}],
            "videos": [{"video_id": 1}],
            "sentences": [{"video_id": 1, "caption": "x"}],
        },
        "COCO captions (coco) or MSR-VTT (msr-vtt)",
        "coco|msr-vtt",
    ),
    (
        [{"image_id": 1, "caption": "x", "videoID": 1, "enCap": ["x"]}],
        "COCO results (coco-results) or VATEX (vatex)",
        "coco-results|vatex",
    ),
    (
        "a.jpg#0\tone\nb.jpg\ttwo\n",
        "lines of name<TAB>sentence (tsv) or Flickr's name#0<TAB>caption (flickr)",
        "tsv|flickr",
    ),
    (
        "a#1\tone\nb#2\ttwo\n",
        "lines of name<TAB>sentence (tsv) or Flickr's name#0<TAB>caption (flickr)",
        "tsv|flickr",
    ),
    (
        "vid1 one\na cat walks on a wall\n",
        "text, a description a line (text) or lines of `id sentence`, as in MSVD (msvd)",
        "text|msvd",
    ),
]


@pytest.mark.parametrize(("content", "forms", "names"), TWO_FORMS)
def test_a_file_of_two_forms_is_refused_until_an_option_decides(tmp_path, content, forms, names):
    path = write(tmp_path, "d.txt", content)
    with pytest.raises(DescriptionError) as caught:
        read_descriptions(path)
    wanted = f"{path}: could be {forms}; choose with --descriptions-format {names}"
    assert str(caught.value) == wanted
    for name in names.split("|"):
        assert read_descriptions(path, name).captions


def test_a_header_that_may_be_a_row_is_refused(tmp_path):
    path = write(tmp_path, "d.tsv", "clip\tsentence\nx.gif\tit moves\n")
    with pytest.raises(DescriptionError, match=r"choose with --descriptions-format tsv\|csv"):
        read_descriptions(path)
    assert list(read_descriptions(path, "tsv").captions) == ["clip", "x"]
    with pytest.raises(DescriptionError, match=r"no column of GIFs \(clip, sentence\)"):
        read_descriptions(path, "csv")


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("other", FORMS)
def test_a_file_read_in_a_wrong_form_ends_in_a_sentence(tmp_path, form, other):
    path = FILES[form]().write(tmp_path)
    try:
        descriptions = read_descriptions(path, other)
    except DescriptionError as error:
        sentences = [str(error)]
    else:
        assert descriptions.captions
        assert all(texts and all(texts) for texts in descriptions.captions.values())
        sentences = descriptions.problems
    for sentence in sentences:
        assert str(path) in sentence
        assert "\n" not in sentence.replace(str(path), "")


def test_lines_before_the_first_clip_are_counted(tmp_path, caplog):
    path = FILES["msvd"]().write(tmp_path)
    assert not read_descriptions(path).problems
    assert caplog.messages == [f"{path}: skipped 3 lines before the first `id sentence`"]


def test_ids_before_sentences_are_no_text_of_a_single_gif(tmp_path):
    words = ("v_01", "clip7", "cat.gif", "00123", "https://x.example/dog.gif")
    path = write(tmp_path, "v.txt", "".join(f"{word} a man jumps\n" for word in words))
    with pytest.raises(DescriptionError) as caught:
        read_descriptions(path)
    assert str(caught.value) == (
        f"{path}: could be text, a description a line (text) or lines of `id sentence`, as in MSVD "
        "(msvd); choose with --descriptions-format text|msvd"
    )
    assert read_descriptions(path, "text").captions["v"][0] == "v_01 a man jumps"
    descriptions = read_descriptions(path, "msvd")
    gifs = ("v_01", "clip7", "cat", "00123", "dog")
    assert descriptions.match(gifs).found == list(descriptions.captions)
    assert {*map(tuple, descriptions.captions.values())} == {("a man jumps",)}
    lines = read_captions(CaptionSource(path), needs_names=True)
    assert [line.name for line in lines] == [*words]


def test_numbers_of_videos_are_ids(tmp_path):
    path = write(tmp_path, "v.txt", "video0 a man jumps\nvideo0 a man leaps\nvideo1 a dog runs\n")
    assert read_descriptions(path).captions == {
        "video0": ["a man jumps", "a man leaps"],
        "video1": ["a dog runs"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "a man jumps\na man leaps\n",
        "2 men jump\n2 men leap\n",
        "1. a man jumps\n2. a man leaps\n",
        "jump a man jumps\nrun a dog runs\n",
        "一只 猫\n两只 猫\n",
    ],
)
def test_a_text_file_alone_is_of_one_gif_and_that_is_reported(tmp_path, caplog, text):
    path = write(tmp_path, "v.txt", text)
    assert read_descriptions(path).captions == {"v": text.splitlines()}
    assert caplog.messages == [
        f"{path}: read as the captions of a single GIF, v; if its lines name GIFs, choose its "
        "form with --descriptions-format (such as msvd for lines of `id sentence`)"
    ]
    caplog.clear()
    read_descriptions(path, "text")
    read_descriptions(tmp_path)
    assert not caplog.messages


def test_a_text_file_of_rows_without_names_of_columns_is_refused(tmp_path):
    path = write(tmp_path, "v.txt", "cats/a.gif,a man jumps\nb.gif,a dog runs\n")
    with pytest.raises(DescriptionError) as caught:
        read_descriptions(path)
    assert str(caught.value) == (
        f"{path}: its first row names no column of captions (cats/a.gif, a man jumps); call the "
        "columns file_name and caption"
    )


def test_any_word_is_an_id_where_the_form_is_chosen_and_no_line_has_one_of_msvd(tmp_path):
    path = write(tmp_path, "v.txt", "jump a man jumps\njump he leaps\nrun  a dog runs\nalone\n")
    descriptions = read_descriptions(path, "msvd")
    assert descriptions.captions == {"jump": ["a man jumps", "he leaps"], "run": ["a dog runs"]}
    assert descriptions.problems == [f"{path}:4: not `id sentence`"]


@pytest.mark.parametrize(
    ("name", "content", "form", "problem"),
    [
        ("d.tsv", "\n \n", None, "empty"),
        ("d.txt", "\n", None, "empty"),
        ("d.csv", "file_name,caption\n", None, "contains no captions"),
        ("d.txt", "a man jumps\n", "coco", "contains no captions in the form coco"),
    ],
)
def test_a_file_without_captions_is_empty_only_if_it_has_no_text(
    tmp_path, name, content, form, problem
):
    path = write(tmp_path, name, content)
    with pytest.raises(DescriptionError) as caught:
        read_descriptions(path, form)
    assert str(caught.value) == f"{path}: {problem}"


def test_the_quotes_in_the_test_data_are_read():
    assert any('"' in text and "," in text for texts in CAPTIONS for text in texts)
