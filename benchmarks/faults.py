"""Kill, stop and starve gifdesc at random moments, and check that nothing is lost.

    python benchmarks/faults.py --minutes 20
    python benchmarks/faults.py --only kill-extract --rounds 100 --seed 7

Every round breaks one command in one way. It passes if stderr has no traceback and calls nothing
a defect, no half file has a final name, and a rerun ends in the bytes of an undisturbed run. Rounds
take turns until the time is over; a table has their counts. Needs Linux; the faults of a file
system also need `unshare` (util-linux) with user namespaces.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

_END_SECONDS = 3.0
"""A signal must end a command within this time."""

_SLOW_SECONDS = 60.0
"""Added where the machine is busy: a fault harness shares its cores with what it starts."""

Ended = subprocess.CompletedProcess[str]


class LostError(AssertionError):
    """A round that failed: what was lost, or what a user would see."""


@dataclass
class World:
    """Inputs, and the results of undisturbed runs.

    Attributes:
        folder: holds everything.
        seconds: of an undisturbed run, by command.
    """

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def command(self, name: str, output: Path) -> list[str]:
        """The arguments of a command that writes to `output`."""
        gifs, features = self.folder / "gifs", self.folder / "features"
        extract = ("extract", gifs, "--output", output, *_BACKBONE)
        words = {
            "extract": [*extract, "--num-workers", 0],
            "extract-workers": [*extract, "--num-workers", 2],
            "shards": [*extract, "--format", "shards"],
            "train": [
                *("train", "--features", features, "--model", output, *_TRAINING),
                *("--descriptions", self.folder / "descriptions"),
            ],
            "caption": [
                *("caption", gifs, "--model", self.folder / "model", "--json"),
                *("--output", output / "captions.jsonl"),
            ],
            "evaluate": [
                *("evaluate", "--features", features, "--model", self.folder / "model"),
                *("--descriptions", self.folder / "descriptions", "--json"),
            ],
            "check": ["check", gifs, "--json"],
            "info": ["info", self.folder / "model", "--json"],
            "models": ["models", "--json"],
            "convert": ["convert", self.folder / "descriptions", output / "d.jsonl"],
            "demo": ["demo", output, "--data-only", "--num-gifs", 40],
            "alt": ["alt", self.folder / "page.md", "--model", self.folder / "model", "--json"],
        }
        return [str(word) for word in words[name]]

    def rerun(self, name: str, output: Path) -> list[str]:
        """The arguments of the command that continues an interrupted one."""
        more = {"train": ["--resume"], "caption": ["--skip-done"]}
        return self.command(name, output) + more.get(name, [])

    def start(
        self, arguments: list[str], *, prefix: tuple[str, ...] = (), **options: object
    ) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        given: dict[str, object] = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "stdin": subprocess.DEVNULL,
            "text": True,
            "start_new_session": True,
            "preexec_fn": _hear_interrupts,
        }
        words = [*prefix, sys.executable, "-m", "gifdesc", *arguments]
        return subprocess.Popen(words, **{**given, **options})  # type: ignore[call-overload]

    def run(self, arguments: list[str], **options: object) -> Ended:
        """Run a command to its end."""
        process = self.start(arguments, **options)  # type: ignore[arg-type]
        out, err = process.communicate(timeout=600)
        return Ended(arguments, process.returncode, out or "", err or "")


_BACKBONE = ("--backbone", "resnet18", "--weights", "random", "--runtime", "torch")
_TRAINING = ("--epochs", 2, "--hidden-size", 16, "--batch-size", 4, "--seed", 3)


def _hear_interrupts() -> None:
    """A shell's background process ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def prepare(folder: Path, num_gifs: int = 16) -> World:
    """Draw GIFs, and run every command once without a fault."""
    world = World(folder)
    drawn = folder / "drawn"
    checked(world.run(["demo", str(drawn), "--data-only", "--num-gifs", str(num_gifs)]))
    (drawn / "gifs").rename(folder / "gifs")
    (drawn / "descriptions").rename(folder / "descriptions")
    first = min((folder / "gifs").rglob("*.gif"))
    (folder / "page.md").write_text(f"![]({first})\n")
    outputs = {"extract": folder / "features", "train": folder / "model"}
    for name in ("extract", "train", "shards", "caption", "evaluate", "check", "alt"):
        begin = time.monotonic()
        output = outputs.get(name, folder / name)
        output.mkdir(exist_ok=True)
        checked(world.run(world.command(name, output)), codes=(0, 1))
        world.seconds[name] = time.monotonic() - begin
    world.seconds["extract-workers"] = 2 * world.seconds["extract"]
    return world


