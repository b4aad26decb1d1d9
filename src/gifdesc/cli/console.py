"""How the command line talks: results on stdout, everything else on stderr, exit codes."""

from __future__ import annotations

import json as json_module
import logging
import os
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import IO, Any, cast

import typer
from rich.console import Console

from gifdesc.errors import GifdescError, UsageError
from gifdesc.system.process import (
    drop_standard_output,
    escape_controls,
    ignore_interrupts,
    write_standard_output,
)
from gifdesc.system.waits import Advance, Wait, showing_waits


class _Stderr:
    """stderr as it is at the moment; work goes on when nobody can hear of it any more."""

    def write(self, text: str) -> int:
        """Write, or from now on do nothing: the reader is gone, or a log's disk is full."""
        try:
            if sys.stderr is not None:
                sys.stderr.write(text)
        except OSError:
            self._fall_silent()
        return len(text)

    def flush(self) -> None:
        """Flush what was written."""
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
        except OSError:
            self._fall_silent()

    def _fall_silent(self) -> None:
        with suppress(OSError, ValueError):  # not a stream of the operating system's
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


talk = Console(file=cast("IO[str]", _Stderr()), highlight=False, soft_wrap=True)
"""Progress, warnings, summaries."""

_TURN_SECONDS = 10.0

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@contextmanager
def speaking_plainly(*, debug: bool, json: bool = False) -> Iterator[None]:
    """Turn what goes wrong within into one sentence and an exit code.

    Args:
        debug: let tracebacks and the libraries' own messages through.
        json: say it on stdout as well, as an object with the one key `error`: whoever reads the
            command's JSON finds an object whatever happens.
    """
    _set_up_logging(debug)
    try:
        with showing_waits(_show_wait):
            yield
    except typer.BadParameter as error:
        _print_json_error(error.message, json)
        raise
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        # The reader (`head`, say) has what it wanted: end quietly, also when Python exits.
        drop_standard_output()
        raise typer.Exit(0) from None
    except KeyboardInterrupt as interrupt:
        ignore_interrupts()  # a second Ctrl-C comes easily: one sentence, one exit code
        sentence = str(interrupt) or "interrupted"
        warn(sentence)
        _print_json_error(sentence, json)
        # As a shell counts: 128 and the signal's number, 2 for Ctrl-C.
        number = getattr(interrupt, "signal_number", EXIT_INTERRUPTED - 128)
        raise typer.Exit(128 + number) from None
    except Exception as error:  # noqa: BLE001 - a user never sees a traceback unasked
        sentence = _sentence_of(error)
        _wait_for_turn()
        _print_json_error(sentence, json)
        if debug:
            say("".join(traceback.format_exception(error)).rstrip())
        print_error(sentence)
        raise typer.Exit(EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED) from None


def _show_wait(wait: Wait) -> AbstractContextManager[Advance]:
    is_shown = talk.is_terminal or wait.is_long or wait.has_own_bars or wait.unit
    if talk.quiet or not is_shown:
        return nullcontext(lambda _num_done, _total: None)
    from gifdesc.cli.progress import show_wait

    return show_wait(talk, wait)


def _wait_for_turn() -> None:
    """Let the process that talks fail first, for `torchrun` ends all others with the first.

    One that still lives then is alone with its error, and must say it.
    """
    if talk.quiet:
        time.sleep(_TURN_SECONDS)
        talk.quiet = False


def _sentence_of(error: Exception) -> str:
    text = " ".join(str(error).split())
    # As `device.is_out_of_memory`, without loading PyTorch: its own class is a RuntimeError.
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("allocate memory" in text or "out of memory" in text.lower())
    ):
        if type(error).__name__ == "OutOfMemoryError":
            return "the GPU is out of memory: end what else runs on it, or give --device cpu"
        return "out of memory: end other programs, or use a machine with more memory"
    if isinstance(error, (GifdescError, OSError)):
        return text or type(error).__name__
    named = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{named} (this is a defect of gifdesc; --debug shows where)"


class _TalkHandler(logging.Handler):
    """Log messages in the form of this module's own: `warning: ...`, in one line."""

    def emit(self, record: logging.LogRecord) -> None:
        talk.print(f"{record.levelname.lower()}: {self.format(record)}", markup=False)


def _set_up_logging(debug: bool) -> None:
    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", handlers=[_TalkHandler()])
    if not debug:
        warnings.simplefilter("ignore")
        for name in ("transformers", "huggingface_hub", "PIL", "matplotlib"):
            logging.getLogger(name).setLevel(logging.ERROR)


def is_terminal() -> bool:
    """Whether a person looks at stdout."""
    return sys.stdout is not None and sys.stdout.isatty()


def be_quiet() -> None:
    """Leave the talking to another process."""
    talk.quiet = True


def _print_json_error(sentence: str, json: bool) -> None:
    if json and not talk.quiet:
        with suppress(OSError, GifdescError):  # stdout may be what failed
            print_json({"error": sentence})


def say(text: str) -> None:
    """Lines to stderr, without other control codes."""
    talk.print(escape_controls(text, keep="\n\t"), markup=False)


def warn(text: str) -> None:
    """One warning to stderr, on one line whatever names it holds."""
    talk.print(f"warning: {printable(text)}", markup=False)


def print_error(text: str) -> None:
    """One error to stderr, on one line: something failed, and the rest goes on."""
    talk.print(f"error: {printable(text)}", markup=False)


def printable(text: str) -> str:
    """Text on one line without control codes; bytes that are not UTF-8 are escaped."""
    return escape_controls(text)


def print_json(data: dict[str, Any]) -> None:
    """One JSON object on one line to stdout, at once; in ASCII, which takes any path.

    Raises:
        GifdescError: as `system.process.write_standard_output`.
    """
    print_result(json_module.dumps(data, ensure_ascii=True, allow_nan=False) + "\n")


def print_line(text: str) -> None:
    """Text and a line end to stdout, at once; raises as `print_json`."""
    print_result(text + "\n")


def print_result(data: str | bytes, *, is_styled: bool = False) -> None:
    """A result to stdout, at once.

    If the reader (`head`, say) has gone, the command still ends with its own exit code.

    Args:
        data: as in `system.process.write_standard_output`.
        is_styled: likewise.

    Raises:
        GifdescError: as `system.process.write_standard_output`.
    """
    try:
        write_standard_output(data, is_styled=is_styled)
    except BrokenPipeError:
        drop_standard_output()


def counted(number: int, thing: str) -> str:
    """A number with its noun: `1 GIF`, `2 GIFs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def list_some(names: list[str], limit: int = 5) -> str:
    """A few names for a sentence, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
