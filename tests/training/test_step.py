"""Optimizer steps: parted batches, clipping, memory that runs short, types of arithmetic."""

import logging
from dataclasses import replace

import pytest
import torch

from gifdesc.config import TrainingConfig
from gifdesc.data.dataset import empty_batch
from gifdesc.errors import TrainingError
from gifdesc.training.distributed import World
from gifdesc.training.phases import CrossEntropyPhase
from gifdesc.training.step import Trainer, autocast_dtype, make_optimizer
from worlds import ALL_FOR_TRAINING, CAPTIONS, CPU, dataset_of, tiny_model, tiny_tokenizer

TOKENIZER = tiny_tokenizer()
CONFIG = TrainingConfig(
    batch_size=6,
    learning_rate=0.01,
    label_smoothing=0.1,
    scheduled_sampling=0.5,
    epochs=2,
    **ALL_FOR_TRAINING,
)
INDICES = [0, 3, 5, 1, 4, 2]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return dataset_of(CAPTIONS, tmp_path_factory.mktemp("trainer"), TOKENIZER)


class Setting:
    """A model with dropout and all that takes one step of it."""

    def __init__(self, dataset, config=CONFIG, **changes):
        self.model = tiny_model(vocab_size=TOKENIZER.vocab_size, dropout=0.4, **changes).train()
        self.dataset = dataset
        self.phase = CrossEntropyPhase(dataset, config, World(), TOKENIZER)
        optimizer = make_optimizer(self.model, config)
        self.trainer = Trainer(self.model, optimizer, config, CPU, World())
        self.sizes = []

    def loss_of(self, batch):
        self.sizes.append(len(batch.tokens))
        return self.phase.loss(self.model, batch, epoch=1, step=1)

    def step(self, indices=INDICES, loss_of=None, learning_rate=0.01):
        batch = self.dataset.batch(indices, pad_id=TOKENIZER.pad_id)
        return self.trainer.step(batch, loss_of or self.loss_of, learning_rate)

    def gradients(self):
        return [parameter.grad.clone() for parameter in self.model.parameters()]

    def weights(self):
        return torch.cat([one.detach().flatten() for one in self.model.parameters()])


def exhausting(setting, most):
    """A loss that runs out of memory on more than `most` examples."""

    def loss_of(batch):
        if len(batch.tokens) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return setting.loss_of(batch)

    return loss_of


@pytest.mark.parametrize(("most", "sizes"), [(3, [3, 3]), (2, [2, 2, 2]), (1, [1] * 6)])
@pytest.mark.parametrize("encoder", ["gru", "rnn"])
def test_a_batch_parted_for_memory_gives_the_same_step(dataset, most, sizes, encoder):
    whole, parted = (Setting(dataset, encoder=encoder) for _ in range(2))
    wanted = whole.step()
    found = parted.step(loss_of=exhausting(parted, most))
    assert (whole.sizes, parted.sizes) == ([6], sizes)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=0)
    for one, other in zip(parted.gradients(), whole.gradients(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_each_halving_is_reported_once_and_lasts(dataset, caplog):
    setting = Setting(dataset)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            setting.step(loss_of=exhausting(setting, 2))
    assert [record.getMessage() for record in caplog.records] == [
        f"out of memory: continuing with batches of {number} examples" for number in (3, 2)
    ]
    assert setting.sizes == [2] * 9


def test_an_example_that_does_not_fit_ends_the_run(dataset):
    setting = Setting(dataset)
    before = setting.weights()
    with pytest.raises(TrainingError, match=r"not enough memory for one example; .*--hidden-size"):
        setting.step(loss_of=exhausting(setting, 0))
    assert torch.equal(setting.weights(), before)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")]
)
def test_a_batch_is_split_when_cpu_memory_runs_short(dataset, error):
    setting = Setting(dataset)
    errors = [error]

    def loss_of(batch):
        if errors:
            raise errors.pop()
        return setting.loss_of(batch)

    setting.step(loss_of=loss_of)
    assert setting.sizes == [3, 3]


def test_any_other_error_is_let_through(dataset):
    def fail(_):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        Setting(dataset).step(loss_of=fail)


def test_a_step_is_down_the_gradient_of_the_loss_per_token(dataset):
    setting, plain = Setting(dataset), Setting(dataset)
    sums = setting.step()
    batch = dataset.batch(INDICES, pad_id=TOKENIZER.pad_id)
    loss = plain.loss_of(batch)
    (loss.objective / loss.count).backward()
    norm = torch.nn.utils.clip_grad_norm_(plain.model.parameters(), CONFIG.max_grad_norm)
    assert norm > 0
    for one, other in zip(setting.gradients(), plain.gradients(), strict=True):
        torch.testing.assert_close(one, other)
    wanted = [loss.total, loss.count]
    assert sums.tolist() == pytest.approx([float(number) for number in wanted])
    assert sums.dtype == torch.float64


@pytest.mark.parametrize("max_grad_norm", [0.0, 0.01])
def test_gradients_are_clipped_to_the_norm_and_0_leaves_them(dataset, max_grad_norm):
    setting = Setting(dataset, replace(CONFIG, max_grad_norm=max_grad_norm))
    setting.step()
    norm = torch.cat([one.flatten() for one in setting.gradients()]).norm().item()
    if max_grad_norm:
        assert norm == pytest.approx(max_grad_norm, rel=1e-3)
    else:
        assert norm > 0.1


def test_the_learning_rate_is_the_steps_own(dataset):
    setting = Setting(dataset)
    before = setting.weights()
    setting.step(learning_rate=1e-9)
    assert torch.allclose(setting.weights(), before, atol=1e-7)
    setting.step(learning_rate=0.1)
    assert (setting.weights() - before).abs().max() > 0.05


def test_gradients_of_the_step_before_are_gone(dataset):
    once, twice = Setting(dataset), Setting(dataset)
    once.step([0, 1])
    twice.step(learning_rate=1e-12)
    twice.step([0, 1])
    for one, other in zip(once.gradients(), twice.gradients(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_an_empty_batch_has_no_gradient(dataset):
    setting = Setting(dataset, replace(CONFIG, weight_decay=0.0))
    before = setting.weights()
    batch = empty_batch(48, pad_id=TOKENIZER.pad_id)
    sums = setting.trainer.step(batch, setting.loss_of, 0.01)
    assert sums.tolist() == [0, 0]
    assert torch.equal(setting.weights(), before)


def test_less_precise_arithmetic_keeps_the_weights_precise(dataset):
    exact, rough = Setting(dataset), Setting(dataset, replace(CONFIG, precision="bfloat16"))
    wanted, found = exact.step(), rough.step()
    assert not torch.equal(wanted, found)
    torch.testing.assert_close(found[0], wanted[0], rtol=0.02, atol=0)
    assert {parameter.dtype for parameter in rough.model.parameters()} == {torch.float32}


def test_the_type_of_arithmetic(monkeypatch):
    assert autocast_dtype("auto", CPU) == torch.float32
    assert autocast_dtype("bfloat16", CPU) == torch.bfloat16
    gpu = torch.device("cuda")
    for capability, wanted in {(8, 0): torch.bfloat16, (7, 5): torch.float16}.items():
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda _, found=capability: found)
        assert autocast_dtype("auto", gpu) == wanted
        assert autocast_dtype("float32", gpu) == torch.float32
