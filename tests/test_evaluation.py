import json
import math
import random

import pytest

from builders import (
    CAPTIONS,
    CPU,
    TINY,
    tiny_recipe,
    write_model,
    write_world,
)
from gifdesc.checkpoint import load_checkpoint
from gifdesc.config import DecodingConfig, TrainingConfig
from gifdesc.dataset import GIFDataset
from gifdesc.errors import DescriptionError, FeatureError, GifdescError
from gifdesc.evaluation import evaluate_model, evaluate_predictions, held_out_examples
from gifdesc.features import read_features
from gifdesc.generation import generate
from gifdesc.objective import iterate_batches, score_tokens
from gifdesc.training import train
from gifdesc.training_data import prepare_data

METRIC_NAMES = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider"]
KEYS = [
    "num_examples",
    "metrics",
    "blind",
    "loss",
    "perplexity",
    "token_accuracy",
    "exact_match",
    "distinct_captions",
    "notes",
]
SHORT = DecodingConfig(num_beams=1, max_tokens=30)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"), recipe=tiny_recipe())


@pytest.fixture(scope="module")
def learnt(world, tmp_path_factory):
    """A model that knows the captions of `world` by heart, and all examples."""
    folder = tmp_path_factory.mktemp("learnt")
    config = TrainingConfig(
        epochs=60, learning_rate=2e-2, batch_size=4, val_fraction=0.0, test_fraction=0.0
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
    assert list(row) == KEYS
    assert list(row["metrics"]) == METRIC_NAMES
    assert sorted(row["blind"]) == sorted([*METRIC_NAMES, "exact_match"])
    assert json.loads(json.dumps(row, allow_nan=False)) == row


def test_a_metric_that_is_not_computed_is_null_with_a_note(learnt, monkeypatch):
    checkpoint, examples = learnt
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    for name in METRIC_NAMES:
        assert (result.metrics[name] is None) == (name in result.notes)
    scores = {**dict.fromkeys(METRIC_NAMES, 0.5), "meteor": None}
    monkeypatch.setattr("gifdesc.evaluation.score", lambda *_: scores)
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    assert result.metrics["meteor"] is result.blind["meteor"] is None
    assert result.notes["meteor"]
    assert "bleu_4" not in result.notes


def test_the_loss_is_the_models_own_and_perplexity_its_exponential(learnt):
    checkpoint, examples = learnt
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    dataset = GIFDataset(examples, checkpoint.tokenizer)
    batches = iterate_batches(dataset, 2, pad_id=checkpoint.tokenizer.pad_id, pad_to=None)
    wanted = score_tokens(checkpoint.model, batches, "next_token", CPU)
    assert result.loss == pytest.approx(wanted.mean_loss, rel=1e-4)
    assert result.token_accuracy == wanted.accuracy
    assert result.perplexity == pytest.approx(math.exp(result.loss))


def test_captions_are_the_searchs(learnt):
    checkpoint, examples = learnt
    config = DecodingConfig(num_beams=3, max_tokens=4)
    result = evaluate_model(checkpoint, examples, CPU, config)
    features = [read_features(one.features_path) for one in examples]
    wanted = generate(checkpoint.model, checkpoint.tokenizer, features, config, CPU)
    assert [one.caption for one in result.captions] == [best.caption for best, *_ in wanted]


def named(num_examples):
    """Predictions that differ from each other, and references that equal them."""
    predictions = {f"g{i}": f"word{i}" for i in range(num_examples)}
    return predictions, {name: [caption] for name, caption in predictions.items()}


@pytest.mark.parametrize("num_examples", [2, 3, 7, 40])
def test_blind_gives_every_gif_the_caption_of_another(num_examples, learnt, monkeypatch):
    checkpoint, [example, *_] = learnt
    captions = iter(f"word{i}" for i in range(num_examples))

    def fake_generate(_model, _tokenizer, features, *_):
        return [[Said(next(captions))] for _ in features]

    class Said:
        def __init__(self, caption):
            self.caption = caption

    scored = []

    def fake_score(hypotheses, references):
        scored.append((hypotheses, references))
        return dict.fromkeys(METRIC_NAMES, 0.0)

    monkeypatch.setattr("gifdesc.evaluation.generate", fake_generate)
    monkeypatch.setattr("gifdesc.evaluation.score", fake_score)
    evaluate_model(checkpoint, [example] * num_examples, CPU, SHORT)
    own = [f"word{i}" for i in range(num_examples)]
    assert len(scored) == 2
    [(dealt, blind_references)] = [one for one in scored if one[0] != own]
    assert (own, blind_references) in scored
    assert sorted(dealt) == sorted(own)
    assert not any(one == other for one, other in zip(own, dealt, strict=True))
    if num_examples == 40:  # not simply the neighbour's, which may be of the same kind
        assert dealt not in (own[1:] + own[:1], own[-1:] + own[:-1])


def test_one_example_has_no_blind_control_but_a_note(learnt):
    checkpoint, examples = learnt
    result = evaluate_model(checkpoint, examples[:1], CPU, SHORT)
    assert result.blind is None
    assert result.notes["blind"] == "needs two GIFs or more"
    assert result.num_examples == 1


def test_notes_tell_of_untrained_features_and_of_the_reports_loss(tmp_path, learnt):
    checkpoint, examples = learnt
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    assert "untrained ResNet50" in result.notes["weights"]
    assert "loss" not in result.notes
    training = TrainingConfig(objective="reconstruction", max_tokens=32)
    recipe = tiny_recipe(weights="imagenet1k-v1")
    reports = load_checkpoint(write_model(tmp_path, recipe=recipe, training=training))
    notes = evaluate_model(reports, examples, CPU, SHORT).notes
    assert "not comparable" in notes["loss"]
    assert "weights" not in notes


def test_a_reports_model_is_scored_over_all_positions(tmp_path, learnt):
    _, examples = learnt
    training = TrainingConfig(objective="reconstruction", max_tokens=32)
    checkpoint = load_checkpoint(write_model(tmp_path, training=training))
    dataset = GIFDataset(examples, checkpoint.tokenizer, max_tokens=32)
    batches = iterate_batches(dataset, 6, pad_id=checkpoint.tokenizer.pad_id, pad_to=32)
    wanted = score_tokens(checkpoint.model, batches, "reconstruction", CPU)
    assert wanted.num_tokens == 32 * len(examples)
    result = evaluate_model(checkpoint, examples, CPU, SHORT)
    assert result.loss == pytest.approx(wanted.mean_loss, rel=1e-5)


def test_held_out_examples_are_those_that_training_left_out(world, tmp_path):
    training = TrainingConfig(val_fraction=0.3, test_fraction=0.3, seed=1)
    checkpoint = load_checkpoint(write_model(tmp_path, recipe=tiny_recipe(), training=training))
    data = prepare_data(world.features_dir, world.descriptions_dir, training)
    for split in ("train", "val", "test"):
        examples, problems = held_out(checkpoint, world, split=split)
        assert examples == data.splits[split]
        assert problems == []


def test_lists_may_say_what_is_held_out(world, tmp_path):
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "test.txt").write_text("d\n")
    checkpoint = load_checkpoint(write_model(tmp_path / "model", recipe=tiny_recipe()))
    examples, _ = held_out(checkpoint, world, splits_dir=tmp_path)
    assert [one.name for one in examples] == ["d"]


