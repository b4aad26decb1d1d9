"""Feature files, the recipe of a folder, the manifest: written, read back, and refused."""

import dataclasses
import io
import json
import os
import random

import numpy as np
import pytest

from gifdesc.config import FeatureRecipe
from gifdesc.data.feature_files import (
    RECIPE_NAME,
    check_same_recipe,
    claim_folder,
    features_name,
    read_features,
    read_recipe,
    write_features,
)
from gifdesc.data.manifest import MANIFEST_NAME, Manifest, ManifestEntry
from gifdesc.errors import FeatureError

RECIPE = FeatureRecipe(weights_sha256="ab" * 32, gifdesc_version="0.1.0")
FEATURES = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
NOT_UTF8 = os.fsdecode(b"caf\xe9.gif")

ENTRY = ManifestEntry(
    source="cats/jump.gif",
    status="truncated",
    error="the file breaks off in frame 3",
    note="a WebP under a .gif name",
    size_bytes=123,
    sha256="cd" * 32,
    num_frames=3,
    duration_ms=250,
    sampled_frames=(0, 1, 2),
    sampled_times_ms=(0, 100, 200),
    features="cats/jump.gif.npy",
)


def npy_bytes(array: np.ndarray, **options: bool) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


# Names


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("jump.gif", "jump.gif.npy"),
        ("x/jump.gif", "x/jump.gif.npy"),
        ("y/z/jump.gif", "y/z/jump.gif.npy"),
        ("noise.GIF", "noise.GIF.npy"),
        ("no-suffix", "no-suffix.npy"),
    ],
)
def test_a_feature_file_has_the_gifs_path_and_npy(source, name):
    assert features_name(source) == name


def test_no_two_gifs_share_a_feature_file():
    sources = ["cat.gif", "a/cat.gif", "b/cat.gif", "cat.GIF", "cat", "cat.webp", NOT_UTF8]
    sources += ["x" * 251 + ".gif", "x" * 250 + "y.gif", "é" * 125 + "a.gif", "é" * 125 + "b.gif"]
    assert len({features_name(source) for source in sources}) == len(sources)


@pytest.mark.parametrize("stem", ["x" * 251, "é" * 125, "😀" * 62, os.fsdecode(b"\xe9") * 251])
def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path, stem):
    source = f"folder/{stem}.gif"
    name = features_name(source)
    assert name.startswith("folder/")
    assert name.endswith(".npy")
    assert len(os.fsencode(name.removeprefix("folder/"))) <= 255
    assert features_name(source) == name
    write_features(tmp_path / name, FEATURES)
    np.testing.assert_array_equal(read_features(tmp_path / name), FEATURES)


def test_a_name_is_hashed_only_where_it_must_be():
    assert features_name("x" * 247 + ".gif") == "x" * 247 + ".gif.npy"  # 255 bytes
    assert features_name("x" * 248 + ".gif") != "x" * 248 + ".gif.npy"


def test_a_name_that_is_not_utf8(tmp_path):
    path = tmp_path / features_name(NOT_UTF8)
    write_features(path, FEATURES)
    assert [os.fsencode(one.name) for one in tmp_path.iterdir()] == [b"caf\xe9.gif.npy"]
    np.testing.assert_array_equal(read_features(path), FEATURES)


# Feature files


@pytest.mark.parametrize("num_frames", [1, 3, 16])
def test_written_features_are_read_back(tmp_path, num_frames):
    features = np.random.default_rng(0).standard_normal((num_frames, 2048)).astype(np.float32)
    write_features(tmp_path / "new" / "a.npy", features)
    read = read_features(tmp_path / "new" / "a.npy", 2048)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, features)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.npy"]


def test_any_program_can_read_a_feature_file(tmp_path):
    write_features(tmp_path / "a.npy", FEATURES)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), FEATURES)


def test_a_file_in_column_order_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(FEATURES))
    np.testing.assert_array_equal(read_features(tmp_path / "a.npy"), FEATURES)


class Trap:
    """Leaves a mark when it is unpickled."""

    sprung = False

    def __reduce__(self):
        return (setattr, (Trap, "sprung", True))


