"""Work that kills its process at one item, importable by worker processes."""

import os
import signal
import time


def square(number: int) -> int:
    """The square; 13 kills its process, 17 hangs."""
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 17:
        time.sleep(600)
    return number * number
