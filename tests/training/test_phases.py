"""The batches, learning rates and losses of phases; scheduled sampling and rewards."""

from dataclasses import replace

import pytest
import torch

from gifdesc.config import TrainingConfig
from gifdesc.data.feature_store import FeatureStore
from gifdesc.model.losses import token_loss
from gifdesc.training.distributed import World
from gifdesc.training.phases import CrossEntropyPhase, SelfCriticalPhase, draw_replaced
from gifdesc.training.results import PhaseScore
from gifdesc.training.step import learning_rate_at
from worlds import ALL_FOR_TRAINING, CPU, dataset_of, epoch_result, tiny_model, tiny_tokenizer

CAPTIONS = {
    "a": "a red ball grows\na ball grows\na red ball",
    "b": "a red ball shrinks",
    "c": "a blue cross grows\nthe cross",
    "d": "nothing moves",
}
TOKENIZER = tiny_tokenizer()
CONFIG = TrainingConfig(epochs=3, batch_size=2, label_smoothing=0.1, **ALL_FOR_TRAINING)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return dataset_of(CAPTIONS, tmp_path_factory.mktemp("phases"), TOKENIZER)


def model_of(**changes):
    return tiny_model(2, vocab_size=TOKENIZER.vocab_size, **changes).train()


def phase_of(dataset, config=CONFIG, world=None):
    return CrossEntropyPhase(dataset, config, world or World(), TOKENIZER)


def rewarded_phase_of(dataset, config, world=None):
    store = FeatureStore(48)
    return SelfCriticalPhase(dataset.examples, config, world or World(), TOKENIZER, store)


def test_an_epoch_takes_every_pair_once_in_an_order_of_its_own(dataset):
    phase = phase_of(dataset)
    plans = [phase.plan(epoch) for epoch in (1, 2, 1)]
    assert plans[0] == plans[2] != plans[1]
    assert len(plans[0]) == phase.num_batches == 4
    for plan in plans:
        assert sorted(index for batch in plan for index in batch) == list(range(7))


def test_the_processes_share_the_items_of_every_batch(dataset):
    plan = phase_of(dataset).plan(1)
    assert [list(batch.indices) for batch in phase_of(dataset).batches(plan)] == plan
    shares = [
        list(phase_of(dataset, world=World(rank=rank, size=2)).batches(plan)) for rank in (0, 1)
    ]
    for planned, *parts in zip(plan, *shares, strict=True):
        indices = [index for part in parts if not part.is_empty for index in part.indices]
        assert sorted(indices) == sorted(planned)


def test_the_learning_rates_follow_the_schedule_of_the_phase(dataset):
    phase = phase_of(dataset)
    rates = [phase.learning_rate(step) for step in range(12)]
    assert rates == [learning_rate_at(step, 12, CONFIG) for step in range(12)]