def content(name: str, output: Path) -> dict[str, bytes]:
    """The results of a command that must be the same, byte for byte."""
    wanted = {
        "train": ("model.safetensors", "config.json", "tokenizer.json"),
        "caption": ("captions.jsonl",),
    }.get(name)
    found = {}
    for path in sorted(output.rglob("*")):
        relative = path.relative_to(output).as_posix()
        is_own = path.name.startswith((".", "training.png")) or path.is_dir()
        if not is_own and (wanted is None or relative in wanted):
            found[relative] = path.read_bytes()
    return found


def undisturbed(world: World, name: str) -> dict[str, bytes]:
    """The results of the command without a fault."""
    folders = {"extract": "features", "extract-workers": "features", "train": "model"}
    return content(name, world.folder / folders.get(name, name))


def checked(ended: Ended, codes: tuple[int, ...] = (0,)) -> Ended:
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


def check_whole(output: Path) -> None:
    """Check that no half file has a final name."""
    for path in output.rglob("*"):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            if path.suffix == ".npy":
                np.load(path, allow_pickle=False)
            elif path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
            elif path.suffix == ".jsonl":  # programs append to it: the last line may be half
                for line in path.read_bytes().split(b"\n")[:-1]:
                    json.loads(line)
            elif path.suffix == ".safetensors":
                from safetensors import safe_open

                with safe_open(path, "np") as file:
                    [file.get_tensor(key) for key in file.keys()]  # noqa: SIM118
        except Exception as error:
            raise LostError(f"{path.name}: half a file ({error})") from error


def check_continues(world: World, name: str, output: Path) -> None:
    """Check that a rerun ends in the bytes of an undisturbed run, and leaves no temporary file."""
    check_whole(output)
    checked(world.run(world.rerun(name, output)))
    found, wanted = content(name, output), undisturbed(world, name)
    if differing := [key for key in {*found, *wanted} if found.get(key) != wanted.get(key)]:
        raise LostError(f"other bytes after a rerun: {sorted(differing)[:5]}")
    if left := [path.name for path in output.rglob(".gifdesc-tmp-*")]:
        raise LostError(f"temporary files stay: {left}")


def check_gone(process: subprocess.Popen[str]) -> None:
    """Check that no process of a command's group runs on."""
    due = time.monotonic() + _END_SECONDS + _SLOW_SECONDS
    while _group(process.pid):
        if time.monotonic() > due:
            raise LostError("its worker processes outlive it")
        time.sleep(0.02)


def _group(leader: int) -> list[int]:
    """The processes of a group that run; zombies do not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[2]) == leader:
            found.append(int(path.parent.name))
    return found


def wait_until_caught(process: subprocess.Popen[str]) -> None:
    """Wait for the first moment of gifdesc's own code: it catches SIGTERM (proc(5))."""
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            return
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        if caught >> (signal.SIGTERM - 1) & 1:
            return


Round = Callable[[World, random.Random, Path], None]


def kill(name: str) -> Round:
    """SIGKILL at a random moment; the workers must go, and a rerun must complete the work."""

    def round_(world: World, rng: random.Random, output: Path) -> None:
        process = world.start(world.command(name, output))
        time.sleep(rng.uniform(0, world.seconds[name]))
        process.kill()
        process.communicate()
        check_gone(process)
        check_continues(world, name, output)

    return round_


