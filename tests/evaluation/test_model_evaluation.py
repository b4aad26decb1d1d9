import json
import math
from dataclasses import replace

import numpy as np
import pytest

from gifdesc.config import DecodingConfig, TrainingConfig
from gifdesc.data.dataset import GIFDataset, iterate_batches, plan_scoring
from gifdesc.data.feature_files import read_features, write_features
from gifdesc.data.manifest import Manifest, ManifestEntry
from gifdesc.data.splits import hash_split
from gifdesc.data.training_data import prepare_data
from gifdesc.errors import DescriptionError, FeatureError, GifdescError
from gifdesc.evaluation.baselines import most_common_caption, nearest_captions
from gifdesc.evaluation.held_out import evaluate_model, held_out_examples
from gifdesc.metrics import score
from gifdesc.model.checkpoint import load_checkpoint
from gifdesc.model.generation import CaptionGenerator
from gifdesc.model.losses import score_tokens
from gifdesc.training.run import train
from worlds import (
    CAPTIONS,
    CPU,
    EVALUATION_KEYS,
    FEATURE_SIZE,
    TINY,
    tiny_recipe,
    write_model,
    write_world,
)

METRIC_NAMES = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider"]
SHORT = DecodingConfig(num_beams=1, max_tokens=30)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"), recipe=tiny_recipe())


@pytest.fixture(scope="module")
def learnt(world, tmp_path_factory):
    """A model that knows the captions of `world` by heart, and all examples."""
    folder = tmp_path_factory.mktemp("learnt")
    config = TrainingConfig(
        epochs=60,
        learning_rate=2e-2,
        batch_size=4,
        label_smoothing=0.0,
        val_fraction=0.0,
        test_fraction=0.0,
    )
    data = prepare_data(world.features_dir, world.descriptions_dir, config)
    train(data, folder, TINY, config, CPU)
    return load_checkpoint(folder), data.splits["train"]


def held_out(checkpoint, world, **options):
    return held_out_examples(checkpoint, world.features_dir, world.descriptions_dir, **options)


def test_a_model_that_knows_all_is_right_and_blind_it_is_not(learnt):
    checkpoint, examples = learnt
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    assert result.num_examples == result.distinct_captions == len(CAPTIONS)
    assert result.exact_match == 1.0
    assert result.metrics["bleu_1"] == pytest.approx(1)
    assert {one.name: one.caption for one in result.captions} == CAPTIONS
    assert result.blind["exact_match"] == 0.0
    assert result.blind["bleu_1"] < 0.7
    assert result.token_accuracy == 1.0
    assert result.loss < 0.1


def test_the_json_object(learnt):
    checkpoint, examples = learnt
    row = evaluate_model(checkpoint, examples, CPU, SHORT).to_json()
    assert list(row) == EVALUATION_KEYS
    assert list(row["metrics"]) == METRIC_NAMES
    assert sorted(row["blind"]) == sorted([*METRIC_NAMES, "exact_match"])
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_a_metric_that_is_not_computed_is_null_with_a_note(learnt):
    checkpoint, examples = learnt
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    for name in METRIC_NAMES:
        assert (result.metrics[name] is None) == (name in result.notes) == (name == "meteor")
    assert result.blind["meteor"] is result.visual_gain["meteor"] is None


def test_the_loss_is_the_models_own_and_perplexity_its_exponential(learnt):
    checkpoint, examples = learnt
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    dataset = GIFDataset(examples, checkpoint.tokenizer)
    batches = iterate_batches(
        dataset,
        plan_scoring(dataset.token_lengths, 2),
        pad_id=checkpoint.tokenizer.pad_id,
        pad_to=None,
    )
    wanted = score_tokens(checkpoint.model, batches, "next_token", CPU)
    assert result.loss == pytest.approx(wanted.mean_loss, rel=1e-4)
    assert result.token_accuracy == wanted.accuracy
    assert result.perplexity == pytest.approx(math.exp(result.loss))


def test_references_that_are_cut_for_the_loss_are_counted(learnt):
    checkpoint, examples = learnt
    assert "cut_captions" not in evaluate_model(checkpoint, examples, CPU, SHORT).notes
    long = replace(examples[0], captions=("a red ball " * 60,))
    result = evaluate_model(checkpoint, [long, *examples[1:]], CPU, SHORT)
    assert result.notes["cut_captions"].startswith("1 of the references are longer than 128 tokens")


