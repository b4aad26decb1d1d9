"""What is found about GIFs and descriptions before a long run."""

import tracemalloc
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from gifdesc import gif_inspection, gif_source
from gifdesc.descriptions import read_descriptions
from gifdesc.errors import UsageError
from gifdesc.features import write_features
from gifdesc.findings import DESCRIPTION_KINDS, GIF_KINDS, KINDS, Kind
from gifdesc.inputs import find_gifs
from gifdesc.inspection import inspect_gifs
from gifdesc.pairing import pair
from helpers import draw_broken_gif, draw_gif, truncate


def found(gifs: Path, descriptions: Path | None = None) -> dict[str, list[tuple[str, str]]]:
    """Path under `gifs`' parent and detail of everything that is found, by kind."""
    by_kind: dict[str, list[tuple[str, str]]] = {}
    for inspection in inspect_gifs(find_gifs([gifs]), descriptions):
        for finding in inspection.findings:
            path = finding.path.relative_to(gifs.parent).as_posix()
            by_kind.setdefault(finding.kind, []).append((path, finding.detail))
    return by_kind


def draw_dead_gif(path: Path, num_frames: int = 3, size: tuple[int, int] = (8, 6)) -> Path:
    """Write a GIF whose frames have equal pixels of different palette indices."""
    frames = []
    for index in range(num_frames):
        frame = Image.new("P", size, index % 256)
        frame.putpalette([10, 20, 30] * 256)
        frames.append(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], optimize=False)
    with Image.open(path) as gif:
        assert gif.n_frames == num_frames
    return path