def test_an_empty_split_is_an_error(world, tmp_path):
    training = TrainingConfig(val_fraction=0.0, test_fraction=0.0)
    checkpoint = load_checkpoint(write_model(tmp_path, recipe=tiny_recipe(), training=training))
    with pytest.raises(GifdescError, match=r"no example is in the test split.*--split"):
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
    with pytest.raises(GifdescError, match="has 48 features a frame, the model wants 12"):
        held_out(checkpoint, world, split="train")


def test_features_of_unknown_recipe_are_taken_as_they_are(tmp_path):
    world = write_world(tmp_path / "world")
    checkpoint = load_checkpoint(write_model(tmp_path / "model", recipe=tiny_recipe()))
    examples, _ = held_out(checkpoint, world, split="train")
    assert examples


@pytest.mark.parametrize(
    ("caption", "is_exact"),
    [
        ("a dog runs", True),
        ("A DOG runs.", True),
        ("a dog, runs !", True),
        ("Runs a dog", False),
        ("a dog run", False),
        ("", False),
    ],
)
def test_an_exact_match_ignores_case_and_punctuation(caption, is_exact):
    references = {"a": ["something else", "A dog runs."]}
    assert evaluate_predictions({"a": caption}, references).exact_match == float(is_exact)


def test_a_perfect_system_scores_one():
    predictions, references = named(5)
    result = evaluate_predictions(predictions, references)
    assert result.num_examples == result.distinct_captions == 5
    assert result.exact_match == 1.0
    assert result.metrics["rouge_l"] == pytest.approx(1)
    assert result.metrics["bleu_1"] == pytest.approx(1)


def test_a_system_without_a_model_has_no_loss_and_no_blind_control():
    row = evaluate_predictions(*named(3)).to_json()
    assert list(row) == KEYS
    assert [row[key] for key in ("blind", "loss", "perplexity", "token_accuracy")] == [None] * 4
    assert row["notes"]["blind"] == row["notes"]["loss"] == "needs a model"


def test_a_missing_prediction_counts_as_empty():
    predictions, references = named(4)
    del predictions["g2"]
    result = evaluate_predictions(predictions, references)
    assert (result.num_examples, result.exact_match) == (4, 0.75)
    assert result.notes["predictions"] == "1 of 4 missing, counted as empty"


def test_a_prediction_without_references_is_named():
    predictions, references = named(5)
    with pytest.raises(DescriptionError, match=r"no references for g0, g1, g2 and 1 more"):
        evaluate_predictions(predictions, {"g4": references["g4"]})


def test_the_order_of_predictions_does_not_matter():
    predictions, references = named(9)
    shuffled = list(predictions.items())
    random.Random(0).shuffle(shuffled)
    assert evaluate_predictions(dict(shuffled), references) == evaluate_predictions(
        predictions, references
    )


def test_the_same_caption_for_everything_is_seen():
    _, references = named(4)
    result = evaluate_predictions(dict.fromkeys(references, "word0"), references)
    assert (result.distinct_captions, result.exact_match) == (1, 0.25)


def test_a_model_of_split_lists_is_not_scored_on_another_split(world, tmp_path):
    training = TrainingConfig(splits_sha256="0" * 64)
    folder = write_model(tmp_path / "model", recipe=tiny_recipe(), training=training)
    with pytest.raises(GifdescError, match="give the lists with --splits"):
        held_out(load_checkpoint(folder), world)