def test_gpu_seeds_differ_by_step_phase_and_process(dataset):
    phases = [
        phase_of(dataset),
        phase_of(dataset, world=World(rank=1, size=2)),
        phase_of(dataset, replace(CONFIG, seed=1)),
        rewarded_phase_of(dataset, CONFIG),
    ]
    seeds = [phase.seed_of_step(step) for phase in phases for step in range(5)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert phases[0].seed_of_step(3) == phase_of(dataset).seed_of_step(3)


def losses(phase, model, parts, *, epoch=1, step=0):
    """The summed loss of some items, computed in parts."""
    found = [
        phase.loss(model, batch.to(CPU), epoch=epoch, step=step) for batch in phase.batches(parts)
    ]
    return float(sum(one.objective.detach() for one in found))


@pytest.mark.parametrize("kind", ["plain", "dropout", "scheduled sampling", "rewarded"])
def test_a_pairs_loss_does_not_depend_on_its_batch(dataset, kind):
    """Not on its neighbours, its place, its padding, nor on what was computed before."""
    config = CONFIG
    if kind == "scheduled sampling":
        config = replace(CONFIG, scheduled_sampling=0.7)
    phase = phase_of(dataset, config)
    items = [0, 1, 2, 3, 4, 5, 6]
    if kind == "rewarded":
        phase, items = rewarded_phase_of(dataset, config), [0, 1, 2, 3]
    model = model_of(dropout=0.0 if kind == "plain" else 0.5)
    whole = losses(phase, model, [items], step=11)
    for parts in ([[index] for index in items], [items[::-1]], [items[:3], items[3:]]):
        assert losses(phase, model, parts, step=11) == pytest.approx(whole, rel=1e-5)
    other_epoch = losses(phase, model, [items], epoch=2, step=11)
    assert (other_epoch == pytest.approx(whole, rel=1e-5)) == (kind == "plain")


def test_the_loss_without_dropout_equals_token_loss(dataset):
    phase, model = phase_of(dataset), model_of()
    [batch] = phase.batches([[0, 3, 5]])
    wanted = token_loss(model, batch, "next_token", label_smoothing=0.1)
    found = phase.loss(model, batch, epoch=1, step=0)
    assert torch.equal(found.objective, wanted.objective)
    assert torch.equal(found.total, wanted.cross_entropy)
    assert torch.equal(found.count, wanted.num_tokens)


def test_scheduled_sampling_grows_from_nothing_to_its_share(dataset, monkeypatch):
    shares = []

    def spy(mask, share, seeds):
        shares.append(share)
        replaced = draw_replaced(mask, share, seeds)
        assert not replaced[:, 0].any()
        return replaced

    monkeypatch.setattr("gifdesc.training.phases.draw_replaced", spy)
    phase = phase_of(dataset, replace(CONFIG, scheduled_sampling=0.55))
    model = model_of()
    for step in range(12):
        losses(phase, model, [[0, 1]], step=step)
    assert shares == pytest.approx([0.55 * step / 11 for step in range(12)])


def test_without_scheduled_sampling_no_words_are_replaced(dataset, monkeypatch):
    def draw(*_):
        raise AssertionError("words were replaced")

    monkeypatch.setattr("gifdesc.training.phases.draw_replaced", draw)
    assert losses(phase_of(dataset), model_of(), [[0, 1]], step=11) > 0


def test_in_self_critical_training_a_gif_is_one_item(dataset):
    config = replace(CONFIG, scst_samples=3, scst_learning_rate=0.007)
    phase = rewarded_phase_of(dataset, config)
    assert phase.num_batches == 2
    assert sorted(index for batch in phase.plan(4) for index in batch) == [0, 1, 2, 3]
    assert phase.learning_rate(0) == phase.learning_rate(99) == 0.007
    [batch] = phase.batches([[2, 0]])
    loss = phase.loss(model_of(), batch, epoch=4, step=0)
    assert int(loss.count) == 2 * 3


def test_a_phase_names_its_number(dataset):
    assert phase_of(dataset).score(1.5) == PhaseScore(loss=1.5)
    assert rewarded_phase_of(dataset, CONFIG).score(1.5) == PhaseScore(reward=1.5)


def test_patience_ends_the_cross_entropy_phase_only(dataset):
    config = replace(CONFIG, patience=2)
    history = [epoch_result(epoch, is_best=epoch == 1) for epoch in (1, 2, 3)]
    phase, rewarded = phase_of(dataset, config), rewarded_phase_of(dataset, config)
    assert [phase.is_exhausted(history[:num]) for num in range(4)] == [False] * 3 + [True]
    assert not phase_of(dataset).is_exhausted(history)
    assert not rewarded.is_exhausted(history)


def test_all_captions_of_a_gif_reward_it(dataset, monkeypatch):
    seen = {}

    class Reward:
        def __init__(self, examples, tokenizer, max_tokens):
            seen["captions"] = [one.captions for one in examples]
            assert (tokenizer, max_tokens) == (TOKENIZER, CONFIG.max_tokens)

    monkeypatch.setattr("gifdesc.training.phases.CiderReward", Reward)
    rewarded_phase_of(dataset, CONFIG)
    assert [len(captions) for captions in seen["captions"]] == [3, 1, 2, 1]


def test_the_reports_objective_pads_every_caption_to_the_limit(dataset):
    config = replace(CONFIG, objective="reconstruction", best_by="loss", max_tokens=17)
    [batch] = phase_of(dataset, config).batches([[0, 1]])
    assert batch.tokens.shape == (2, 17)
