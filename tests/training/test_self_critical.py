"""Self-critical training: rewards and advantages by hand, samples by their distribution."""

import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from gifdesc.config import TrainingConfig
from gifdesc.data.dataset import Batch, empty_batch
from gifdesc.data.examples import Example
from gifdesc.metrics import CiderD, DocumentFrequencies, TokenizedCaption
from gifdesc.model.dropout import example_seeds
from gifdesc.training.self_critical import (
    MAX_SAMPLED_TOKENS,
    CiderReward,
    sample,
    self_critical_loss,
)
from gifdesc.training.step import make_optimizer
from worlds import CAPTIONS, dataset_of, tiny_model, tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def example(name, *captions):
    return Example(name, Path(f"{name}.npy"), captions)


EXAMPLES = [
    example("a", "a red ball grows", "a red ball"),
    example("b", "a red ball shrinks"),
    example("c", "nothing moves"),
]


def tokens_of(caption, *, ended=True):
    tokens = TOKENIZER.encode(caption, 128)[1:]
    return tokens if ended else tokens[:-1]


@pytest.fixture(scope="module")
def reward():
    return CiderReward(EXAMPLES, TOKENIZER, 128)


def spelt(caption):
    """A caption as the metric sees it, its end written out."""
    return TokenizedCaption(f"{caption} END")


def test_the_reward_is_cider_with_the_end_token_as_a_word(reward):
    documents = [[spelt(caption) for caption in one.captions] for one in EXAMPLES]
    cider = CiderD(DocumentFrequencies.of(documents))
    for index, references in enumerate(documents):
        for caption in ("a red ball grows", "a red ball", "nothing", "a a a"):
            wanted = cider.score(spelt(caption), references)
            assert reward(index, tokens_of(caption)) == pytest.approx(wanted)


def test_a_truncated_caption_has_a_lower_reward(reward):
    whole = reward(1, tokens_of("a red ball shrinks"))
    broken = reward(1, tokens_of("a red ball shrinks", ended=False))
    assert whole == pytest.approx(10)
    assert 0 < broken < 0.9 * whole


def test_an_empty_caption_has_no_reward(reward):
    assert reward(2, []) == 0
    assert reward(2, tokens_of("")) == pytest.approx(0)


def test_references_are_cut_as_in_training():
    cut = CiderReward(EXAMPLES, TOKENIZER, 4)
    # As good as it gets for three tokens, which hold no n-gram of four.
    assert cut(1, tokens_of("a red")) == pytest.approx(10 * 3 / 4)


def test_with_one_example_every_reward_is_zero():
    # Every n-gram is in every document: none tells GIFs apart.
    reward = CiderReward(EXAMPLES[:1], TOKENIZER, 128)
    assert reward(0, tokens_of("a red ball grows")) == 0


class Told(nn.Module):
    """Says each word with a chance of its own, whatever came before."""

    def __init__(self, chances):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(chances).log())
        self.dropout = nn.Identity()

    def encode(self, features, _lengths):
        return Memory(features[:, 0])

    def start(self, memory):
        return memory

    def step(self, tokens, state):
        return self.logits.expand(len(tokens), -1), state, None

    def predict(self, _tokens, _memory, places):
        return self.logits.expand(len(places), -1)


class Memory:
    def __init__(self, frames):
        self.frames = frames

    def select(self, index):
        return Memory(self.frames[index])


class Words:
    """A tokenizer of three words."""

    start_id, end_id, banned_ids = 0, 1, (0,)


CHANCES = [0.4, 0.3, 0.1, 0.2]  # of start, end and two words; the start is never said


def draw(num_examples, num_samples, seed=0):
    seeds = example_seeds(seed, 1, range(num_examples), "samples")
    memory = Memory(torch.zeros(num_examples, 1))
    return sample(Told(CHANCES), memory, Words(), seeds, num_samples)


