"""The streams and exit codes of the command line: results on stdout, messages on stderr."""

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
from dataclasses import dataclass, field
from typing import IO, Any, cast

import typer
from rich.console import Console
from rich.text import Text

from gifdesc.errors import GifdescError, UsageError, cut_long
from gifdesc.system.process import (
    drop_standard_output,
    escape_controls,
    write_standard_output,
)
from gifdesc.system.signals import (
    Interrupted,
    ignore_signals,
    mark_reported,
    raising_signals,
    received,
    sentence_of,
)
from gifdesc.system.waits import Advance, Wait, showing_waits


class _Stderr:
    """The current `sys.stderr`; write errors are ignored, so that the work continues."""

    def write(self, text: str) -> int:
        """Write; after an error (the reader is gone, a log's disk is full) drop everything."""
        try:
            if sys.stderr is not None:
                sys.stderr.write(text)
        except OSError:
            self._detach()
        return len(text)

    def flush(self) -> None:
        """Flush the stream; an error is handled as in `write`."""
        try:
            if sys.stderr is not None:
                sys.stderr.flush()
        except OSError:
            self._detach()

    def _detach(self) -> None:
        with suppress(OSError, ValueError):  # a stream without a file descriptor
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


stderr = Console(file=cast("IO[str]", _Stderr()), highlight=False, soft_wrap=True)
"""The console for progress, warnings and summaries."""

_STYLES = {"error": "bold red", "warning": "yellow"}

_SIGNS_OF_LITTLE_MEMORY = (
    "allocate memory",
    "out of memory",
    "failed to map segment",  # the dynamic linker, for a library in too little address space
    # Of an extension module after memory ran out; another cause would be a defect of the module.
    "error return without exception set",
    "returned null without setting an exception",
)

_MAIN_PROCESS_SECONDS = 10.0
"""How long the other processes of `torchrun` wait for the main process to report an error."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@dataclass
class ErrorOutput:
    """Where the error of a command goes.

    Attributes:
        json: whether stdout gets an object with the error; to be switched off where stdout has
            the command's result.
    """

    json: bool


@dataclass
class _Volume:
    """What is printed on stderr.

    Attributes:
        is_quiet: errors and warnings only.
        is_muted: nothing.
    """

    is_quiet: bool = False
    is_muted: bool = False


@dataclass
class _Run:
    """A command that runs.

    Attributes:
        start: in seconds, by the monotonic clock.
        shows_next: whether it suggests the next command.
        origins: for options that are from settings, such as `--device cpu`: the same with where
            they are from.
    """

    start: float = 0.0
    shows_next: bool = True
    origins: dict[str, str] = field(default_factory=dict)


_run = _Run()


_volume = _Volume()


@contextmanager
def exit_on_error(
    *, debug: bool, quiet: bool = False, verbose: bool = False, json: bool = False
) -> Iterator[ErrorOutput]:
    """Turn an exception of the block into a one-sentence error and an exit code.

    Args:
        debug: print tracebacks and the messages of libraries as well.
        quiet: print errors and warnings only: no progress, no summary.
        verbose: also print the choices that gifdesc makes.
        json: also print the error on stdout, as an object with the one key `error`, so that a
            reader of the command's JSON always gets an object.

    Yields:
        The output, whose `json` the block may switch off.
    """
    output = ErrorOutput(json)
    _run.start = time.monotonic()
    _set_up_logging(debug=debug, verbose=verbose)
    _volume.is_quiet, _volume.is_muted, stderr.quiet = quiet, False, quiet
    try:
        with raising_signals(lambda: output.json), showing_waits(_show_wait):
            yield output
    except typer.BadParameter as error:
        _print_json_error(error.message, output)
        raise
    except (typer.Exit, typer.Abort):
        raise
    except BrokenPipeError:
        # The reader (such as `head`) has closed the pipe: end quietly, also when Python exits.
        drop_standard_output()
        raise typer.Exit(0) from None
    except KeyboardInterrupt as interrupt:
        raise _interrupted(interrupt, output) from None
    except Exception as error:  # noqa: BLE001 - users see no traceback without --debug
        if (number := received()) is not None:
            # A library turned the interrupt into an error of its own, as some do on import.
            raise _interrupted(Interrupted(sentence_of(number), number), output) from None
        sentence = with_origin(_sentence_of(error))
        _wait_for_main_process()
        _print_json_error(sentence, output)
        if debug:
            info("".join(traceback.format_exception(error)).rstrip())
        print_error(sentence)
        for command in getattr(error, "commands", ()):
            stderr.print(f"  {command}", markup=False)
        raise typer.Exit(EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED) from None


def _interrupted(interrupt: KeyboardInterrupt, output: ErrorOutput) -> typer.Exit:
    """Report a signal; the returned exit has the code of a shell, 128 and the signal's number."""
    ignore_signals()  # a second Ctrl-C must not print a second error
    sentence = str(interrupt) or "interrupted"
    mark_reported()
    warn(sentence)
    _print_json_error(sentence, output)
    return typer.Exit(128 + getattr(interrupt, "signal_number", EXIT_INTERRUPTED - 128))


def _show_wait(wait: Wait) -> AbstractContextManager[Advance]:
    is_shown = stderr.is_terminal or wait.is_long or wait.has_own_bars or wait.unit
    if stderr.quiet or not is_shown:
        return nullcontext(lambda _num_done, _total: None)
    from gifdesc.cli.progress import show_wait

    return show_wait(stderr, wait)


