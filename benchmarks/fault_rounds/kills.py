"""SIGKILL, to commands and their workers; workers that hang."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fault_rounds.checks import check_continues, check_equal, check_gone, check_whole, content
from fault_rounds.processes import Process, group_of
from fault_rounds.world import LostError, Round, Turn, World, checked, finish

_COLD_SHARE = 0.15
"""Of processes that Python starts: their moments fall mostly on imports."""

_LIMIT_SECONDS = 2.0
"""The time limit of a GIF in the rounds of a worker that hangs, instead of 300 s."""


def start_until(
    world: World, name: str, turn: Turn, *, cold_share: float = _COLD_SHARE, **changes: str
) -> Process:
    """A command at a random moment of its life, with changes to its environment."""
    is_cold = turn.rng.random() < cold_share
    moment = turn.rng.uniform(0, world.seconds(name, is_cold=is_cold))
    while True:
        process = world.start(world.command(name, turn.output), is_cold=is_cold, **changes)
        time.sleep(moment)
        if process.poll() is None:
            return process
        finish(process)  # it was quicker than the undisturbed run: an earlier moment
        _empty(turn.output)
        moment *= 0.8


def _empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def kill(name: str) -> Round:
    """SIGKILL at a random moment; the workers must go, and a rerun must complete the work."""

    def round_(world: World, turn: Turn) -> None:
        process = start_until(world, name, turn)
        process.send_signal(signal.SIGKILL)
        finish(process)
        check_gone(process)
        check_continues(world, name, turn.output)

    return round_


def operations(world: World, name: str) -> list[str]:
    """The file operations of an undisturbed run in its output folder, in their order."""
    log = world.folder / f"operations-{name}"
    if not log.exists():
        output = world.folder / f"logged-{name}"
        output.mkdir()
        arguments = world.command(name, output)
        checked(world.run(arguments, FAULTS_FOLDER=str(output), FAULTS_LOG=str(log)))
    return log.read_text().splitlines()


def kill_at_operation(name: str) -> Round:
    """SIGKILL before a file operation, another in every round; a rerun must complete the work."""

    def round_(world: World, turn: Turn) -> None:
        step = turn.pick(range(len(operations(world, name))))
        ended = world.run(
            world.command(name, turn.output),
            FAULTS_FOLDER=str(turn.output),
            FAULTS_STEP=str(step),
        )
        checked(ended, (-signal.SIGKILL,))
        check_continues(world, name, turn.output)

    return round_


def kill_worker(world: World, turn: Turn) -> None:
    """SIGKILL to a worker at a random moment; the run goes on, and every GIF is extracted."""
    name = "extract-workers"
    process = world.start(world.command(name, turn.output))
    moment = time.monotonic() + turn.rng.uniform(0, world.seconds(name, is_cold=False))
    while process.poll() is None:
        workers = [pid for pid in group_of(process.pid) if _is_worker(pid)]
        if workers and time.monotonic() > moment:
            os.kill(turn.rng.choice(workers), signal.SIGKILL)
            break
        time.sleep(0.01)
    checked(finish(process))
    check_equal(world, name, turn.output)


def _is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def hang_worker(world: World, turn: Turn) -> None:
    """A worker that never finishes a GIF: that GIF fails, and the others are extracted."""
    name = "extract-workers"
    gif = turn.pick(sorted((world.folder / "gifs").rglob("*.gif")))
    process = world.start(
        world.command(name, turn.output),
        FAULTS_HANG=gif.name,
        FAULTS_MAX_SECONDS=str(_LIMIT_SECONDS),
    )
    ended = checked(finish(process), (1,))
    if "took longer than" not in ended.stderr or gif.name not in ended.stderr:
        raise LostError(f"no sentence about {gif.name}: {ended.stderr[-400:]}")
    check_gone(process)
    check_whole(turn.output)
    wanted = _features(name, world.undisturbed(name))
    missing = sorted({*wanted} - {*_features(name, turn.output)})
    if [Path(path).stem for path in missing] != [gif.name]:
        raise LostError(f"the GIF {gif.name} hangs, and these features are missing: {missing}")
    checked(world.run([*world.command("extract", turn.output), "--retry-failed"]))
    if _features(name, turn.output) != wanted:
        raise LostError("other features after a rerun")


def _features(name: str, output: Path) -> dict[str, bytes]:
    found = content(name, output)
    return {path: data for path, data in found.items() if path.endswith(".npy")}
