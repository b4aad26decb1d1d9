"""Tensors in safetensors files: written whole or not at all, read into memory of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from gifdesc.system.files import replacing


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors under a temporary name and rename the file into place; its folder is made.

    Args:
        path: where they go.
        tensors: by name, on any device.
        metadata: what the file says of itself. One entry, no more: several come out in any order,
            and equal tensors would not give equal bytes.

    Raises:
        OSError: the file cannot be written.
    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as temporary_path:
        try:
            save_file(whole, temporary_path, dict(metadata))
        except SafetensorError as error:  # it reports a full disk in its own manner
            raise OSError(f"{path}: {error}") from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the CPU, in memory of PyTorch's own.

    safetensors gives views of the mapped file, which keep it mapped as long as a tensor lives; on
    Windows a mapped file can be neither replaced nor removed.

    Raises:
        OSError, SafetensorError: the file is missing or damaged.
    """
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