def describe(folder: Path, **files: str | bytes) -> Path:
    """Write description files, given as stem_suffix=content, and return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / ".".join(name.rsplit("_", 1))).write_bytes(data)
    return folder


def test_every_kind_has_a_line_of_help():
    assert tuple(KINDS) == get_args(Kind) == GIF_KINDS + DESCRIPTION_KINDS
    assert all("\n" not in line for line in KINDS.values())


def test_good_gifs_have_no_findings(tmp_path):
    draw_gif(tmp_path / "gifs" / "a.gif", 2)
    draw_gif(tmp_path / "gifs" / "sub" / "b.gif", 40)
    inspections = list(inspect_gifs(find_gifs([tmp_path / "gifs"])))
    assert [(one.is_gif, one.findings) for one in inspections] == [(True, [])] * 2


def test_what_gives_no_frame_is_unreadable_and_said_to_be_what_it_is(tmp_path):
    gifs = tmp_path / "gifs"
    draw_broken_gif(gifs / "a.gif")
    (gifs / "b.gif").write_bytes(b"")
    (gifs / "c.gif").write_text("<!DOCTYPE html><html>404</html>")
    draw_gif(gifs / "d.gif").write_bytes((gifs / "d.gif").read_bytes()[:15])
    findings = found(gifs)
    assert list(findings) == ["unreadable"]
    assert findings["unreadable"][:3] == [
        ("gifs/a.gif", "not a GIF (it starts like text)"),
        ("gifs/b.gif", "an empty file"),
        ("gifs/c.gif", "not a GIF (it starts like an HTML page)"),
    ]
    assert findings["unreadable"][3][1].startswith("a GIF without a usable image")


def test_an_argument_that_gives_no_file_is_found_and_is_no_gif(tmp_path):
    [inspection] = inspect_gifs(find_gifs([tmp_path / "gone.gif"]))
    assert not inspection.is_gif
    assert [(one.kind, one.detail) for one in inspection.findings] == [
        ("unreadable", "no such file or folder")
    ]


@pytest.mark.parametrize(("name", "what"), [("PNG", "a PNG"), ("JPEG", "a JPEG")])
def test_another_format_under_a_gif_name_is_said(tmp_path, name, what):
    gifs = tmp_path / "gifs"
    gifs.mkdir()
    Image.new("RGB", (20, 20), "teal").save(gifs / "x.gif", name)
    assert found(gifs) == {
        "not_gif": [("gifs/x.gif", f"{what} under a .gif name")],
        "still": [("gifs/x.gif", "one frame")],
    }


def test_an_animated_webp_that_moves_is_no_more_than_no_gif(tmp_path):
    gifs = tmp_path / "gifs"
    gifs.mkdir()
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "red")]
    frames[0].save(
        gifs / "x.gif", "WEBP", save_all=True, append_images=frames[1:], duration=50, lossless=True
    )
    assert found(gifs) == {"not_gif": [("gifs/x.gif", "a WebP under a .gif name")]}


def test_a_file_that_breaks_off_is_truncated(tmp_path):
    gifs = tmp_path / "gifs"
    truncate(draw_gif(gifs / "inside.gif", 6), 20)
    truncate(draw_gif(gifs / "trailer.gif", 6), 1)
    truncate(draw_gif(gifs / "two.gif", 2), 8)
    findings = found(gifs)
    assert findings == {
        "truncated": [
            ("gifs/inside.gif", "it ends inside image 6; 5 frames can be used"),
            ("gifs/trailer.gif", "no trailer: more frames may have followed"),
            ("gifs/two.gif", "it ends inside image 2; 1 frame can be used"),
        ],
        "still": [("gifs/two.gif", "one frame")],
    }


def test_damage_in_a_frame_that_is_decoded_is_seen(tmp_path):
    path = draw_gif(tmp_path / "gifs" / "a.gif", 3)
    data = bytearray(path.read_bytes())
    second = data.index(b"\x2c", data.index(b"\x2c") + 20)
    has_palette = data[second + 9] & 0x80
    start = second + 10 + (3 << ((data[second + 9] & 7) + 1) if has_palette else 0)
    size = data[start + 1]
    data[start + 2 : start + 2 + size] = b"\xff" * size
    path.write_bytes(data)
    assert found(path.parent) == {
        "truncated": [("gifs/a.gif", "image 2 is damaged; 1 frame can be used")],
        "still": [("gifs/a.gif", "one frame")],
    }


def test_one_frame_is_still_and_equal_frames_are_dead(tmp_path):
    gifs = tmp_path / "gifs"
    draw_dead_gif(gifs / "dead.gif", 3)
    draw_gif(gifs / "still.gif", 1)
    draw_gif(gifs / "there-and-back.gif", [(255, 0, 0), (0, 255, 0), (255, 0, 0)])
    assert found(gifs) == {
        "dead": [("gifs/dead.gif", "3 equal frames")],
        "still": [("gifs/still.gif", "one frame")],
    }


def test_a_gif_that_moves_late_is_not_dead(tmp_path):
    frames = [Image.new("P", (8, 6), index) for index in range(5)]
    for frame in frames:
        frame.putpalette([10, 20, 30] * 4 + [99, 99, 99] + [10, 20, 30] * 251)
    (tmp_path / "gifs").mkdir()
    path = tmp_path / "gifs" / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], optimize=False)
    assert found(path.parent) == {}


def test_decoding_ends_at_the_first_frame_that_differs(tmp_path, monkeypatch):
    path = draw_gif(tmp_path / "a.gif", 30)
    drawn = []
    read_gif = gif_inspection.read_gif

    def counting(data, *, name, reduce):
        return read_gif(data, name=name, reduce=lambda frame: drawn.append(1) or reduce(frame))

    monkeypatch.setattr(gif_inspection, "read_gif", counting)
    assert gif_inspection.GifInspector().inspect(path) == []
    assert len(drawn) == 2


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, monkeypatch):
    # `load_bytes` asks for its limit at once, of which the system gives what is read.
    monkeypatch.setattr(gif_inspection, "load_bytes", Path.read_bytes)
    frame_bytes = 400 * 300 * 3
    path = draw_dead_gif(tmp_path / "dead.gif", num_frames=60, size=(400, 300))
    inspector = gif_inspection.GifInspector()
    tracemalloc.start()
    try:
        [finding] = inspector.inspect(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert finding.detail == "60 equal frames"
    assert peak_bytes < 8 * frame_bytes


def test_a_large_canvas_file_or_number_of_frames_is_huge(tmp_path, monkeypatch):
    gifs = tmp_path / "gifs"
    draw_gif(gifs / "frames.gif", 11)
    draw_gif(gifs / "canvas.gif", 2, size=(21, 20))
    draw_gif(gifs / "just-not.gif", 10, size=(20, 20))
    monkeypatch.setattr(gif_inspection, "HUGE_CANVAS_PIXELS", 400)
    monkeypatch.setattr(gif_inspection, "HUGE_NUM_FRAMES", 10)
    assert found(gifs) == {
        "huge": [("gifs/canvas.gif", "21 x 20 pixels"), ("gifs/frames.gif", "11 frames")]
    }
    monkeypatch.setattr(gif_inspection, "HUGE_FILE_BYTES", 10)
    assert [path for path, _ in found(gifs)["huge"]] == [
        "gifs/canvas.gif",
        "gifs/frames.gif",
        "gifs/just-not.gif",
    ]


def test_what_the_reader_refuses_for_its_size_is_huge_and_unreadable(tmp_path, monkeypatch):
    gifs = tmp_path / "gifs"
    path = draw_gif(gifs / "canvas.gif", 2)
    path.write_bytes(path.read_bytes()[:6] + b"\xff\xff\xff\xff" + path.read_bytes()[10:])
    draw_gif(gifs / "long.gif", 60)
    monkeypatch.setattr(gif_source, "MAX_FILE_BYTES", 2000)
    findings = found(gifs)
    assert findings["huge"] == findings["unreadable"]
    assert [path for path, _ in findings["huge"]] == ["gifs/canvas.gif", "gifs/long.gif"]
    assert all(detail.startswith("too large (") for _, detail in findings["huge"])


def test_the_same_bytes_are_a_duplicate_of_the_first_that_has_them(tmp_path):
    gifs = tmp_path / "gifs"
    for name in ("a", "b", "sub/c"):
        draw_gif(gifs / f"{name}.gif", 3)
    draw_gif(gifs / "other.gif", 4)
    first = gifs / "a.gif"
    assert found(gifs) == {
        "duplicate": [
            ("gifs/b.gif", f"the same bytes as {first}"),
            ("gifs/sub/c.gif", f"the same bytes as {first}"),
        ]
    }


def test_a_file_that_is_given_twice_is_looked_at_once(tmp_path):
    gifs = tmp_path / "gifs"
    path = draw_gif(gifs / "a.gif", 1)
    inspections = list(inspect_gifs(find_gifs([path, gifs, gifs / ".." / "gifs" / "a.gif"])))
    assert [one.kind for step in inspections for one in step.findings] == ["still"]


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
            ("texts/cats/sit.txt", "cats/sit: there is no such GIF"),
            ("texts/t.tsv", "ghost: there is no such GIF"),
        ],
    }


def test_a_bare_name_counts_where_training_takes_it(tmp_path):
    gifs, texts = tmp_path / "gifs", describe(tmp_path / "texts", x_txt="it grows slowly")
    draw_gif(gifs / "a" / "x.gif", 2)
    assert found(gifs, texts) == {}
    draw_gif(gifs / "b" / "x.gif", 3)
    doubt = "; that of x does not say which of several GIFs it means"
    assert found(gifs, texts) == {
        "missing_description": [
            (f"gifs/{name}.gif", f"no description of {name}{doubt}") for name in ("a/x", "b/x")
        ],
        "orphan_description": [("texts/x.txt", "x: several GIFs have this name")],
    }
    describe(texts / "a", x_txt="it shrinks slowly")
    assert [path for path, _ in found(gifs, texts)["missing_description"]] == ["gifs/b/x.gif"]


def test_what_training_pairs_is_what_is_not_missing(tmp_path):
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
    """Details by kind of what is found about descriptions alone, the GIFs a, b and c being good."""
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
            "not UTF-8 text (byte 3); save it as UTF-8",
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
            "line 1: no text",
            "line 2: no text for b",
            "line 1: no text",
        ]
    }


def test_short_descriptions(tmp_path):
    assert text_findings(tmp_path, a_txt="cat\na  cat\na cat sits\n猫が跳ぶ\n猫\n") == {
        "short_description": ['a: "cat" is 1 word', 'a: "a cat" is 2 words', 'a: "猫" is 1 word']
    }


def test_a_text_twice_for_one_gif_is_said_once_and_case_makes_no_difference(tmp_path):
    assert text_findings(tmp_path, a_txt="A cat sits.\na cat  sits\na cat sits\n") == {
        "duplicate_description": ['a: "a cat sits" more than once']
    }


def test_a_text_for_several_gifs_names_the_first(tmp_path):
    long = "a cat jumps " * 20
    assert text_findings(tmp_path, a_txt=long, b_txt="it grows slowly", c_txt=long) == {
        "duplicate_description": [f'c: "{"a cat jumps " * 4}a cat jum..." is said of a as well']
    }


def test_one_description_file_and_one_that_is_not_there(tmp_path):
    draw_gif(tmp_path / "gifs" / "a.gif")
    texts = describe(tmp_path / "texts", a_txt="a red ball grows")
    assert found(tmp_path / "gifs", texts / "a.txt") == {}
    with pytest.raises(UsageError, match=r"gone: no such file"):
        found(tmp_path / "gifs", tmp_path / "gone")


def test_it_reads_the_captions_that_training_reads(tmp_path):
    """One GIF per description that `read_descriptions` knows leaves no orphan and none missing."""
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
        draw_gif(tmp_path / "gifs" / f"{key}.gif", number)
    assert found(tmp_path / "gifs", texts) == {}
