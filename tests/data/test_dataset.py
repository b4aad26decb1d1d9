"""Items and padded batches."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gifdesc.data.dataset import GIFDataset, Item, collate, empty_batch, pad_features
from gifdesc.data.feature_files import write_features
from gifdesc.data.feature_store import FeatureStore
from gifdesc.errors import FeatureError
from gifdesc.text.tokenizer import CaptionTokenizer
from worlds import dataset_of, example


def write(path: Path, num_frames: int = 3, size: int = 5) -> np.ndarray:
    """Write random features and return them."""
    random = np.random.default_rng(len(str(path)) + num_frames)
    features = random.standard_normal((num_frames, size)).astype(np.float32)
    write_features(path, features)
    return features


def item(num_frames: int, tokens: list[int]) -> Item:
    return Item(torch.full((num_frames, 2), float(num_frames)), torch.tensor(tokens))


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
    with pytest.raises(FeatureError, match="has 6 features a frame where 5 are needed"):
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


def test_a_batch_moves_but_its_lengths_and_mask_stay_on_the_cpu():
    batch = collate([item(1, [2, 3])], pad_id=0)
    moved = batch.to(torch.device("meta"))
    assert {moved.features.device.type, moved.tokens.device.type} == {"meta"}
    assert moved.token_mask.device.type == "cpu"
    assert moved.lengths.device.type == "cpu"


def test_features_are_padded_with_zeros():
    padded, lengths = pad_features([np.ones((1, 2), np.float32), np.ones((3, 2), np.float32)])
    assert padded.tolist() == [[[1, 1], [0, 0], [0, 0]], [[1, 1]] * 3]
    assert lengths.tolist() == [1, 3]


@pytest.mark.parametrize("pad_to", [None, 3, 20])
def test_a_batch_of_the_dataset_is_its_items_collated(tmp_path, tokenizer, pad_to):
    for name, num_frames in [("a", 2), ("b", 4), ("c", 1)]:
        write(tmp_path / f"{name}.npy", num_frames)
    captions = ("a red ball grows", "nothing moves")
    dataset = GIFDataset([example(tmp_path / f"{n}.npy", *captions) for n in "abc"], tokenizer)
    for indices in ([4, 0, 3, 5], [1], [2, 2]):
        batch = dataset.batch(indices, pad_id=7, pad_to=pad_to)
        wanted = collate([dataset[i] for i in indices], pad_id=7, pad_to=pad_to)
        for name in ("features", "lengths", "tokens", "token_mask"):
            one, other = getattr(batch, name), getattr(wanted, name)
            assert one.dtype == other.dtype
            assert torch.equal(one, other)
        assert not batch.is_empty


def test_token_lengths_are_those_of_the_items(tmp_path, tokenizer):
    write(tmp_path / "a.npy")
    captions = ("a red ball grows", "nothing moves", "a blue cross")
    dataset = GIFDataset([example(tmp_path / "a.npy", *captions)], tokenizer, max_tokens=5)
    assert dataset.token_lengths == [len(dataset[index].tokens) for index in range(3)]
    assert dataset.token_lengths[0] == 5


def damaged_among(folder: Path, tokenizer: CaptionTokenizer, num_good: int, num_bad: int):
    """A dataset of good files and then of bad ones, with its store."""
    for index in range(num_good + num_bad):
        write(folder / f"{index:02}.npy")
    for index in range(num_good, num_good + num_bad):
        write_features(folder / f"{index:02}.npy", np.full((1, 5), np.inf, np.float32))
    paths = sorted(folder.iterdir())
    store = FeatureStore(5)
    examples = [example(path, "a red ball", "nothing moves") for path in paths]
    return GIFDataset(examples, tokenizer, store=store), store


def test_a_damaged_file_is_left_out_of_its_batches_and_reported_once(tmp_path, tokenizer):
    dataset, store = damaged_among(tmp_path, tokenizer, num_good=2, num_bad=1)
    for _ in range(2):
        batch = dataset.batch([4, 0, 5, 3], pad_id=0)
        wanted = collate([dataset[0], dataset[3]], pad_id=0)
        assert torch.equal(batch.features, wanted.features)
        assert torch.equal(batch.tokens, wanted.tokens)
    assert list(store.problems) == [
        f"{tmp_path / '02.npy'}: holds numbers that are not finite (NaN or infinity)"
    ]


def test_a_batch_of_damaged_files_alone_is_empty(tmp_path, tokenizer):
    dataset, _ = damaged_among(tmp_path, tokenizer, num_good=2, num_bad=1)
    batch = dataset.batch([4, 5], pad_id=3, pad_to=9)
    wanted = empty_batch(5, pad_id=3, pad_to=9)
    assert batch.is_empty
    assert batch.features.shape == wanted.features.shape == (1, 1, 5)
    assert batch.tokens.tolist() == [[3] * 9]
    assert not batch.token_mask.any()
    assert batch.to(torch.device("meta")).is_empty


def test_too_many_unreadable_files_are_an_error(tmp_path, tokenizer):
    dataset, _ = damaged_among(tmp_path, tokenizer, num_good=10, num_bad=11)
    dataset.batch(list(range(40)), pad_id=0)
    with pytest.raises(FeatureError, match=r"11 of 21 feature files cannot be used.*10\.npy: "):
        dataset.batch([40, 41], pad_id=0)


def test_the_error_quotes_the_first_unreadable_file(tmp_path, tokenizer):
    """The store's problems may begin with those of descriptions."""
    dataset, store = damaged_among(tmp_path, tokenizer, num_good=0, num_bad=11)
    store.problems.add("notes.txt: not UTF-8")
    with pytest.raises(FeatureError, match=r"first because of \S+00\.npy: holds numbers"):
        dataset.batch(list(range(22)), pad_id=0)


@pytest.mark.parametrize(
    ("captions", "repeats"),
    [(["猫在走", "慢慢地走"], 2), (["猫在走", "狗在走"], 2), (["a cat runs", "a dog runs"], 1)],
)
def test_a_doubled_character_is_no_repetition(tmp_path, captions, repeats):
    tokenizer = CaptionTokenizer.train(captions)
    dataset = dataset_of(dict(zip("ab", captions, strict=True)), tmp_path, tokenizer)
    assert dataset.caption_statistics().repeats == repeats


def test_tokens_are_counted_once_for_each_caption_and_apart_where_it_repeats_them(tmp_path):
    captions = {"a": "a red cat and a red dog", "b": "a cat", "c": "dog dog dog"}
    tokenizer = CaptionTokenizer.train(captions.values())
    dataset = dataset_of(captions, tmp_path, tokenizer)
    num_captions, num_repeating = dataset.repetitions(tokenizer.vocab_size)
    counts = {
        word: (int(num_captions[token]), int(num_repeating[token]))
        for word in ("a", "red", "cat", "dog", "and")
        for [token] in [tokenizer.encode(word, 9)[1:-1]]
    }
    assert counts == {"a": (2, 1), "red": (1, 1), "cat": (2, 0), "dog": (2, 1), "and": (1, 0)}
    assert int(num_captions[tokenizer.start_id]) == 3
    assert len(num_captions) == len(num_repeating) == tokenizer.vocab_size