def test_captions_are_the_searchs(learnt):
    checkpoint, examples = learnt
    config = DecodingConfig(num_beams=3, max_tokens=4)
    result = evaluate_model(checkpoint, examples, CPU, config)
    features = [read_features(one.features_path) for one in examples]
    wanted = CaptionGenerator(checkpoint.model, checkpoint.tokenizer, CPU)(features, config)
    assert [one.caption for one in result.captions] == [best.caption for best, *_ in wanted]


def test_one_example_has_no_blind_control_but_a_note(learnt):
    checkpoint, examples = learnt
    result = evaluate_model(checkpoint, examples[:1], CPU, SHORT)
    assert result.blind is None
    assert result.notes["blind"].startswith("needs two GIFs or more")
    assert result.intervals is result.visual_gain is None
    assert result.notes["intervals"] == "needs two GIFs or more"
    assert result.num_examples == 1


def test_untrained_features_are_a_warning_and_the_reports_loss_a_note(tmp_path, learnt):
    checkpoint, examples = learnt
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    assert "untrained ResNet50" in result.warnings["weights"]
    assert "untrained ResNet50" in result.to_json()["notes"]["weights"]
    assert "loss" not in result.notes
    training = TrainingConfig(objective="reconstruction", best_by="loss", max_tokens=32)
    recipe = tiny_recipe(weights="imagenet1k-v1")
    reports = load_checkpoint(write_model(tmp_path, recipe=recipe, training=training))
    result = evaluate_model(reports, examples, CPU, SHORT)
    assert "not comparable" in result.notes["loss"]
    assert not result.warnings.keys() & {"weights", "retrieval"}
    result = evaluate_model(reports, examples, CPU, SHORT, retrieval=True)
    assert "trained to repeat its input" in result.warnings["retrieval"]


def test_a_reports_model_is_scored_over_all_positions(tmp_path, learnt):
    _, examples = learnt
    training = TrainingConfig(objective="reconstruction", best_by="loss", max_tokens=32)
    checkpoint = load_checkpoint(write_model(tmp_path, training=training))
    dataset = GIFDataset(examples, checkpoint.tokenizer, max_tokens=32)
    batches = iterate_batches(
        dataset,
        plan_scoring(dataset.token_lengths, 6),
        pad_id=checkpoint.tokenizer.pad_id,
        pad_to=32,
    )
    wanted = score_tokens(checkpoint.model, batches, "reconstruction", CPU)
    assert wanted.num_tokens == 32 * len(examples)
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    assert result.loss == pytest.approx(wanted.mean_loss, rel=1e-5)


def test_baselines_and_diversity_come_from_the_training_split(learnt):
    checkpoint, examples = learnt
    alone = evaluate_model(checkpoint, examples[:2], CPU, SHORT)
    assert alone.baselines["nearest"] is alone.baselines["most-common"] is None
    assert alone.diversity.in_training is None
    for name in ("nearest", "most-common", "in_training"):
        assert alone.notes[name] == "needs the training split"
    result = evaluate_model(checkpoint, examples[:2], CPU, SHORT, training=examples)
    assert list(result.baselines) == ["blind", "nearest", "most-common"]
    assert all(
        sorted(one) == sorted([*METRIC_NAMES, "exact_match"]) for one in result.baselines.values()
    )
    assert result.diversity.in_training == 1.0
    common = most_common_caption([one.captions for one in examples])
    assert result.notes["most-common"] == f'"{common}" for every GIF'
    nearest = nearest_captions(examples[:2], examples, TINY.feature_size)
    for one, near in zip(result.captions, nearest, strict=True):
        assert one.baselines["most-common"] == common
        assert one.baselines["nearest"] == near != one.caption
    references = [list(one.references) for one in result.captions]
    for name, captions in {"nearest": nearest, "most-common": [common] * 2}.items():
        wanted = score(captions, references)
        assert {key: result.baselines[name][key] for key in METRIC_NAMES} == wanted


def test_words_come_along_with_their_weights_over_the_frames(learnt):
    checkpoint, examples = learnt
    for one, example in zip(
        evaluate_model(checkpoint, examples, CPU, SHORT).captions, examples, strict=True
    ):
        assert " ".join(word.word for word in one.words) == one.caption
        num_frames = len(read_features(example.features_path))
        assert all(len(word.frame_weights) == num_frames for word in one.words)