WRONG_ARRAYS = {
    "int32": (FEATURES.astype(np.int32), "holds int32, not float32"),
    "text": (np.array([["a"]]), "holds <U1, not float32"),
    "complex": (FEATURES.astype(np.complex64), "holds complex64, not float32"),
    "beyond float32": (FEATURES.astype(np.float64) * 1e300, "holds numbers that are not finite"),
    "scalar": (np.float32(1), r"has shape \(\), not \(frames, features\)"),
    "vector": (FEATURES[0], r"has shape \(4,\), not \(frames, features\)"),
    "cube": (FEATURES[None], r"has shape \(1, 3, 4\), not \(frames, features\)"),
    "no frame": (FEATURES[:0], r"has shape \(0, 4\), not \(frames, features\)"),
    "no feature": (FEATURES[:, :0], r"has shape \(3, 0\), not \(frames, features\)"),
    "NaN": (np.where(FEATURES == 0, np.nan, FEATURES), "not finite"),
    "infinity": (np.where(FEATURES == 0, np.inf, FEATURES), "not finite"),
    "minus infinity": (np.where(FEATURES == 0, -np.inf, FEATURES), "not finite"),
    "huge": (
        np.where(FEATURES == 0, 1e30, FEATURES),
        r"holds numbers beyond 1e\+15; extract it again",
    ),
    "minus huge": (np.where(FEATURES == 0, -1e30, FEATURES), r"holds numbers beyond 1e\+15"),
}


@pytest.mark.parametrize("kind", WRONG_ARRAYS)
def test_a_wrong_array_is_refused_with_path_and_reason(tmp_path, kind):
    array, message = WRONG_ARRAYS[kind]
    np.save(tmp_path / "wrong.npy", array)
    with pytest.raises(FeatureError, match=message) as caught:
        read_features(tmp_path / "wrong.npy")
    assert str(caught.value).startswith(f"{tmp_path / 'wrong.npy'}: ")


def test_another_feature_size_than_wanted_is_refused(tmp_path):
    write_features(tmp_path / "a.npy", FEATURES)
    with pytest.raises(FeatureError, match="has 4 features a frame where 2048 are needed"):
        read_features(tmp_path / "a.npy", 2048)


WHOLE = npy_bytes(FEATURES)
WRONG_FILES = {
    "empty": b"",
    "text": b"just some text\n",
    "truncated header": WHOLE[:50],
    "truncated numbers": WHOLE[:-1],
    "header alone": WHOLE[:128],
    "damaged header": WHOLE.replace(b"'shape'", b"'shapf'"),
    "unclosed header": WHOLE.replace(b"}", b"{"),
    "more frames than memory": WHOLE.replace(b"(3, 4), }        ", b"(99999999999,4),}"),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, kind):
    (tmp_path / "a.npy").write_bytes(WRONG_FILES[kind])
    with pytest.raises(FeatureError) as caught:
        read_features(tmp_path / "a.npy")
    wanted = f"{tmp_path / 'a.npy'}: not a .npy file of plain numbers; extract it again"
    assert str(caught.value) == wanted


@pytest.mark.parametrize("kind", ["object array", "bare pickle"])
def test_nothing_pickled_is_loaded(tmp_path, kind):
    array = np.array([Trap()], dtype=object)
    pickled = array.dumps() if kind == "bare pickle" else npy_bytes(array, allow_pickle=True)
    (tmp_path / "a.npy").write_bytes(pickled)
    with pytest.raises(FeatureError, match=r"not a \.npy file of plain numbers"):
        read_features(tmp_path / "a.npy")
    assert not Trap.sprung


def test_an_archive_of_arrays_is_refused(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, features=FEATURES)
    with pytest.raises(FeatureError, match=r"an \.npz archive, not a \.npy file"):
        read_features(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(FeatureError, match=r"an \.npz archive, not a \.npy file"):
        read_features(tmp_path / "a.npy")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(FeatureError, match=r"gone\.npy: no such file"):
        read_features(tmp_path / "gone.npy")
    with pytest.raises(FeatureError, match=str(tmp_path)):
        read_features(tmp_path)


def test_any_damage_is_a_feature_error(tmp_path):
    chance = random.Random(0)
    path = tmp_path / "a.npy"
    refused = 0
    for _ in range(300):
        damaged = bytearray(WHOLE)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged[: chance.choice([None, chance.randrange(len(damaged))])])
        try:
            read_features(path)
        except FeatureError:
            refused += 1
    assert refused > 200


# Recipe


def test_a_new_folder_is_claimed_with_its_recipe(tmp_path):
    claim_folder(tmp_path / "features", RECIPE)
    assert read_recipe(tmp_path / "features") == RECIPE
    written = json.loads((tmp_path / "features" / RECIPE_NAME).read_text())
    assert written == dataclasses.asdict(RECIPE)


