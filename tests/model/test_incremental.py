"""Incremental decoding says what the whole layers say."""

import pytest
import torch
from torch import nn

from gifdesc.model import fusion as incremental
from gifdesc.model.fusion import FUSIONS, Memory, make_output_head

B, K, T, S, H, M, V = 3, 4, 5, 6, 6, 7, 11


def random_parts(kind):
    torch.manual_seed(0)
    fusion = FUSIONS[kind](S, H, M)
    output = nn.Linear(fusion.output_size, V)
    lengths = torch.tensor([5, 1, 3])
    memory = Memory(
        torch.randn(B, T, M), torch.arange(T)[None] < lengths[:, None], torch.ones(B, H)
    )
    return fusion, output, memory


@pytest.mark.parametrize("is_prepared", [True, False])
@pytest.mark.parametrize("kind", FUSIONS)
@torch.no_grad()
def test_a_speaker_is_the_fusion_and_the_output_layer(kind, is_prepared, monkeypatch):
    monkeypatch.setattr(incremental, "MAX_PREPARED_NUMBERS", B * T * V if is_prepared else 0)
    fusion, output, memory = random_parts(kind)
    decoded = torch.randn(B, K, S)
    joined, wanted_weights = fusion(decoded, memory)
    logits, weights = make_output_head(fusion, output, memory)(decoded)
    torch.testing.assert_close(logits, output(joined), atol=1e-6, rtol=1e-5)
    if wanted_weights is None:
        assert weights is None
    else:
        torch.testing.assert_close(weights, wanted_weights, atol=1e-6, rtol=1e-5)


@torch.no_grad()
def test_what_pads_the_frames_is_never_heard():
    fusion, output, memory = random_parts("attention")
    frames = torch.where(memory.mask[..., None], memory.frames, 1e4)
    decoded = torch.randn(B, K, S)
    wanted, _ = make_output_head(fusion, output, memory)(decoded)
    found, _ = make_output_head(fusion, output, Memory(frames, memory.mask, memory.summary))(
        decoded
    )
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("room", [B * T * V, 0])
@torch.no_grad()
def test_frames_are_multiplied_beforehand_where_their_logits_are_few(room, monkeypatch):
    """Whether the output layer's whole weight is read again at a word."""
    monkeypatch.setattr(incremental, "MAX_PREPARED_NUMBERS", room)
    fusion, output, memory = random_parts("attention")
    head = make_output_head(fusion, output, memory)
    decoded = torch.randn(B, K, S)
    before, _ = head(decoded)
    output.weight[:, H:] = 0
    after, _ = head(decoded)
    assert torch.equal(before, after) == bool(room)
