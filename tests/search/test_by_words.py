import json
import os
import shutil

import numpy as np
import pytest
import torch

from gifdesc.config import TrainingConfig
from gifdesc.data.dataset import pad_features
from gifdesc.data.feature_files import read_features
from gifdesc.errors import FeatureError
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.likelihood import likelihoods
from gifdesc.search import by_words
from gifdesc.search.by_words import WordSearch, search_by_words
from gifdesc.search.gifs import FeaturesFolder
from gifdesc.search.index import sample_of
from gifdesc.search.query import read_query
from worlds import CAPTIONS, CPU, tiny_recipe, write_model, write_world

QUERY = "a red ball"


def found_paths(result):
    return [hit.path for hit in result.hits]


def log_prob(checkpoint, features, text):
    """Per token, by a pass of its own."""
    tokens = checkpoint.tokenizer.encode(text, 128)[1:-1]
    padded, lengths = pad_features([features])
    with torch.inference_mode():
        memory = checkpoint.model.encode(padded, lengths)
        found = likelihoods(
            checkpoint.model, memory, [tokens], start_id=checkpoint.tokenizer.start_id
        )
    return float(found.per_token)


def test_fewer_gifs_than_one_cannot_be_asked_for(tmp_path):
    with pytest.raises(ValueError, match="top must be 1 or more, not 0"):
        search_by_words(QUERY, tmp_path, tmp_path, top=0)


def test_the_score_is_the_log_ratio_to_the_mean_of_the_other_gifs(world, model_dir):
    result = search_by_words(QUERY, world.features_dir, model_dir, top=3)
    checkpoint = load_checkpoint(model_dir)
    features = {name: read_features(world.features_dir / f"{name}.npy") for name in CAPTIONS}

    def score(name):
        others = [vectors for other, vectors in features.items() if other != name]
        num_frames = 0
        while 2 * sum(len(one) > num_frames for one in others) >= len(others):
            num_frames += 1
        mean = np.array(
            [
                np.mean([one[place] for one in others if len(one) > place], axis=0)
                for place in range(num_frames)
            ]
        )
        return log_prob(checkpoint, features[name], QUERY) - log_prob(checkpoint, mean, QUERY)

    scores = {name: score(name) for name in CAPTIONS}
    best = sorted(scores, key=lambda name: -scores[name])[:3]
    assert found_paths(result) == best
    # Encoded GIFs are kept as float16.
    assert [hit.score for hit in result.hits] == pytest.approx(
        [scores[name] for name in best], abs=2e-3
    )
    assert [hit.rank for hit in result.hits] == [1, 2, 3]
    assert result.num_gifs == len(CAPTIONS)


def test_the_second_search_reads_the_file_and_finds_the_same(world, model_dir, monkeypatch):
    first = search_by_words(QUERY, world.features_dir, model_dir)
    monkeypatch.setattr("gifdesc.search.index._compute", None)  # not called again
    assert search_by_words(QUERY, world.features_dir, model_dir) == first


def test_a_changed_feature_file_and_another_model_are_encoded(world, model_dir, tmp_path):
    search_by_words(QUERY, world.features_dir, model_dir)
    cache_dir = world.features_dir / "search"
    [path] = cache_dir.glob("*.safetensors")
    before = path.read_bytes()
    np.save(world.features_dir / "a.npy", np.ones((9, 48), np.float32))
    search_by_words(QUERY, world.features_dir, model_dir)
    assert list(cache_dir.glob("*.safetensors")) == [path]
    assert path.read_bytes() != before
    other = write_model(tmp_path / "other", recipe=tiny_recipe(), seed=1)
    search_by_words(QUERY, world.features_dir, other)
    assert len(list(cache_dir.glob("*.safetensors"))) == 2


