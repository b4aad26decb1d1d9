"""Feature files paired with captions, and the damaged ones left out."""

from pathlib import Path

import numpy as np
import pytest

from gifdesc.data import examples as pairing
from gifdesc.data.descriptions import Descriptions
from gifdesc.data.examples import Example, drop_damaged, pair
from gifdesc.data.feature_files import features_name, read_header, write_features
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.data.matrix_files import MatrixHeader
from gifdesc.errors import FeatureError
from worlds import example


def write(path: Path, num_frames: int = 3, size: int = 5) -> None:
    write_features(path, np.ones((num_frames, size), np.float32))


def read_headers(examples: list[Example]) -> tuple[list[Example], int, list[str]]:
    usable = drop_damaged(examples)
    return usable.examples, usable.feature_size, usable.problems


def test_feature_files_are_paired_and_the_rest_is_listed(tmp_path):
    for name in ("b.gif.npy", "x/a.gif.npy", "alone.gif.npy", "a.npy"):
        write(tmp_path / name)
    descriptions = Descriptions({"b": ["one", "two"], "x/a": ["three"], "gone": ["x"], "a": ["4"]})
    pairing = pair(tmp_path, descriptions)
    assert pairing.examples == [
        Example("a", tmp_path / "a.npy", ("4",)),
        Example("b", tmp_path / "b.gif.npy", ("one", "two")),
        Example("x/a", tmp_path / "x" / "a.gif.npy", ("three",)),
    ]
    assert pairing.without_description == ["alone"]
    assert pairing.without_features == ["gone"]


def test_a_table_of_bare_names_describes_gifs_in_folders(tmp_path):
    write(tmp_path / "x" / "tumblr_1.gif.npy")
    pairing = pair(tmp_path, Descriptions({"tumblr_1": ["a man"]}))
    assert [(one.name, one.captions) for one in pairing.examples] == [("x/tumblr_1", ("a man",))]
    assert pairing.without_features == []


def described(*names: str) -> Descriptions:
    descriptions = Descriptions()
    for name in names:
        descriptions.add(name, [f"a caption of {name}"])
    return descriptions


def captions_by_name(features_dir: Path, descriptions: Descriptions) -> dict[str, tuple[str, ...]]:
    return {one.name: one.captions for one in pair(features_dir, descriptions).examples}


def test_a_name_without_ending_of_a_gif_and_a_video_is_refused_as_ambiguous(tmp_path):
    for name in ("funny.gif", "funny.mp4", "rain.webm"):
        write(tmp_path / f"{name}.npy")
    pairing = pair(tmp_path, described("funny", "rain"))
    assert [one.name for one in pairing.examples] == ["rain.webm"]
    assert pairing.without_description == ["funny", "funny.mp4"]
    assert pairing.ambiguous == {"funny": ["funny", "funny.mp4"]}
    pairing = pair(tmp_path, Descriptions({"funny": ["a man"], "funny.mp4": ["a dog"]}))
    assert [(one.name, one.captions) for one in pairing.examples] == [
        ("funny", ("a man",)),
        ("funny.mp4", ("a dog",)),
    ]


@pytest.mark.parametrize("folder", ["", "set/", "other/set/"])
def test_a_table_that_names_gifs_and_videos_by_their_endings_is_no_ambiguity(tmp_path, folder):
    for name in ("set/x.gif", "set/x.mp4", "set/y.mp4", "set/y.gif"):
        (tmp_path / "set").mkdir(exist_ok=True)
        write(tmp_path / f"{name}.npy")
    gif, video = f"{folder}x.gif", f"{folder}y.mp4"
    assert captions_by_name(tmp_path, described(gif, video)) == {
        "set/x": (f"a caption of {gif}",),
        "set/y.mp4": (f"a caption of {video}",),
    }
    both = described(gif, f"{folder}x.mp4")
    assert [*captions_by_name(tmp_path, both)] == ["set/x", "set/x.mp4"]


