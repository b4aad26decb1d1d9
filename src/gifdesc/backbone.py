"""ResNet50 without its head, and where its weights come from."""

from __future__ import annotations

import hashlib
import pickle
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from gifdesc.errors import WeightsError
from gifdesc.files import sha256_of
from gifdesc.preprocessing import FrameTransform
from gifdesc.resnet import ResNet50, initialise

UNTRAINED = "random"
_RANDOM_SEED = 0

_TORCHVISION_WEIGHTS = {"imagenet1k-v1": "IMAGENET1K_V1", "imagenet1k-v2": "IMAGENET1K_V2"}
WEIGHT_NAMES = (*_TORCHVISION_WEIGHTS, UNTRAINED)

_RESIZE_SIZES = {"imagenet1k-v1": 256, "imagenet1k-v2": 232}
"""Shorter side in pixels before the crop, from torchvision's ResNet50_Weights.*.transforms()."""

_V2_FILE_SHA256 = "11ad3fa6"
"""How the SHA-256 of torchvision's own V2 file begins (its name carries it): such a file given
by path brings the V2 transform."""


@dataclass(frozen=True)
class Backbone:
    """A frozen ResNet50 that gives one vector per frame.

    Attributes:
        network: (N, 3, h, w) normalised floats -> (N, 2048).
        transform: the preprocessing that these weights were trained with.
        weights: what `--weights` said.
        weights_sha256: of the weights' file, or of the random weights' bytes.
    """

    network: nn.Module
    transform: FrameTransform
    weights: str
    weights_sha256: str

    @property
    def is_untrained(self) -> bool:
        """The weights are random: the features describe no content by themselves."""
        return self.weights == UNTRAINED


def load_backbone(weights: str) -> Backbone:
    """ResNet50 without its final layer.

    Args:
        weights: `imagenet1k-v1`, `imagenet1k-v2`, `random` (one fixed seed, untrained), or the
            path of a .safetensors or .pth state dict.

    Raises:
        WeightsError: the weights cannot be downloaded here, or the file does not fit.
    """
    if weights == UNTRAINED:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_RANDOM_SEED)
            network = ResNet50()
            initialise(network)
        digest = hashlib.sha256(save(dict(network.state_dict()))).hexdigest()
    else:
        if weights in _TORCHVISION_WEIGHTS:
            path = _download(weights)
        elif (path := Path(weights)).is_file():
            pass
        else:
            raise WeightsError(
                f"--weights {weights}: neither a file nor one of {', '.join(WEIGHT_NAMES)}"
            )
        with torch.device("meta"):  # random weights that are overwritten cost time
            network = ResNet50()
        _fill(network, path)
        digest = sha256_of(path)
    is_v2 = weights == "imagenet1k-v2" or digest.startswith(_V2_FILE_SHA256)
    transform = FrameTransform(
        resize_size=_RESIZE_SIZES["imagenet1k-v2" if is_v2 else "imagenet1k-v1"]
    )
    network.fc = nn.Identity()
    return Backbone(network.eval().requires_grad_(False), transform, weights, digest)


def _download(weights: str) -> Path:
    """The file of torchvision for a weight set, from its cache or from the network."""
    from torchvision.models import ResNet50_Weights

    url: str = ResNet50_Weights[_TORCHVISION_WEIGHTS[weights]].url
    cache_dir = Path(torch.hub.get_dir()) / "checkpoints"
    path = cache_dir / url.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        digest_prefix = path.stem.rsplit("-", 1)[-1]
        torch.hub.download_url_to_file(url, str(path), digest_prefix, progress=False)
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(
            f"--weights {weights}: cannot be downloaded here; get {url} on another machine and "
            f"put it at {path}, or use --weights FILE, or --weights random (untrained)"
        ) from error
    return path


def _fill(network: nn.Module, path: Path) -> None:
    """Load a state dict, as float32, into a network that may be without memory (`meta`).

    The head is left as it is.
    """
    state = _read_state(path)
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    expected = network.state_dict()
    needed = {
        name
        for name in expected
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }
    if missing := sorted(needed - set(state)):
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise WeightsError(f"{path}: not ResNet50: it lacks {', '.join(missing[:3])}{more}")
    for name in sorted(needed):
        if state[name].shape != expected[name].shape:
            raise WeightsError(
                f"{path}: not ResNet50: {name} has shape {tuple(state[name].shape)} "
                f"instead of {tuple(expected[name].shape)}"
            )
    # Copied to memory of PyTorch's own: how numbers lie in a file must not matter to a kernel.
    filled = {
        name: state[name].to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for name in needed
    }
    network.load_state_dict(filled, strict=False, assign=True)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = torch.tensor(0)


_DAMAGE = (
    OSError,
    SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    MemoryError,
    struct.error,
)
"""What the two readers raise at a file that is damaged or something else."""


def _read_state(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # of odd pickles; the error says enough
            state = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise WeightsError(
            f"{path}: not weights that can be read safely "
            "(a .safetensors file, or a .pth state dict of tensors alone)"
        ) from error
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    ):
        raise WeightsError(f"{path}: not a state dict (names and their tensors)")
    return state
