"""Check the name of a device before PyTorch is imported."""

from __future__ import annotations

import re

from gifdesc.errors import UsageError


def check_device_name(name: str) -> None:
    """Check that a name has the form of a device name; the device need not exist.

    Raises:
        UsageError: the name has another form.
    """
    if not re.fullmatch(r"auto|cpu|mps|cuda(:[0-9]+)?", name):
        raise UsageError(f"--device {name}: not a device; use auto, cpu, cuda, cuda:N or mps")