def kill_worker(world: World, rng: random.Random, output: Path) -> None:
    """SIGKILL to a worker at a random moment; the run goes on, and every GIF is extracted."""
    process = world.start(world.command("extract-workers", output))
    time.sleep(rng.uniform(0, world.seconds["extract-workers"]))
    workers = [pid for pid in _group(process.pid) if pid != process.pid and _is_worker(pid)]
    if workers:
        os.kill(rng.choice(workers), signal.SIGKILL)
    out, err = process.communicate(timeout=600)
    checked(Ended([], process.returncode, out, err))
    check_continues(world, "extract-workers", output)


def _is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


_STOPPED = ("extract", "extract-workers", "shards", "train", "caption", "evaluate", "check", "alt")
_SHORT = ("info", "models", "convert", "demo")


def stop(number: signal.Signals) -> Round:
    """A signal at a random moment from the first of gifdesc's own code: one sentence, in time."""

    def round_(world: World, rng: random.Random, output: Path) -> None:
        name = rng.choice(_STOPPED + _SHORT)
        process = world.start(world.command(name, output))
        wait_until_caught(process)
        time.sleep(
            rng.choice((0.0, rng.uniform(0, 0.3), rng.uniform(0, world.seconds.get(name, 1))))
        )
        begin = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=600)
        seconds = time.monotonic() - begin
        ended = checked(Ended([], process.returncode, out, err), (0, 1, 128 + number))
        if ended.returncode == 128 + number:
            sentences = [line for line in err.splitlines() if line.startswith("warning: ")]
            ends = [line for line in sentences if "stopped" in line or "interrupted" in line]
            if len(ends) != 1:
                raise LostError(f"{name}: {len(ends)} sentences: {err[-400:]}")
            limit = _END_SECONDS * (1 + os.getloadavg()[0])
            if name != "train" and seconds > limit:
                raise LostError(f"{name}: took {seconds:.1f} s to end")
        check_gone(process)
        if name in ("extract", "shards", "train", "caption"):
            check_continues(world, name, output)

    return round_


def limited(name: str) -> Round:
    """Files may grow to a random size only, as on a full disk: one sentence, then a rerun."""

    def round_(world: World, rng: random.Random, output: Path) -> None:
        size = rng.choice((0, 100, 1000, 4096, 10_000, 40_000, 100_000))

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        ended = checked(world.run(world.command(name, output), preexec_fn=limit), (0, 1))
        _check_sentence(ended)
        check_continues(world, name, output)

    return round_


def _check_sentence(ended: Ended) -> None:
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    if ended.returncode and not errors:
        raise LostError(f"no sentence: {ended.stderr[-400:]}")


def disk_full(world: World, rng: random.Random, output: Path) -> None:
    """A file system of a random size that is full (ENOSPC), then has room."""
    name = rng.choice(("extract", "shards", "train", "caption"))
    size = rng.choice((8, 16, 32, 64, 128))  # of 4,096 bytes each
    run = shlex.join([sys.executable, "-m", "gifdesc", *world.command(name, output / "on")])
    again = shlex.join([sys.executable, "-m", "gifdesc", *world.rerun(name, output / "on")])
    on, off = shlex.quote(str(output / "on")), shlex.quote(str(output / "off"))
    script = f"""
mkdir -p {on} {off}; mount -t tmpfs -o size={4 * size}k tmpfs {on} || exit 99
{run}; code=$?
find {on} -name '.gifdesc-tmp-*' | grep . >&2 && exit 98
mount -o remount,size=100m {on}
{again} || exit 97
cp -r {on}/. {off}; exit $code"""
    ended = world.run([], prefix=("unshare", "-rm", "bash", "-c", script, "--"))
    if ended.returncode == 99:
        raise UnavailableError("no file system can be mounted here")
    _check_sentence(checked(ended, (0, 1)))
    if content(name, output / "off") != undisturbed(world, name):
        raise LostError(f"{name}: other bytes after a rerun")