def test_a_model_is_compared_with_another_system(learnt):
    checkpoint, examples = learnt
    worse = dict.fromkeys(list(CAPTIONS)[1:], "a red ball grows")
    result = evaluate_model(checkpoint, examples, CPU, SHORT, against=worse)
    assert result.against["exact_match"].difference == 1.0
    assert result.warnings["against"] == "1 of 6 missing, counted as empty: a"
    with pytest.raises(DescriptionError, match="no references for stranger"):
        evaluate_model(checkpoint, examples, CPU, SHORT, against={**worse, "stranger": "x"})


def test_held_out_examples_are_those_that_training_left_out(world, tmp_path):
    training = TrainingConfig(val_fraction=0.3, test_fraction=0.3, seed=1)
    checkpoint = load_checkpoint(write_model(tmp_path, recipe=tiny_recipe(), training=training))
    data = prepare_data(world.features_dir, world.descriptions_dir, training)
    for split in ("train", "val", "test"):
        found = held_out(checkpoint, world, split=split)
        assert found.examples == data.splits[split]
        assert found.training == data.splits["train"]
        assert list(found.problems) == []


def test_split_lists_decide_what_is_held_out(world, tmp_path):
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "test.txt").write_text("d\n")
    checkpoint = load_checkpoint(write_model(tmp_path / "model", recipe=tiny_recipe()))
    found = held_out(checkpoint, world, splits_dir=tmp_path)
    assert [one.name for one in found.examples] == ["d"]
    assert [one.name for one in found.training] == ["a", "b"]


def test_an_empty_split_is_an_error(world, tmp_path):
    training = TrainingConfig(val_fraction=0.0, test_fraction=0.0)
    checkpoint = load_checkpoint(write_model(tmp_path, recipe=tiny_recipe(), training=training))
    with pytest.raises(GifdescError, match=r"no GIF is in the test split.*--split"):
        held_out(checkpoint, world)


@pytest.mark.parametrize(
    ("field", "value"),
    [("sampling", "time"), ("num_frames", 8), ("weights_sha256", "c" * 64), ("encoding", "none")],
)
def test_features_of_another_recipe_are_refused_with_the_field(world, tmp_path, field, value):
    recipe = tiny_recipe(**{field: value})
    checkpoint = load_checkpoint(write_model(tmp_path, recipe=recipe))
    with pytest.raises(FeatureError, match=f"made with {field} {value}"):
        held_out(checkpoint, world)


def test_features_of_another_size_are_refused(tmp_path, world):
    checkpoint = load_checkpoint(write_model(tmp_path, recipe=tiny_recipe(), feature_size=12))
    with pytest.raises(GifdescError, match="has 48 features a frame, the model needs 12"):
        held_out(checkpoint, world, split="train")


def test_features_of_unknown_recipe_are_taken_as_they_are(tmp_path):
    world = write_world(tmp_path / "world")
    checkpoint = load_checkpoint(write_model(tmp_path / "model", recipe=tiny_recipe()))
    assert held_out(checkpoint, world, split="train").examples


def test_a_model_of_split_lists_is_not_scored_on_another_split(world, tmp_path):
    training = TrainingConfig(splits_sha256="0" * 64)
    folder = write_model(tmp_path / "model", recipe=tiny_recipe(), training=training)
    with pytest.raises(GifdescError, match="give the lists with --splits"):
        held_out(load_checkpoint(folder), world)


def test_features_of_the_test_split_alone_can_be_scored(world, tmp_path):
    for name in ("train", "val"):
        (tmp_path / f"{name}.txt").write_text("elsewhere\n" if name == "train" else "away\n")
    (tmp_path / "test.txt").write_text("\n".join(CAPTIONS))
    checkpoint = load_checkpoint(write_model(tmp_path / "model", recipe=tiny_recipe()))
    found = held_out(checkpoint, world, splits_dir=tmp_path)
    assert [one.name for one in found.examples] == list(CAPTIONS)
    assert found.training == []
    result = evaluate_model(checkpoint, found.examples, CPU, SHORT, training=found.training)
    for name in ("nearest", "most-common", "in_training"):
        assert result.notes[name] == "needs the training split"


