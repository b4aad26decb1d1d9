"""Work that kills its process at one item, importable by worker processes."""

import os
import signal


def square(number: int) -> int:
    """The square; 13 kills its process."""
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number