def test_samples_follow_the_models_distribution():
    tokens, said = draw(800, 5)
    assert (tokens[:, 0] == Words.start_id).all()
    first = Counter(tokens[:, 1].tolist())
    # 4,000 draws: standard errors of up to 0.008.
    for token, chance in {1: 0.5, 2: 0.1 / 0.6, 3: 0.2 / 0.6}.items():
        assert first[token] / 4000 == pytest.approx(chance, abs=0.03)
    assert Words.start_id not in first
    # A caption ends with a chance of a half at every word: two words on average.
    assert said.sum(dim=1).float().mean().item() == pytest.approx(2, abs=0.1)


def test_samples_end_with_the_end_token():
    tokens, said = draw(50, 3)
    assert tokens.shape == (150, said.shape[1] + 1)
    for row, mask in zip(tokens[:, 1:].tolist(), said.tolist(), strict=True):
        length = row.index(Words.end_id) + 1
        assert mask == [i < length for i in range(len(row))]


def test_a_caption_that_never_ends_is_cut():
    model = Told([0.5, 1e-30, 0.5])
    tokens, said = sample(model, Memory(torch.zeros(1, 1)), Words(), [7], 2)
    assert tokens.shape == (2, MAX_SAMPLED_TOKENS + 1)
    assert said.all()
    assert (tokens[:, 1:] == 2).all()


def test_samples_belong_to_examples_and_differ_among_them():
    tokens, said = draw(6, 4)
    alone, alone_said = sample(
        Told(CHANCES),
        Memory(torch.zeros(1, 1)),
        Words(),
        example_seeds(0, 1, [2], "samples"),
        4,
    )
    width = alone_said.shape[1]
    assert torch.equal(said[8:12, :width], alone_said)
    assert torch.equal(tokens[8:12, 1 : width + 1][alone_said], alone[:, 1:][alone_said])
    assert torch.equal(draw(6, 4)[0], tokens)
    assert not torch.equal(draw(6, 4, seed=1)[0][:, :2], tokens[:, :2])
    texts = {tuple(row[:length]) for row, length in zip(tokens.tolist(), said.sum(1), strict=True)}
    assert len(texts) > 3


def one_frame_batch(num_gifs):
    return Batch(
        torch.zeros(num_gifs, 1, 1),
        torch.ones(num_gifs, dtype=torch.long),
        torch.zeros(num_gifs, 2, dtype=torch.long),
        torch.ones(num_gifs, 2, dtype=torch.bool),
        tuple(range(num_gifs)),
    )


def test_each_samples_baseline_is_the_mean_of_the_others():
    rewards = iter([3.0, 1.0, 2.0, 0.0, 0.0, 6.0])
    asked = []

    def reward(example_index, tokens):
        asked.append((example_index, list(tokens)))
        return next(rewards)

    model = Told(CHANCES)
    seeds = example_seeds(0, 1, range(2), "samples")
    loss = self_critical_loss(
        model, one_frame_batch(2), reward, Words(), seeds=seeds, num_samples=3
    )
    assert [index for index, _ in asked] == [0, 0, 0, 1, 1, 1]
    # 3 against (1 + 2) / 2, 1 against (3 + 2) / 2, ...
    advantages = [1.5, -1.5, 0.0, -3.0, -3.0, 6.0]
    chances = {1: 0.5, 2: 0.1 / 0.6, 3: 0.2 / 0.6}
    log_probs = [sum(torch.tensor(chances[t]).log().item() for t in said) for _, said in asked]
    wanted = -sum(a * b for a, b in zip(advantages, log_probs, strict=True))
    assert loss.objective.item() == pytest.approx(wanted, rel=1e-5)
    assert loss.total.item() == 12.0
    assert int(loss.count) == 6


def test_equal_rewards_give_no_gradient():
    model = Told(CHANCES)
    loss = self_critical_loss(
        model, one_frame_batch(2), lambda *_: 4.0, Words(), seeds=[5, 6], num_samples=3
    )
    loss.objective.backward()
    assert model.logits.grad.abs().max() == 0