def test_a_folder_without_recipe_has_none(tmp_path):
    assert read_recipe(tmp_path) is None
    assert read_recipe(tmp_path / "gone") is None


def test_a_folder_of_the_same_recipe_is_claimed_again(tmp_path):
    claim_folder(tmp_path, RECIPE)
    write_features(tmp_path / "a.npy", FEATURES)
    claim_folder(tmp_path, RECIPE)
    assert read_recipe(tmp_path) == RECIPE
    assert (tmp_path / "a.npy").is_file()


def test_a_folder_of_other_weights_is_refused_by_their_names(tmp_path):
    claim_folder(tmp_path, RECIPE)
    other = dataclasses.replace(RECIPE, weights="random", weights_sha256="f" * 64)
    with pytest.raises(FeatureError, match="with weights imagenet1k-v1, not random"):
        claim_folder(tmp_path, other)


def test_another_version_of_gifdesc_is_no_other_recipe(tmp_path):
    claim_folder(tmp_path, RECIPE)
    claim_folder(tmp_path, dataclasses.replace(RECIPE, gifdesc_version="9.9"))
    assert read_recipe(tmp_path) == RECIPE


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("sampling", "step", "with sampling uniform, not step"),
        ("num_frames", 8, "with num_frames 16, not 8"),
        ("framing", "crop", "with framing whole, not crop"),
        ("encoding", "none", "with encoding sinusoidal, not none"),
    ],
)
def test_a_folder_of_another_recipe_is_refused_with_the_field(tmp_path, field, value, said):
    option = f"--{field.replace('_', '-')} {getattr(RECIPE, field)}"
    hint = f" (extract {'--positional-encoding' if field == 'encoding' else option})"
    claim_folder(tmp_path, RECIPE)
    with pytest.raises(FeatureError) as caught:
        claim_folder(tmp_path, dataclasses.replace(RECIPE, **{field: value}))
    assert str(caught.value) == (
        f"{tmp_path}: its features were made {said}; use another folder, or the same {field}{hint}"
    )
    assert read_recipe(tmp_path) == RECIPE


def test_all_fields_that_differ_are_named():
    other = dataclasses.replace(RECIPE, num_frames=4, encoding="none", framing="crop")
    with pytest.raises(FeatureError) as caught:
        check_same_recipe(RECIPE, other, "the features")
    text = str(caught.value)
    for part in (
        "num_frames 16, not 4",
        "encoding sinusoidal, not none",
        "framing whole, not crop",
    ):
        assert part in text
    assert "(extract --num-frames 16 --framing whole --positional-encoding)" in text


def test_fields_that_follow_from_another_need_not_be_named():
    other = dataclasses.replace(
        RECIPE, backbone="resnet18", weights_sha256="f" * 64, resize_size=256, framing="crop"
    )
    with pytest.raises(FeatureError, match="framing whole, not crop") as caught:
        check_same_recipe(RECIPE, other, "the features")
    assert "resize_size" not in str(caught.value)
    assert "weights" not in str(caught.value)
    untrained = dataclasses.replace(other, weights="random")
    with pytest.raises(FeatureError, match=f"weights {RECIPE.weights}, not random"):
        check_same_recipe(RECIPE, untrained, "the features")


def test_features_of_another_model_are_refused_with_who():
    with pytest.raises(FeatureError, match="the model's features were made with num_frames 16"):
        check_same_recipe(RECIPE, dataclasses.replace(RECIPE, num_frames=4), "the model's features")
    check_same_recipe(RECIPE, RECIPE, "the model's features")


@pytest.mark.parametrize("place", ["a.npy", "deep/er/a.npy"])
def test_a_folder_of_features_made_elsewhere_is_refused(tmp_path, place):
    write_features(tmp_path / place, FEATURES)
    with pytest.raises(FeatureError, match=r"feature files without recipe\.json.*--output"):
        claim_folder(tmp_path, RECIPE)
    assert not (tmp_path / RECIPE_NAME).exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"weights_sha256": "x"}', '{"format": 1}', "\udce9"]
)
def test_a_damaged_recipe_is_refused(tmp_path, text):
    (tmp_path / RECIPE_NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FeatureError, match=r"recipe\.json: not a recipe of this gifdesc"):
        claim_folder(tmp_path, RECIPE)


# Manifest