def test_a_gif_that_lines_name_with_and_without_its_ending_is_ambiguous_beside_a_video(tmp_path):
    write(tmp_path / "x.gif.npy")
    assert [*captions_by_name(tmp_path, described("x.gif", "x"))] == ["x"]
    write(tmp_path / "x.mp4.npy")
    assert captions_by_name(tmp_path, described("x.gif", "x")) == {}


def test_if_no_path_fits_gifs_in_other_folders_are_paired_which_is_noted(tmp_path):
    for name in ("gifs/a", "gifs/b"):
        write(tmp_path / f"{name}.gif.npy")
    pairing = pair(tmp_path, Descriptions({"images/a": ["one"], "images/c": ["three"]}))
    assert [(one.name, one.captions) for one in pairing.examples] == [("gifs/a", ("one",))]
    assert list(pairing.notes()) == [
        "the descriptions name no GIF by its whole path, so they were paired with the feature "
        "files by the ends of their paths, such as gifs/a",
        "1 feature file without description: gifs/b",
        "1 description without feature file: images/c",
    ]
    pairing = pair(tmp_path, Descriptions({"images/a": ["one"], "gifs/b": ["two"]}))
    assert [one.name for one in pairing.examples] == ["gifs/b"]
    assert pairing.by == "names"
    pairing = pair(tmp_path, Descriptions({"x/a": ["one"], "y/a": ["two"]}))
    assert pairing.examples == []
    assert dict(pairing.ambiguous) == {"x/a": ["gifs/a"], "y/a": ["gifs/a"]}


def test_ids_are_compared_last_which_is_noted(tmp_path):
    write(tmp_path / "7.npy")
    pairing = pair(tmp_path, Descriptions({"a.jpg": ["one"]}, ids={"7": "a.jpg"}))
    [example] = pairing.examples
    assert (example.name, example.gif_id, example.captions) == ("7", "7", ("one",))
    [note] = pairing.notes()
    assert note.endswith("paired with the feature files by the data set's ids, such as 7")


def test_the_reports_files_meet(tmp_path):
    write(tmp_path / "gif_7_features_with_pe.npy")
    pairing = pair(tmp_path, Descriptions({"gif_7": ["a cat"]}))
    assert [(one.name, one.captions) for one in pairing.examples] == [("gif_7", ("a cat",))]


def test_a_folder_that_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(FeatureError, match="gone: no such folder; make it with `gifdesc extract"):
        pair(tmp_path / "gone", Descriptions({"a": ["x"]}))
    with pytest.raises(FeatureError, match="no feature files here; run `gifdesc extract` first"):
        pair(tmp_path, Descriptions({"a": ["x"]}))


def test_features_without_any_description_are_no_error_of_the_pairing(tmp_path):
    write(tmp_path / "a.npy")
    pairing = pair(tmp_path, Descriptions({"b": ["x"]}))
    assert (pairing.examples, pairing.without_description) == ([], ["a"])
    assert pairing.without_features == ["b"]