def read_only(world: World, rng: random.Random, output: Path) -> None:
    """A file system that nothing can be written to: one sentence."""
    name = rng.choice(("extract", "train", "caption"))
    run = shlex.join(
        [sys.executable, "-m", "gifdesc", *world.command(name, output / "on" / "deep")]
    )
    on = shlex.quote(str(output / "on"))
    script = f"mkdir -p {on}; mount -t tmpfs -o ro tmpfs {on} || exit 99\n{run}"
    ended = world.run([], prefix=("unshare", "-rm", "bash", "-c", script, "--"))
    if ended.returncode == 99:
        raise UnavailableError("no file system can be mounted here")
    _check_sentence(checked(ended, (1,)))


def folder_gone(world: World, rng: random.Random, output: Path) -> None:
    """The output folder is removed at a random moment; then a rerun."""
    name = rng.choice(("extract", "train", "caption"))
    process = world.start(world.command(name, output))
    time.sleep(rng.uniform(0, world.seconds[name]))
    shutil.rmtree(output, ignore_errors=True)
    out, err = process.communicate(timeout=600)
    _check_sentence(checked(Ended([], process.returncode, out, err), (0, 1)))
    output.mkdir(exist_ok=True)
    check_continues(world, name, output)


def gif_replaced(world: World, rng: random.Random, output: Path) -> None:
    """GIFs are cut and replaced while they are read; with the old files back, a rerun."""
    gifs = world.folder / "gifs"
    kept = output.with_name(f"{output.name}-gifs")
    shutil.copytree(gifs, kept)
    paths = sorted(kept.rglob("*.gif"))
    arguments = world.command("extract", output)
    arguments[1] = str(kept)
    process = world.start(arguments)
    while process.poll() is None:
        path = rng.choice(paths)
        data = rng.choice(paths).read_bytes()
        path.write_bytes(data[: rng.randrange(len(data) + 1)])
        time.sleep(0.02)
    out, err = process.communicate()
    checked(Ended([], process.returncode, out, err), (0, 1))
    check_whole(output)
    for path in paths:
        shutil.copyfile(gifs / path.relative_to(kept), path)
    checked(world.run(arguments))
    found, wanted = content("extract", output), undisturbed(world, "extract")
    found.pop("manifest.jsonl"), wanted.pop("manifest.jsonl")  # has the paths of the copies
    shutil.rmtree(kept)
    if found != wanted:
        raise LostError("other features after a rerun")


def together(num_processes: int) -> Round:
    """Several processes write to one output: one does the work, the others are refused."""

    def round_(world: World, rng: random.Random, output: Path) -> None:
        name = rng.choice(("extract", "train", "caption"))
        processes = [world.start(world.command(name, output)) for _ in range(num_processes)]
        for process in processes:
            out, err = process.communicate(timeout=600)
            ended = Ended([], process.returncode, out, err)
            _check_sentence(checked(ended, (0, 1, 2)))
        check_continues(world, name, output)

    return round_


def stale_lock(world: World, rng: random.Random, output: Path) -> None:
    """A lock file of a dead process keeps nobody out."""
    name = rng.choice(("extract", "train"))
    lock = output / ("last" if name == "train" else ".") / ".lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("12345\n")
    check_continues(world, name, output)


def closed_streams(world: World, rng: random.Random, output: Path) -> None:
    """Streams that are closed or full: no traceback, and the same files."""
    name = rng.choice(("extract", "train", "caption"))
    redirection = rng.choice(("<&-", ">&-", "2>&-", ">/dev/full", "2>/dev/full", "<&- >&- 2>&-"))
    words = shlex.join([sys.executable, "-m", "gifdesc", *world.command(name, output)])
    ended = world.run([], prefix=("bash", "-c", f"{words} {redirection}", "--"))
    checked(ended, (0, 1))
    check_continues(world, name, output)