def test_a_damaged_file_is_written_again(world, model_dir):
    first = search_by_words(QUERY, world.features_dir, model_dir)
    [path] = (world.features_dir / "search").glob("*.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert search_by_words(QUERY, world.features_dir, model_dir) == first
    assert path.read_bytes() == whole


def tensor_bytes(path, name):
    """Where a tensor of a safetensors file begins and ends."""
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    begin, end = json.loads(whole[8 : 8 + size])[name]["data_offsets"]
    return slice(8 + size + begin, 8 + size + end)


@pytest.mark.parametrize("damage", ["ones", "zeros", "a bit"])
@pytest.mark.parametrize(
    "name",
    [
        *("word_log_probs", "frames", "summaries", "sample_sum", "sample_count", "lengths"),
        *("word_log_probs.crc32", "frames.crc32", "summaries.crc32"),
    ],
)
def test_damage_that_leaves_a_file_its_size_is_noticed(world, model_dir, monkeypatch, name, damage):
    monkeypatch.setattr(by_words, "SHORTLIST_SIZE", 4)
    first = search_by_words(QUERY, world.features_dir, model_dir, top=2)
    [path] = (world.features_dir / "search").glob("*.safetensors")
    whole = path.read_bytes()
    place = tensor_bytes(path, name)
    part = np.frombuffer(whole[place], np.uint8)
    changed = {"ones": part | 255, "zeros": part & 0, "a bit": part ^ 1}[damage]
    path.write_bytes(whole[: place.start] + changed.tobytes() + whole[place.stop :])
    assert search_by_words(QUERY, world.features_dir, model_dir, top=2) == first
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"frames"', b'"framfs"'),
        (b'"dtype":"F16"', b'"dtype":"I16"'),
        (b'"dtype":"I64"', b'"dtype":"F64"'),
        (b'"sha256', b'"sha25x'),
        (b'sha256\\": {', b'sha256\\": ['),
    ],
)
def test_a_damaged_header_is_noticed(world, model_dir, monkeypatch, old, new):
    monkeypatch.setattr(by_words, "SHORTLIST_SIZE", 4)
    first = search_by_words(QUERY, world.features_dir, model_dir, top=2)
    [path] = (world.features_dir / "search").glob("*.safetensors")
    whole = path.read_bytes()
    assert old.replace(b'"sha256', b'\\"sha256') in whole
    path.write_bytes(whole.replace(old.replace(b'"sha256', b'\\"sha256'), new))
    assert search_by_words(QUERY, world.features_dir, model_dir, top=2) == first
    assert path.read_bytes() == whole


def test_scores_of_a_model_that_repeats_its_input_are_doubted(world, tmp_path):
    model_dir = write_model(
        tmp_path / "m", recipe=tiny_recipe(), training=TrainingConfig(objective="reconstruction")
    )
    notes = search_by_words(QUERY, world.features_dir, model_dir).notes
    assert any(note.startswith("the model was trained to repeat its input") for note in notes)


def test_a_folder_that_cannot_be_written_is_searched_and_reported(world, model_dir):
    wanted = search_by_words(QUERY, world.features_dir, model_dir)
    shutil.rmtree(world.features_dir / "search")
    (world.features_dir / "search").write_text("in the way")
    result = search_by_words(QUERY, world.features_dir, model_dir)
    assert result.hits == wanted.hits
    _, note = result.notes
    assert "cannot be written" in note
    assert note.endswith("so the next search computes it again")


def test_the_shortlist_limits_what_is_scored(world, model_dir, monkeypatch):
    everything = search_by_words(QUERY, world.features_dir, model_dir, top=2, exact=True)
    monkeypatch.setattr(by_words, "SHORTLIST_SIZE", 4)
    checkpoint = load_checkpoint(model_dir)
    search = WordSearch(checkpoint, FeaturesFolder.read(world.features_dir), CPU)
    query = read_query(QUERY, checkpoint.tokenizer, 128)
    shortlist = search.shortlist(query, 4)
    rows = torch.stack(search.index.rows("word_log_probs", query.tokens)).float().sum(dim=0)
    assert shortlist == sorted(rows.argsort(descending=True)[:4].tolist())
    result = search_by_words(QUERY, world.features_dir, model_dir, top=2)
    assert {hit.path for hit in result.hits} <= {list(CAPTIONS)[place] for place in shortlist}
    assert len(everything.hits) == 2


