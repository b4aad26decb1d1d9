"""Tensors and their files: safetensors files whole or not at all, networks to fill from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gifdesc.system.json_files import check_regular
from gifdesc.system.replacement import replacing


def all_finite(tensor: Tensor) -> bool:
    """Whether all numbers of a tensor are finite.

    A sum takes a tenth of the time of `isfinite` or less, and is finite only if all numbers are.
    The sum of finite numbers may exceed the largest number, so an infinite sum decides nothing.
    """
    return math.isfinite(tensor.detach().sum()) or bool(tensor.isfinite().all())


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors under a temporary name and rename the file into place; its folder is created.

    Args:
        path: the file to write.
        tensors: by name, on any device.
        metadata: the metadata of the file, at most one entry: several are written in any order,
            so equal tensors would not give equal bytes.

    Raises:
        OSError: the file cannot be written.
    """
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # safetensors' own `save_file` replaces the file that is locked, by a file for its owner alone.
    content = save(whole, dict(metadata))
    with replacing(path) as temporary_path:
        temporary_path.write_bytes(content)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, on the CPU, copied into memory of PyTorch.

    safetensors returns views of the mapped file, which stays mapped while a tensor exists; on
    Windows a mapped file can be neither replaced nor removed.

    Raises:
        OSError, SafetensorError: the file is missing or damaged.
    """
    check_regular(path)
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118


@contextmanager
def empty_weights() -> Iterator[None]:
    """Networks that are built within have shapes, but no numbers: a file is to fill them."""
    with torch.device("meta"), _NoRandomNumbers():
        yield


class _NoRandomNumbers(TorchFunctionMode):
    """Leaves tensors as they are where normally distributed numbers would fill them.

    On the device `meta` there is nothing to fill, but PyTorch imports its compiler for it, which
    takes as long as importing PyTorch.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in (nn.init.normal_, Tensor.normal_):
            tensor = args[0] if args else named["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **named)
