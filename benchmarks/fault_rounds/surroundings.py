"""What a process gets from its system: streams, environment, limits, the clock."""

from __future__ import annotations

import os
import resource
import signal

from fault_rounds.checks import check_continues, check_equal, check_sentence
from fault_rounds.kills import start_until
from fault_rounds.processes import environment, start_cold, start_words
from fault_rounds.storage import shell_words
from fault_rounds.world import COMMANDS, RESUMED, Turn, World, checked, finish

_STREAMS = ("<&-", ">&-", "2>&-", ">/dev/full", "2>/dev/full", "<&- >&- 2>&-")
"""Redirections of a shell: closed, or full."""

_FUTURE = 4_000_000_000
"""In seconds since 1970: in 2096."""


def closed_streams(world: World, turn: Turn) -> None:
    """Streams that are closed or full: no traceback, and the same files."""
    name = turn.pick(COMMANDS)
    redirection = turn.rng.choice(_STREAMS)
    line = f"{shell_words(world.command(name, turn.output))} {redirection}"
    checked(finish(start_words(["bash", "-c", line])), (0, 1))
    if name in RESUMED:
        check_continues(world, name, turn.output)


def odd_environment(world: World, turn: Turn) -> None:
    """No HOME, another language, a strict umask, files dated in the future."""
    name = turn.rng.choice(("extract", "train", "caption", "describe", "fetch"))
    kind = turn.pick(("home", "language", "umask", "future"))
    changed = environment()
    if kind == "home":
        changed.pop("HOME", None)
    if kind == "language":
        changed.update(LANG="C", LC_ALL="C", PYTHONUTF8="0")
    if kind == "future":
        checked(world.run(world.command(name, turn.output)))
        for path in [*turn.output.rglob("*"), turn.output]:
            os.utime(path, (_FUTURE, _FUTURE))
    mask = 0o077 if kind == "umask" else 0o022
    arguments = world.rerun(name, turn.output)
    checked(finish(start_cold(arguments, env=changed, preexec_fn=lambda: os.umask(mask))))
    check_continues(world, name, turn.output)


def clock_back(world: World, turn: Turn) -> None:
    """The clock goes back midway, by up to 40 years; half of the runs are then killed."""
    name = turn.pick(("extract", "shards", "train", "caption", "describe", "fetch"))
    back = turn.rng.choice((60, 86_400, 40 * 365 * 86_400))
    after = turn.rng.uniform(0, world.seconds(name, is_cold=False))
    clock = {"FAULTS_CLOCK": f"{back} {after:.3f}"}
    if turn.number % 2:
        checked(world.run(world.command(name, turn.output), **clock))
        check_equal(world, name, turn.output)
    else:
        process = start_until(world, name, turn, cold_share=0, **clock)
        process.send_signal(signal.SIGKILL)
        finish(process)
    check_continues(world, name, turn.output)


def few_files(world: World, turn: Turn) -> None:
    """Few open files: the work is done, or refused in a sentence."""
    name = turn.pick(("extract", "extract-workers", "train", "caption", "describe", "fetch"))
    number = turn.rng.choice((24, 40, 64))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))

    arguments = world.command(name, turn.output)
    check_sentence(checked(finish(start_cold(arguments, preexec_fn=limit)), (0, 1)))
    check_continues(world, name, turn.output)


def little_memory(world: World, turn: Turn) -> None:
    """Little address space: the work is done, or refused in a sentence."""
    name = turn.pick(("extract", "train", "caption", "describe", "fetch"))
    size = turn.rng.choice((1500, 2500, 3500)) << 20

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

    arguments = world.command(name, turn.output)
    checked(finish(start_cold(arguments, preexec_fn=limit)), (0, 1))
    check_continues(world, name, turn.output)