def _wait_for_main_process() -> None:
    """Let the main process report first: torchrun kills all others when one process exits.

    If this process still runs after the wait, the error is its own, and it prints the error.
    """
    if _volume.is_muted:
        time.sleep(_MAIN_PROCESS_SECONDS)
        _volume.is_muted = False


def _sentence_of(error: Exception) -> str:
    text = cut_long(" ".join(str(error).split()))
    # As `device.is_out_of_memory`, without loading PyTorch: its own class is a RuntimeError.
    if isinstance(error, MemoryError) or (
        isinstance(error, (RuntimeError, ImportError, OSError, SystemError))
        and not isinstance(error, GifdescError)
        and any(sign in text.lower() for sign in _SIGNS_OF_LITTLE_MEMORY)
    ):
        if type(error).__name__ == "OutOfMemoryError":
            return "the GPU is out of memory: end what else runs on it, or give --device cpu"
        return "out of memory: end other programs, or use a machine with more memory"
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return (
            "no further thread can start: end other programs, or raise the limits of processes and "
            "memory (ulimit -u, ulimit -v)"
        )
    if isinstance(error, (GifdescError, OSError)):
        return text or type(error).__name__
    named = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{named} (this is a defect of gifdesc; --debug shows where)"


class _LogHandler(logging.Handler):
    """Prints log records like this module's own messages: `warning: ...`."""

    def emit(self, record: logging.LogRecord) -> None:
        _print_labelled(record.levelname.lower(), self.format(record))


def _set_up_logging(*, debug: bool, verbose: bool) -> None:
    root = logging.getLogger()
    if not root.handlers:
        logging.basicConfig(format="%(message)s", handlers=[_LogHandler()])
    root.setLevel(logging.DEBUG if debug else logging.WARNING)
    own_level = logging.DEBUG if debug else logging.INFO if verbose else logging.NOTSET
    logging.getLogger("gifdesc").setLevel(own_level)
    for name in ("transformers", "huggingface_hub", "PIL", "matplotlib"):
        logging.getLogger(name).setLevel(logging.NOTSET if debug else logging.ERROR)
    if not debug:
        warnings.simplefilter("ignore")


def is_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def mute() -> None:
    """Print no messages: the main process prints them."""
    _volume.is_muted = stderr.quiet = True


def _print_json_error(sentence: str, output: ErrorOutput) -> None:
    if output.json and not _volume.is_muted:
        with suppress(OSError, GifdescError):  # stdout may be what failed
            print_json({"error": sentence})


def info(text: str) -> None:
    """Print lines to stderr; control codes in them are escaped."""
    stderr.print(escape_controls(text, keep="\n\t"), markup=False)


def suggest(command: str) -> None:
    """Print how long the command took, and the command line that comes next."""
    if _run.shows_next:
        info(f"took {_duration(time.monotonic() - _run.start)}; next: {command}")


@contextmanager
def without_suggestions() -> Iterator[None]:
    """Let commands within the block suggest nothing."""
    _run.shows_next = False
    try:
        yield
    finally:
        _run.shows_next = True


def _duration(seconds: float) -> str:
    """A duration such as `3.2 s`, `41 s` or `2 min 5 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def warn(text: str) -> None:
    """Print a warning to stderr, on one line."""
    _print_labelled("warning", printable(text))


def print_error(text: str) -> None:
    """Print an error to stderr, on one line; the command continues."""
    _print_labelled("error", printable(text))


def note_origins(origins: dict[str, str]) -> None:
    """Set the options that are from settings, for errors about them."""
    _run.origins = origins


def with_origin(sentence: str) -> str:
    """A sentence about an option or its value, with the setting that it is from, if it is."""
    for option, origin in _run.origins.items():
        value = option.partition(" ")[2]
        if sentence.startswith((f"{option}:", f"{option} ", f"{value}: ")):
            return f"{sentence} [{origin}]"
    return sentence


def _print_labelled(label: str, text: str) -> None:
    """Print a line that begins with what it is; also where other messages are not wanted."""
    was_quiet, stderr.quiet = stderr.quiet, _volume.is_muted
    try:
        stderr.print(Text.assemble((f"{label}:", _STYLES.get(label, "")), f" {cut_long(text)}"))
    finally:
        stderr.quiet = was_quiet


def printable(text: str) -> str:
    """Text on one line without control codes; bytes that are not UTF-8 are escaped."""
    return escape_controls(text)


def print_json(data: dict[str, Any]) -> None:
    """Print a JSON object on one line to stdout and flush it; ASCII, so that any path fits.

    Raises:
        GifdescError: as `system.process.write_standard_output`.
    """
    print_result(json_module.dumps(data, ensure_ascii=True, allow_nan=False) + "\n")


def print_line(text: str) -> None:
    """Print a line to stdout and flush it; raises as `print_json`."""
    print_result(text + "\n")


def print_result(data: str | bytes, *, is_styled: bool = False) -> None:
    """Write a result to stdout and flush it.

    If the reader (such as `head`) has closed the pipe, the command keeps its exit code.

    Args:
        data: as in `system.process.write_standard_output`.
        is_styled: as in `system.process.write_standard_output`.

    Raises:
        GifdescError: as `system.process.write_standard_output`.
    """
    try:
        write_standard_output(data, is_styled=is_styled)
    except BrokenPipeError:
        drop_standard_output()
