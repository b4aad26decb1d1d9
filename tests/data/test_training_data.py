import shutil
from dataclasses import replace

import numpy as np
import pytest

import training_configs
from gifdesc.config import TrainingConfig
from gifdesc.data.dataset import GIFDataset, iterate_batches, plan_batches
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.data.splits import hash_split
from gifdesc.data.training_data import prepare_data, sha256_of_splits
from gifdesc.errors import DescriptionError, FeatureError, TrainingError
from gifdesc.system.json_files import from_json
from worlds import (
    ALL_FOR_TRAINING,
    CAPTIONS,
    FEATURE_SIZE,
    tiny_recipe,
    tiny_tokenizer,
    write_world,
)

ALL = TrainingConfig(**ALL_FOR_TRAINING)
MANY = {f"gif{i:03}": f"thing {i} moves" for i in range(60)}


def prepare(world, config=ALL, splits_dir=None):
    return training_configs.prepare(world, config, splits_dir)


def names_in(data, split="train"):
    return [example.name for example in data.splits[split]]


def test_features_meet_their_descriptions(tmp_path):
    data = prepare(write_world(tmp_path, recipe=tiny_recipe()))
    assert {one.name: one.captions for one in data.splits["train"]} == {
        name: (caption,) for name, caption in CAPTIONS.items()
    }
    assert (data.feature_size, data.recipe) == (FEATURE_SIZE, tiny_recipe())
    assert list(data.problems) == []


def test_files_without_a_partner_are_listed_and_the_rest_is_used(tmp_path):
    world = write_world(tmp_path)
    (world.descriptions_dir / "a.txt").unlink()
    (world.features_dir / "b.npy").unlink()
    data = prepare(world)
    assert names_in(data) == ["c", "d", "e", "f"]
    assert data.pairing.without_description == ["a"]
    assert data.pairing.without_features == ["b"]
    assert list(data.problems) == []


def test_splits_share_out_all_examples_and_follow_the_fractions_and_the_split_seed(tmp_path):
    world = write_world(tmp_path, MANY)
    config = TrainingConfig(val_fraction=0.3, test_fraction=0.2)
    data = prepare(world, config)
    assert sorted(name for split in data.splits for name in names_in(data, split)) == sorted(MANY)
    sizes = [len(data.splits[split]) for split in ("train", "val", "test")]
    assert sizes == pytest.approx([30, 18, 12], abs=9)
    assert prepare(world, config).splits == data.splits
    assert prepare(world, replace(config, seed=1)).splits == data.splits
    assert prepare(world, replace(config, split_seed=1)).splits != data.splits


def test_a_gif_keeps_its_split_when_others_come(tmp_path):
    few = dict(list(MANY.items())[:30])
    before = prepare(write_world(tmp_path / "few", few), TrainingConfig())
    after = prepare(write_world(tmp_path / "many", MANY), TrainingConfig())
    for split in before.splits:
        assert set(names_in(before, split)) <= set(names_in(after, split))


def test_models_of_before_keep_to_the_split_by_name_and_seed(tmp_path):
    world = write_world(tmp_path, MANY)
    fractions = {"val_fraction": 0.3, "test_fraction": 0.2}
    before = from_json(TrainingConfig, {"seed": 5, **fractions})
    data = prepare(world, before)
    for split in data.splits:
        assert all(hash_split(name, seed=5, **fractions) == split for name in names_in(data, split))
    assert data.splits != prepare(world, replace(before, split_by="content")).splits


def copies(world, names):
    """Give every GIF of the names a copy of its features and descriptions under another name."""
    for name in names:
        shutil.copy(world.features_dir / f"{name}.npy", world.features_dir / f"repost-{name}.npy")
        text = world.descriptions_dir / f"{name}.txt"
        shutil.copy(text, world.descriptions_dir / f"repost-{name}.txt")


@pytest.mark.parametrize("read_first", [2048, 0])
def test_gifs_of_one_content_share_a_split_and_are_reported(tmp_path, monkeypatch, read_first):
    monkeypatch.setattr("gifdesc.data.training_data.READ_FIRST_FILES", read_first)
    world = write_world(tmp_path, MANY)
    copies(world, MANY)
    data = prepare(world, TrainingConfig())
    for split in data.splits:
        names = names_in(data, split)
        assert {f"repost-{name}" for name in names if "repost" not in name} <= set(names)
    [note] = data.notes
    assert note == (
        "60 GIFs with the content of another: repost-gif000 = gif000, repost-gif001 = gif001, "
        "repost-gif002 = gif002, repost-gif003 = gif003, repost-gif004 = gif004 and 55 more"
    )


