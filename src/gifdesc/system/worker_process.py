"""The first moments of a worker process: it ends with its parent, and imports PyTorch later."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import parent_process

_NICENESS = 10
"""Niceness of worker processes: the thread that feeds the GPU gets a core first."""


def start_worker() -> None:
    """Set up a worker: one core, a low priority, and no Ctrl-C, which its parent handles.

    This module imports nothing slow: the worker of a parent that is dead ends before the seconds
    that the import of PyTorch takes.
    """
    threading.Thread(target=_end_with_parent, name="gifdesc-parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    keep_to_one_core()


def keep_to_one_core() -> None:
    """Let PyTorch compute on one core in this thread; other threads keep their numbers."""
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """End with the parent: it cannot notify its workers if it is killed, and they would wait."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
