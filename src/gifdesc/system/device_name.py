"""The names of devices: checked before PyTorch, which knows the devices, is imported."""

from __future__ import annotations

import re

from gifdesc.errors import UsageError


def check_device_name(name: str) -> None:
    """Make sure that a name has the form of a device's; the device itself may be missing.

    Raises:
        UsageError: it has not.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", name):
        raise UsageError(f"--device {name}: not a device; use auto, cpu, cuda, cuda:N or mps")