def test_damaged_feature_files_are_dropped_and_named(tmp_path):
    write(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_text("no")
    write(tmp_path / "c.npy", num_frames=1)
    write(tmp_path / "d.npy", size=6)
    examples = [example(tmp_path / f"{name}.npy", "x") for name in "abcd"]
    good, feature_size, problems = read_headers(examples)
    assert good == [examples[0], examples[2]]
    assert feature_size == 5
    assert problems == [
        f"{tmp_path / 'b.npy'}: not a .npy file of plain numbers; extract it again",
        f"{tmp_path / 'd.npy'}: has 6 features a frame where 5 are needed, as 2 of 3 files have",
    ]


@pytest.mark.parametrize(
    ("sizes", "wanted"), [((7, 5, 5), 5), ((5, 7, 7), 7), ((5, 7), 7), ((7, 5), 7), ((4, 4, 9), 4)]
)
def test_most_files_decide_the_feature_size(tmp_path, sizes, wanted):
    (tmp_path / "a.npy").write_text("no")
    for name, size in zip("bcd", sizes, strict=False):
        write(tmp_path / f"{name}.npy", size=size)
    examples = [example(path, "x") for path in sorted(tmp_path.iterdir())]
    good, feature_size, problems = read_headers(examples)
    kept = [one for one, size in zip(examples[1:], sizes, strict=True) if size == wanted]
    assert (good, feature_size) == (kept, wanted)
    assert len(problems) == len(examples) - len(kept)


@pytest.fixture
def headers_read(monkeypatch) -> list[str]:
    """Names of the files whose headers were read."""
    names: list[str] = []

    def spy(path: Path) -> MatrixHeader:
        names.append(path.stem)
        return read_header(path)

    monkeypatch.setattr(pairing, "read_header", spy)
    return names


def many(folder: Path) -> list[Example]:
    """300 files of one size, 200 of another."""
    for index in range(500):
        write(folder / f"{index:03}.npy", num_frames=1 if index % 5 < 3 else 2)
    return [example(path, "x") for path in sorted(folder.iterdir())]


def test_of_many_files_of_one_size_some_headers_are_read(tmp_path, headers_read):
    examples = many(tmp_path)
    write(tmp_path / "007.npy", size=4)
    (tmp_path / "008.npy").write_text("no")
    (tmp_path / "009.npy").unlink()
    good, feature_size, problems = read_headers(examples)
    assert good == examples[:7] + examples[10:]
    assert feature_size == 5
    assert problems == [
        f"{tmp_path / '007.npy'}: has 4 features a frame where 5 are needed, as 497 of 498 "
        "files have",
        f"{tmp_path / '008.npy'}: not a .npy file of plain numbers; extract it again",
        f"{tmp_path / '009.npy'}: cannot be read: no such file or directory",
    ]
    assert 2 * 64 <= len(headers_read) <= 2 * 80


def test_where_headers_of_one_size_disagree_all_are_read(tmp_path, headers_read):
    examples = many(tmp_path)
    first_size = (tmp_path / "000.npy").stat().st_size
    # As many bytes, but text; and as many numbers, but arranged another way.
    (tmp_path / "000.npy").write_bytes(b"x" * first_size)
    write(tmp_path / "003.npy", num_frames=5, size=2)
    write(tmp_path / "004.npy", num_frames=5, size=2)
    good, _, problems = read_headers(examples)
    assert good == examples[1:3] + examples[5:]
    assert [problem.partition(":")[0] for problem in problems] == [
        str(tmp_path / f"{name}.npy") for name in ("000", "003", "004")
    ]
    assert sorted(headers_read) == sorted(one.name for one in examples)


def test_files_of_other_floats_are_counted_and_used(tmp_path):
    for index, dtype in enumerate(["float32", "float16", "float16", "float64", ">f4"]):
        np.save(tmp_path / f"{index}.npy", np.ones((3, 5), dtype))
    np.save(tmp_path / "5.npy", np.ones((3, 4), np.float16))
    np.save(tmp_path / "6.npy", np.ones((3, 5), np.int32))
    usable = drop_damaged([example(path, "x") for path in sorted(tmp_path.iterdir())])
    assert [one.name for one in usable.examples] == list("01234")
    assert usable.num_converted == {"float16": 2, "float64": 1}
    assert len(usable.problems) == 2


def test_numbers_are_not_read(tmp_path):
    write_features(tmp_path / "a.npy", np.full((2, 3), np.nan, np.float32))
    examples = [example(tmp_path / "a.npy", "x")]
    assert read_headers(examples) == (examples, 3, [])


def test_damaged_files_alone_leave_no_examples(tmp_path):
    (tmp_path / "a.npy").touch()
    good, feature_size, problems = read_headers([example(tmp_path / "a.npy", "x")])
    assert (good, feature_size, len(problems)) == ([], 0, 1)


def test_a_shortened_name_meets_its_description_through_the_manifest(tmp_path):
    source = "x" * 251 + ".gif"
    entry = ManifestEntry(source=source, status="ok", features=features_name(source))
    write_features(tmp_path / entry.features, np.zeros((2, 3), np.float32))
    Manifest(tmp_path).add(entry)
    pairing = pair(tmp_path, Descriptions({"x" * 251: ["a ball grows"]}))
    assert [example.name for example in pairing.examples] == ["x" * 251]
    assert pairing.without_features == []
