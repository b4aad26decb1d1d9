"""SIGTERM and SIGINT: one sentence, in time, and nothing lost."""

from __future__ import annotations

import signal
import time

from fault_rounds.checks import END_SECONDS, check_continues, check_gone, load_factor
from fault_rounds.kills import start_until
from fault_rounds.processes import Process, wait_until_caught
from fault_rounds.world import (
    COMMANDS,
    RESUMED,
    LostError,
    Round,
    Turn,
    World,
    checked,
    finish,
)

_FIRST_SHARE = 0.25
"""Of signals in the first moments of a process that Python starts."""

_FIRST_SECONDS = 0.3


def stop(number: signal.Signals) -> Round:
    """A signal at a random moment from the first of gifdesc's own code: one sentence, in time."""

    def round_(world: World, turn: Turn) -> None:
        name = turn.pick(COMMANDS)
        process = _start(world, name, turn)
        begin = time.monotonic()
        process.send_signal(number)
        ended = checked(finish(process), (0, 1, 128 + number))
        seconds = time.monotonic() - begin
        if ended.returncode == 128 + number:
            world.slowest[name] = max(seconds, world.slowest.get(name, 0))
            sentences = [line for line in ended.stderr.splitlines() if line.startswith("warning: ")]
            ends = [line for line in sentences if "stopped" in line or "interrupted" in line]
            if len(ends) != 1:
                raise LostError(f"{name}: {len(ends)} sentences: {ended.stderr[-400:]}")
            if seconds > END_SECONDS * load_factor():
                raise LostError(f"{name}: took {seconds:.1f} s to end")
        check_gone(process)
        if name in RESUMED:
            check_continues(world, name, turn.output)

    return round_


def _start(world: World, name: str, turn: Turn) -> Process:
    """A command at a moment: its first, one of its first moments, or any."""
    kind = turn.rng.random()
    if kind < _FIRST_SHARE:
        process = world.start(world.command(name, turn.output), is_cold=True)
    else:
        process = start_until(world, name, turn)
    wait_until_caught(process)
    if kind < _FIRST_SHARE / 2:
        time.sleep(turn.rng.uniform(0, _FIRST_SECONDS))
    return process
