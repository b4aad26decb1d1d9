"""Shards: features of many GIFs in a file, read as if each had its own."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from gifdesc.data.descriptions import Descriptions
from gifdesc.data.examples import drop_damaged, pair
from gifdesc.data.feature_files import (
    find_features,
    has_features,
    read_features,
    read_header,
    read_numbers,
    size_bytes,
)
from gifdesc.data.feature_shards import (
    adopt_shards,
    find_shards,
    remove_members,
    shard_entries,
    unnamed_shards,
    without_shard,
    write_shard,
)
from gifdesc.data.feature_store import FeatureStore
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.errors import FeatureError

SIZE = 5


def vectors(num_frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num_frames, SIZE)).astype(np.float32)


def members(**num_frames: int) -> dict[str, tuple[ManifestEntry, np.ndarray]]:
    """GIFs `name.gif` of so many frames, whose content is their name."""
    return {
        f"{name}.gif": (
            ManifestEntry(source=f"{name}.gif", status="ok", sha256=name * 8),
            vectors(number, seed),
        )
        for seed, (name, number) in enumerate(num_frames.items())
    }


def write(folder: Path, **num_frames: int) -> list[ManifestEntry]:
    entries = write_shard(folder, members(**num_frames))
    manifest = Manifest(folder)
    for entry in entries:
        manifest.add(entry)
    return entries


def test_features_in_a_shard_are_those_that_were_written(tmp_path):
    entries = write(tmp_path, a=3, b=1)
    for entry, (_, wanted) in zip(entries, members(a=3, b=1).values(), strict=True):
        path = tmp_path / entry.features
        np.testing.assert_array_equal(read_features(path, SIZE), wanted)
        np.testing.assert_array_equal(read_numbers(path), wanted)
        assert read_header(path).shape == wanted.shape
        assert size_bytes(path) == wanted.nbytes
        assert has_features(tmp_path, entry)


def test_half_precision_takes_half_the_room_and_is_read_as_float32(tmp_path):
    full = write_shard(tmp_path, members(a=3))[0]
    half = write_shard(tmp_path, members(a=3), "float16")[0]
    assert full.features != half.features
    wanted = members(a=3)["a.gif"][1]
    read = read_features(tmp_path / half.features)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, wanted.astype(np.float16).astype(np.float32))
    assert 2 * size_bytes(tmp_path / half.features) == size_bytes(tmp_path / full.features)


def test_the_same_gifs_are_written_into_the_same_file(tmp_path):
    first = write(tmp_path, a=3, b=1)
    content = (tmp_path / find_shards(tmp_path)[0]).read_bytes()
    assert write_shard(tmp_path, members(a=3, b=1)) == first
    assert [(tmp_path / name).read_bytes() for name in find_shards(tmp_path)] == [content]
    write_shard(tmp_path, members(a=3, c=1))
    assert len(find_shards(tmp_path)) == 2


def test_a_shard_names_the_lines_of_its_gifs(tmp_path):
    entries = write(tmp_path, a=3, b=1)
    assert shard_entries(tmp_path / find_shards(tmp_path)[0]) == entries


@pytest.mark.parametrize("source", [os.fsdecode(b"caf\xe9/x.gif"), "__metadata__", "日本/猫.gif"])
def test_names_that_a_shard_cannot_hold_as_they_are(tmp_path, source):
    member = (ManifestEntry(source=source, status="ok"), vectors(2))
    [entry] = write_shard(tmp_path, {source: member})
    np.testing.assert_array_equal(read_features(tmp_path / entry.features), member[1])
    assert shard_entries(tmp_path / find_shards(tmp_path)[0]) == [entry]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("shard-0a.safetensors/cats/a.gif", "cats/a.gif"),
        ("cats/a.gif.npy", "cats/a.gif.npy"),
        ("my-shard-0a.safetensors/a.gif", "my-shard-0a.safetensors/a.gif"),
        ("shard-0a.safetensors", "shard-0a.safetensors"),
    ],
)
def test_the_path_of_features_without_their_shard(path, wanted):
    assert without_shard(path) == wanted


def test_a_folder_that_is_called_like_a_shard_holds_feature_files(tmp_path):
    path = tmp_path / "shard-0a.safetensors" / "a.gif.npy"
    path.parent.mkdir()
    np.save(path, vectors(2))
    np.testing.assert_array_equal(read_features(path), vectors(2))


# Found and paired


def test_features_have_one_order_whatever_file_they_are_in(tmp_path):
    write(tmp_path, b=1, d=1)
    write(tmp_path, a=1)
    np.save(tmp_path / "c.gif.npy", vectors(1))
    found = find_features(tmp_path, Manifest(tmp_path).entries)
    assert [without_shard(path) for path in found] == ["a.gif", "b.gif", "c.gif.npy", "d.gif"]


def test_shards_are_paired_with_descriptions(tmp_path):
    write(tmp_path, a=3, b=1)
    pairing = pair(tmp_path, Descriptions({"a": ["one"], "b": ["two"], "c": ["x"]}))
    assert [(one.name, one.captions) for one in pairing.examples] == [
        ("a", ("one",)),
        ("b", ("two",)),
    ]
    assert all(one.digests for one in pairing.examples)
    usable = drop_damaged(pairing.examples)
    assert (usable.examples, usable.feature_size) == (pairing.examples, SIZE)
    store = FeatureStore(SIZE)
    read = [store.read(one.features_path) for one in usable.examples]
    assert [len(each) for each in read] == [3, 1]


def test_newer_features_replace_those_in_an_older_shard(tmp_path):
    write(tmp_path, a=3, b=1)
    [newer] = write_shard(tmp_path, members(a=7))
    Manifest(tmp_path).add(newer)
    found = find_features(tmp_path, Manifest(tmp_path).entries)
    assert [len(read_features(tmp_path / path)) for path in found] == [7, 1]


def test_shards_without_a_manifest_are_paired_by_their_keys(tmp_path):
    save_file({"cats/a.gif": vectors(2)}, tmp_path / "shard-0a.safetensors")
    [example] = pair(tmp_path, Descriptions({"cats/a": ["one"]})).examples
    assert example.name == "cats/a"
    save_file({"cats/a.gif": vectors(3)}, tmp_path / "shard-0b.safetensors")
    with pytest.raises(FeatureError, match=r"both contain features of cats/a\.gif"):
        pair(tmp_path, Descriptions({"cats/a": ["one"]}))


# Damage


def test_a_damaged_shard_is_named(tmp_path):
    [entry] = write(tmp_path, a=3)
    shard = tmp_path / find_shards(tmp_path)[0]
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(FeatureError, match=r"shard-.*not a whole shard"):
        read_features(tmp_path / entry.features)
    usable = drop_damaged(pair(tmp_path, Descriptions({"a": ["one"]})).examples)
    assert usable.examples == []
    assert "not a whole shard" in usable.problems[0]
    (tmp_path / "manifest.jsonl").unlink()
    with pytest.raises(FeatureError, match=r"shard-.*not a whole shard"):
        pair(tmp_path, Descriptions({"a": ["one"]}))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (np.zeros((2, 3, 4), np.float32), r"has shape \(2, 3, 4\), not \(frames, features\)"),
        (np.zeros((2, 3), np.int64), "holds I64, not float32"),
        (np.zeros((0, 3), np.float32), r"has shape \(0, 3\)"),
        (np.full((2, 3), np.nan, np.float32), "not finite"),
    ],
)
def test_tensors_that_are_no_features(tmp_path, tensor, message):
    save_file({"a.gif": tensor}, tmp_path / "shard-0a.safetensors")
    with pytest.raises(FeatureError, match=message):
        read_features(tmp_path / "shard-0a.safetensors" / "a.gif")


def test_a_key_that_the_shard_has_not(tmp_path):
    write(tmp_path, a=3)
    shard = tmp_path / find_shards(tmp_path)[0]
    with pytest.raises(FeatureError, match=r"contains no features of z\.gif"):
        read_features(shard / "z.gif")


@pytest.mark.parametrize("content", ["nonsense", '{"manifest": 3}', '{"manifest": [{}]}'])
def test_damaged_lines_in_a_shard(tmp_path, content):
    shard = tmp_path / "shard-0a.safetensors"
    save_file({"a.gif": vectors(2)}, shard, {"gifdesc": content})
    with pytest.raises(FeatureError, match="its lines of the manifest are damaged"):
        shard_entries(shard)


def test_a_replaced_shard_is_read_again(tmp_path):
    shard = tmp_path / "shard-0a.safetensors"
    save_file({"a.gif": vectors(2)}, shard)
    assert len(read_features(shard / "a.gif")) == 2
    save_file({"a.gif": vectors(4)}, tmp_path / "new")
    (tmp_path / "new").replace(shard)
    assert len(read_features(shard / "a.gif")) == 4


# Runs that were killed, and what is removed


def test_a_shard_without_lines_in_the_manifest_is_adopted(tmp_path):
    entries = write_shard(tmp_path, members(a=3, b=1))
    manifest = Manifest(tmp_path)
    assert unnamed_shards(tmp_path, manifest) == find_shards(tmp_path)
    adopt_shards(tmp_path, manifest)
    assert list(Manifest(tmp_path).entries.values()) == entries
    assert unnamed_shards(tmp_path, manifest) == []


def test_a_shard_whose_gifs_all_have_newer_features_is_removed(tmp_path):
    write(tmp_path, a=3)
    [old] = find_shards(tmp_path)
    manifest = Manifest(tmp_path)
    [newer] = write_shard(tmp_path, members(a=7), "float16")
    manifest.add(newer)
    adopt_shards(tmp_path, manifest)
    assert old not in find_shards(tmp_path)
    assert len(read_features(tmp_path / newer.features)) == 7


def test_a_shard_that_gifdesc_did_not_write_is_kept(tmp_path):
    save_file({"a.gif": vectors(2)}, tmp_path / "shard-0a.safetensors")
    adopt_shards(tmp_path, Manifest(tmp_path))
    assert find_shards(tmp_path) == ["shard-0a.safetensors"]


def test_members_are_removed_and_the_others_kept(tmp_path):
    first, second = write(tmp_path, a=3, b=1)
    remove_members(tmp_path, [first.features])
    shard = tmp_path / find_shards(tmp_path)[0]
    assert shard_entries(shard) == [second]
    with safe_open(shard, framework="numpy") as file:
        assert file.keys() == ["b.gif"]
    np.testing.assert_array_equal(
        read_features(tmp_path / second.features), members(a=3, b=1)["b.gif"][1]
    )
    remove_members(tmp_path, [second.features])
    assert find_shards(tmp_path) == []
