"""The entry point of `gifdesc` and `python -m gifdesc`: signals first, the command line second."""

from gifdesc.system.signals import catch_signals


def main() -> None:
    """Run the command line; from here on, a signal ends it with one sentence."""
    catch_signals()
    from gifdesc.cli import main as run  # takes long enough for a signal to come

    run()


if __name__ == "__main__":
    main()
