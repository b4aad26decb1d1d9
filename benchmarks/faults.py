"""Kill, stop and starve gifdesc at random moments, and check that nothing is lost.

    python benchmarks/faults.py --minutes 20
    python benchmarks/faults.py --only kill-extract --rounds 100 --seed 7
    python benchmarks/faults.py --counts

Every round breaks one command in one way. It passes if stderr has no traceback and calls nothing
a defect, no half file has a final name, and a rerun ends in the bytes of an undisturbed run. Rounds
take turns until the time is over; with `--counts`, the faults follow each other, each as often as
`COUNTS` says, in 1 to 2 hours of 2 cores. A table has the counts. Most processes are forked from
one that has imported the libraries (fault_rounds/fork_server.py); Python starts those of a seventh
of the kills, a third of the signals, and all limits. Needs Linux; the faults of a file system also
need `unshare` (util-linux) with user namespaces.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fault_rounds.kills import hang_worker, kill, kill_at_operation, kill_worker, operations
from fault_rounds.stops import stop
from fault_rounds.storage import (
    disk_full,
    folder_gone,
    gif_replaced,
    limited,
    read_only,
    shared_memory_full,
    stale_lock,
    together,
)
from fault_rounds.surroundings import (
    clock_back,
    closed_streams,
    few_files,
    little_memory,
    odd_environment,
)
from fault_rounds.world import (
    COMMANDS,
    LostError,
    Round,
    Turn,
    UnavailableError,
    World,
    prepared,
)

_STEPS = "kill-at-"
"""Rounds of a kill before every file operation have names that begin so."""

ROUNDS: dict[str, Round] = {
    "kill-extract": kill("extract"),
    "kill-extract-workers": kill("extract-workers"),
    "kill-shards": kill("shards"),
    "kill-train": kill("train"),
    f"{_STEPS}train": kill_at_operation("train"),
    "kill-caption": kill("caption"),
    "kill-worker": kill_worker,
    "hang-worker": hang_worker,
    "sigterm": stop(signal.SIGTERM),
    "sigint": stop(signal.SIGINT),
    f"{_STEPS}extract": kill_at_operation("extract"),
    f"{_STEPS}shards": kill_at_operation("shards"),
    f"{_STEPS}caption": kill_at_operation("caption"),
    f"{_STEPS}describe": kill_at_operation("describe"),
    f"{_STEPS}fetch": kill_at_operation("fetch"),
    "kill-describe": kill("describe"),
    "kill-fetch": kill("fetch"),
    "closed-streams": closed_streams,
    "clock-back": clock_back,
    "shared-memory-full": shared_memory_full,
    "limit-extract": limited("extract"),
    "limit-train": limited("train"),
    "limit-caption": limited("caption"),
    "disk-full": disk_full,
    "read-only": read_only,
    "folder-gone": folder_gone,
    "gif-replaced": gif_replaced,
    "2-processes": together(2),
    "10-processes": together(10),
    "stale-lock": stale_lock,
    "odd-environment": odd_environment,
    "few-files": few_files,
    "little-memory": little_memory,
}

_SIGNALS_EACH = 20

COUNTS = {
    **dict.fromkeys(ROUNDS, 10),
    "kill-extract": 100,
    "kill-extract-workers": 50,
    "kill-shards": 20,
    "kill-train": 50,
    "kill-caption": 50,
    "kill-worker": 20,
    "sigterm": _SIGNALS_EACH * len(COMMANDS),
    "sigint": _SIGNALS_EACH * len(COMMANDS),
    "closed-streams": 2 * len(COMMANDS),
}
"""Rounds of each fault with `--counts`; a kill before every file operation has as many as these."""

_OFTEN = ("kill-extract", "kill-train", "kill-caption", "sigterm", "sigint")
"""Most moments to hit: these take two turns where the others take one."""


@dataclass
class Results:
    """What rounds have shown.

    Attributes:
        passed: rounds by name.
        failed: a line for each.
        unavailable: faults that this machine cannot cause.
    """

    passed: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    unavailable: set[str] = field(default_factory=set)

    def table(self) -> str:
        """The counts of the rounds."""
        return "\n".join(row for name in (*ROUNDS, "all") if (row := self.row(name)))

    def row(self, name: str) -> str:
        """The counts of a fault's rounds, or of all; empty if there are none."""
        failures = Counter(line.partition(",")[0] for line in self.failed)
        passed, failed = self.passed[name], failures[name]
        if name == "all":
            passed, failed = self.passed.total(), failures.total()
        return f"{name:22} {passed + failed:4} rounds  {failed:3} failed" if passed + failed else ""


