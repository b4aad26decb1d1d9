"""Files that a search keeps beside the features, so that the next search need not compute them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gifdesc.errors import GifdescError
from gifdesc.system.files import reason
from gifdesc.system.json_files import parse_json
from gifdesc.system.locking import locked
from gifdesc.system.tensor_files import save_tensors

CACHE_NAME = "search"
"""The folder of these files, in the features folder."""


class Cache:
    """Tensors in a safetensors file, with a stamp that states what they were computed from.

    Args:
        path: of the file.
        stamp: a file with another stamp is stale.
    """

    def __init__(self, path: Path, stamp: Mapping[str, Any]) -> None:
        self.path = path
        self._stamp = dict(stamp)

    def read(self, name: str) -> Tensor | None:
        """A tensor of the file; None if there is no such file, or it is stale or damaged."""
        try:
            with safe_open(self.path, framework="pt") as file:
                stamp = parse_json((file.metadata() or {}).get("gifdesc", "{}"))
                if {**stamp, "sha256": None} != {**self._stamp, "sha256": None}:
                    return None
                tensor: Tensor = file.get_tensor(name).clone()
            return tensor if stamp["sha256"][name] == _digest(tensor) else None
        except (OSError, SafetensorError, ValueError, TypeError, KeyError):
            return None

    def write(self, tensors: Mapping[str, Tensor]) -> str | None:
        """Write the file whole, or give the reason why that is impossible, as a sentence."""
        busy = GifdescError("another search is writing there")
        digests = {name: _digest(tensor) for name, tensor in tensors.items()}
        stamp = json.dumps({**self._stamp, "sha256": digests})
        try:
            with locked(self.path.parent, busy):
                save_tensors(self.path, tensors, {"gifdesc": stamp})
        except OSError as error:
            why = reason(error)
        except GifdescError as error:
            why = str(error)
        else:
            return None
        return f"{self.path}: cannot be written ({why}), so the next search computes it again"


def _digest(tensor: Tensor) -> str:
    """The SHA-256 of a tensor's type and bytes, in hexadecimal."""
    digest = hashlib.sha256(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
    digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.hexdigest()