def test_a_bad_file_of_many_to_train_on_is_left_out_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr("gifdesc.data.training_data.READ_FIRST_FILES", 3)
    world = write_world(tmp_path / "world", recipe=tiny_recipe())
    np.save(world.features_dir / "c.npy", np.full((3, FEATURE_SIZE), np.nan, np.float32))
    (tmp_path / "train.txt").write_text("a\nb\nc\nd\n")
    (tmp_path / "test.txt").write_text("e\nf\n")
    checkpoint = load_checkpoint(write_model(tmp_path / "model", recipe=tiny_recipe()))
    found = held_out(checkpoint, world, splits_dir=tmp_path)
    result = evaluate_model(
        checkpoint, found.examples, CPU, SHORT, training=found.training, store=found.store
    )
    [problem] = found.problems
    assert problem.endswith("c.npy: holds numbers that are not finite (NaN or infinity)")
    good = [one for one in found.training if one.name != "c"]
    wanted = evaluate_model(checkpoint, found.examples, CPU, SHORT, training=good)
    assert result.to_json() == wanted.to_json()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A world of 40 GIFs with a manifest, and a model that was trained on it for one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    world = write_world(folder, {f"g{i:02}": f"thing {i} moves" for i in range(40)})
    manifest = Manifest(world.features_dir)
    for i in range(40):
        name = f"g{i:02}"
        entry = ManifestEntry(source=f"{name}.gif", status="ok", sha256=f"{i:02x}" * 32)
        manifest.add(replace(entry, features=f"{name}.npy"))
    config = TrainingConfig(epochs=1, best_by="loss", val_fraction=0.2, test_fraction=0.4)
    data = prepare_data(world.features_dir, world.descriptions_dir, config)
    train(data, folder / "model", TINY, config, CPU)
    return world, folder / "model", data


def renamed(world, folder, *, with_manifest):
    """The same GIFs under other names, their features a little different where it is told."""
    features_dir, descriptions_dir = folder / "features", folder / "descriptions"
    descriptions_dir.mkdir(parents=True)
    manifest = None
    for i in range(40):
        name, other = f"g{i:02}", f"sub/other{i}"
        features = read_features(world.features_dir / f"{name}.npy")
        if with_manifest:
            features = features * 1.5
        write_features(features_dir / f"{other}.gif.npy", features)
        text = (world.descriptions_dir / f"{name}.txt").read_text()
        (descriptions_dir / f"other{i}.txt").write_text(text)
        if with_manifest:
            manifest = manifest or Manifest(features_dir)
            entry = ManifestEntry(source=f"{other}.gif", status="ok", sha256=f"{i:02x}" * 32)
            manifest.add(replace(entry, features=f"{other}.gif.npy"))
    return features_dir, descriptions_dir


def test_the_test_split_is_the_same_under_other_names(trained, tmp_path):
    world, model_dir, data = trained
    found = held_out_examples(
        load_checkpoint(model_dir), *renamed(world, tmp_path, with_manifest=True)
    )
    wanted = {f"sub/other{int(one.name[1:])}" for one in data.splits["test"]}
    assert {one.name for one in found.examples} == wanted
    assert found.notes == []


@pytest.mark.parametrize("with_manifest", [True, False])
@pytest.mark.parametrize("split", ["val", "test"])
def test_gifs_of_the_training_are_left_out_in_any_split(trained, tmp_path, with_manifest, split):
    world, model_dir, data = trained
    folders = renamed(world, tmp_path, with_manifest=with_manifest)
    checkpoint = load_checkpoint(model_dir)
    other = replace(checkpoint, training=replace(checkpoint.training, split_seed=4))
    found = held_out_examples(other, *folders, split=split)
    met = {one.name for one in data.splits["train"]}
    if split == "test":
        met |= {one.name for one in data.splits["val"]}
    assert found.examples
    assert not {f"g{int(one.name.removeprefix('sub/other')):02}" for one in found.examples} & met
    [note] = found.notes
    assert f"GIFs of the {split} split, which are left out: sub/other" in note
    everything = held_out_examples(other, *folders, split="train")
    assert len(everything.examples) > 10
    assert everything.notes == []


def test_a_split_of_training_gifs_alone_is_an_error(learnt, world):
    checkpoint, _ = learnt
    config = replace(checkpoint.training, val_fraction=0.3, test_fraction=0.4)
    with pytest.raises(GifdescError, match="trained on all GIFs of the test split"):
        held_out(replace(checkpoint, training=config), world)


def test_a_model_of_before_keeps_its_split_and_the_lack_of_a_record_is_noted(trained):
    world, model_dir, _ = trained
    checkpoint = load_checkpoint(model_dir)
    before = replace(
        checkpoint, folder=None, training=replace(checkpoint.training, split_by="name")
    )
    found = held_out(before, world)
    fractions = {"val_fraction": 0.2, "test_fraction": 0.4}
    assert all(hash_split(one.name, seed=0, **fractions) == "test" for one in found.examples)
    assert found.notes == [
        "the model's folder does not record which GIFs it was trained on (an older gifdesc wrote "
        "it), so its training GIFs under other names are not left out"
    ]