def in_turns(names: Sequence[str], num_rounds: int, start: int = 0) -> Iterator[tuple[str, int]]:
    """The rounds of each fault in turn, so many each: names and numbers from `start`."""
    numbers = dict.fromkeys(names, start)
    for _ in range(num_rounds):
        for name in (*names, *(name for name in _OFTEN if name in names and len(names) > 1)):
            yield name, numbers.setdefault(name, start)
            numbers[name] += 1


def by_counts(world: World, names: Sequence[str], results: Results) -> Iterator[tuple[str, int]]:
    """The rounds of each fault, one fault after the other, as `COUNTS` says.

    The results of a fault are printed after its last round.
    """
    for name in names:
        is_step = name.startswith(_STEPS)
        count = len(operations(world, name[len(_STEPS) :])) if is_step else COUNTS[name]
        yield from ((name, number) for number in range(count))
        print(results.row(name), flush=True)


def run_rounds(
    world: World,
    seed: int,
    rounds: Iterator[tuple[str, int]],
    results: Results,
    *,
    until: float = float("inf"),
) -> None:
    """Run rounds until a moment of the monotonic clock, and add to the results."""
    for name, number in rounds:
        if time.monotonic() > until:
            break
        if name in results.unavailable:
            continue
        output = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=world.folder))
        turn = Turn(number=number, rng=random.Random(f"{seed} {name} {number}"), output=output)
        try:
            ROUNDS[name](world, turn)
            results.passed[name] += 1
        except UnavailableError as error:
            print(f"{name}: {error}", file=sys.stderr)
            results.unavailable.add(name)
        except (LostError, subprocess.TimeoutExpired, OSError) as error:
            results.failed.append(f"{name}, round {number}: {error!r}")
            print(results.failed[-1], file=sys.stderr, flush=True)
        shutil.rmtree(output, ignore_errors=True)


def measure_flush(folder: Path, num_files: int = 200) -> None:
    """Print what flushing costs per feature file of 16 frames of 512 numbers."""
    from gifdesc.data.feature_files import write_features
    from gifdesc.system.replacement import sync_files

    vectors = np.zeros((16, 512), np.float32)
    for name, batch in (("not at all", 0), ("one by one", 1), ("50 together", 50)):
        begin, begin_cpu = time.monotonic(), time.process_time()
        paths = []
        for index in range(num_files):
            paths.append(folder / name / f"{index}.npy")
            write_features(paths[-1], vectors)
            if batch and len(paths) == batch:
                sync_files(paths)
                paths = []
        seconds, cpu = time.monotonic() - begin, time.process_time() - begin_cpu
        print(f"flushed {name}: {1000 * seconds / num_files:.2f} ms a file", end="")
        print(f" ({1000 * cpu / num_files:.2f} ms of the processor)")


def main() -> None:
    """Parse the options, and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, help="20 unless --rounds or --counts is given")
    parser.add_argument("--rounds", type=int, help="of each fault, at most")
    parser.add_argument("--counts", action="store_true", help="as many rounds as are documented")
    parser.add_argument("--only", choices=ROUNDS, action="append", help="a fault; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flush", action="store_true", help="measure flushes to disk instead")
    options = parser.parse_args()
    minutes = options.minutes or (float("inf") if options.rounds or options.counts else 20.0)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        if options.flush:
            measure_flush(Path(name))
            return
        print(f"seed {options.seed}", flush=True)
        results = Results()
        names = options.only or list(ROUNDS)
        with prepared(Path(name)) as world:
            rounds = in_turns(names, options.rounds or sys.maxsize)
            if options.counts:
                rounds = by_counts(world, names, results)
            until = time.monotonic() + 60 * minutes
            run_rounds(world, options.seed, rounds, results, until=until)
    print(results.table())
    for name, seconds in sorted(world.slowest.items()):
        print(f"{name:22} ended {seconds:.1f} s after a signal, at most")
    sys.exit(bool(results.failed))


if __name__ == "__main__":
    main()
