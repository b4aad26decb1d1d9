"""A transform that kills the process that runs it, importable by worker processes."""

import os
import signal

from gifdesc.features.preprocessing import FrameTransform


class DeadlyTransform(FrameTransform):
    """Kills the process that reads a frame of this height."""

    def __call__(self, frames):
        if frames.shape[1] == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(frames)