def test_equal_gifs_are_in_the_order_of_their_paths(world, model_dir):
    for name in ("z", "b2", "m"):
        np.save(world.features_dir / f"{name}.npy", np.ones((3, 48), np.float32))
    result = search_by_words(QUERY, world.features_dir, model_dir)
    order = found_paths(result)
    assert [name for name in order if name in ("z", "b2", "m")] == ["b2", "m", "z"]
    top = order.index("b2") + 1
    result = search_by_words(QUERY, world.features_dir, model_dir, top=top)
    assert "2 more have the same score as the last GIF listed" in result.notes


def test_ties_beyond_the_shortlist_are_not_counted(tmp_path, model_dir, monkeypatch):
    monkeypatch.setattr("gifdesc.search.by_words.SHORTLIST_SIZE", 3)
    world = write_world(tmp_path / "equal", recipe=tiny_recipe())
    for path in world.features_dir.glob("*.npy"):
        np.save(path, np.ones((3, 48), np.float32))
    result = search_by_words(QUERY, world.features_dir, model_dir, top=1)
    assert "at least 2 more have the same score as the last GIF listed" in result.notes
    result = search_by_words(QUERY, world.features_dir, model_dir, top=1, exact=True)
    assert f"{len(CAPTIONS) - 1} more have the same score as the last GIF listed" in result.notes


def test_a_single_gif_is_ranked_by_its_log_probability(tmp_path, model_dir):
    world = write_world(tmp_path / "one", {"a": "a red ball"}, recipe=tiny_recipe())
    result = search_by_words(QUERY, world.features_dir, model_dir)
    features = read_features(world.features_dir / "a.npy")
    [hit] = result.hits
    assert hit.score == pytest.approx(
        log_prob(load_checkpoint(model_dir), features, QUERY), abs=2e-3
    )
    assert "there is no other GIF to compare with" in result.notes[0]


def test_a_damaged_feature_file_is_reported_each_time(world, model_dir):
    (world.features_dir / "c.npy").write_bytes(b"broken")
    for _ in range(2):
        result = search_by_words(QUERY, world.features_dir, model_dir)
        assert "c" not in found_paths(result)
        [problem] = result.problems
        assert str(world.features_dir / "c.npy") in problem


def test_features_of_another_recipe_or_size_are_refused(tmp_path, model_dir):
    world = write_world(tmp_path / "other", recipe=tiny_recipe(num_frames=8))
    with pytest.raises(FeatureError, match="num_frames 16, not 8"):
        search_by_words(QUERY, world.features_dir, model_dir)
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(FeatureError, match="contains no features"):
        search_by_words(QUERY, bare, model_dir)
    np.save(bare / "a.npy", np.ones((3, 7), np.float32))
    with pytest.raises(FeatureError, match="has 7 features a frame, the model needs 48"):
        search_by_words(QUERY, bare, model_dir)


def test_a_first_file_of_another_size_is_left_out_and_reported(world, model_dir):
    np.save(world.features_dir / "0.npy", np.ones((3, 7), np.float32))
    result = search_by_words(QUERY, world.features_dir, model_dir)
    assert result.num_gifs == 6
    [problem] = result.problems
    assert problem.startswith(str(world.features_dir / "0.npy"))


def test_each_word_has_its_weights_over_the_frames(world, model_dir):
    result = search_by_words(QUERY, world.features_dir, model_dir, with_words=True, top=10)
    for hit in result.hits:
        frames = len(read_features(world.features_dir / f"{hit.path}.npy"))
        assert [word.word for word in hit.words] == QUERY.split()
        for word in hit.words:
            assert word.frame_weights is not None
            assert len(word.frame_weights) == frames
            assert sum(word.frame_weights) == pytest.approx(1, abs=1e-4)


def test_the_sample_is_spread_over_all_gifs():
    assert sample_of(3) == {0, 1, 2}
    assert len(sample_of(1000)) == 64
    assert max(sample_of(1000)) > 950


def test_a_listing_notices_new_times(world):
    before = FeaturesFolder.read(world.features_dir).digest()
    os.utime(world.features_dir / "a.npy", ns=(1, 1))
    assert FeaturesFolder.read(world.features_dir).digest() != before
