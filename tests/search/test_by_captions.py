import json

import pytest

from gifdesc.errors import DescriptionError, UsageError
from gifdesc.search.by_captions import search_captions


def write_captions(path, **captions):
    rows = [{"path": f"{name}.gif", "caption": text} for name, text in captions.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_rare_words_count_more_and_ties_are_in_order(tmp_path):
    path = write_captions(
        tmp_path / "captions.jsonl", d="a dog runs", c="a dog runs", b="a cat runs", e="nothing"
    )
    result = search_captions("Cat, runs!", path)
    assert [hit.path for hit in result.hits] == ["b.gif", "c.gif", "d.gif"]
    assert result.hits[0].score > result.hits[1].score == result.hits[2].score > 0
    assert result.hits[0].to_json()["caption"] == "a cat runs"
    assert (result.num_gifs, result.notes) == (4, ())


def test_accents_match_however_they_are_typed(tmp_path):
    path = write_captions(tmp_path / "c.jsonl", a="a caf\u00e9", b="the cafe\u0301", c="a cat")
    for query in ("caf\u00e9", "CAFE\u0301"):
        assert sorted(hit.path for hit in search_captions(query, path).hits) == ["a.gif", "b.gif"]


@pytest.mark.parametrize(
    "query", ["haired", "Red-haired", "red haired", "red\N{HYPHEN}haired", "long-haired"]
)
def test_parts_of_words_with_hyphens_are_words(tmp_path, query):
    path = write_captions(tmp_path / "c.jsonl", a="a red-haired girl", b="red, haired", c="a cat")
    result = search_captions(query, path)
    assert sorted(hit.path for hit in result.hits) == ["a.gif", "b.gif"]
    assert result.notes == (("long is in no caption",) if "long" in query else ())


def test_signs_that_are_no_words_are_reported(tmp_path):
    path = write_captions(tmp_path / "captions.jsonl", a="a cat laughs \N{FACE WITH TEARS OF JOY}")
    result = search_captions("a cat , \N{FACE WITH TEARS OF JOY} \N{DOG}", path)
    assert [hit.path for hit in result.hits] == ["a.gif"]
    assert result.notes == ("\N{FACE WITH TEARS OF JOY}, \N{DOG} are no words and do not count",)
    attached = search_captions("cat\N{FACE WITH TEARS OF JOY}", path)
    assert attached.notes == ("\N{FACE WITH TEARS OF JOY} is no word and does not count",)
    toned = search_captions("cat \U0001f44d\U0001f3fd \U0001fae8", path)
    assert toned.notes == ("\U0001f44d\U0001f3fd, \U0001fae8 are no words and do not count",)
    for query in ("\N{DOG}", "..."):
        with pytest.raises(UsageError, match="the query has no word"):
            search_captions(query, path)


@pytest.mark.parametrize(
    ("top", "notes"),
    [
        (1, ("3 more have the same score as the last GIF listed",)),
        (3, ("1 more has the same score as the last GIF listed",)),
        (4, ()),
        (5, ()),
    ],
)
def test_ties_that_are_cut_are_reported(tmp_path, top, notes):
    captions = dict.fromkeys("abcd", "a red ball") | {"e": "a long caption with a red ball in it"}
    path = write_captions(tmp_path / "captions.jsonl", **captions)
    result = search_captions("red", path, top=top)
    assert len(result.hits) == top
    assert result.notes == notes


def test_failed_lines_are_left_out_and_unknown_words_reported(tmp_path):
    path = write_captions(tmp_path / "captions.jsonl", a="a cat", b="a dog")
    with path.open("a", encoding="utf-8") as file:
        file.write('{"path": "c.gif", "error": "broken"}\n')
    result = search_captions("cat zebra", path)
    assert [hit.path for hit in result.hits] == ["a.gif"]
    assert result.notes == ("zebra is in no caption",)
    assert result.problems == ()


def test_a_folder_of_descriptions_counts_each_gif_by_its_best_caption(tmp_path):
    (tmp_path / "a.txt").write_text("a dog\na cat\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("a cat and a dog and more\n", encoding="utf-8")
    (tmp_path / "c.txt").write_text("a bird\n", encoding="utf-8")
    result = search_captions("cat", tmp_path)
    assert [(hit.path, hit.caption) for hit in result.hits] == [
        ("a", "a cat"),
        ("b", "a cat and a dog and more"),
    ]


def test_queries_that_find_nothing_are_refused(tmp_path):
    path = write_captions(tmp_path / "captions.jsonl", a="a cat")
    with pytest.raises(UsageError, match="the query has no word"):
        search_captions(" ?", path)
    with pytest.raises(UsageError, match="no caption contains any of these words"):
        search_captions("eine Katze", path)
    with pytest.raises(DescriptionError):
        search_captions("cat", tmp_path / "missing.jsonl")


@pytest.mark.parametrize("top", [0, -1])
def test_fewer_gifs_than_one_cannot_be_asked_for(tmp_path, top):
    (tmp_path / "a.txt").write_text("a red ball\n")
    with pytest.raises(ValueError, match=f"top must be 1 or more, not {top}"):
        search_captions("ball", tmp_path, top=top)
