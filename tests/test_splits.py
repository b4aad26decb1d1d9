"""Which examples are learnt from and which are held out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.errors import DescriptionError
from gifdesc.pairing import Example
from gifdesc.splits import hash_split, read_split_lists, split_examples

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


def splits_of(names: list[str]) -> dict[str, str]:
    examples = [Example(name, Path(f"{name}.npy"), ("x",)) for name in names]
    splits = split_examples(examples, lambda name: hash_split(name, **FRACTIONS))
    return {one.name: split for split, ones in splits.items() for one in ones}


def test_gifs_stay_in_their_split_when_others_come_and_go():
    few = splits_of([f"g{i}" for i in range(0, 60, 2)])
    many = splits_of([f"g{i}" for i in range(60)])
    assert len(few) == 30
    assert len(many) == 60
    assert {name: many[name] for name in few} == few
    assert set(few.values()) == {"train", "val", "test"}


def test_gifs_that_the_splitter_does_not_know_are_left_out():
    examples = [Example(name, Path(name), ("x",)) for name in ("a", "b", "c")]
    splits = split_examples(examples, {"a": "test", "c": "train"}.get)
    assert splits == {"train": [examples[2]], "val": [], "test": [examples[0]]}


def test_split_lists_name_gifs_as_tgif_does(tmp_path):
    (tmp_path / "train.txt").write_text("\ufeffb.gif\r\nhttps://media.tumblr.com/x/a.gif\r\n\r\n")
    (tmp_path / "val.txt").write_text("x/c.gif\ta caption beside it\n")
    (tmp_path / "test.txt").write_text("  gif_7_features_with_pe.npy \nb2\nb2\n")
    assert read_split_lists(tmp_path) == {
        "a": "train",
        "b": "train",
        "x/c": "val",
        "gif_7": "test",
        "b2": "test",
    }


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
