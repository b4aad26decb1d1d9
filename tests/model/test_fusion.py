"""Fusion: sums, shapes and attention weights worked by hand."""

import math
from dataclasses import replace

import pytest
import torch

from gifdesc.model.fusion import (
    FUSIONS,
    AddFusion,
    AttentionFusion,
    ConcatFusion,
    GateFusion,
    Memory,
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


SAID = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])  # (B=1, L=2, S=2)
MEMORY = Memory(
    frames=torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]]),  # (1, T=3, H=2)
    mask=torch.tensor([[True, True, False]]),
    summary=torch.tensor([[10.0, 20.0]]),
)


def random_memory(num_gifs: int, num_frames: int, size: int) -> Memory:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, num_frames + 1, (num_gifs, 1), generator=generator)
    return Memory(
        torch.randn(num_gifs, num_frames, size, generator=generator),
        torch.arange(num_frames)[None] < lengths,
        torch.randn(num_gifs, size, generator=generator),
    )


def set_identity(fusion: AttentionFusion, *, join: list[list[float]]) -> None:
    with torch.no_grad():
        fusion.query.weight.copy_(torch.eye(2))
        fusion.query.bias.zero_()
        fusion.join.weight.copy_(torch.tensor(join))
        fusion.join.bias.zero_()


def test_add_is_the_element_wise_sum_at_every_word():
    joined, weights = AddFusion(2, 2, 2)(SAID, MEMORY)
    assert joined.tolist() == [[[11.0, 22.0], [13.0, 24.0]]]
    assert weights is None


def test_add_refuses_two_sizes():
    with pytest.raises(ValueError, match="sizes 3 and 2 cannot be added"):
        AddFusion(3, 2, 2)


def test_concat_puts_both_side_by_side_through_tanh():
    fusion = ConcatFusion(2, 2, 2)
    with torch.no_grad():  # first unit: the words' sum; second: the GIF's second number / 100
        fusion.join.weight.copy_(torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.01]]))
        fusion.join.bias.zero_()
    joined, weights = fusion(SAID, MEMORY)
    wanted = [[math.tanh(3), math.tanh(0.2)], [math.tanh(7), math.tanh(0.2)]]
    torch.testing.assert_close(joined, torch.tensor([wanted]))
    assert weights is None


def test_attention_worked_by_hand():
    fusion = AttentionFusion(2, 2, 2)
    # Only what was seen goes on: the joined vector is tanh of the context.
    set_identity(fusion, join=[[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    joined, weights = fusion(SAID, MEMORY)
    # Scores of frames (1,0) and (0,1) are the word's own numbers over sqrt(2): a difference of
    # 1 / sqrt(2) at both words, so the first weight is 1 / (1 + e^(1/sqrt(2))).
    first = 1 / (1 + math.exp(1 / math.sqrt(2)))
    wanted = torch.tensor([[[first, 1 - first, 0.0]] * 2])
    torch.testing.assert_close(weights, wanted)
    # Beside the joined vector goes the context itself.
    context = [first, 1 - first]
    both = [*map(math.tanh, context), *context]
    torch.testing.assert_close(joined, torch.tensor([[both] * 2]))


def test_attention_keeps_the_word_as_well():
    fusion = AttentionFusion(2, 2, 2)
    set_identity(fusion, join=[[1.0, 0.0, 0.0, 0.0], [0.0, 0.1, 0.0, 0.0]])
    joined, _ = fusion(SAID, MEMORY)
    wanted = [[math.tanh(1), math.tanh(0.2)], [math.tanh(3), math.tanh(0.4)]]
    torch.testing.assert_close(joined[..., :2], torch.tensor([wanted]))


def test_the_gate_weighs_what_was_seen_against_what_was_said():
    fusion = GateFusion(2, 2, 2)
    with torch.no_grad():
        for part in (fusion.said, fusion.seen):
            part.weight.copy_(torch.eye(2) / 10)
            part.bias.zero_()
        # First number: the gate is sigmoid(the word's first number); second: always 3/4 open.
        fusion.gate.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
        fusion.gate.bias.copy_(torch.tensor([0.0, math.log(3)]))
    joined, weights = fusion(SAID, MEMORY)
    seen = (math.tanh(1), math.tanh(2))
    wanted = []
    for word in SAID[0].tolist():
        gates = (1 / (1 + math.exp(-word[0])), 3 / 4)
        wanted.append(
            [
                gate * look + (1 - gate) * math.tanh(number / 10)
                for gate, look, number in zip(gates, seen, word, strict=True)
            ]
        )
    torch.testing.assert_close(joined, torch.tensor([wanted]))
    assert weights is None


@pytest.mark.parametrize("kind", FUSIONS)
def test_shapes(kind):
    said_size = 5 if kind == "add" else 3
    # Only attention looks at single frames, which may be of another size than the summary.
    fusion = FUSIONS[kind](said_size, 5, 8)
    memory = replace(random_memory(4, 6, 5), frames=torch.randn(4, 6, 8))
    joined, weights = fusion(torch.randn(4, 7, said_size), memory)
    assert fusion.output_size == (5 + 8 if kind == "attention" else 5)
    assert joined.shape == (4, 7, fusion.output_size)
    assert (weights is None) == (kind != "attention")
    if weights is not None:
        assert weights.shape == (4, 7, 6)


def test_attention_weights_sum_to_one_and_are_zero_on_padding():
    memory = random_memory(8, 6, 4)
    assert not memory.mask.all()
    _, weights = AttentionFusion(3, 4, 4)(10 * torch.randn(8, 5, 3), memory)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(8, 5))
    padding = ~memory.mask[:, None].expand_as(weights)
    assert (weights[padding] == 0).all()
    assert (weights[~padding] > 0).all()


def test_one_frame_has_all_the_attention():
    memory = Memory(torch.randn(1, 3, 4), torch.tensor([[True, False, False]]), torch.zeros(1, 4))
    _, weights = AttentionFusion(2, 4, 4)(torch.randn(1, 2, 2), memory)
    assert weights.tolist() == [[[1.0, 0.0, 0.0]] * 2]


@pytest.mark.parametrize("kind", FUSIONS)
def test_padded_frames_change_nothing(kind):
    fusion = FUSIONS[kind](4, 4, 4)
    said, memory = torch.randn(8, 3, 4), random_memory(8, 6, 4)
    frames = torch.where(memory.mask[..., None], memory.frames, 1e4)
    other = Memory(frames, memory.mask, memory.summary)
    torch.testing.assert_close(fusion(said, memory)[0], fusion(said, other)[0])