def test_a_manifest_comes_back(tmp_path):
    entries = [
        ENTRY,
        ManifestEntry(source="b.gif", status="failed", error="not a GIF"),
        ManifestEntry(source=NOT_UTF8, status="ok", sampled_frames=(0, 0, 1)),
    ]
    manifest = Manifest(tmp_path)
    for entry in entries:
        manifest.add(entry)
    assert Manifest(tmp_path).entries == {entry.source: entry for entry in entries}


def test_each_entry_is_on_disk_at_once_as_one_line(tmp_path):
    manifest = Manifest(tmp_path)
    manifest.add(ENTRY)
    lines = (tmp_path / MANIFEST_NAME).read_text().splitlines()
    wanted = json.loads(json.dumps(dataclasses.asdict(ENTRY)))
    assert wanted["sampled_frames"] == [0, 1, 2]
    assert [json.loads(line) for line in lines] == [wanted]


def test_the_last_line_about_a_gif_counts(tmp_path):
    manifest = Manifest(tmp_path)
    manifest.add(ManifestEntry(source="a.gif", status="failed", error="empty"))
    manifest.add(ManifestEntry(source="a.gif", status="ok"))
    assert Manifest(tmp_path).entries["a.gif"].status == "ok"


def test_compact_leaves_one_line_per_gif_sorted(tmp_path):
    manifest = Manifest(tmp_path)
    for source, status in [("b", "failed"), ("c", "ok"), ("b", "ok"), ("a", "ok")]:
        manifest.add(ManifestEntry(source=source, status=status))
    before = manifest.entries
    manifest.compact()
    rows = [json.loads(line) for line in (tmp_path / MANIFEST_NAME).read_text().splitlines()]
    assert [(row["source"], row["status"]) for row in rows] == [
        ("a", "ok"),
        ("b", "ok"),
        ("c", "ok"),
    ]
    assert Manifest(tmp_path).entries == before


def test_after_a_kill_the_cut_line_is_lost_and_the_next_run_goes_on(tmp_path):
    manifest = Manifest(tmp_path)
    manifest.add(ENTRY)
    path = tmp_path / MANIFEST_NAME
    path.write_bytes(path.read_bytes() + b'{"source": "b.gif", "sta')
    after = Manifest(tmp_path)
    assert list(after.entries) == [ENTRY.source]
    # What the next run adds stands on a line of its own, even if that run is killed as well.
    after.add(ManifestEntry(source="c.gif", status="ok"))
    after.add(ManifestEntry(source="d.gif", status="ok"))
    assert list(Manifest(tmp_path).entries) == [ENTRY.source, "c.gif", "d.gif"]


def test_reading_a_cut_manifest_writes_nothing(tmp_path):
    (tmp_path / MANIFEST_NAME).write_bytes(b'{"source": "b.gif", "sta')
    Manifest(tmp_path)
    assert (tmp_path / MANIFEST_NAME).read_bytes() == b'{"source": "b.gif", "sta'


@pytest.mark.parametrize(
    "damage",
    ['{"source": "b", \n', "[1]\n", '{"status": "ok"}\n', '{"source": ["b"], "status": "ok"}\n'],
)
def test_damage_in_the_middle_is_refused(tmp_path, damage):
    whole = json.dumps({"source": "a", "status": "ok"}) + "\n"
    (tmp_path / MANIFEST_NAME).write_text(whole + damage + whole)
    with pytest.raises(FeatureError, match=r"manifest\.jsonl: damaged .*remove it to extract all"):
        Manifest(tmp_path)


def test_keys_of_a_later_version_are_left_out(tmp_path):
    row = {"source": "a.gif", "status": "ok", "loops": 3}
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(row) + "\n")
    assert Manifest(tmp_path).entries == {"a.gif": ManifestEntry(source="a.gif", status="ok")}


def test_no_manifest_is_an_empty_one(tmp_path):
    assert Manifest(tmp_path).entries == {}
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_that_is_sorted_is_not_written_again(tmp_path):
    manifest = Manifest(tmp_path)
    for name in ("b", "a"):
        manifest.add(ManifestEntry(source=name, status="ok"))
    path = tmp_path / "manifest.jsonl"
    appended = path.read_bytes()
    Manifest(tmp_path).compact()
    compacted = path.read_bytes()
    assert sorted(appended.splitlines()) == compacted.splitlines()
    before = path.stat().st_ino
    Manifest(tmp_path).compact()
    assert (path.stat().st_ino, path.read_bytes()) == (before, compacted)
    path.write_bytes(compacted.removesuffix(b"\n"))
    Manifest(tmp_path).compact()
    assert path.read_bytes() == compacted
