"""Validation scores equal those of other modules, with one process or several."""

import numpy as np
import pytest
import torch

from gifdesc.config import DecodingConfig, TrainingConfig
from gifdesc.data.dataset import iterate_batches, plan_scoring
from gifdesc.data.feature_files import read_features
from gifdesc.data.feature_store import FeatureStore
from gifdesc.metrics import score
from gifdesc.model.generation import CaptionGenerator
from gifdesc.model.losses import score_tokens
from gifdesc.training.distributed import World
from gifdesc.training.validation import Validator
from worlds import CPU, dataset_of, tiny_model, tiny_tokenizer

CAPTIONS = {
    "a": "a red ball grows",
    "b": "a red ball shrinks\na ball",
    "c": "a blue cross grows",
    "d": "a blue cross blinks",
    "e": "the grid fades to white",
    "f": "nothing moves",
    "g": "nothing grows",
}
TOKENIZER = tiny_tokenizer()
CONFIG = TrainingConfig(batch_size=3)
REPORTS = TrainingConfig(batch_size=3, objective="reconstruction", best_by="loss", max_tokens=20)


@pytest.fixture
def dataset(tmp_path):
    return dataset_of(CAPTIONS, tmp_path, TOKENIZER)


def model_of(**changes):
    return tiny_model(3, vocab_size=TOKENIZER.vocab_size, **changes)


def validator_of(examples, config=CONFIG, world=None, store=None):
    store = store or FeatureStore(48)
    return Validator(examples, TOKENIZER, config, store, CPU, world or World())


@pytest.mark.parametrize("config", [CONFIG, REPORTS])
def test_the_loss_is_that_of_scoring(dataset, config):
    model = model_of()
    found = validator_of(dataset.examples, config)(model)
    plan = plan_scoring(dataset.token_lengths, 8)
    pad_to = 20 if config is REPORTS else None
    batches = iterate_batches(dataset, plan, pad_id=TOKENIZER.pad_id, pad_to=pad_to)
    wanted = score_tokens(model, batches, config.objective, CPU)
    assert found.loss == pytest.approx(wanted.mean_loss, rel=1e-5)
    assert found.token_accuracy == pytest.approx(wanted.accuracy)


def test_cider_is_that_of_greedy_captions(dataset):
    model = model_of()
    found = validator_of(dataset.examples)(model)
    features = [read_features(one.features_path) for one in dataset.examples]
    said = CaptionGenerator(model, TOKENIZER, CPU)(features, DecodingConfig(num_beams=1))
    captions = [best.caption for best, *_ in said]
    references = [list(one.captions) for one in dataset.examples]
    assert found.cider == pytest.approx(score(captions, references)["cider"], abs=1e-9)


@pytest.mark.parametrize(("num_examples", "config"), [(1, CONFIG), (7, REPORTS)])
def test_cider_is_not_computed_where_it_means_nothing(dataset, num_examples, config):
    found = validator_of(dataset.examples[:num_examples], config)(model_of())
    assert found.cider is None
    assert found.loss > 0


def test_dropout_is_off_during_validation_only(dataset):
    model = model_of(dropout=0.8).train()
    validator = validator_of(dataset.examples)
    assert validator(model) == validator(model)
    assert model.training
    assert model.dropout.training


@pytest.mark.parametrize("size", [2, 3, 9])
@pytest.mark.parametrize("config", [CONFIG, REPORTS])
def test_several_processes_count_each_example_once(dataset, size, config):
    class Telling(World):
        """A process whose share of the sums is looked at."""

        def sum_(self, tensors):
            shares.append(tensors[0].clone())

    shares = []
    model = model_of()
    for rank in range(size):
        validator_of(dataset.examples, config, Telling(rank=rank, size=size))(model)
    assert len(shares) == size
    alone = validator_of(dataset.examples, config)(model)
    loss, num_correct, num_tokens, reward, num_captioned = torch.stack(shares).sum(dim=0).tolist()
    assert loss / num_tokens == pytest.approx(alone.loss, rel=1e-6)
    assert num_correct / num_tokens == pytest.approx(alone.token_accuracy)
    wanted = sum(len(ids) - 1 for ids in dataset_ids(dataset))
    assert num_tokens == (20 * len(dataset) if config is REPORTS else wanted)
    if config is CONFIG:
        assert num_captioned == len(dataset.examples)
        assert reward / num_captioned == pytest.approx(alone.cider, abs=1e-9)


def dataset_ids(dataset):
    return [dataset[index].tokens for index in range(len(dataset))]


def test_a_large_split_is_captioned_in_part_and_scored_whole(dataset, monkeypatch):
    asked = []

    class Counting(CaptionGenerator):
        def __call__(self, features, config):
            asked.append(len(features))
            return super().__call__(features, config)

    monkeypatch.setattr("gifdesc.training.validation.CaptionGenerator", Counting)
    model = model_of()
    found = Validator(
        dataset.examples, TOKENIZER, CONFIG, FeatureStore(48), CPU, World(), num_captioned=3
    )(model)
    assert sum(asked) == 3
    monkeypatch.undo()
    assert found.loss == validator_of(dataset.examples)(model).loss


@pytest.mark.parametrize(("count", "wanted"), [(None, 7), (3, 3), (5, 5), (50, 7)])
def test_so_many_gifs_are_captioned_for_the_score(dataset, count, wanted):
    examples = dataset.examples[:7]
    validator = Validator(
        examples, TOKENIZER, CONFIG, FeatureStore(48), CPU, World(), num_captioned=count
    )
    validator(model_of())
    assert len(validator.greedy_scores) == wanted


def test_a_file_that_cannot_be_used_is_left_out(dataset):
    path = dataset.examples[2].features_path
    np.save(path, np.full((3, 48), np.nan, np.float32))
    store = FeatureStore(48)
    model = model_of()
    found = validator_of(dataset.examples, store=store)(model)
    others = [one for index, one in enumerate(dataset.examples) if index != 2]
    assert found.loss == pytest.approx(validator_of(others)(model).loss, rel=1e-5)
    assert len(store.problems) == 1


def test_without_any_file_that_can_be_used_there_is_no_score(dataset):
    for example in dataset.examples:
        np.save(example.features_path, np.full((3, 48), np.nan, np.float32))
    assert validator_of(dataset.examples)(model_of()) is None
