"""Disks that are full, cannot be written, or change; several processes on one folder."""

from __future__ import annotations

import resource
import shlex
import shutil
import sys
import time

from fault_rounds.checks import check_continues, check_equal, check_sentence, check_whole, content
from fault_rounds.kills import start_until
from fault_rounds.processes import Ended, start_cold, start_words
from fault_rounds.world import LostError, Round, Turn, UnavailableError, World, checked, finish

_NO_MOUNT = 99
"""Exit code of a script that may not mount a file system."""


def run_mounted(script: str) -> Ended:
    """Run a script of bash that may mount file systems.

    Raises:
        UnavailableError: it may not.
    """
    ended = finish(start_words(["unshare", "-rm", "bash", "-c", script]))
    if ended.returncode == _NO_MOUNT or "unshare failed" in ended.stderr:
        raise UnavailableError("no file system can be mounted here")
    return ended


def shell_words(arguments: list[str]) -> str:
    """A line of a shell that runs gifdesc."""
    return shlex.join([sys.executable, "-m", "gifdesc", *arguments])


def limited(name: str) -> Round:
    """Files may grow to a random size only, as on a full disk: one sentence, then a rerun."""

    def round_(world: World, turn: Turn) -> None:
        size = turn.rng.choice((0, 100, 1000, 4096, 10_000, 40_000, 100_000))

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

        arguments = world.command(name, turn.output)
        check_sentence(checked(finish(start_cold(arguments, preexec_fn=limit)), (0, 1)))
        check_continues(world, name, turn.output)

    return round_


def disk_full(world: World, turn: Turn) -> None:
    """A file system of a random size that is full (ENOSPC), then has room."""
    name = turn.pick(("extract", "shards", "train", "caption", "describe", "fetch"))
    size = turn.rng.choice((8, 16, 32, 64, 128))  # of 4,096 bytes each
    output = turn.output
    run = shell_words(world.command(name, output / "on"))
    again = shell_words(world.rerun(name, output / "on"))
    on, off = shlex.quote(str(output / "on")), shlex.quote(str(output / "off"))
    script = f"""
mkdir -p {on} {off}; mount -t tmpfs -o size={4 * size}k tmpfs {on} || exit {_NO_MOUNT}
{run}; code=$?
find {on} -name '.gifdesc-tmp-*' | grep . >&2 && exit 98
mount -o remount,size=100m {on}
{again} || exit 97
cp -r {on}/. {off}; exit $code"""
    check_sentence(checked(run_mounted(script), (0, 1)))
    check_equal(world, name, output / "off")


def read_only(world: World, turn: Turn) -> None:
    """A file system that nothing can be written to: one sentence."""
    name = turn.pick(("extract", "train", "caption", "describe", "fetch"))
    run = shell_words(world.command(name, turn.output / "on" / "deep"))
    on = shlex.quote(str(turn.output / "on"))
    ended = run_mounted(f"mkdir -p {on}; mount -t tmpfs -o ro tmpfs {on} || exit 99\n{run}")
    check_sentence(checked(ended, (1,)))


def shared_memory_full(world: World, turn: Turn) -> None:
    """/dev/shm has little or no room, from the start or soon: every GIF is extracted."""
    name = "extract-workers"
    pages = turn.pick((0, 1, 4, 400))
    seconds = turn.rng.uniform(0, world.seconds(name, is_cold=True))
    script = f"""
mount -t tmpfs -o size={4 * max(pages, 1)}k tmpfs /dev/shm || exit {_NO_MOUNT}
[ {pages} = 0 ] && head -c 4096 /dev/zero > /dev/shm/full
(sleep {seconds:.2f}; cat /dev/zero > /dev/shm/full) 2> /dev/null &
{shell_words(world.command(name, turn.output))}"""
    ended = checked(run_mounted(script), (0, 1))
    if ended.returncode:
        raise LostError(f"not extracted: {ended.stderr[-400:]}")
    check_equal(world, name, turn.output)


def folder_gone(world: World, turn: Turn) -> None:
    """The output folder is removed at a random moment; then a rerun, which may refuse once."""
    name = turn.pick(("extract", "train", "caption", "describe", "fetch"))
    process = start_until(world, name, turn, cold_share=0)
    shutil.rmtree(turn.output, ignore_errors=True)
    check_sentence(checked(finish(process), (0, 1)))
    turn.output.mkdir(exist_ok=True)
    if name == "train":
        check_whole(turn.output)
        again = checked(world.run(world.rerun(name, turn.output)), (0, 1))
        if again.returncode:  # the state was written after the removal, the model before
            if "--force" not in again.stderr:
                raise LostError(f"train: no remedy: {again.stderr[-400:]}")
            checked(world.run([*world.command(name, turn.output), "--force"]))
        check_equal(world, name, turn.output)
    else:
        check_continues(world, name, turn.output)


def gif_replaced(world: World, turn: Turn) -> None:
    """GIFs are cut and replaced while they are read; with the old files back, a rerun."""
    gifs = world.folder / "gifs"
    kept = turn.output.with_name(f"{turn.output.name}-gifs")
    shutil.copytree(gifs, kept)
    paths = sorted(kept.rglob("*.gif"))
    arguments = world.command("extract", turn.output)
    arguments[1] = str(kept)
    process = world.start(arguments)
    while process.poll() is None:
        path = turn.rng.choice(paths)
        data = turn.rng.choice(paths).read_bytes()
        path.write_bytes(data[: turn.rng.randrange(len(data) + 1)])
        time.sleep(0.005)
    checked(finish(process), (0, 1))
    check_whole(turn.output)
    for path in paths:
        shutil.copyfile(gifs / path.relative_to(kept), path)
    checked(world.run(arguments))
    found, wanted = (
        content("extract", turn.output),
        content("extract", world.undisturbed("extract")),
    )
    found.pop("manifest.jsonl"), wanted.pop("manifest.jsonl")  # has the paths of the copies
    shutil.rmtree(kept)
    if found != wanted:
        raise LostError("other features after a rerun")


def together(num_processes: int) -> Round:
    """Several processes write to one output: one does the work, the others are refused."""

    def round_(world: World, turn: Turn) -> None:
        name = turn.pick(("extract", "train", "caption", "describe", "fetch"))
        arguments = world.command(name, turn.output)
        processes = [world.start(arguments) for _ in range(num_processes)]
        for process in processes:
            check_sentence(checked(finish(process), (0, 1, 2)))
        check_continues(world, name, turn.output)

    return round_


def stale_lock(world: World, turn: Turn) -> None:
    """A lock file of a dead process keeps nobody out."""
    name = turn.pick(("extract", "train"))
    lock = turn.output / ("last" if name == "train" else ".") / ".lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("12345\n")
    check_continues(world, name, turn.output)
