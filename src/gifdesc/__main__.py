"""The entry point of `gifdesc` and `python -m gifdesc`: signals first, the command line second."""

import os

from gifdesc.system.signals import catch_signals

_OUT_OF_MEMORY = b"error: out of memory: end other programs, or use a machine with more memory\n"


def main() -> None:
    """Run the command line; from here on, a signal ends it with one sentence."""
    catch_signals()
    try:
        from gifdesc.cli import main as run  # takes long enough for a signal to come

        run()
    except MemoryError:
        # Too little for an error in the usual way; Python's own exit would run out of memory again
        # and print further errors.
        os.write(2, _OUT_OF_MEMORY)
        os._exit(1)


if __name__ == "__main__":
    main()
