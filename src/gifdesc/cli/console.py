"""How the command line talks: results on stdout, everything else on stderr, exit codes."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler

from gifdesc.errors import GifdescError, UsageError

talk = Console(stderr=True, highlight=False, soft_wrap=True)
"""Progress, warnings, summaries."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@contextmanager
def speaking_plainly(*, debug: bool) -> Iterator[None]:
    """Turn what goes wrong within into one sentence and an exit code.

    Args:
        debug: let tracebacks and the libraries' own messages through.
    """
    _set_up_logging(debug)
    try:
        yield
    except UsageError as error:
        _stop(error, EXIT_USAGE, debug)
    except GifdescError as error:
        _stop(error, EXIT_FAILED, debug)
    except BrokenPipeError:
        # The reader (`head`, say) has what it wanted: end quietly, also when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except KeyboardInterrupt as interrupt:
        warn(str(interrupt) or "interrupted")
        # As a shell counts: 128 and the signal's number, 2 for Ctrl-C.
        number = getattr(interrupt, "signal_number", EXIT_INTERRUPTED - 128)
        raise typer.Exit(128 + number) from None
    except (OSError, MemoryError) as error:
        _stop(error, EXIT_FAILED, debug)


def _stop(error: BaseException, code: int, debug: bool) -> None:
    if debug:
        raise error
    sentence = " ".join(str(error).split()) or type(error).__name__
    talk.print(f"error: {sentence}", markup=False)
    raise typer.Exit(code) from None


def _set_up_logging(debug: bool) -> None:
    handler = RichHandler(console=talk, show_time=False, show_path=False, markup=False)
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler])
    if not debug:
        warnings.simplefilter("ignore")
        for name in ("transformers", "huggingface_hub", "PIL", "matplotlib"):
            logging.getLogger(name).setLevel(logging.ERROR)


def be_quiet() -> None:
    """Leave the talking to another process."""
    talk.quiet = True


def say(text: str) -> None:
    """One line to stderr."""
    talk.print(text, markup=False)


def warn(text: str) -> None:
    """One warning to stderr."""
    talk.print(f"warning: {text}", markup=False)


def print_json(data: dict[str, Any]) -> None:
    """One JSON object on one line to stdout, at once; in ASCII, which takes any path."""
    sys.stdout.write(json.dumps(data, ensure_ascii=True, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_line(text: str) -> None:
    """One line of text to stdout, at once."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()


def counted(number: int, thing: str) -> str:
    """A number with its noun: `1 GIF`, `2 GIFs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def list_some(names: list[str], limit: int = 5) -> str:
    """A few names for a sentence, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
