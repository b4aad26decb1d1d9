"""Read state dicts from files of weights, as training programs save them, and use them."""

from __future__ import annotations

import pickle
import re
import struct
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from gifdesc.errors import WeightsError
from gifdesc.system.files import describe_placeholder
from gifdesc.system.tensor_files import all_finite, read_tensors

State = dict[str, Tensor]

_STATE_KEYS = ("state_dict", "model_state_dict", "model", "net", "network")
"""Keys of the network's state dict in training checkpoints; the first that exists is used."""

_MOMENTUM_COPY = ("encoder_k.", "queue")
"""Other tensors in checkpoints of MoCo, beside the trained network `encoder_q.` (He et al. 2020,
arXiv:1911.05722, algorithm 1): the momentum copy and the queue of keys."""

_MAX_HEADER_BYTES = 100_000_000
"""Largest header of a safetensors file (the limit of the format)."""

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
"""Exceptions of the two readers for a file that is damaged or of another kind."""


def read_state_dict(path: Path) -> State:
    """The tensors of a safetensors file or of a file that `torch.save` wrote, by name.

    The first bytes decide the format, not the name. Code in a pickle is not run. Of a training
    checkpoint, the state dict under a key such as `state_dict` or `model` is used.

    Raises:
        WeightsError: the file cannot be read, or has no state dict.
    """
    try:
        if kind := describe_placeholder(path):
            raise WeightsError(f"{path}: {kind}, not the weights; fetch the file itself")
        if _is_safetensors(path):
            return read_tensors(path)
        # PyTorch refuses paths by their suffix, so it gets a file; its warnings repeat the error.
        with path.open("rb") as file, warnings.catch_warnings(action="ignore"):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise WeightsError(
            f"{path}: not weights that can be read safely "
            "(use a .safetensors file, or a .pth state dict of tensors only)"
        ) from error
    while isinstance(content, Mapping):
        nested = (content.get(key) for key in _STATE_KEYS)
        inner = next((value for value in nested if isinstance(value, Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise WeightsError(f"{path}: not a state dict (names with tensors)")
    return dict(content)


def without_prefix(state: State, needed: set[str], path: Path, title: str) -> State:
    """A state dict without the common prefix of its names.

    Wrappers such as DataParallel (`module.`), torch.compile (`_orig_mod.`) and contrastive
    training (`module.encoder_q.`) add a prefix to each name.

    Args:
        state: names and tensors.
        needed: the names of the network, without prefix.
        path: the file, for messages.
        title: the name of the network, for messages.

    Raises:
        WeightsError: only some names have the prefix.
    """
    first = min(needed)
    prefixes = [
        prefix
        for prefix in sorted(name.removesuffix(first) for name in state if name.endswith(first))
        if all(prefix + name in state for name in needed)
    ]
    trained = [prefix for prefix in prefixes if prefix.endswith("encoder_q.")]
    if not prefixes or "" in prefixes:
        return state
    prefix, *others = trained or prefixes
    parent = prefix.removesuffix("encoder_q.")
    ignored = tuple(parent + name for name in _MOMENTUM_COPY) if trained else ()
    outside = [name for name in state if not name.startswith((prefix, *ignored))]
    if others or outside:
        raise WeightsError(
            f"{path}: contains more than one network; the names of {title} begin with "
            f"{' and '.join(repr(name) for name in (prefix, *others))}: save only these tensors, "
            "without the prefix"
        )
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins with the length of a JSON header, as safetensors files do."""
    with path.open("rb") as file:
        beginning = file.read(9)
    if len(beginning) < 9 or beginning[8:] != b"{":
        return False
    length: int = struct.unpack("<Q", beginning[:8])[0]
    return length <= _MAX_HEADER_BYTES


_BLOCK_NAME = re.compile(r"layer[1-4]\.[0-9]+\.(conv[1-3]|bn[1-3])\.")
"""Names of tensors in a ResNet's blocks; blocks that the network lacks are a deeper one's."""


def fill(network: nn.Module, path: Path, title: str, head: str) -> State:
    """Load a state dict file, as float32, into a network that may be without memory (`meta`).

    Args:
        network: its head, and its counters of batches, are left as they are.
        path: the file.
        title: the network's name in messages, such as `ResNet50`.
        head: prefix of the names of the head's tensors.

    Returns:
        The head's tensors in the file, by their names without the prefix.

    Raises:
        WeightsError: the file cannot be read, or holds the weights of another network.
    """
    expected = network.state_dict()

    def is_unused(name: str) -> bool:
        return name.startswith(head) or name.endswith("num_batches_tracked")

    needed = {name for name in expected if not is_unused(name)}
    state = without_prefix(read_state_dict(path), needed, path, title)
    left_over = {name for name in state if name not in needed and not is_unused(name)}
    _check_names(needed - set(state), left_over, path, title)
    for name in sorted(needed):
        tensor = state[name]
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise WeightsError(
                f"{path}: {name} is no plain tensor, but sparse, quantised or without numbers; "
                "save plain tensors"
            )
        if tensor.shape != expected[name].shape:
            raise WeightsError(
                f"{path}: not {title}: {name} has shape {tuple(tensor.shape)} "
                f"instead of {tuple(expected[name].shape)}"
            )
        if not tensor.is_floating_point():
            raise WeightsError(
                f"{path}: {name} holds {str(tensor.dtype).removeprefix('torch.')}, not floating-"
                "point numbers; use weights that are not quantised"
            )
        if not all_finite(tensor.to(torch.float32)):
            raise WeightsError(f"{path}: {name} holds numbers that are not finite (NaN, infinity)")
    # Copied to PyTorch's own memory: the alignment of numbers in a file must not affect kernels.
    filled = {
        name: state[name].to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for name in needed
    }
    network.load_state_dict(filled, strict=False, assign=True)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.num_batches_tracked = torch.tensor(0)
    return {
        name.removeprefix(head): tensor for name, tensor in state.items() if name.startswith(head)
    }


def _check_names(missing: set[str], left_over: set[str], path: Path, title: str) -> None:
    """Refuse a state dict that lacks tensors, or has tensors that the network has no place for."""
    if missing:
        raise WeightsError(f"{path}: not {title}: it lacks {_some(sorted(missing))}")
    if left_over:
        is_deeper = title.startswith("ResNet") and all(map(_BLOCK_NAME.match, left_over))
        kind = f"a deeper ResNet than {title}" if is_deeper else f"not {title}"
        raise WeightsError(f"{path}: {kind}: {title} has no place for {_some(sorted(left_over))}")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
