from itertools import product

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gifdesc.config import ModelConfig
from gifdesc.model.fusion import AddFusion
from gifdesc.model.network import MAX_DEVIATIONS, _run_packed
from worlds import tiny_model

V, D = 11, 6
SIZES = {"feature_size": D, "vocab_size": V, "hidden_size": 8, "embedding_size": 8}
LENGTHS = torch.tensor([5, 3, 1])
TOKENS = torch.tensor([[1, 5, 2, 9], [3, 3, 0, 7], [10, 4, 6, 8]])

KINDS = list(product(("none", "rnn", "gru", "lstm"), ("none", "rnn", "gru", "lstm")))
FUSIONS = ("add", "concat", "gate", "attention")


def shape_of(encoder, decoder, fusion, index):
    """A model's shape; both directions and all ways in meet every kind of encoder and decoder."""
    shape = {"encoder": encoder, "decoder": decoder, "fusion": fusion}
    if encoder == "none":
        return {**shape, "bidirectional": False, "projection_size": 8}
    return {
        **shape,
        "bidirectional": index % 2 == 0,
        "projection_size": 0 if index % 3 == 0 else 7,
        "frame_skip": index % 5 < 3,
        "frame_norm": index % 7 < 4,
        "word_evidence": index % 4 < 3,
        "unsaid_words": index % 5 < 3,
    }


SHAPES = [
    pytest.param(shape_of(encoder, decoder, fusion, index), id=f"{encoder}-{decoder}-{fusion}")
    for index, ((encoder, decoder), fusion) in enumerate(product(KINDS, FUSIONS))
]


def model_of(shape, **changes):
    return tiny_model(3, **SIZES, **{**shape, **changes})


def frames(seed=0, num_frames=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, num_frames, D, generator=generator)