def test_an_empty_batch_counts_nothing():
    model = tiny_model(vocab_size=TOKENIZER.vocab_size, feature_size=4).train()
    batch = empty_batch(4, pad_id=TOKENIZER.pad_id)
    reward = CiderReward(EXAMPLES, TOKENIZER, 128)
    seeds = example_seeds(0, 1, batch.indices, "samples")
    loss = self_critical_loss(model, batch, reward, TOKENIZER, seeds=seeds, num_samples=2)
    loss.objective.backward()
    numbers = (loss.objective.detach(), loss.total, loss.count)
    assert [abs(float(number)) for number in numbers] == [0, 0, 0]
    gradients = [one.grad for one in model.parameters() if one.grad is not None]
    assert all(not gradient.any() for gradient in gradients)


def test_dropout_is_off_for_the_samples_and_on_again_after(tmp_path):
    dataset = dataset_of(CAPTIONS, tmp_path, TOKENIZER)
    model = tiny_model(vocab_size=TOKENIZER.vocab_size, dropout=0.5).train()
    reward = CiderReward(dataset.examples, TOKENIZER, 128)
    batch = dataset.batch([0, 1, 2], pad_id=TOKENIZER.pad_id)
    losses = [
        self_critical_loss(model, batch, reward, TOKENIZER, seeds=[1, 2, 3], num_samples=3)
        for _ in range(2)
    ]
    assert torch.equal(losses[0].objective, losses[1].objective)
    assert model.dropout.training


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_loss_is_computed_in_16_bits(tmp_path, dtype):
    """As on a GPU by default."""
    dataset = dataset_of(CAPTIONS, tmp_path, TOKENIZER)
    model = tiny_model(vocab_size=TOKENIZER.vocab_size).train()
    reward = CiderReward(dataset.examples, TOKENIZER, 128)
    batch = dataset.batch([0, 1, 2], pad_id=TOKENIZER.pad_id)
    with torch.autocast("cpu", dtype):
        loss = self_critical_loss(model, batch, reward, TOKENIZER, seeds=[1, 2, 3], num_samples=3)
    loss.objective.backward()
    assert loss.total > 0
    gradients = [part.grad for part in model.parameters() if part.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.any() for gradient in gradients)


def test_training_raises_the_reward(tmp_path):
    dataset = dataset_of(CAPTIONS, tmp_path, TOKENIZER)
    torch.manual_seed(0)
    model = tiny_model(vocab_size=TOKENIZER.vocab_size).train()
    optimizer = make_optimizer(model, TrainingConfig(learning_rate=5e-3))
    reward = CiderReward(dataset.examples, TOKENIZER, 128)
    batch = dataset.batch(range(6), pad_id=TOKENIZER.pad_id)
    means = []
    for step in range(80):
        seeds = example_seeds(0, step, range(6), "samples")
        loss = self_critical_loss(model, batch, reward, TOKENIZER, seeds=seeds, num_samples=8)
        optimizer.zero_grad()
        (loss.objective / loss.count).backward()
        optimizer.step()
        means.append(float(loss.total) / int(loss.count))
    assert sum(means[-10:]) / 10 > 3 * sum(means[:10]) / 10 > 0


def test_reference_vectors_are_made_on_demand():
    """Of the same captions, so that the document frequencies stay as few."""
    few, many = (
        [example(str(index), "a red ball grows", "nothing moves") for index in range(count)]
        for count in (10, 2010)
    )
    sizes_bytes = []
    for examples in (few, many):
        tracemalloc.start()
        try:
            reward = CiderReward(examples, TOKENIZER, 128)
            assert reward(3, tokens_of("nothing moves")) == pytest.approx(0)
            sizes_bytes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
    assert (sizes_bytes[1] - sizes_bytes[0]) / 4000 < 200, "bytes a caption"