@pytest.mark.parametrize("read_first", [2048, 0])
def test_gifs_of_one_sha256_share_a_split_whatever_their_features(
    tmp_path, monkeypatch, read_first
):
    monkeypatch.setattr("gifdesc.data.training_data.READ_FIRST_FILES", read_first)
    world = write_world(tmp_path, MANY)
    manifest = Manifest(world.features_dir)
    for index, name in enumerate(MANY):
        sha256 = f"{index // 5:02x}" * 32
        manifest.add(
            ManifestEntry(source=f"{name}.gif", status="ok", sha256=sha256, features=f"{name}.npy")
        )
    data = prepare(world, TrainingConfig(val_fraction=0.3, test_fraction=0.3))
    splits = {name: split for split in data.splits for name in names_in(data, split)}
    names = sorted(MANY)
    for first in range(0, 60, 5):
        assert len({splits[name] for name in names[first : first + 5]}) == 1
    assert data.notes[0].startswith("48 GIFs with the content of another: gif001 = gif000")


def test_lists_that_part_one_content_are_reported(tmp_path):
    world = write_world(tmp_path / "world")
    copies(world, "a")
    (tmp_path / "train.txt").write_text("a\nb\nc\nd\ne\nf\n")
    (tmp_path / "test.txt").write_text("repost-a\n")
    notes = prepare(world, splits_dir=tmp_path).notes
    assert notes[0] == "1 GIF with the content of another: repost-a = a"
    assert notes[1].startswith("1 of these in another split than the other: repost-a = a; `evalu")


def test_names_without_gif_and_gifs_without_list_are_reported(tmp_path):
    world = write_world(tmp_path / "world")
    names = ["a.gif", "gifs/b.gif", *(f"typing-error-{number}" for number in range(9))]
    (tmp_path / "train.txt").write_text("\n".join(names))
    data = prepare(world, splits_dir=tmp_path)
    assert names_in(data) == ["a", "b"]
    assert data.notes == [
        f"{tmp_path}: 9 names in the lists without a paired GIF: typing-error-0, typing-error-1, "
        "typing-error-2, typing-error-3, typing-error-4 and 4 more",
        f"{tmp_path}: 4 paired GIFs in no list, so left out: c, d, e, f",
    ]


def test_the_digest_of_lists_of_urls_is_that_of_before():
    before = sha256_of_splits({"a": "train", "x/c": "val"})
    assert sha256_of_splits({"//x.example/1/a": "train", "x/c": "val"}) == before
    both = {"//x.example/1/a": "train", "//x.example/2/a": "test"}
    assert sha256_of_splits(both) != sha256_of_splits({**both, "//x.example/2/a": "train"})


def test_lists_decide_the_splits_and_leave_out_what_they_do_not_name(tmp_path):
    world = write_world(tmp_path / "world")
    for split, names in {"train": "a\nc.gif\n", "val": "b\n", "test": "e\n"}.items():
        (tmp_path / f"{split}.txt").write_text(names)
    data = prepare(world, splits_dir=tmp_path)
    assert {split: names_in(data, split) for split in data.splits} == {
        "train": ["a", "c"],
        "val": ["b"],
        "test": ["e"],
    }


def test_damaged_feature_files_are_named_and_left_out(tmp_path):
    world = write_world(tmp_path)
    good = np.ones((3, FEATURE_SIZE), np.float32)
    np.save(world.features_dir / "b.npy", good.astype(np.int64))
    np.save(world.features_dir / "c.npy", good[0])
    np.save(world.features_dir / "d.npy", good * np.nan)
    np.save(world.features_dir / "e.npy", np.array([{"a": 1}]), allow_pickle=True)
    data = prepare(world)
    assert names_in(data) == ["a", "f"]
    for name, reason in zip(
        "bcde", ("int64", "shape (48,)", "not finite", "plain numbers"), strict=True
    ):
        [problem] = [one for one in data.problems if f"{name}.npy" in one]
        assert reason in problem


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_feature_files_of_other_floats_are_converted_and_reported_once(tmp_path, dtype):
    world = write_world(tmp_path)
    plain = prepare(world)
    for path in world.features_dir.glob("*.npy"):
        np.save(path, np.load(path).astype(dtype))
    data = prepare(world)
    assert names_in(data) == names_in(plain)
    assert list(data.problems) == []
    [note] = data.notes
    assert note.endswith(f"6 feature files contain {dtype}, which is converted to float32")
    for before, after in zip(plain.splits["train"], data.splits["train"], strict=True):
        features = data.store.read(after.features_path)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, plain.store.read(before.features_path), rtol=1e-3)


def test_where_no_name_meets_the_error_shows_one_of_each_side(tmp_path):
    world = write_world(tmp_path)
    for path in world.descriptions_dir.iterdir():
        path.rename(path.with_name(f"clip_{path.name}"))
    with pytest.raises(TrainingError) as caught:
        prepare(world)
    assert str(caught.value) == (
        f"{world.features_dir}: no feature file has a description in {world.descriptions_dir}: the "
        "features are of GIFs such as a, the descriptions of GIFs such as clip_a"
    )