def odd_environment(world: World, rng: random.Random, output: Path) -> None:
    """No HOME, another language, a strict umask, files dated in the future."""
    name = rng.choice(("extract", "train", "caption"))
    environment = dict(os.environ)
    kind = rng.choice(("home", "language", "umask", "future"))
    if kind == "home":
        environment.pop("HOME", None)
    if kind == "language":
        environment.update(LANG="C", LC_ALL="C", PYTHONUTF8="0")
    if kind == "future":
        checked(world.run(world.command(name, output)))
        for path in [*output.rglob("*"), output]:
            os.utime(path, (4_000_000_000, 4_000_000_000))
    checked(
        world.run(
            world.rerun(name, output),
            env=environment,
            preexec_fn=(lambda: os.umask(0o077)) if kind == "umask" else None,
        )
    )
    check_continues(world, name, output)


def few_files(world: World, rng: random.Random, output: Path) -> None:
    """Few open files: the work is done, or refused in a sentence."""
    name = rng.choice(("extract", "extract-workers", "train", "caption"))
    number = rng.choice((24, 40, 64))

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))

    checked(world.run(world.command(name, output), preexec_fn=limit), (0, 1))
    check_continues(world, name, output)


def little_memory(world: World, rng: random.Random, output: Path) -> None:
    """Little address space: the work is done, or refused in a sentence."""
    name = rng.choice(("extract", "train", "caption"))
    size = rng.choice((1500, 2500, 3500)) << 20

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

    checked(world.run(world.command(name, output), preexec_fn=limit), (0, 1))
    check_continues(world, name, output)


class UnavailableError(Exception):
    """This machine cannot cause the fault."""


ROUNDS: dict[str, Round] = {
    "kill-extract": kill("extract"),
    "kill-extract-workers": kill("extract-workers"),
    "kill-shards": kill("shards"),
    "kill-train": kill("train"),
    "kill-caption": kill("caption"),
    "kill-worker": kill_worker,
    "sigterm": stop(signal.SIGTERM),
    "sigint": stop(signal.SIGINT),
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
    "closed-streams": closed_streams,
    "odd-environment": odd_environment,
    "few-files": few_files,
    "little-memory": little_memory,
}

_OFTEN = ("kill-extract", "kill-train", "kill-caption", "sigterm", "sigint")
"""Most moments to hit: these take two turns where the others take one."""


def run_rounds(
    world: World,
    seed: int,
    *,
    names: tuple[str, ...] = tuple(ROUNDS),
    until: float = float("inf"),
    num_rounds: int = sys.maxsize,
) -> tuple[Counter[str], list[str]]:
    """Run rounds in turn until a moment of the monotonic clock, or so many of each.

    Returns:
        The rounds that passed, by name, and a line for each that failed.
    """
    passed: Counter[str] = Counter()
    failed = []
    for turn in range(num_rounds):
        for name in names + (_OFTEN if len(names) > 1 else ()):
            if time.monotonic() > until:
                return passed, failed
            rng = random.Random(f"{seed} {name} {turn} {passed[name]}")
            output = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=world.folder))
            try:
                ROUNDS[name](world, rng, output)
                passed[name] += 1
            except UnavailableError as error:
                print(f"{name}: {error}", file=sys.stderr)
                names = tuple(other for other in names if other != name)
            except (LostError, subprocess.TimeoutExpired, OSError) as error:
                failed.append(f"{name}, turn {turn}: {error!r}")
                print(failed[-1], file=sys.stderr, flush=True)
            shutil.rmtree(output, ignore_errors=True)
    return passed, failed


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
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=sys.maxsize, help="of each fault, at most")
    parser.add_argument("--only", choices=ROUNDS, action="append", help="a fault; may be repeated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flush", action="store_true", help="measure flushes to disk instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        if options.flush:
            measure_flush(Path(name))
            return
        world = prepare(Path(name))
        print(f"seed {options.seed}", flush=True)
        until = time.monotonic() + 60 * options.minutes
        names = tuple(options.only or ROUNDS)
        passed, failed = run_rounds(
            world, options.seed, names=names, until=until, num_rounds=options.rounds
        )
    failures = Counter(line.partition(",")[0] for line in failed)
    for each in names:
        print(f"{each:22} {passed[each] + failures[each]:4} rounds  {failures[each]:3} failed")
    print(f"{'all':22} {passed.total() + len(failed):4} rounds  {len(failed):3} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
