"""Feature files paired with captions, split, collated; and their statistics."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gifdesc.dataset import (
    Example,
    GIFDataset,
    Item,
    collate,
    drop_damaged,
    feature_statistics,
    hash_split,
    pad_features,
    pair,
    read_split_lists,
    split_examples,
)
from gifdesc.descriptions import Descriptions
from gifdesc.errors import DescriptionError, FeatureError
from gifdesc.features import (
    Manifest,
    ManifestEntry,
    features_name,
    read_features,
    write_features,
)
from gifdesc.tokenizer import CaptionTokenizer

FRACTIONS = {"seed": 0, "val_fraction": 0.1, "test_fraction": 0.2}


def write(path: Path, num_frames: int = 3, size: int = 5, offset: float = 0.0) -> np.ndarray:
    """Write random features and return them."""
    random = np.random.default_rng(len(str(path)) + num_frames)
    features = (offset + random.standard_normal((num_frames, size))).astype(np.float32)
    write_features(path, features)
    return features


def example(path: Path, *captions: str) -> Example:
    return Example(path.stem, path, captions)


def item(num_frames: int, tokens: list[int]) -> Item:
    return Item(torch.full((num_frames, 2), float(num_frames)), torch.tensor(tokens))


# Pairing


def test_feature_files_meet_their_descriptions_and_what_is_left_over_is_listed(tmp_path):
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


def test_a_table_that_knows_only_bare_names_describes_gifs_in_folders(tmp_path):
    write(tmp_path / "x" / "tumblr_1.gif.npy")
    pairing = pair(tmp_path, Descriptions({"tumblr_1": ["a man"]}))
    assert [(one.name, one.captions) for one in pairing.examples] == [("x/tumblr_1", ("a man",))]
    assert pairing.without_features == []


def test_the_reports_files_meet(tmp_path):
    write(tmp_path / "gif_7_features_with_pe.npy")
    pairing = pair(tmp_path, Descriptions({"gif_7": ["a cat"]}))
    assert [(one.name, one.captions) for one in pairing.examples] == [("gif_7", ("a cat",))]


def test_a_folder_that_is_missing_or_empty_is_refused(tmp_path):
    with pytest.raises(FeatureError, match="gone: no such folder; run `gifdesc extract` first"):
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
    good, feature_size, problems = drop_damaged(examples)
    assert good == [examples[0], examples[2]]
    assert feature_size == 5
    assert problems == [
        f"{tmp_path / 'b.npy'}: not a .npy file of plain numbers; extract it again",
        f"{tmp_path / 'd.npy'}: has 6 features a frame where 5 are wanted",
    ]


def test_the_first_good_file_decides_the_feature_size(tmp_path):
    (tmp_path / "a.npy").write_text("no")
    write(tmp_path / "b.npy", size=7)
    examples = [example(tmp_path / f"{name}.npy", "x") for name in "ab"]
    assert drop_damaged(examples)[:2] == ([examples[1]], 7)


def test_nothing_good_leaves_nothing(tmp_path):
    (tmp_path / "a.npy").touch()
    good, feature_size, problems = drop_damaged([example(tmp_path / "a.npy", "x")])
    assert (good, feature_size, len(problems)) == ([], 0, 1)


# Splits


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


# Items


@pytest.fixture(scope="module")
def tokenizer() -> CaptionTokenizer:
    return CaptionTokenizer.train(["a red ball grows", "a blue cross", "nothing moves"] * 2)


def test_there_is_one_item_per_gif_and_caption(tmp_path, tokenizer):
    a, b = write(tmp_path / "a.npy", 2), write(tmp_path / "b.npy", 4)
    examples = [
        example(tmp_path / "a.npy", "a red ball grows", "nothing moves"),
        example(tmp_path / "b.npy", "a blue cross"),
    ]
    dataset = GIFDataset(examples, tokenizer, feature_size=5)
    assert len(dataset) == 3
    wanted = [(a, "a red ball grows"), (a, "nothing moves"), (b, "a blue cross")]
    for index, (features, caption) in enumerate(wanted):
        one = dataset[index]
        assert one.features.dtype == torch.float32
        np.testing.assert_array_equal(one.features.numpy(), features)
        assert one.tokens.dtype == torch.int64
        assert one.tokens.tolist() == tokenizer.encode(caption, 128)


def test_captions_are_cut_to_so_many_tokens(tmp_path, tokenizer):
    write(tmp_path / "a.npy")
    examples = [example(tmp_path / "a.npy", "a red ball grows")]
    tokens = GIFDataset(examples, tokenizer, max_tokens=4)[0].tokens.tolist()
    assert tokens == [*tokenizer.encode("a red ball grows", 128)[:3], tokenizer.end_id]


def test_an_item_of_another_feature_size_is_refused(tmp_path, tokenizer):
    write(tmp_path / "a.npy", size=6)
    dataset = GIFDataset([example(tmp_path / "a.npy", "nothing")], tokenizer, feature_size=5)
    with pytest.raises(FeatureError, match="has 6 features a frame where 5 are wanted"):
        dataset[0]


def test_no_examples_make_an_empty_dataset(tokenizer):
    assert len(GIFDataset([], tokenizer)) == 0


def test_the_dataset_works_in_a_data_loader(tmp_path, tokenizer):
    for name, num_frames in [("a", 2), ("b", 4), ("c", 1)]:
        write(tmp_path / f"{name}.npy", num_frames)
    examples = [example(tmp_path / f"{name}.npy", "a red ball") for name in "abc"]
    loader = torch.utils.data.DataLoader(
        GIFDataset(examples, tokenizer),
        batch_size=2,
        collate_fn=lambda items: collate(items, pad_id=tokenizer.pad_id),
    )
    assert [batch.lengths.tolist() for batch in loader] == [[2, 4], [1]]


# Batches


def test_a_batch_is_padded_to_its_longest():
    batch = collate([item(2, [2, 7, 3]), item(3, [2, 3]), item(1, [2, 8, 9, 3])], pad_id=0)
    assert batch.lengths.tolist() == [2, 3, 1]
    assert batch.features.shape == (3, 3, 2)
    assert batch.features[..., 0].tolist() == [[2, 2, 0], [3, 3, 3], [1, 0, 0]]
    assert batch.tokens.tolist() == [[2, 7, 3, 0], [2, 3, 0, 0], [2, 8, 9, 3]]
    assert batch.token_mask.long().tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
    assert batch.token_mask.dtype == torch.bool


def test_a_token_with_the_padding_id_is_no_padding():
    batch = collate([item(1, [2, 0, 3]), item(1, [2])], pad_id=0)
    assert batch.token_mask.tolist() == [[True] * 3, [True, False, False]]


def test_padding_has_the_tokenizers_id():
    assert collate([item(1, [2, 3]), item(1, [2])], pad_id=9).tokens.tolist() == [[2, 3], [2, 9]]


def test_a_batch_can_be_filled_up_to_the_reports_128_tokens():
    batch = collate([item(1, [2, 5, 3])], pad_id=4, pad_to=128)
    assert batch.tokens.tolist() == [[2, 5, 3] + [4] * 125]
    assert batch.token_mask.sum() == 3
    assert collate([item(1, [2, 5, 3])], pad_id=4, pad_to=2).tokens.tolist() == [[2, 5, 3]]


def test_a_batch_moves_but_its_lengths_stay_on_the_cpu():
    batch = collate([item(1, [2, 3])], pad_id=0)
    moved = batch.to(torch.device("meta"))
    assert {moved.features.device.type, moved.tokens.device.type} == {"meta"}
    assert moved.token_mask.device.type == "meta"
    assert moved.lengths.device.type == "cpu"


def test_features_are_padded_with_zeros():
    padded, lengths = pad_features([torch.ones(1, 2), torch.ones(3, 2)])
    assert padded.tolist() == [[[1, 1], [0, 0], [0, 0]], [[1, 1]] * 3]
    assert lengths.tolist() == [1, 3]


# Statistics


@pytest.mark.parametrize("offset", [0.0, 3.0, 1000.0])
def test_statistics_are_numpys_over_all_frames(tmp_path, offset):
    paths = [tmp_path / f"{name}.npy" for name in ("a", "bb", "ccc")]
    frames = [write(path, 4 + 9 * i, 6, offset) for i, path in enumerate(paths)]
    mean, std = feature_statistics([example(path, "x", "y") for path in paths], 6)
    whole = np.concatenate(frames).astype(np.float64)
    assert mean.dtype == std.dtype == torch.float32
    np.testing.assert_allclose(mean, whole.mean(axis=0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(std, whole.std(axis=0), rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, 2.7, -7.3, 12345.678, 1e-6, 1e8])
def test_a_constant_feature_has_no_deviation_at_all(tmp_path, value):
    # So many that the sums' rounding would show as a deviation (of 0.1 and 2.7 it does).
    features = np.full((4999, 2), value, dtype=np.float32)
    features[:, 1] = np.linspace(0, 1, 4999)
    write_features(tmp_path / "a.npy", features)
    mean, std = feature_statistics([example(tmp_path / "a.npy", "x")], 2)
    assert mean[0].item() == pytest.approx(float(np.float32(value)))
    assert std[0].item() == 0.0
    assert std[1].item() == pytest.approx(features[:, 1].std(), rel=1e-5)


def test_a_small_deviation_is_no_constant(tmp_path):
    features = np.array([[1.0], [1.0 + 1e-3], [1.0]], dtype=np.float32)
    write_features(tmp_path / "a.npy", features)
    _, std = feature_statistics([example(tmp_path / "a.npy", "x")], 1)
    assert std.item() == pytest.approx(read_features(tmp_path / "a.npy").std(), rel=1e-3)


def test_statistics_of_no_examples_are_zeros():
    mean, std = feature_statistics([], 3)
    assert mean.tolist() == std.tolist() == [0, 0, 0]


def test_a_shortened_name_meets_its_description_through_the_manifest(tmp_path):
    source = "x" * 251 + ".gif"
    entry = ManifestEntry(source=source, status="ok", features=features_name(source))
    write_features(tmp_path / entry.features, np.zeros((2, 3), np.float32))
    Manifest(tmp_path).add(entry)
    pairing = pair(tmp_path, Descriptions({"x" * 251: ["a ball grows"]}))
    assert [example.name for example in pairing.examples] == ["x" * 251]
    assert pairing.without_features == []