def test_where_no_feature_file_can_be_used_the_error_shows_the_first(tmp_path):
    world = write_world(tmp_path)
    for path in world.features_dir.iterdir():
        path.write_text("no")
    with pytest.raises(TrainingError, match=r"none of the 6 feature files .* because of .*a\.npy:"):
        prepare(world)


def test_a_feature_file_of_another_size_is_left_out(tmp_path):
    world = write_world(tmp_path)
    np.save(world.features_dir / "c.npy", np.ones((3, 7), np.float32))
    data = prepare(world)
    assert "c" not in names_in(data)
    assert data.feature_size == FEATURE_SIZE
    [problem] = data.problems
    assert "c.npy: has 7 features a frame where 48 are needed" in problem


def test_unreadable_descriptions_are_problems_and_the_rest_is_used(tmp_path):
    world = write_world(tmp_path)
    (world.descriptions_dir / "a.txt").write_text(" \n")
    (world.descriptions_dir / "b.txt").write_bytes("ein Ball wächst".encode("latin-1"))
    data = prepare(world)
    assert names_in(data) == ["c", "d", "e", "f"]
    assert [one for one in data.problems if "a.txt: empty" in one]
    assert [one for one in data.problems if "b.txt: not UTF-8" in one]
    assert data.pairing.without_description == ["a", "b"]


@pytest.mark.parametrize("name", ["only", "other", "third", "fourth"])
def test_one_single_example_is_trained_on_wherever_its_hash_falls(tmp_path, name):
    world = write_world(tmp_path, {name: "a red ball grows"})
    data = prepare(world, TrainingConfig(val_fraction=0.5, test_fraction=0.49))
    assert {split: names_in(data, split) for split in data.splits} == {
        "train": [name],
        "val": [],
        "test": [],
    }


def test_an_empty_training_split_is_refused(tmp_path):
    world = write_world(tmp_path / "world")
    (tmp_path / "train.txt").write_text("elsewhere\n")
    (tmp_path / "test.txt").write_text("a\nb\n")
    with pytest.raises(TrainingError, match="none of its 6 examples is in the training split"):
        prepare(world, splits_dir=tmp_path)
    data = prepare_data(
        world.features_dir, world.descriptions_dir, ALL, tmp_path, needs_training=False
    )
    assert (names_in(data, "train"), names_in(data, "test")) == ([], ["a", "b"])


def test_features_without_any_description_are_refused(tmp_path):
    world = write_world(tmp_path)
    for path in world.descriptions_dir.iterdir():
        path.rename(path.with_stem(f"{path.stem}-other"))
    with pytest.raises(TrainingError, match="no feature file has a description in"):
        prepare(world)


def test_only_damaged_features_are_refused_with_the_first_reason(tmp_path):
    world = write_world(tmp_path, {"a": "a red ball grows"})
    (world.features_dir / "a.npy").write_bytes(b"no array")
    with pytest.raises(TrainingError, match=r"a\.npy: not a \.npy file of plain numbers"):
        prepare(world)


def test_missing_folders_are_named(tmp_path):
    world = write_world(tmp_path)
    nowhere = tmp_path / "nowhere"
    with pytest.raises(FeatureError, match="nowhere: no such folder"):
        prepare_data(nowhere, world.descriptions_dir, ALL)
    with pytest.raises(DescriptionError, match="nowhere: no such file or folder"):
        prepare_data(world.features_dir, nowhere, ALL)


def test_split_lists_have_different_digests():
    lists = {"a": "train", "b": "test"}
    assert sha256_of_splits(lists) == sha256_of_splits(dict(reversed(lists.items())))
    assert sha256_of_splits(lists) != sha256_of_splits({"a": "train", "b": "val"})


def test_of_many_files_the_bad_numbers_are_found_when_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.data.training_data.READ_FIRST_FILES", 3)
    world = write_world(tmp_path)
    np.save(world.features_dir / "d.npy", np.full((3, FEATURE_SIZE), np.nan, np.float32))
    data = prepare(world)
    assert names_in(data) == list(CAPTIONS)
    assert list(data.problems) == []
    dataset = GIFDataset(data.splits["train"], tiny_tokenizer(), store=data.store)
    plan = plan_batches(dataset.token_lengths, 4, seed=0, epoch=1)
    for _ in range(2):
        batches = list(iterate_batches(dataset, plan, pad_id=0))
        assert sum(len(batch.tokens) for batch in batches) == len(CAPTIONS) - 1
    [problem] = data.problems
    assert problem.endswith("d.npy: holds numbers that are not finite (NaN or infinity)")
