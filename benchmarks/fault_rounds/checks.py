"""What must hold after a fault."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import numpy as np
from safetensors import safe_open

from fault_rounds.processes import Ended, Process, group_of
from fault_rounds.world import LostError, World, checked

END_SECONDS = 3.0
"""A signal must end a command within this time."""

_SLOW_SECONDS = 60.0
"""Added where workers end by themselves: a fault harness shares its cores with what it starts."""

_RESULTS = {
    "train": ("model.safetensors", "config.json", "tokenizer.json", "training_data.json"),
    "caption": ("captions.jsonl",),
}
"""The files of a command that must be the same, where others have times or paths."""


_SHARD = re.compile(rb"shard-[0-9a-f]+\.safetensors")
_FETCHED = "fetched.jsonl"


def load_factor() -> float:
    """How much longer everything takes on this machine at the moment than on an idle machine."""
    return max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


def content(name: str, output: Path) -> dict[str, bytes]:
    """The results of a command that must be the same, byte for byte."""
    wanted = _RESULTS.get(name)
    found = {}
    for path in sorted(output.rglob("*")):
        relative = path.relative_to(output).as_posix()
        is_own = path.name.startswith((".", "training.png")) or path.is_dir()
        if not is_own and (wanted is None or relative in wanted):
            found[relative] = path.read_bytes()
    if name == "shards":
        return _without_shards(output, found)
    if name == "fetch" and (lines := found.get(_FETCHED)):  # in the order of their arrival
        found[_FETCHED] = b"".join(sorted(lines.splitlines(keepends=True)))
    return found


def _without_shards(output: Path, found: dict[str, bytes]) -> dict[str, bytes]:
    """The features of each GIF: a run that is stopped divides them into other shards."""
    features = {name: data for name, data in found.items() if not name.startswith("shard-")}
    for path in sorted(output.glob("shard-*.safetensors")):
        with safe_open(path, "np") as file:
            features |= {f"features/{key}": file.get_tensor(key).tobytes() for key in file.keys()}  # noqa: SIM118
    features["manifest.jsonl"] = _SHARD.sub(b"", features["manifest.jsonl"])
    return features


def check_equal(world: World, name: str, output: Path) -> None:
    """Check that an output has the bytes of an undisturbed run, and no temporary file."""
    found, wanted = content(name, output), content(name, world.undisturbed(name))
    if differing := [key for key in {*found, *wanted} if found.get(key) != wanted.get(key)]:
        raise LostError(f"{name}: other bytes after a rerun: {sorted(differing)[:5]}")
    if left := [path.name for path in output.rglob(".gifdesc-tmp-*")]:
        raise LostError(f"{name}: temporary files stay: {left}")


def check_continues(world: World, name: str, output: Path) -> None:
    """Check that a rerun ends in the bytes of an undisturbed run, and leaves no temporary file."""
    check_whole(output)
    checked(world.run(world.rerun(name, output)))
    check_equal(world, name, output)


def check_whole(output: Path) -> None:
    """Check that no half file has a final name."""
    for path in output.rglob("*"):
        if path.name.startswith(".") or not path.is_file():
            continue
        try:
            _read_whole(path)
        except Exception as error:
            raise LostError(f"{path.name}: half a file ({error})") from error


def _read_whole(path: Path) -> None:
    if path.suffix == ".npy":
        np.load(path, allow_pickle=False)
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".jsonl":  # programs append to it: the last line may be half
        for line in path.read_bytes().split(b"\n")[:-1]:
            json.loads(line)
    elif path.suffix == ".gif" and path.read_bytes()[-1:] != b";":
        raise ValueError("it has no trailer")
    elif path.suffix == ".safetensors":
        with safe_open(path, "np") as file:
            [file.get_tensor(key) for key in file.keys()]  # noqa: SIM118


def check_gone(process: Process) -> None:
    """Check that no process of a command's group runs on."""
    due = time.monotonic() + END_SECONDS + _SLOW_SECONDS
    while group_of(process.pid):
        if time.monotonic() > due:
            raise LostError("its worker processes outlive it")
        time.sleep(0.02)


def check_sentence(ended: Ended) -> None:
    """Check that a command that failed printed an error."""
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    if ended.returncode and not errors:
        raise LostError(f"no sentence: {ended.stderr[-400:]}")
