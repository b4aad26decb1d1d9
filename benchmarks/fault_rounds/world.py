"""The inputs of the rounds, the commands that they break, and the results without a fault."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

from fault_rounds.processes import Ended, ForkServer, Process, environment, start_cold

Choice = TypeVar("Choice")

_RESNET = ("--backbone", "resnet18", "--weights", "random")
_FRAMES = ("--num-frames", 4, "--runtime", "torch")
_TRAINING = ("--epochs", 2, "--hidden-size", 16, "--batch-size", 4, "--seed", 3)

RESUMED = ("extract", "extract-workers", "shards", "train", "caption", "describe", "fetch")
"""Commands whose rerun must end in the bytes of an undisturbed run."""

COMMANDS = (
    *RESUMED,
    *("evaluate", "evaluate-meteor", "search", "alt", "info"),
    *("check", "models", "convert", "demo"),
)
"""Every command of gifdesc, some in several forms."""

_MORE = {"train": ["--resume"], "caption": ["--skip-done"]}
"""The options that continue an interrupted run."""

_RERUN = {"extract-workers": "extract"}
"""The command that continues another, where it is cheaper and ends in the same bytes."""

_CODES = {"check": (0, 1)}
"""Exit codes without a fault, where others than 0 are usual: `check` finds something."""


class LostError(AssertionError):
    """A round that failed: what was lost, or what a user would see."""


class UnavailableError(Exception):
    """This machine cannot cause the fault."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What differs between the rounds of one fault.

    Attributes:
        number: of the round, from 0.
        rng: for the moment.
        output: a new folder.
    """

    number: int
    rng: random.Random
    output: Path

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """One of the choices: each in turn, so that all are met."""
        return choices[self.number % len(choices)]


Round = Callable[["World", Turn], None]


@dataclass
class World:
    """Inputs, and the results of undisturbed runs.

    Attributes:
        folder: holds everything.
        server: forks processes that have imported the libraries.
        url: of the local server of GIFs.
        slowest: the longest time from a signal to the end of a command, by command.
    """

    folder: Path
    server: ForkServer
    url: str
    slowest: dict[str, float] = field(default_factory=dict)
    _seconds: dict[tuple[str, bool], float] = field(default_factory=dict)

    def command(self, name: str, output: Path) -> list[str]:
        """The arguments of a command that writes to `output`."""
        gifs, model = self.folder / "gifs", self.folder / "model"
        tiny = ("--backbone", self.folder / "tiny" / "backbone")
        extract = ("extract", gifs, "--output", output, *_FRAMES)
        data = (
            *("--features", self.folder / "features"),
            *("--descriptions", self.folder / "descriptions"),
        )
        evaluate = ("evaluate", *data, "--model", model, "--json")
        words: dict[str, tuple[object, ...]] = {
            "extract": (*extract, *tiny, "--num-workers", 0),
            "extract-workers": (*extract, *tiny, "--num-workers", 2),
            "shards": (*extract, *_RESNET, "--format", "shards", "--num-workers", 0),
            "train": ("train", *data, "--model", output, *_TRAINING),
            "caption": (
                *("caption", gifs, "--model", model, "--json"),
                *("--output", output / "captions.jsonl"),
            ),
            "describe": (
                *("describe", gifs, "--model", self.folder / "tiny" / "vision-language", "--json"),
                *("--output", output, "--max-length", 8),
            ),
            "fetch": (
                *("fetch", self.folder / "urls.txt", "--output", output, "--json"),
                *("--allow-private", "--rate", 0),
            ),
            "evaluate": (*evaluate, "--no-meteor"),
            "evaluate-meteor": evaluate,
            "search": ("search", "a ball", self.folder / "searched", "--model", model, "--json"),
            "check": ("check", gifs, "--json"),
            "info": ("info", model, "--json"),
            "models": ("models", "--json"),
            "convert": ("convert", self.folder / "descriptions", output / "d.jsonl"),
            "demo": ("demo", output, "--data-only", "--num-gifs", 40),
            "alt": ("alt", self.folder / "page.md", "--model", model, "--json"),
        }
        return [str(word) for word in words[name]]

    def rerun(self, name: str, output: Path) -> list[str]:
        """The arguments of the command that continues an interrupted one."""
        name = _RERUN.get(name, name)
        return self.command(name, output) + _MORE.get(name, [])

    def start(self, arguments: list[str], *, is_cold: bool = False, **changes: str) -> Process:
        """Start a command with changes to its environment: by Python, or forked."""
        if is_cold:
            return start_cold(arguments, env=environment(**changes))
        return self.server.start(arguments, **changes)

    def run(self, arguments: list[str], **changes: str) -> Ended:
        """Run a forked command to its end, with changes to its environment."""
        return finish(self.server.start(arguments, **changes), arguments)

    def undisturbed(self, name: str) -> Path:
        """The output of a command without a fault; it runs at the first call."""
        output = self.folder / _RERUN.get(name, name)
        if not output.exists():
            begin = time.monotonic()
            output.mkdir()
            name = output.name
            checked(self.run(self.command(name, output)), _CODES.get(name, (0,)))
            self._seconds[name, False] = time.monotonic() - begin
        return output

    def seconds(self, name: str, *, is_cold: bool) -> float:
        """The duration of a command without a fault."""
        if (name, is_cold) not in self._seconds:
            with tempfile.TemporaryDirectory(dir=self.folder) as output:
                begin = time.monotonic()
                process = self.start(self.command(name, Path(output)), is_cold=is_cold)
                checked(finish(process), _CODES.get(name, (0,)))
                self._seconds[name, is_cold] = time.monotonic() - begin
        return self._seconds[name, is_cold]


def finish(process: Process, arguments: Sequence[str] = ()) -> Ended:
    """Wait for the end of a process."""
    out, err = process.communicate(timeout=600)
    return Ended(arguments, process.poll() or 0, out or "", err or "")


def checked(ended: Ended, codes: Sequence[int] = (0,)) -> Ended:
    """The same, if it ended with one of the codes and as a user should see it.

    Raises:
        LostError: it did not.
    """
    for bad in ("Traceback", "defect of gifdesc"):
        if bad in ended.stderr:
            raise LostError(f"{bad} on stderr: {ended.stderr[-1500:]}")
    if ended.returncode not in codes:
        raise LostError(f"exit code {ended.returncode}, not {codes}: {ended.stderr[-600:]}")
    return ended


@contextmanager
def prepared(folder: Path, num_gifs: int = 8) -> Iterator[World]:
    """Inputs of all commands; two servers, of GIFs and of processes, run inside the block."""
    streams = folder / "streams"
    streams.mkdir()
    with _serving(folder) as url, ForkServer(streams) as server:
        world = World(folder, server, url)
        _prepare(world, num_gifs)
        yield world


def _prepare(world: World, num_gifs: int) -> None:
    """Draw GIFs, and make the features and models that commands read."""
    folder = world.folder
    script = str(Path(__file__).parent / "tiny_networks.py")
    checked(finish(world.server.start([str(folder / "tiny")], script=script)))
    drawn = folder / "drawn"
    checked(world.run(["demo", str(drawn), "--data-only", "--num-gifs", str(num_gifs)]))
    (drawn / "gifs").rename(folder / "gifs")
    (drawn / "descriptions").rename(folder / "descriptions")
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.glob("gifs/**/*.gif"))]
    (folder / "page.md").write_text(f"![]({paths[0]})\n")
    (folder / "urls.txt").write_text("".join(f"{world.url}/{path}\n" for path in paths))
    shutil.copytree(world.undisturbed("extract"), folder / "features")
    shutil.copytree(folder / "features", folder / "searched")
    shutil.copytree(world.undisturbed("train"), folder / "model")


class _Files(SimpleHTTPRequestHandler):
    """Serves files, and prints nothing."""

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """Print nothing: clients are killed."""


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """Serve a folder inside the block; its URL."""
    with _Server(("127.0.0.1", 0), partial(_Files, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
