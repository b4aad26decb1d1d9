"""Which examples are learnt from and which are held out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.data.examples import Example
from gifdesc.data.splits import (
    content_splits,
    hash_split,
    listed_splits,
    read_split_lists,
    read_split_names,
    split_examples,
)
from gifdesc.errors import DescriptionError

FRACTIONS = {"seed": 0, "val_fraction": 0.1, "test_fraction": 0.2}


def test_a_gifs_split_never_changes():
    # Whoever trained a model relies on its test set staying held out in every later version.
    names = [f"gif_{i}" for i in range(20)]
    short = "".join(hash_split(name, **FRACTIONS)[1] for name in names)
    # sha256(b"0:gif_0")[:8] / 2^64 and so on, below 0.2: t(e)st, below 0.3: v(a)l, else t(r)ain.
    assert short == "rerrrrerrrrarrrrrrer"


def test_splits_are_near_their_fractions():
    splits = [hash_split(f"gifs/{i}", **FRACTIONS) for i in range(10_000)]
    assert splits.count("test") / 10_000 == pytest.approx(0.2, abs=0.015)
    assert splits.count("val") / 10_000 == pytest.approx(0.1, abs=0.015)


def test_another_seed_gives_another_split():
    names = [f"gif_{i}" for i in range(200)]
    first = [hash_split(name, **FRACTIONS) for name in names]
    assert first != [hash_split(name, **{**FRACTIONS, "seed": 1}) for name in names]


@given(name=st.text(st.characters(codec="utf-8")), seed=st.integers())
def test_without_fractions_all_is_for_training(name, seed):
    assert hash_split(name, seed=seed, val_fraction=0.0, test_fraction=0.0) == "train"


def test_a_name_that_is_not_utf8_has_a_split():
    assert hash_split("caf\udce9", **FRACTIONS) in ("train", "val", "test")


def example(name: str, *digests: str) -> Example:
    return Example(name, Path(f"{name}.npy"), ("x",), digests)


def splits_of(examples: list[Example], **changes) -> dict[str, str]:
    options = {**FRACTIONS, **changes}
    splits = content_splits(examples, **options)
    return {one.name: split for one, split in zip(examples, splits, strict=True)}


def test_a_split_follows_the_content_and_not_the_name():
    digests = [f"gif:{i}" for i in range(60)]
    before = splits_of([example(f"a{i}", digest) for i, digest in enumerate(digests)])
    after = splits_of([example(f"b/{i}", digest) for i, digest in enumerate(digests)])
    assert list(before.values()) == list(after.values())
    assert set(before.values()) == {"train", "val", "test"}


@pytest.mark.parametrize("seed", range(20))
def test_gifs_of_one_content_share_a_split(seed):
    examples = [example(f"{i}-{copy}", f"gif:{i}") for i in range(6) for copy in range(5)]
    splits = splits_of(examples, seed=seed)
    for i in range(6):
        assert len({splits[f"{i}-{copy}"] for copy in range(5)}) == 1


def test_content_is_shared_through_any_digest():
    one = [example("a", "gif:1", "features:7"), example("b", "gif:2", "features:7")]
    other = [example("c", "features:9"), example("d", "gif:2", "features:8")]
    for seed in range(20):
        splits = splits_of([*one, *other], seed=seed)
        assert splits["a"] == splits["b"] == splits["d"]


def test_another_recipe_does_not_change_the_splits():
    first = splits_of([example(f"{i}", f"gif:{i}", f"features:{i}") for i in range(60)])
    assert splits_of([example(f"{i}", f"gif:{i}", f"features:{-i}") for i in range(60)]) == first


def test_gifs_stay_in_their_split_when_others_come_and_go():
    few = splits_of([example(f"g{i}", f"gif:{i}") for i in range(0, 60, 2)])
    many = splits_of([example(f"g{i}", f"gif:{i}") for i in range(60)])
    assert len(few) == 30
    assert len(many) == 60
    assert {name: many[name] for name in few} == few
    assert set(few.values()) == {"train", "val", "test"}


@pytest.mark.parametrize("num_gifs", [5, 6, 10, 20])
def test_no_split_is_empty_by_chance(num_gifs):
    for seed in range(200):
        examples = [example(f"g{i}", f"gif:{i}") for i in range(num_gifs)]
        splits = list(splits_of(examples, seed=seed, val_fraction=0.1, test_fraction=0.1).values())
        assert {"train", "val", "test"} == set(splits)


def test_few_gifs_are_for_training():
    for seed in range(50):
        for num_gifs in (1, 2, 3):
            examples = [example(f"g{i}", f"gif:{i}") for i in range(num_gifs)]
            assert "train" in splits_of(examples, seed=seed, test_fraction=0.89).values()
    only = splits_of([example("a", "gif:1")], val_fraction=0.5, test_fraction=0.49)
    assert only == {"a": "train"}


def test_without_a_fraction_a_split_stays_empty():
    for seed in range(50):
        examples = [example(f"g{i}", f"gif:{i}") for i in range(20)]
        splits = splits_of(examples, seed=seed, test_fraction=0.0)
        assert set(splits.values()) == {"train", "val"}


def test_gifs_without_a_split_are_left_out():
    examples = [example(name) for name in ("a", "b", "c")]
    splits = split_examples(examples, ["test", None, "train"])
    assert splits == {"train": [examples[2]], "val": [], "test": [examples[0]]}


def test_lists_meet_gifs_as_descriptions_do():
    examples = [example(name) for name in ("cats/a", "cats/b", "dogs/b", "c", "d")]
    lists = {"a": "train", "dogs/b": "test", "b": "val", "gifs/c": "val", "typing-error": "train"}
    listed = listed_splits(examples, lists)
    assert listed.splits == ["train", None, "test", "val", None]
    assert listed.unknown_names == ["b", "typing-error"]


def test_split_lists_name_gifs_as_tgif_does(tmp_path):
    (tmp_path / "train.txt").write_text("\ufeffb.gif\r\nhttps://media.tumblr.com/x/a.gif\r\n\r\n")
    (tmp_path / "val.txt").write_text("x/c.gif\ta caption beside it\n")
    (tmp_path / "test.txt").write_text("  gif_7_features_with_pe.npy \nb2\nb2\n")
    assert read_split_lists(tmp_path) == {
        "//media.tumblr.com/x/a": "train",
        "b": "train",
        "x/c": "val",
        "gif_7": "test",
        "b2": "test",
    }


def test_split_lists_name_a_gif_beside_a_video_by_its_ending(tmp_path):
    examples = [example(name) for name in ("set/x", "set/x.mp4", "set/y", "set/y.mp4")]
    (tmp_path / "train.txt").write_text("x.gif\ny\n")
    (tmp_path / "test.txt").write_text("x.mp4\n")
    listed = listed_splits(examples, read_split_names(tmp_path))
    assert listed.splits == ["train", "test", None, None]
    assert listed.unknown_names == ["y"]
    assert read_split_lists(tmp_path) == {"x": "train", "y": "train", "x.mp4": "test"}


def test_val_and_test_lists_may_be_missing_but_not_the_training_list(tmp_path):
    (tmp_path / "train.txt").write_text("a\n")
    assert read_split_lists(tmp_path) == {"a": "train"}
    (tmp_path / "train.txt").rename(tmp_path / "test.txt")
    with pytest.raises(DescriptionError, match=r"train\.txt: cannot be read: no such file"):
        read_split_lists(tmp_path)


def test_a_gif_in_two_lists_is_refused(tmp_path):
    (tmp_path / "train.txt").write_text("a.gif\nb\n")
    (tmp_path / "test.txt").write_text("b.gif\n")
    with pytest.raises(DescriptionError, match=r"test\.txt: b is in train\.txt as well"):
        read_split_lists(tmp_path)


def test_a_split_list_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "train.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(DescriptionError, match=r"train\.txt: not UTF-8 text"):
        read_split_lists(tmp_path)
