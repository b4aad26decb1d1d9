"""What is found about descriptions, and the GIFs that lack them."""

from pathlib import Path

import numpy as np
import pytest

from check_findings import describe, found
from gif_files import draw_broken_gif, draw_gif
from gifdesc.data.descriptions import read_descriptions
from gifdesc.data.examples import pair
from gifdesc.data.feature_files import write_features
from gifdesc.errors import UsageError


def test_gifs_and_descriptions_that_miss_each_other(tmp_path):
    gifs = tmp_path / "gifs"
    for number, name in enumerate(("cats/jump", "cats/run", "bare"), start=2):
        draw_gif(gifs / f"{name}.gif", number)
    texts = tmp_path / "texts"
    describe(texts / "cats", jump_txt="a cat jumps high\n", sit_txt="a cat sits down\n")
    describe(
        texts, t_tsv="https://x.org/bare.gif\ta bare hill grows\nghost.gif\ta ghost walks home\n"
    )
    assert found(gifs, texts) == {
        "missing_description": [("gifs/cats/run.gif", "no description of cats/run")],
        "orphan_description": [
            ("texts/cats/sit.txt", "cats/sit: there is no GIF of this name"),
            ("texts/t.tsv", "ghost: there is no GIF of this name"),
        ],
    }


def test_a_bare_name_is_matched_as_in_training(tmp_path):
    gifs, texts = tmp_path / "gifs", describe(tmp_path / "texts", x_txt="it grows slowly")
    draw_gif(gifs / "a" / "x.gif", 2)
    assert found(gifs, texts) == {}
    draw_gif(gifs / "b" / "x.gif", 3)
    doubt = "; x could mean several GIFs, or several names could mean this GIF"
    assert found(gifs, texts) == {
        "missing_description": [
            (f"gifs/{name}.gif", f"no description of {name}{doubt}") for name in ("a/x", "b/x")
        ],
        "orphan_description": [("texts/x.txt", "x: could mean a/x or b/x")],
    }
    describe(texts / "a", x_txt="it shrinks slowly")
    assert [path for path, _ in found(gifs, texts)["missing_description"]] == ["gifs/b/x.gif"]


def test_gifs_that_training_pairs_are_not_missing(tmp_path):
    gifs, texts = tmp_path / "gifs", describe(tmp_path / "texts", x_txt="it grows", y_txt="it is")
    for number, name in enumerate(("a/x", "b/x", "c/y", "d/z"), start=2):
        draw_gif(gifs / f"{name}.gif", number)
        write_features(tmp_path / "features" / f"{name}.gif.npy", np.ones((1, 2), np.float32))
    pairing = pair(tmp_path / "features", read_descriptions(texts))
    missing = [path for path, _ in found(gifs, texts)["missing_description"]]
    assert missing == [f"gifs/{name}.gif" for name in pairing.without_description]
    orphans = [detail.partition(":")[0] for _, detail in found(gifs, texts)["orphan_description"]]
    assert orphans == pairing.without_features


def test_a_broken_gif_leaves_its_bare_name_to_the_other(tmp_path):
    gifs, texts = tmp_path / "gifs", describe(tmp_path / "texts", x_txt="it grows slowly")
    draw_broken_gif(gifs / "a" / "x.gif")
    draw_gif(gifs / "b" / "x.gif", 3)
    assert list(found(gifs, texts)) == ["unreadable"]


def test_a_broken_gif_is_still_the_gif_of_its_description(tmp_path):
    draw_broken_gif(tmp_path / "gifs" / "a.gif")
    texts = describe(tmp_path / "texts", a_txt="a red ball grows")
    assert list(found(tmp_path / "gifs", texts)) == ["unreadable"]


def text_findings(tmp_path: Path, **files: str | bytes) -> dict[str, list[str]]:
    """Details by kind of the findings about descriptions, with the good GIFs a, b and c."""
    for number, name in enumerate("abc", start=2):
        draw_gif(tmp_path / "gifs" / f"{name}.gif", number)
    texts = describe(tmp_path / "texts", **files)
    findings = found(tmp_path / "gifs", texts)
    findings.pop("missing_description", None)
    assert "orphan_description" not in findings
    return {kind: [detail for _, detail in listed] for kind, listed in findings.items()}


def test_damaged_description_files_and_lines(tmp_path):
    assert text_findings(
        tmp_path,
        a_txt=b"caf\xe9 with a terrace",
        t_tsv="only a name\na\ta good line here\n\tno name at all\n",
        j_jsonl='{"id": "b"\n[1]\n{"caption": "nobody has this"}\n',
    ) == {
        "bad_description": [
            "not UTF-8 text (byte 3; a guess: Latin-1 or Windows-1252); save it as UTF-8",
            "line 1: not JSON",
            "line 2: needs `id` and `caption` or `captions`",
            "line 3: needs `id` and `caption` or `captions`",
            "line 1: not `name<TAB>sentence`",
            "line 3: not `name<TAB>sentence`",
        ]
    }


def test_empty_descriptions(tmp_path):
    assert text_findings(
        tmp_path,
        a_txt=" \n\n",
        t_tsv="a\t \n",
        j_jsonl='{"id": "b", "captions": []}\n{"id": "b", "captions": ["it grows slowly", " "]}\n',
    ) == {
        "empty_description": [
            "no text in this file",
            "line 1: no caption",
            "line 2: no text for b",
            "line 1: no caption",
        ]
    }


def test_short_descriptions(tmp_path):
    assert text_findings(tmp_path, a_txt="cat\na  cat\na cat sits\n猫が跳ぶ\n猫\n") == {
        "short_description": ['a: "cat" is 1 word', 'a: "a cat" is 2 words', 'a: "猫" is 1 word']
    }


def test_a_repeated_text_of_a_gif_is_reported_once_and_case_is_ignored(tmp_path):
    assert text_findings(tmp_path, a_txt="A cat sits.\na cat  sits\na cat sits\n") == {
        "duplicate_description": ['a: "a cat sits" more than once']
    }


def test_a_text_for_several_gifs_names_the_first(tmp_path):
    long = "a cat jumps " * 20
    assert text_findings(tmp_path, a_txt=long, b_txt="it grows slowly", c_txt=long) == {
        "duplicate_description": [f'c: "{"a cat jumps " * 4}a cat jum..." describes a as well']
    }


def test_a_single_description_file_and_a_missing_one(tmp_path):
    draw_gif(tmp_path / "gifs" / "a.gif")
    texts = describe(tmp_path / "texts", a_txt="a red ball grows")
    assert found(tmp_path / "gifs", texts / "a.txt") == {}
    with pytest.raises(UsageError, match=r"gone: no such file"):
        found(tmp_path / "gifs", tmp_path / "gone")


def test_it_reads_the_captions_that_training_reads(tmp_path):
    """With a GIF for each description of `read_descriptions`, none is missing or an orphan."""
    texts = tmp_path / "texts"
    describe(texts / "sub", d_txt="the fourth one moves", description_7_txt="the report's own name")
    describe(
        texts,
        t_tsv="\ufeffa.gif\tthe first one moves\r\nhttps://x.org/b%20b.gif?w=1\tthe next moves\n",
        j_jsonl='{"url": "c", "captions": ["the third moves"]}\n{"id": 7, "caption": "x y z"}\n',
    )
    keys = list(read_descriptions(texts).captions)
    assert len(keys) == 6
    for number, key in enumerate(keys, start=2):
        draw_gif(tmp_path / "gifs" / f"{key.removeprefix('//')}.gif", number)
    assert found(tmp_path / "gifs", texts) == {}