def say_all(model, features, lengths, tokens):
    """Logits (B, L, V) and frame weights, one step at a time."""
    state = model.start(model.encode(features, lengths))
    logits, weights = [], []
    for position in range(tokens.shape[1]):
        step_logits, state, step_weights = model.step(tokens[:, position], state)
        logits.append(step_logits)
        weights.append(step_weights)
    return torch.stack(logits, dim=1), weights


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_forward_is_step_repeated(shape):
    model = model_of(shape)
    stepped, _ = say_all(model, frames(), LENGTHS, TOKENS)
    whole = model(frames(), LENGTHS, TOKENS)
    assert whole.shape == (3, 4, V)
    torch.testing.assert_close(whole, stepped, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_what_pads_the_frames_changes_nothing(shape):
    model = model_of(shape)
    padded = frames()
    for example, length in enumerate(LENGTHS):
        padded[example, length:] = 1e4
    together = model(padded, LENGTHS, TOKENS)
    for example, length in enumerate(LENGTHS):
        alone = padded[example : example + 1, :length]
        logits = model(alone, length[None], TOKENS[example : example + 1])
        torch.testing.assert_close(together[example], logits[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_only_attention_weighs_frames_and_its_weights_sum_to_one(shape):
    model = model_of(shape)
    _, weights = say_all(model, frames(), LENGTHS, TOKENS)
    if shape["fusion"] != "attention":
        assert weights == [None] * 4
        return
    for step_weights in weights:
        assert step_weights.shape == (3, 5)
        torch.testing.assert_close(step_weights.sum(dim=1), torch.ones(3))
        assert (step_weights >= 0).all()
        for example, length in enumerate(LENGTHS):
            assert (step_weights[example, length:] == 0).all()
            assert (step_weights[example, :length] > 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_reach_every_parameter(shape):
    model = model_of(shape).train()
    targets = TOKENS.flip(1)
    logits = model(frames(), LENGTHS, TOKENS)
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    without = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert without == []


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_the_frames_matter_and_where_an_rnn_reads_them_their_order(shape):
    model = model_of(shape)
    lengths = torch.tensor([5, 5, 5])
    logits = model(frames(), lengths, TOKENS)
    assert not torch.allclose(model(frames(seed=1), lengths, TOKENS), logits, atol=1e-4)
    flipped = model(frames().flip(1), lengths, TOKENS)
    # Without an RNN over the frames there is no order.
    has_order = shape["encoder"] != "none"
    assert torch.allclose(flipped, logits, atol=1e-4) != has_order


@torch.no_grad()
def test_without_an_encoder_a_gif_is_the_mean_of_its_frames():
    shape = {"bidirectional": False, "projection_size": 8, "frame_norm": False}
    model = model_of({"encoder": "none", **shape})
    memory = model.encode(frames(), LENGTHS)
    projected = model.projection(frames())
    torch.testing.assert_close(memory.frames, projected)
    means = [projected[i, :length].mean(dim=0) for i, length in enumerate(LENGTHS)]
    torch.testing.assert_close(memory.summary, torch.stack(means))


@torch.no_grad()
def test_normalised_frames_are_of_one_scale_however_large_their_features():
    model = model_of({"projection_size": 7, "standardise": False})
    with torch.no_grad():
        model.projection.bias.zero_()
    seen = model.encode(frames(), LENGTHS).frames[..., 8:]
    torch.testing.assert_close(seen.mean(dim=-1), torch.zeros(3, 5), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        seen.std(dim=-1, unbiased=False), torch.full((3, 5), 0.5), atol=1e-3, rtol=0
    )
    louder = model.encode(100 * frames(), LENGTHS).frames[..., 8:]
    torch.testing.assert_close(louder, seen, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("skips", "size"), [(False, 8), (True, 8 + 7)])
@torch.no_grad()
def test_attention_may_see_each_frame_as_it_came_in(skips, size):
    model = model_of({"projection_size": 7, "frame_skip": skips, "frame_norm": False})
    memory = model.encode(frames(), LENGTHS)
    assert memory.frames.shape == (3, 5, size)
    projected = model.projection(frames())
    assert torch.equal(memory.frames[..., 8:], projected[..., : size - 8])
    assert memory.summary.shape == (3, 8)


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_predictions_at_some_places_are_those_of_whole_captions(shape):
    model = model_of(shape)
    places = torch.tensor([11, 0, 6])
    logits = model.predict(TOKENS, model.encode(frames(), LENGTHS), places)
    whole = model(frames(), LENGTHS, TOKENS)
    torch.testing.assert_close(logits, whole.flatten(0, 1)[places])


@torch.no_grad()
def test_a_step_knows_only_the_words_before_it():
    model = model_of({})
    changed = TOKENS.clone()
    changed[:, 2] = 1
    before, after = (model(frames(), LENGTHS, tokens) for tokens in (TOKENS, changed))
    torch.testing.assert_close(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 3], after[:, 3], atol=1e-4)


@torch.no_grad()
def test_the_training_sets_statistics_are_applied():
    mean, std = torch.linspace(-3, 3, D), torch.linspace(0.5, 4, D)
    plain, standardising = model_of({}), model_of({})
    standardising.set_feature_statistics(mean, std)
    raw = frames() * std + mean
    wanted = plain(frames(), LENGTHS, TOKENS)
    torch.testing.assert_close(standardising(raw, LENGTHS, TOKENS), wanted, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(plain(raw, LENGTHS, TOKENS), wanted, atol=1e-3)


def test_features_that_never_vary_are_only_shifted():
    model = model_of({})
    model.set_feature_statistics(torch.full((D,), 7.0), torch.zeros(D))
    assert model.feature_std.tolist() == [1.0] * D
    assert model.feature_mean.tolist() == [7.0] * D


def test_a_small_deviation_is_raised_to_a_share_of_the_others():
    model = model_of({})
    std = torch.full((D,), 2.0)
    std[0] = 1e-6
    model.set_feature_statistics(torch.zeros(D), std)
    rms = 2 * ((D - 1) / D) ** 0.5
    assert model.feature_std.tolist() == pytest.approx([0.1 * rms] + [2.0] * (D - 1))


@torch.no_grad()
def test_a_feature_that_no_training_frame_showed_does_not_drown_the_others():
    """As in checkpoints from before the deviations had a floor."""
    model = model_of({})
    std = torch.ones(D)
    std[0] = 1e-6
    model.feature_std.copy_(std)
    alive, clamped = frames(), frames()
    alive[:, :, 0], clamped[:, :, 0] = 0.3, 10e-6
    wanted = model(clamped, LENGTHS, TOKENS)
    torch.testing.assert_close(model(alive, LENGTHS, TOKENS), wanted)
    assert model.standardise(alive).abs().max() == MAX_DEVIATIONS


@torch.no_grad()
def test_features_that_are_not_standardised_are_not_clamped():
    model = model_of({}, standardise=False)
    near, far = frames(), frames()
    near[:, :, 0], far[:, :, 0] = 10.0, 100.0
    assert not torch.allclose(model(near, LENGTHS, TOKENS), model(far, LENGTHS, TOKENS))


def test_statistics_travel_with_the_weights_and_are_not_trained():
    model = model_of({})
    assert {"feature_mean", "feature_std"} <= set(model.state_dict())
    assert not {"feature_mean", "feature_std"} & set(dict(model.named_parameters()))


@torch.no_grad()
def test_dropout_acts_in_training_alone():
    model = model_of({}, dropout=0.5)
    torch.testing.assert_close(
        model(frames(), LENGTHS, TOKENS), model(frames(), LENGTHS, TOKENS), atol=0, rtol=0
    )
    model.train()
    first, second = (model(frames(), LENGTHS, TOKENS) for _ in range(2))
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("decoder", ["none", "gru", "lstm"])
@torch.no_grad()
def test_selected_states_go_on_as_the_originals_do(decoder):
    model = model_of({"decoder": decoder})
    state = model.start(model.encode(frames(), LENGTHS))
    _, state, _ = model.step(TOKENS[:, 0], state)
    index = torch.tensor([0, 0, 1, 1, 2, 2])
    chosen, _, chosen_weights = model.step(TOKENS[index, 1], state.select(index))
    logits, _, weights = model.step(TOKENS[:, 1], state)
    torch.testing.assert_close(chosen, logits[index])
    torch.testing.assert_close(chosen_weights, weights[index])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("lengths", [[5, 5], [5, 2]])
def test_an_lstm_on_a_cpu_computes_in_float32(dtype, lengths):
    model = model_of({"encoder": "lstm", "decoder": "lstm"})
    results = []
    for network in (model.encoder, model.decoder):
        network.register_forward_hook(lambda _network, _given, found: results.append(found[0]))
    tokens = torch.ones(2, 4, dtype=torch.long)
    features = torch.randn(2, 5, model.config.feature_size)
    with torch.autocast("cpu", dtype):
        model(features, torch.tensor(lengths), tokens).sum().backward()
    assert [getattr(found, "data", found).dtype for found in results] == [torch.float32] * 2


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "changes", [{}, {"decoder": "lstm"}, {"encoder": "lstm"}, {"decoder": "rnn"}], ids=str
)
@torch.no_grad()
def test_steps_in_16_bits_have_float32_logits(changes, dtype):
    model = model_of(changes)
    exact, _ = say_all(model, frames(), LENGTHS, TOKENS)
    with torch.autocast("cpu", dtype):
        found, _ = say_all(model, frames(), LENGTHS, TOKENS)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("senseless", "named"),
    [
        ({"encoder": "none", "bidirectional": True}, "bidirectional must be false"),
        (
            {"encoder": "none", "bidirectional": False, "projection_size": 7},
            "projection_size must equal hidden_size",
        ),
        ({"encoder": "transformer"}, "encoder"),
        ({"decoder": "beam"}, "decoder"),
        ({"fusion": "multiply"}, "fusion"),
        ({"hidden_size": 7, "bidirectional": True}, "even hidden_size"),
        ({"decoder": "none", "embedding_size": 5}, "embedding_size"),
        ({"feature_size": 0}, "feature_size"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"hidden_size": 0, "bidirectional": False}, "hidden_size"),
        ({"embedding_size": -1}, "embedding_size"),
        ({"projection_size": -1}, "projection_size"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
    ],
)
def test_a_senseless_model_is_refused(senseless, named):
    with pytest.raises(ValueError, match=named):
        ModelConfig(**senseless)


def test_vectors_of_two_sizes_cannot_be_added():
    with pytest.raises(ValueError, match="4 and 8 cannot be added"):
        AddFusion(4, 8, 8)


@pytest.mark.parametrize("encoder", ["rnn", "gru", "lstm"])
def test_sequences_of_several_lengths_are_encoded_as_pytorch_sorts_them(encoder):
    model = tiny_model(encoder=encoder, frame_skip=False)
    seen = torch.randn(5, 7, 12, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([3, 7, 1, 3, 5])
    packed = pack_padded_sequence(seen, lengths, batch_first=True, enforce_sorted=False)
    output, final = model.encoder(packed)
    wanted, _ = pad_packed_sequence(output, batch_first=True)
    frames, summary = _run_packed(model.encoder, seen, lengths)
    assert torch.equal(frames, wanted)
    assert torch.equal(summary, final[0] if encoder == "lstm" else final)
